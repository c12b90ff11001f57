//! The backstop of the `assured` tier: what it is expected to cost us that a run which fails on the
//! first machine goes on at an enterprise price.
//!
//! With a chance `P = 1 - e^-(failures expected in the whole run)` the run fails at least once, and
//! then a share of it runs on the backstop: half of work that goes on (a failure is as likely at any
//! moment), all of work that begins anew. What was done twice is in the cost `c` already. With
//! `q = P x share`, `c` the cost on the first machine and `E` the cost on the backstop, a GPU-hour is
//! expected to cost `ceil(c x (1 - q)) + ceil(E x q)`.

use tandem_model::money::MicroUsd;

use crate::cost::Step;
use crate::fixed::{BILLION, at_least_one_ppb};

/// Share of a run that the backstop runs after a failure, in permille, where the work goes on from a
/// checkpoint or serves as it did: on average half of it.
pub const RUN_PERMILLE: u32 = 500;
/// The same where the work begins anew.
pub const RUN_ANEW_PERMILLE: u32 = 1_000;

/// GPU-seconds of a billion GPU-hours.
const GPU_SECONDS_PER_BILLION_GPU_HOURS: u128 = 3_600 * 1_000_000_000;

/// The share of a run that is expected to run on the backstop, in billionths, rounded up.
pub fn share_ppb(gpu_seconds: u128, failures_per_billion_gpu_hours: u32, run_permille: u32) -> u64 {
    let expected = gpu_seconds.saturating_mul(u128::from(failures_per_billion_gpu_hours));
    let failure = at_least_one_ppb(expected, GPU_SECONDS_PER_BILLION_GPU_HOURS);
    (failure * u64::from(run_permille.min(1_000))).div_ceil(1_000)
}

/// From the cost on the first machine to the cost with the backstop, both per GPU-hour: good where
/// the first is lower than the backstop's.
pub fn steps(share_ppb: u64, backstop: MicroUsd) -> [Step; 2] {
    let share = u128::from(share_ppb.min(BILLION));
    let dear = u128::try_from(backstop.get()).unwrap_or(0);
    let add = (dear * share).div_ceil(u128::from(BILLION));
    let left = BILLION - share_ppb.min(BILLION);
    let first = match left {
        // All of it runs on the backstop; a curve has no ratio of zero.
        0 => Step::AtMost(1),
        numerator => Step::Scale {
            numerator,
            denominator: BILLION,
        },
    };
    [
        first,
        Step::Add(u64::try_from(add).unwrap_or(u64::MAX >> 1)),
    ]
}

/// Expected cost of the backstop per GPU-hour: what [`steps`] add to the cost on the first machine;
/// nothing where the backstop costs no more.
pub fn cost(first: MicroUsd, backstop: MicroUsd, share_ppb: u64) -> MicroUsd {
    if first >= backstop {
        return MicroUsd::ZERO;
    }
    let curve = crate::cost::Curve::new(&steps(share_ppb, backstop));
    let both = curve.ok().and_then(|curve| curve.apply(first.get()));
    MicroUsd::new(both.unwrap_or(i64::MAX) - first.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_backstop_costs_the_difference_for_the_part_that_runs_on_it() {
        // 8 GPUs for 72 hours at 1,388,889 failures in a billion: 0.8 expected, P = 0.5507.
        let share = share_ppb(8 * 72 * 3_600, 1_388_889, RUN_PERMILLE);
        assert_eq!(share, 275_335_533);
        let micro = MicroUsd::new;
        // (2.00 - 0.40) x 0.2753 = 0.440537, each of two parts rounded up.
        assert_eq!(
            cost(micro(400_000), micro(2_000_000), share),
            micro(440_538)
        );
        assert_eq!(cost(micro(2_000_000), micro(2_000_000), share), micro(0));
        assert_eq!(cost(micro(400_000), micro(2_000_000), 0), micro(0));
    }

    #[test]
    fn work_that_begins_anew_is_sold_at_what_both_machines_are_expected_to_cost() {
        // 4 GPUs for 24 hours: P = 0.124827. Half of a failed run is lost on the first machine, all
        // of it runs on the backstop: 0.40 (1 - P / 2) + 2.00 P = 0.624689.
        let share = share_ppb(4 * 24 * 3_600, 1_388_889, RUN_ANEW_PERMILLE);
        assert_eq!(share, 124_826_691);
        // The failure line of the first machine holds the half that is lost: 0.40 (1 + 0.4 / 6).
        let first = MicroUsd::new(400_000 + 26_667);
        let both = first.get() + cost(first, MicroUsd::new(2_000_000), share).get();
        // Within a third of a percent of what is expected of both machines.
        assert_eq!(both, 623_062);
    }

    proptest! {
        #[test]
        fn it_is_never_negative_nor_more_than_the_whole_difference(
            first in 1i64..2_000_000_000,
            dearer in 1i64..2_000_000_000,
            share in 0u64..=BILLION,
        ) {
            let backstop = MicroUsd::new(first + dearer);
            let cost = cost(MicroUsd::new(first), backstop, share);
            prop_assert!(cost >= MicroUsd::ZERO);
            prop_assert!(cost.get() <= dearer + 1);
        }
    }
}
