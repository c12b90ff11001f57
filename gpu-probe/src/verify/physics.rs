//! Numbers that no such card can have, and numbers of one report that contradict each other.
//!
//! There is no upper bound on tensor rates: published boost clocks are no ceilings, and a rate
//! above the datasheet's was measured on a real card.

use tandem_model::gpu::{GpuModel, HardwareClass, HostLink};

use super::findings::Findings;
use super::reference::link_mb_per_s;
use super::{Policy, Thresholds};
use crate::report::{DeviceReport, Timing, knee_bytes};
use crate::verdict::{Effect, ReasonCode};

/// Working sets beyond this many times the L2 cache say nothing of it.
const KNEE_SPAN: u64 = 8;

/// Checks one device.
pub(super) fn check(device: &DeviceReport, model: GpuModel, policy: &Policy, found: &mut Findings) {
    let lines = &policy.thresholds;
    clocks(device, lines, found);
    bandwidth(device, model, lines, found);
    fp32(device, model, lines, found);
    latency(device, model, found);
    bus(device, model, found);
    power(device, model, lines, found);
}

/// Events and the device's own timer saw the same work.
fn clocks(device: &DeviceReport, lines: &Thresholds, found: &mut Findings) {
    let mut timings: Vec<(&str, &Timing)> = Vec::new();
    if let Some(b) = device.bandwidth.measured() {
        timings.push(("copy", &b.copy.timing));
        timings.push(("read", &b.read.timing));
        timings.push(("write", &b.write.timing));
    }
    for (name, rate) in [
        ("fp32", &device.fp32),
        ("tensor f16", &device.tensor_f16),
        ("tensor bf16", &device.tensor_bf16),
        ("tensor fp8", &device.tensor_fp8),
    ] {
        timings.extend(rate.measured().map(|rate| (name, &rate.timing)));
    }
    for (name, timing) in timings {
        let by_timer = Timing {
            event_ns: Vec::new(),
            timer_ns: timing.timer_ns.clone(),
        };
        let (Some(events), Some(timer)) = (timing.median_ns(), by_timer.median_ns()) else {
            continue;
        };
        let share = u128::from(events.max(timer)) * u128::from(lines.clocks_off_permille) / 1_000;
        if u128::from(events.abs_diff(timer)) > share + u128::from(lines.clocks_off_ns) {
            let detail = format!("{name}: {events} ns by events, {timer} ns by the timer");
            found.fail(ReasonCode::ClocksDisagree, detail);
        }
    }
}

fn bandwidth(device: &DeviceReport, model: GpuModel, lines: &Thresholds, found: &mut Findings) {
    let Some(b) = device.bandwidth.measured() else {
        return;
    };
    let facts = model.facts();
    let share = match facts.class {
        HardwareClass::Consumer => lines.bandwidth_max_consumer_permille,
        HardwareClass::Workstation | HardwareClass::Datacenter => lines.bandwidth_max_permille,
    };
    let most = u64::from(facts.memory_bandwidth_mb_per_s) * share / 1_000;
    for (name, transfer) in [("copy", &b.copy), ("read", &b.read), ("write", &b.write)] {
        if let Some(rate) = transfer.mb_per_s().filter(|rate| *rate > most) {
            let detail = format!("{name} at {rate} MB/s, {model} has at most {most}");
            found.fail(ReasonCode::BandwidthBeyondPhysics, detail);
        }
    }
}

/// The rate over the clock gives the SMs, and the clock is one that the card can have.
fn fp32(device: &DeviceReport, model: GpuModel, lines: &Thresholds, found: &mut Findings) {
    let Some(rate) = device.fp32.measured() else {
        return;
    };
    let facts = model.facts();
    let sms = u64::from(facts.sm_count);
    let lanes = u64::from(model.fp32_lanes_per_sm());
    let boost_khz = u64::from(facts.boost_clock_mhz) * 1_000;
    let most_khz = boost_khz * lines.clock_max_permille / 1_000;
    let Some(gflops) = rate.gflops() else {
        return;
    };
    let most = sms * lanes * 2 * most_khz / 1_000_000;
    if gflops > most {
        let detail = format!("{gflops} GFLOP/s, {model} has at most {most}");
        found.fail(ReasonCode::Fp32BeyondPhysics, detail);
    }
    let census = device.census.measured().and_then(|c| c.clock_khz());
    let Some(khz) = rate.sm_clock_khz.or(census).filter(|khz| *khz > 0) else {
        return;
    };
    let per_sm = u128::from(lanes) * 2 * u128::from(khz);
    let seen = u128::from(gflops) * 1_000_000_000 / per_sm;
    let permille = seen / u128::from(sms);
    let (least, most) = lines.fp32_sm_permille;
    if permille < u128::from(least) || permille > u128::from(most) {
        let detail = format!(
            "{gflops} GFLOP/s at {khz} kHz are {}.{} SMs, {model} has {sms}",
            seen / 1_000,
            seen % 1_000 / 100
        );
        found.fail(ReasonCode::Fp32SmMismatch, detail);
    }
}

