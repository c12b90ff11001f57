//! How often machines fail: what is assumed before anything was seen, and how what was seen
//! changes it.
//!
//! Failures are counted as a Poisson process in GPU-hours with a Gamma prior, so the expected rate
//! is `(assumed failures + seen failures) / (assumed hours + seen hours)` (Gelman et al., Bayesian
//! Data Analysis, 3rd edition, section 2.6). `docs/price-lab.md` says where the assumptions come
//! from.

/// Assumed failures in a billion GPU-hours of hardware that can be sold as enterprise.
pub const ENTERPRISE_PER_BILLION_GPU_HOURS: u32 = 33_854;
/// Assumed failures in a billion GPU-hours of all other hardware.
pub const OTHER_PER_BILLION_GPU_HOURS: u32 = 1_388_889;
/// GPU-hours that the assumption weighs as much as: a tenth of it seen moves the rate by a tenth.
pub const ASSUMED_GPU_HOURS: u64 = 10_000;

const BILLION: u128 = 1_000_000_000;

/// What was seen of machines of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Placements that ended by the provider's failure.
    pub failures: u64,
    /// GPU-seconds that placements ran.
    pub gpu_seconds: u64,
}

impl Seen {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            failures: self.failures.saturating_add(other.failures),
            gpu_seconds: self.gpu_seconds.saturating_add(other.gpu_seconds),
        }
    }
}

/// Expected failures in a billion GPU-hours, rounded up.
pub fn per_billion_gpu_hours(is_enterprise: bool, seen: Seen) -> u32 {
    let assumed = match is_enterprise {
        true => ENTERPRISE_PER_BILLION_GPU_HOURS,
        false => OTHER_PER_BILLION_GPU_HOURS,
    };
    let failures =
        u128::from(assumed) * u128::from(ASSUMED_GPU_HOURS) + u128::from(seen.failures) * BILLION;
    // Seconds on both sides, so that short runs count too.
    let seconds = u128::from(ASSUMED_GPU_HOURS) * 3_600 + u128::from(seen.gpu_seconds);
    u32::try_from((failures * 3_600).div_ceil(seconds)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_seen_is_the_assumption_and_much_seen_outweighs_it() {
        let none = Seen::default();
        assert_eq!(per_billion_gpu_hours(true, none), 33_854);
        assert_eq!(per_billion_gpu_hours(false, none), 1_388_889);
        // As many hours as were assumed, without a failure: half of the rate.
        let calm = Seen {
            failures: 0,
            gpu_seconds: 36_000_000,
        };
        assert_eq!(per_billion_gpu_hours(false, calm), 694_445);
        let seen = Seen {
            failures: 1_000,
            gpu_seconds: 3_600_000_000,
        };
        // (13.89 + 1,000) / 1,010,000 hours.
        assert_eq!(per_billion_gpu_hours(false, seen), 1_003_851);
        let all = Seen {
            failures: u64::MAX,
            gpu_seconds: 0,
        };
        assert_eq!(per_billion_gpu_hours(true, all.plus(all)), u32::MAX);
    }
}
