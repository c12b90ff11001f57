//! The table for a person: each measured value and its share of the catalogue's.

use comfy_table::Table;
use tandem_model::gpu::{GpuFacts, GpuModel};

use crate::report::{DeviceReport, Launch, Outcome, Rate};

use super::Document;

/// Whether a card did wrong in a measurement.
pub(super) fn failed<T>(outcome: &Outcome<T>) -> bool {
    matches!(outcome, Outcome::Failed { .. })
}

/// Everything that a person wants to know of a run.
pub(super) fn text(document: &Document) -> String {
    let mut parts: Vec<String> = document.report.report.devices.iter().map(device).collect();
    if let Some(verdict) = &document.verdict {
        parts.push(format!("self-check: {:?}", verdict.outcome));
        let reasons = verdict.reasons.iter();
        parts.extend(reasons.map(|r| format!("  {:?}: {:?}: {}", r.effect, r.code, r.detail)));
    }
    if let Some(error) = &document.proof_error {
        parts.push(format!("self-check: no proofs: {error}"));
    }
    parts.push(document.note.to_owned());
    parts.join("\n")
}

/// The catalogue's card of that name and size.
fn reference(device: &DeviceReport) -> Option<GpuModel> {
    let cuda = &device.identity.cuda;
    let sms = |model: &GpuModel| u32::from(model.facts().sm_count).abs_diff(cuda.sm_count);
    let bytes = |model: &GpuModel| {
        (u64::from(model.facts().vram_gb) << 30).abs_diff(cuda.total_memory_bytes)
    };
    let named = GpuModel::matching(&cuda.name).into_iter();
    named.min_by_key(|model| (sms(model), bytes(model)))
}

fn device(device: &DeviceReport) -> String {
    let cuda = &device.identity.cuda;
    let model = reference(device);
    let facts = model.map(GpuModel::facts);
    let known = model.map_or("not in the catalogue", GpuModel::id);
    let mut table = crate::cli::table(&["measured", "value", "datasheet", "share"]);
    memory(&mut table, device, facts);
    rates(&mut table, device, facts);
    others(&mut table, device);
    let gate = match &device.isa_gate {
        Outcome::Measured(gate) if gate.is_right => format!("{} is right", gate.kernel),
        Outcome::Measured(gate) => format!("{} is WRONG", gate.kernel),
        other => other.reason().unwrap_or_default().to_owned(),
    };
    format!(
        "{} ({known}), {}\n{table}\ninstruction set: {gate}",
        cuda.name, cuda.pci_bus_id
    )
}

/// SMs and memory.
fn memory(table: &mut Table, device: &DeviceReport, facts: Option<&GpuFacts>) {
    let sms = outcome(&device.census, |census| census.sms.len() as u64);
    row(table, "SMs", "", sms, facts.map(|f| u64::from(f.sm_count)));
    let clock = outcome(&device.census, |c| c.clock_khz().unwrap_or(0) / 1_000);
    let boost = facts.map(|f| u64::from(f.boost_clock_mhz));
    row(table, "SM clock", "MHz", clock, boost);
    let copy = outcome(&device.bandwidth, |b| {
        b.copy.mb_per_s().unwrap_or(0) / 1_000
    });
    let bandwidth = facts.map(|f| u64::from(f.memory_bandwidth_mb_per_s) / 1_000);
    row(table, "memory copy", "GB/s", copy, bandwidth);
    let slowest = |curve: &crate::report::LatencyCurve| {
        let hops = curve.points.iter().filter_map(|point| point.hop_ps());
        hops.max().unwrap_or(0) / 1_000
    };
    let latency = outcome(&device.latency, slowest);
    row(table, "memory latency", "ns", latency, None);
}

/// What it computes.
fn rates(table: &mut Table, device: &DeviceReport, facts: Option<&GpuFacts>) {
    let tera = |rate: &Rate| rate.gflops().unwrap_or(0) / 1_000;
    let rates = [
        ("FP32", &device.fp32, facts.map(|f| f.fp32_gflops)),
        (
            "tensor FP16",
            &device.tensor_f16,
            facts.map(|f| f.tensor_fp16_gflops),
        ),
        (
            "tensor BF16",
            &device.tensor_bf16,
            facts.map(|f| f.tensor_fp16_gflops),
        ),
        (
            "tensor FP8",
            &device.tensor_fp8,
            facts.and_then(|f| f.tensor_fp8_gflops),
        ),
    ];
    for (name, rate, listed) in rates {
        let listed = listed.map(|gflops| u64::from(gflops) / 1_000);
        row(table, name, "TFLOP/s", outcome(rate, tera), listed);
    }
}

/// Bus, launches and proofs, which no datasheet has.
fn others(table: &mut Table, device: &DeviceReport) {
    let up = outcome(&device.pcie, |p| p.host_to_device.mb_per_s().unwrap_or(0));
    row(table, "PCIe to the card", "MB/s", up, None);
    let down = outcome(&device.pcie, |p| p.device_to_host.mb_per_s().unwrap_or(0));
    row(table, "PCIe from the card", "MB/s", down, None);
    let launch = outcome(&device.launch, |launch| median(&launch.host_ns) / 1_000);
    row(table, "launch", "us", launch, None);
    let in_graph = |launch: &Launch| {
        let graph = launch.graph.as_ref();
        graph.map_or(0, |g| median(&g.host_ns) / u64::from(g.kernels.max(1)))
    };
    let in_graph = outcome(&device.launch, in_graph);
    row(table, "launch in a graph", "ns", in_graph, None);
    let (blocks, n) = (
        outcome(&device.vram, |v| v.blocks),
        outcome(&device.matrix, |m| u64::from(m.jobs)),
    );
    row(table, "VRAM proof", "MiB", blocks, None);
    row(table, "matrix proof", "jobs", n, None);
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

fn outcome<T>(outcome: &Outcome<T>, value: impl Fn(&T) -> u64) -> Result<u64, &str> {
    match outcome.measured() {
        Some(measured) => Ok(value(measured)),
        None => Err(outcome.reason().unwrap_or_default()),
    }
}

fn row(table: &mut Table, name: &str, unit: &str, value: Result<u64, &str>, listed: Option<u64>) {
    let listed = listed.filter(|listed| *listed > 0);
    let share = match (value, listed) {
        (Ok(value), Some(listed)) => format!("{} %", value * 100 / listed),
        _ => String::new(),
    };
    let value = match value {
        Ok(value) => format!("{value} {unit}"),
        Err(reason) => format!("not measured: {reason}"),
    };
    let listed = listed.map_or_else(String::new, |listed| format!("{listed} {unit}"));
    table.add_row([name.to_owned(), value, listed, share]);
}