/// The curve rises at the L2 cache's size, and ends at the memory's latency.
fn latency(device: &DeviceReport, model: GpuModel, found: &mut Findings) {
    let Some(curve) = device.latency.measured() else {
        return;
    };
    let points = curve.hops();
    let Some((_, last)) = points.last() else {
        return;
    };
    if let Some(figure) = model.memory_latency_ns() {
        let expected_ps = u64::from(figure.value()) * 1_000;
        if last.abs_diff(expected_ps) > expected_ps * 150 / 1_000 {
            let ns = last / 1_000;
            let detail = format!("{ns} ns from memory, {} published", figure.value());
            found.note(ReasonCode::LatencyOff, detail);
        }
    }
    let Some(l2) = model.facts().l2_mib.map(|mib| u64::from(mib) << 20) else {
        return;
    };
    let covers = points[0].0 <= l2 / 4 && points[points.len() - 1].0 >= 4 * l2;
    if !covers {
        return;
    }
    // Far beyond the cache, hops wait for page tables too, which would move the middle of the curve.
    let near = points.iter().copied();
    let near: Vec<_> = near.filter(|(b, _)| *b <= KNEE_SPAN * l2).collect();
    let knee = knee_bytes(&near).unwrap_or(0);
    if knee < l2 / 4 || knee > 4 * l2 {
        let detail = format!("the curve rises at {knee} bytes, the L2 cache has {l2}");
        found.fail(ReasonCode::L2KneeMismatch, detail);
    }
}

/// The bus moves no more than its link, or than the card's best link where it does not say.
fn bus(device: &DeviceReport, model: GpuModel, found: &mut Findings) {
    let Some(pcie) = device.pcie.measured() else {
        return;
    };
    if model.host_link() != HostLink::Pcie {
        return;
    }
    let said = pcie.generation.zip(pcie.lanes);
    let link = said.or(model.facts().pcie_gen_and_lanes).unwrap_or((5, 16));
    let Some(most) = link_mb_per_s(link.0, link.1) else {
        return;
    };
    let ways = [
        ("host to device", &pcie.host_to_device, most),
        ("device to host", &pcie.device_to_host, most),
        ("both ways", &pcie.both, 2 * most),
    ];
    for (name, transfer, most) in ways {
        if let Some(rate) = transfer.mb_per_s().filter(|rate| *rate > most) {
            let detail = format!("{name} at {rate} MB/s, the link has {most}");
            found.fail(ReasonCode::PcieBeyondLink, detail);
        }
    }
}

/// Power under load, and energy over the matrix loop, are what the board can draw.
fn power(device: &DeviceReport, model: GpuModel, lines: &Thresholds, found: &mut Findings) {
    let board_mw = u64::from(model.facts().board_power_w) * 1_000;
    let most = board_mw * lines.power_max_permille / 1_000;
    let least = board_mw * lines.power_min_permille / 1_000;
    let loads = [&device.tensor_f16, &device.tensor_bf16, &device.tensor_fp8];
    let mut seen: Vec<u64> = loads
        .iter()
        .filter_map(|rate| rate.measured()?.power_mw)
        .collect();
    seen.extend(device.matrix.measured().and_then(|m| {
        let mw = u128::from(m.energy_mj?) * 1_000_000_000;
        u64::try_from(mw.checked_div(u128::from(m.loop_ns))?).ok()
    }));
    for mw in seen {
        if mw > most || mw < least {
            let detail = format!("{mw} mW under load on a board of {board_mw} mW");
            found.add(Effect::Fail, ReasonCode::PowerImplausible, detail);
        }
    }
}
