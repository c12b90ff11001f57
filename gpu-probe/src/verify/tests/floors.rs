//! Rates beside what a card should reach: measured references where there are any, wide guesses else.

use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device};
use super::prover::{Exchange, failing};
use crate::report::{DeviceReport, Outcome, Rate};
use crate::verdict::ReasonCode::{self, *};
use crate::verify::MeasuredReference;

fn of(id: &str) -> DeviceReport {
    let model = GpuModel::by_id(id).unwrap();
    device(model, 1, &mut Noise::seeded(1))
}

/// Has both tensor kernels reach so many GFLOP/s.
fn with_tensor(device: &mut DeviceReport, gflops: u64) {
    for rate in [&mut device.tensor_f16, &mut device.tensor_bf16] {
        if let Outcome::Measured(rate) = rate {
            rate.operations = gflops * rate.timing.median_ns().unwrap();
        }
    }
}

/// What fails a card, with references as measured.
fn fails(
    id: &str,
    device: DeviceReport,
    measure: impl FnOnce(&mut MeasuredReference),
) -> Vec<ReasonCode> {
    let mut exchange = Exchange::of(id);
    exchange.devices = vec![device];
    measure(exchange.policy.measured.get_mut(id).unwrap());
    failing(&exchange.run(|_| {}))
}

#[test]
fn a_healthy_card_does_not_fail_because_our_kernel_is_no_vendors() {
    for (id, gflops) in [
        ("h100-sxm5-80gb", 400_000),
        ("h200-sxm-141gb", 400_000),
        ("h100-pcie-80gb", 303_000),
        ("b200-sxm-180gb", 500_000),
        ("rtx5090", 84_000),
    ] {
        let mut card = of(id);
        with_tensor(&mut card, gflops);
        assert_eq!(fails(id, card, |_| {}), [], "{id}");
    }
}

#[test]
fn a_card_is_held_to_what_a_good_one_was_measured_at() {
    let id = "h100-sxm5-80gb";
    let mut card = of(id);
    with_tensor(&mut card, 400_000);
    let tensor = |m: &mut MeasuredReference| m.tensor_gflops = Some(600_000);
    assert_eq!(fails(id, card, tensor), [TensorLow]);
    let copy = |m: &mut MeasuredReference| m.copy_mb_per_s = Some(4_500_000);
    assert_eq!(fails(id, of(id), copy), [BandwidthLow]);
    let rate = of(id).fp32.measured().and_then(Rate::gflops).unwrap();
    let fp32 = |m: &mut MeasuredReference| m.fp32_gflops = Some(rate * 2);
    assert_eq!(fails(id, of(id), fp32), [Fp32Low]);
}

/// A card that says in every field of its identity that it is a better one, and whose work is its own.
fn liar(real: &str, claimed: &str) -> Vec<ReasonCode> {
    let mut card = of(real);
    card.identity = of(claimed).identity;
    fails(claimed, card, |_| {})
}

#[test]
fn a_slower_card_that_the_tensor_rate_lets_through_is_caught_by_memory_and_sms() {
    let codes = liar("h100-pcie-80gb", "h100-sxm5-80gb");
    assert!(!codes.contains(&TensorLow), "{codes:?}");
    for code in [CensusMismatch, BandwidthLow] {
        assert!(codes.contains(&code), "{code:?} in {codes:?}");
    }
    let codes = liar("h200-sxm-141gb", "b200-sxm-180gb");
    assert_eq!(codes, [CensusMismatch]);
    let codes = liar("a100-sxm4-80gb", "h100-sxm5-80gb");
    for code in [CensusMismatch, BandwidthLow, Fp32Low, TensorLow] {
        assert!(codes.contains(&code), "{code:?} in {codes:?}");
    }
}
