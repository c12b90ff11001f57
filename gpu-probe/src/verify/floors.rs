//! What a card of the model should reach. These are the prover's own numbers, so they can only
//! lower a score: the lowest share counts.

use tandem_model::gpu::{Figure, GpuModel};

use super::findings::Findings;
use super::reference::link_mb_per_s;
use super::{MeasuredReference, Policy, Thresholds};
use crate::report::{DeviceReport, Kind, Outcome, Rate};
use crate::verdict::{Effect, ReasonCode};

/// Share of a datasheet's bandwidth that stands for a reference where none was published: the
/// least share among published ones.
const QUOTED_BANDWIDTH_PERMILLE: u64 = 800;
/// Share of the FP32 rate at boost that stands for a reference: clocks under load are lower.
const QUOTED_FP32_PERMILLE: u64 = 850;
/// Share of a datasheet's tensor rate that stands for a reference where none was published.
const QUOTED_TENSOR_PERMILLE: u64 = 500;
/// The compute capability, major, on which published tensor rates are of kernels of another kind: best
/// ones of a vendor's library, with bulk copies and specialised warps, which ours have not.
const TENSOR_OF_ANOTHER_KIND: u8 = 9;
/// Share of such a rate that stands for a reference: published kernels made as ours are reach between
/// a third and four fifths of it.
const OTHER_KIND_PERMILLE: u64 = 600;
/// Most of a datasheet's tensor rate that stands for a reference nobody measured: the line that fails
/// a card, three quarters of it, is 0.4 of the datasheet then.
const TENSOR_MOST_PERMILLE: u64 = 533;
/// The compute capability, major, whose full tensor rate needs instructions that our kernels lack.
const TENSOR_UNREACHED: u8 = 10;

