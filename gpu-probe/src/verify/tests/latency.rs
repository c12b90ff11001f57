//! Where the curve of latencies rises, on both sides of what a card says of its L2 cache.

use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device};
use super::prover::{Exchange, failing};
use crate::report::{LatencyCurve, LatencyPoint, Outcome};
use crate::verdict::ReasonCode::{self, L2KneeMismatch};

/// What fails a card with this latency in ns of a hop over so many MiB, from 256 KiB to 1 GiB.
fn fails(id: &str, ns: impl Fn(f64) -> u64) -> Vec<ReasonCode> {
    let mut card = device(GpuModel::by_id(id).unwrap(), 1, &mut Noise::seeded(1));
    let point = |log: u32| LatencyPoint {
        working_set_bytes: 1 << log,
        hops: 1_000,
        cycles: vec![],
        timer_ns: vec![1_000 * ns(f64::from(log - 18).exp2() / 4.0); 3],
    };
    card.latency = Outcome::Measured(LatencyCurve {
        points: (18..=30).map(point).collect(),
    });
    let mut exchange = Exchange::of(id);
    exchange.devices = vec![card];
    failing(&exchange.run(|_| {}))
}

/// A cache of so many MiB, before a memory whose address translation gets slower beyond so many.
fn curve(l2_mib: f64, pages_mib: f64) -> impl Fn(f64) -> u64 {
    move |mib| match mib {
        mib if mib <= l2_mib => 150,
        mib if mib <= 2.0 * l2_mib => 240,
        mib if mib <= pages_mib => 330,
        _ => 640,
    }
}

#[test]
fn slow_pages_far_beyond_the_cache_do_not_move_it() {
    assert_eq!(fails("h100-sxm5-80gb", curve(50.0, 256.0)), []);
    assert_eq!(fails("a100-sxm4-80gb", curve(40.0, 256.0)), []);
    assert_eq!(fails("rtx3090", curve(6.0, 64.0)), []);
    assert_eq!(fails("rtx5090", curve(96.0, 512.0)), []);
}

#[test]
fn a_cache_that_is_smaller_or_larger_than_the_models_is_found() {
    for l2_mib in [3.0, 6.0, 10.0] {
        let codes = fails("h100-sxm5-80gb", curve(l2_mib, 256.0));
        assert_eq!(codes, [L2KneeMismatch], "{l2_mib}");
    }
    assert_eq!(fails("rtx3090", curve(72.0, 512.0)), [L2KneeMismatch]);
    assert_eq!(fails("rtx4090", curve(6.0, 512.0)), [L2KneeMismatch]);
}
