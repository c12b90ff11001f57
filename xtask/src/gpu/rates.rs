//! Rates of recorded reports, read from their JSON, and how much they vary.

use std::collections::BTreeMap;

use serde_json::Value;

/// Rates that not every card has; one that no run gives is left out.
const OPTIONAL: &[&str] = &["tensor_bf16_gflops", "tensor_fp8_gflops"];

/// Every rate of card 0 by its name, one entry a run that gives it.
pub(super) fn of<'d>(
    documents: impl Iterator<Item = &'d Value>,
) -> BTreeMap<&'static str, Vec<u64>> {
    let mut all: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
    for document in documents {
        let device = &document["report"]["report"]["devices"][0];
        for (name, rate) in of_device(device) {
            let rates = all.entry(name).or_default();
            rates.extend(rate);
        }
    }
    all.retain(|name, rates| !rates.is_empty() || !OPTIONAL.contains(name));
    all
}

fn of_device(device: &Value) -> Vec<(&'static str, Option<u64>)> {
    let (bandwidth, pcie) = (
        &device["bandwidth"]["measured"],
        &device["pcie"]["measured"],
    );
    let mb_per_s = |transfer: &Value| per_ns(transfer["bytes"].as_u64()?, 1_000, transfer);
    let gflops = |name: &str| {
        let rate = &device[name]["measured"];
        per_ns(rate["operations"].as_u64()?, 1, rate)
    };
    vec![
        ("copy_mb_per_s", mb_per_s(&bandwidth["copy"])),
        ("read_mb_per_s", mb_per_s(&bandwidth["read"])),
        ("write_mb_per_s", mb_per_s(&bandwidth["write"])),
        ("fp32_gflops", gflops("fp32")),
        ("tensor_f16_gflops", gflops("tensor_f16")),
        ("tensor_bf16_gflops", gflops("tensor_bf16")),
        ("tensor_fp8_gflops", gflops("tensor_fp8")),
        ("host_to_device_mb_per_s", mb_per_s(&pcie["host_to_device"])),
        ("device_to_host_mb_per_s", mb_per_s(&pcie["device_to_host"])),
        ("matrix_mops", matrix(&device["matrix"]["measured"])),
        ("vram_mb_per_s", vram(&device["vram"]["measured"])),
    ]
}

/// `count * scale` over the median time by events.
fn per_ns(count: u64, scale: u64, timed: &Value) -> Option<u64> {
    let samples = timed["timing"]["event_ns"].as_array()?;
    let samples: Vec<u64> = samples.iter().filter_map(Value::as_u64).collect();
    let scaled = u128::from(count) * u128::from(scale);
    u64::try_from(scaled.checked_div(u128::from(median(&samples)?))?).ok()
}

/// Operations of the whole loop of products, hashing and all, in 10^6 a second.
fn matrix(summary: &Value) -> Option<u64> {
    let n = u128::from(summary["n"].as_u64()?);
    let operations = 2 * n * n * n * u128::from(summary["jobs"].as_u64()?);
    let ns = u128::from(summary["loop_ns"].as_u64()?);
    u64::try_from((operations * 1_000).checked_div(ns)?).ok()
}

/// Bytes that the passes read, in MB/s.
fn vram(summary: &Value) -> Option<u64> {
    let bytes = u128::from(summary["blocks"].as_u64()?) << 20;
    let passes = u128::from(summary["passes"].as_u64()?);
    let ns = u128::from(summary["passes_ns"].as_u64()?);
    u64::try_from((bytes * passes * 1_000).checked_div(ns)?).ok()
}

/// The lower median; none without samples.
pub(super) fn median(samples: &[u64]) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// Coefficient of variation: standard deviation (of a sample, `n - 1`) over the mean, in thousandths,
/// rounded up; none for fewer than two rates.
pub(super) fn variation_permille(rates: &[u64]) -> Option<u64> {
    let count = rates.len() as f64;
    let mean = rates.iter().map(|rate| *rate as f64).sum::<f64>() / count;
    let squares = rates.iter().map(|rate| (*rate as f64 - mean).powi(2));
    let variance = squares.sum::<f64>() / (count - 1.0);
    let permille = (variance.sqrt() / mean * 1_000.0).ceil();
    (rates.len() > 1 && permille.is_finite()).then_some(permille as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variation_is_the_standard_deviation_over_the_mean() {
        assert_eq!(variation_permille(&[5, 5, 5]), Some(0));
        // Mean 100, variance (400 + 0 + 400) / 2.
        assert_eq!(variation_permille(&[80, 100, 120]), Some(200));
        assert_eq!(variation_permille(&[7]), None);
        assert_eq!(variation_permille(&[0, 0]), None);
    }

    #[test]
    fn the_proofs_rates_are_those_of_the_whole_loop() {
        let summary = serde_json::json!({ "n": 1_000, "jobs": 10, "loop_ns": 1_000_000 });
        assert_eq!(matrix(&summary), Some(20_000_000));
        let summary = serde_json::json!({ "blocks": 1, "passes": 10, "passes_ns": 1_048_576 });
        assert_eq!(vram(&summary), Some(10_000));
    }
}
