//! How often to save: the interval that wastes least time.
//!
//! With a save that takes δ and a mean time between failures M, Young (A first order approximation
//! to the optimum checkpoint interval, CACM 17(9), 1974) finds `sqrt(2 δ M)` of work between two
//! saves. Daly (A higher order estimate of the optimum checkpoint interval for restart dumps,
//! Future Generation Computer Systems 22(3), 2006, eq. 37) refines it to
//! `sqrt(2 δ M) [1 + 1/3 sqrt(δ / 2M) + 1/9 (δ / 2M)] - δ` for `δ < 2M`, and M beyond. The second
//! term is `δ / 3` exactly, so one square root is enough.

/// Useful time between two checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// In milliseconds of useful time.
    pub work_ms: u64,
    /// Whether the customer gave it; else it is Daly's.
    pub is_given: bool,
}

/// Daly's interval in milliseconds of work, at least 1, for a save of `save_ms` and a mean time
/// between failures of `mtbf_ms`; both at most `u64::MAX / 4` to be exact, more is cut to it.
pub fn optimal_interval(save_ms: u64, mtbf_ms: u64) -> u64 {
    const MOST: u64 = u64::MAX / 4;
    let save = i128::from(save_ms.min(MOST));
    let mtbf = i128::from(mtbf_ms.clamp(1, MOST));
    let work = if save < 2 * mtbf {
        let root = (2 * save * mtbf).isqrt();
        root + root * save / (18 * mtbf) - 2 * save / 3
    } else {
        mtbf
    };
    u64::try_from(work.max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Expected time of a unit of work by Daly's complete model, `M e^(R/M) (e^((t+δ)/M) - 1) / t`.
    fn daly_total(work: f64, save: f64, mtbf: f64) -> f64 {
        mtbf * (((work + save) / mtbf).exp_m1()) / work
    }

    #[test]
    fn known_intervals_come_out() {
        // 120 s to save, failures every 28.8 h: Young 83 min, Daly 80 s less than that.
        let young = 4_988_000;
        let daly = optimal_interval(120_000, 28_800 * 3_600);
        assert!((young - 82_000..young - 75_000).contains(&daly), "{daly}");
        // A save as long as two failures apart: Daly's other branch.
        assert_eq!(optimal_interval(20_000, 10_000), 10_000);
        assert_eq!(optimal_interval(0, 10_000), 1);
        assert!(optimal_interval(u64::MAX, u64::MAX) >= 1);
    }

    proptest! {
        #[test]
        fn the_interval_wastes_hardly_more_than_any_other_by_the_complete_model(
            save in 1_000u64..600_000,
            ratio in 10u64..100_000,
            other in 1u64..1_000,
        ) {
            let mtbf = save * ratio;
            let work = optimal_interval(save, mtbf);
            let ours = daly_total(work as f64, save as f64, mtbf as f64);
            let theirs = daly_total(work as f64 * other as f64 / 100.0, save as f64, mtbf as f64);
            prop_assert!(ours <= theirs * 1.001, "{work}: {ours} > {theirs}");
        }
    }
}