fn permille(seen: u64, reference: u64) -> u64 {
    let share = u128::from(seen) * 1_000 / u128::from(reference.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn reference(figure: Figure, quoted_permille: u64) -> u64 {
    match figure {
        Figure::Published(value) => u64::from(value),
        Figure::Quoted(value) => u64::from(value) * quoted_permille / 1_000,
    }
}

/// What the copy kernel should move, in MB/s.
fn copy_reference(model: GpuModel, measured: Option<&MeasuredReference>) -> u64 {
    let figure = model.bandwidth_reference_mb_per_s();
    let measured = measured.and_then(|rates| rates.copy_mb_per_s);
    measured.unwrap_or_else(|| reference(figure, QUOTED_BANDWIDTH_PERMILLE))
}

/// What the FP32 chains should reach, in GFLOP/s.
fn fp32_reference(model: GpuModel, measured: Option<&MeasuredReference>) -> u64 {
    let quoted = u64::from(model.facts().fp32_gflops);
    let measured = measured.and_then(|rates| rates.fp32_gflops);
    measured.unwrap_or(quoted * QUOTED_FP32_PERMILLE / 1_000)
}

/// What the tensor kernels should reach, in GFLOP/s; none where only a measurement could say.
fn tensor_reference(model: GpuModel, measured: Option<&MeasuredReference>) -> Option<u64> {
    if let Some(gflops) = measured.and_then(|rates| rates.tensor_gflops) {
        return Some(gflops);
    }
    let facts = model.facts();
    if facts.compute_capability.0 == TENSOR_UNREACHED {
        return None;
    }
    let share = |value: u32, permille: u64| u64::from(value) * permille / 1_000;
    let guess = match model.tensor_fp16_reference_gflops() {
        Figure::Published(value) if facts.compute_capability.0 == TENSOR_OF_ANOTHER_KIND => {
            share(value, OTHER_KIND_PERMILLE)
        }
        Figure::Published(value) => u64::from(value),
        Figure::Quoted(value) => share(value, QUOTED_TENSOR_PERMILLE),
    };
    Some(guess.min(share(facts.tensor_fp16_gflops, TENSOR_MOST_PERMILLE)))
}

/// Checks one device; gives the lowest share, at most 1000, or none where nothing was measured.
pub(super) fn check(
    device: &DeviceReport,
    model: GpuModel,
    policy: &Policy,
    found: &mut Findings,
) -> Option<u64> {
    let lines = &policy.thresholds;
    let measured = policy.measured.get(model.id());
    let mut shares = Vec::new();
    let bandwidth = copy_reference(model, measured);
    if let Some(rate) = device.bandwidth.measured().and_then(|b| b.copy.mb_per_s()) {
        let share = permille(rate, bandwidth);
        shares.push(found.floor(ReasonCode::BandwidthLow, "memory copy", share, lines));
    }
    let fp32 = fp32_reference(model, measured);
    if let Some(rate) = device.fp32.measured().and_then(Rate::gflops) {
        let share = permille(rate, fp32);
        shares.push(found.floor(ReasonCode::Fp32Low, "FP32", share, lines));
    }
    let tensor = tensor_reference(model, measured);
    for (name, rate) in [("FP16", &device.tensor_f16), ("BF16", &device.tensor_bf16)] {
        if let Some((rate, tensor)) = rate.measured().and_then(Rate::gflops).zip(tensor) {
            let share = permille(rate, tensor);
            let what = format!("tensor {name}");
            shares.push(found.floor(ReasonCode::TensorLow, &what, share, lines));
        }
    }
    bus(device, lines, found);
    launches(device, lines, found);
    shares.into_iter().min()
}

fn bus(device: &DeviceReport, lines: &Thresholds, found: &mut Findings) {
    let Some(pcie) = device.pcie.measured() else {
        return;
    };
    let link = pcie.generation.zip(pcie.lanes);
    let link = link.and_then(|(generation, lanes)| link_mb_per_s(generation, lanes));
    let ways = [
        ("host to device", &pcie.host_to_device),
        ("device to host", &pcie.device_to_host),
    ];
    for (name, transfer) in ways {
        let Some(rate) = transfer.mb_per_s() else {
            continue;
        };
        let detail = format!("{name} at {rate} MB/s");
        if rate < lines.pcie_fail_mb_per_s {
            found.fail(ReasonCode::PcieLow, detail);
        } else if link.is_some_and(|most| permille(rate, most) < lines.pcie_link_permille) {
            found.add(Effect::Degraded, ReasonCode::PcieLow, detail);
        }
    }
    if let Some((lanes, most)) = pcie.lanes.zip(pcie.lanes_max)
        && lanes < most
    {
        let detail = format!("{lanes} lanes of {most}");
        found.add(Effect::Degraded, ReasonCode::PcieLow, detail);
    }
}

fn launches(device: &DeviceReport, lines: &Thresholds, found: &mut Findings) {
    let samples = device.launch.measured().map(|launch| &launch.host_ns);
    let median = samples.and_then(|ns| crate::report::percentile(ns, 50));
    if let Some(median) = median.filter(|ns| *ns > lines.launch_ns_max) {
        let detail = format!("a launch takes {median} ns: a shared or distant device");
        found.add(Effect::Degraded, ReasonCode::LaunchSlow, detail);
    }
}

/// Names what failed and what could not run, and what a spot probe leaves out.
pub(super) fn missing(kind: Kind, device: &DeviceReport, found: &mut Findings) {
    // A card without FP8, or a probe without its kernel, is no worse for it.
    let optional = |effect: Effect, is_optional: bool| match effect {
        Effect::CouldNotRun if is_optional => Effect::Note,
        other => other,
    };
    let mut look = |name: &str, state: (Effect, Option<&str>), is_optional: bool| {
        if let Some(reason) = state.1 {
            let code = match state.0 {
                Effect::Fail => ReasonCode::MeasurementFailed,
                _ => ReasonCode::MeasurementMissing,
            };
            found.add(
                optional(state.0, is_optional),
                code,
                format!("{name}: {reason}"),
            );
        }
    };
    look("census", state(&device.census), false);
    look("matrix", state(&device.matrix), false);
    if !kind.is_thorough() {
        let detail = "a spot probe fills no memory and measures no rates".to_owned();
        return found.note(ReasonCode::NotShownBySpot, detail);
    }
    // A measurement of no samples, or of samples without time, says as little as none.
    let no_rate = "no rate can be made of its samples";
    let silent = |is_silent: bool| (Effect::CouldNotRun, is_silent.then_some(no_rate));
    let copies = device.bandwidth.measured();
    let copies = copies.is_some_and(|b| b.copy.mb_per_s().is_none());
    look("bandwidth", silent(copies), false);
    for (name, rate) in [("fp32", &device.fp32), ("tensor_f16", &device.tensor_f16)] {
        let is_silent = rate.measured().is_some_and(|r| r.gflops().is_none());
        look(name, silent(is_silent), false);
    }
    look("isa_gate", state(&device.isa_gate), true);
    look("bandwidth", state(&device.bandwidth), false);
    look("latency", state(&device.latency), true);
    look("fp32", state(&device.fp32), false);
    look("tensor_f16", state(&device.tensor_f16), false);
    look("tensor_bf16", state(&device.tensor_bf16), true);
    look("tensor_fp8", state(&device.tensor_fp8), true);
    look("vram", state(&device.vram), false);
    look("pcie", state(&device.pcie), true);
    look("launch", state(&device.launch), true);
}

fn state<T>(outcome: &Outcome<T>) -> (Effect, Option<&str>) {
    let effect = match outcome {
        Outcome::Failed { .. } => Effect::Fail,
        Outcome::Measured(_) | Outcome::CouldNotRun { .. } => Effect::CouldNotRun,
    };
    (effect, outcome.reason())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_card_fails_above_two_fifths_of_its_datasheets_tensor_rate_before_ours_was_measured() {
        for model in GpuModel::all() {
            let Some(reference) = tensor_reference(model, None) else {
                assert_eq!(model.facts().compute_capability, (10, 0));
                continue;
            };
            let line = reference * Thresholds::default().fail_permille / 1_000;
            let permille = line * 1_000 / u64::from(model.facts().tensor_fp16_gflops);
            // Rates published of an A6000 or an L4 are a third of their datasheets.
            assert!((230..=400).contains(&permille), "{model:?}: {permille}");
        }
    }
}
