//! What a card of the model should reach. These are the prover's own numbers, so they can only
//! lower a score: the lowest share counts.

use tandem_model::gpu::{Figure, GpuModel};

use super::findings::Findings;
use super::reference::link_mb_per_s;
use super::{Policy, Thresholds};
use crate::report::{DeviceReport, Kind, Outcome, Rate};
use crate::verdict::{Effect, ReasonCode};

/// Share of a datasheet's bandwidth that stands for a reference where none was published: the
/// least share among published ones.
const QUOTED_BANDWIDTH_PERMILLE: u64 = 800;
/// Share of the FP32 rate at boost that stands for a reference: clocks under load are lower.
const QUOTED_FP32_PERMILLE: u64 = 850;
/// Share of a datasheet's tensor rate that stands for a reference where none was published.
const QUOTED_TENSOR_PERMILLE: u64 = 500;

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

/// Checks one device; gives the lowest share, at most 1000, or none where nothing was measured.
pub(super) fn check(
    device: &DeviceReport,
    model: GpuModel,
    policy: &Policy,
    found: &mut Findings,
) -> Option<u64> {
    let lines = &policy.thresholds;
    let facts = model.facts();
    let mut shares = Vec::new();
    let bandwidth = reference(
        model.bandwidth_reference_mb_per_s(),
        QUOTED_BANDWIDTH_PERMILLE,
    );
    if let Some(rate) = device.bandwidth.measured().and_then(|b| b.copy.mb_per_s()) {
        let share = permille(rate, bandwidth);
        shares.push(found.floor(ReasonCode::BandwidthLow, "memory copy", share, lines));
    }
    let fp32 = u64::from(facts.fp32_gflops) * QUOTED_FP32_PERMILLE / 1_000;
    if let Some(rate) = device.fp32.measured().and_then(Rate::gflops) {
        let share = permille(rate, fp32);
        shares.push(found.floor(ReasonCode::Fp32Low, "FP32", share, lines));
    }
    let tensor = reference(model.tensor_fp16_reference_gflops(), QUOTED_TENSOR_PERMILLE);
    for (name, rate) in [("FP16", &device.tensor_f16), ("BF16", &device.tensor_bf16)] {
        if let Some(rate) = rate.measured().and_then(Rate::gflops) {
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
