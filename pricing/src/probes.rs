//! What probes showed of machines, by kind, and what follows for prices: how fast a kind is, how many
//! starts its failed probes cost, and whether its grade can be believed. Offers name no device before
//! they are rented, so a kind of offers is as fine as a price can look.
//!
//! Nothing seen changes nothing: a kind begins at the speed of a good card, with no failed start
//! expected. What is seen is shrunk toward that as if [`ASSUMED_VERDICTS`] good verdicts had come
//! before: the mean of a speed with a normal prior, and the mean of a share with a Beta prior (Gelman
//! et al., Bayesian Data Analysis, 3rd edition, sections 2.4 and 2.5), here Beta(a, 20) with a going
//! to 0. How often probes fail was never measured, so no share is assumed.
//!
//! What could not be probed says nothing here.

use serde::{Deserialize, Serialize};
use tandem_model::gpu::GpuModel;
use tandem_model::network::{Grade, NetworkId};

/// Good verdicts that the assumption weighs as much as.
pub const ASSUMED_VERDICTS: u64 = 20;
/// Speed of a good card of a model, and the highest that is believed: prices never count on more.
pub const SPEED_PERMILLE: u32 = 1_000;
/// Lowest speed that a price counts on. A card fails its probe well above it.
pub const SPEED_PERMILLE_MIN: u32 = 500;
/// Fewest verdicts by which a kind can lose its grade.
pub const GRADE_VERDICTS_MIN: u64 = 10;
/// Verdicts of one kind from which on older ones count half: what a kind was is not what it is.
pub const VERDICTS_MAX: u64 = 1_000;
/// Most kinds of which anything is counted.
pub const KINDS_MAX: usize = 4_096;

const PERMILLE: u64 = 1_000;
const BILLION: u128 = 1_000_000_000;

/// Machines that are offered alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbedKind {
    /// The network.
    pub network: NetworkId,
    /// The network's product.
    pub product: String,
    /// The card that is sold.
    pub gpu: GpuModel,
    /// The grade that the network says.
    pub grade: Grade,
}

/// An accepted speed by the verifier's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedSpeed {
    /// Thousandths of a good card; more than [`SPEED_PERMILLE`] counts as that.
    pub permille: u32,
    /// Whether it was timed against a reference that was measured on a good card. Another reference
    /// is so wide that a slow card reaches it too.
    pub is_referenced: bool,
}

/// What came of one probe, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It passed; with its speed, where a proof was timed.
    Passed(Option<TimedSpeed>),
    /// It failed.
    Failed,
}

/// Speeds that were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Speeds {
    /// How many.
    pub count: u64,
    /// What they lacked to [`SPEED_PERMILLE`], added up.
    pub lacking_permille: u64,
}

impl Speeds {
    fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            lacking_permille: self.lacking_permille.saturating_add(other.lacking_permille),
        }
    }

    fn halved(self) -> Self {
        Self {
            count: self.count / 2,
            lacking_permille: self.lacking_permille / 2,
        }
    }

    /// What a card is expected to lack, rounded up.
    fn lacks(self) -> u64 {
        let assumed = self.count.saturating_add(ASSUMED_VERDICTS);
        self.lacking_permille.div_ceil(assumed)
    }
}

/// What probes showed of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbesSeen {
    /// Nodes that passed.
    pub passed: u64,
    /// Nodes that failed.
    pub failed: u64,
    /// Speeds of accepted verdicts.
    pub speeds: Speeds,
    /// Those of them that were timed against a measured reference.
    pub referenced: Speeds,
}

impl ProbesSeen {
    /// Counts one more.
    pub fn add(&mut self, shown: Shown) {
        let Shown::Passed(speed) = shown else {
            self.failed = self.failed.saturating_add(1);
            return;
        };
        self.passed = self.passed.saturating_add(1);
        if let Some(speed) = speed {
            let one = Speeds {
                count: 1,
                lacking_permille: SPEED_PERMILLE.saturating_sub(speed.permille).into(),
            };
            self.speeds = self.speeds.plus(one);
            if speed.is_referenced {
                self.referenced = self.referenced.plus(one);
            }
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed.saturating_add(other.passed),
            failed: self.failed.saturating_add(other.failed),
            speeds: self.speeds.plus(other.speeds),
            referenced: self.referenced.plus(other.referenced),
        }
    }

    /// The same with no more than [`VERDICTS_MAX`] verdicts: half of all, and again, while there are
    /// more.
    #[must_use]
    pub fn faded(mut self) -> Self {
        while self.verdicts() > VERDICTS_MAX {
            self.passed /= 2;
            self.failed /= 2;
            self.speeds = self.speeds.halved();
            self.referenced = self.referenced.halved();
        }
        self
    }

    /// Verdicts that passed or failed.
    pub fn verdicts(self) -> u64 {
        self.passed.saturating_add(self.failed)
    }

    /// Expected speed in thousandths of a good card, from [`SPEED_PERMILLE_MIN`] to
    /// [`SPEED_PERMILLE`], rounded down.
    ///
    /// Speeds that were timed against a measured reference set it. Those timed against a wide one
    /// are in truth the prover's own numbers, so all together can lower it and never raise it.
    pub fn speed_permille(self) -> u32 {
        let lacks = self.speeds.lacks().max(self.referenced.lacks());
        let lacks = u32::try_from(lacks).unwrap_or(SPEED_PERMILLE);
        SPEED_PERMILLE.saturating_sub(lacks).max(SPEED_PERMILLE_MIN)
    }

    /// Starts of one node that are expected to fail before one succeeds, in billionths, rounded up:
    /// `p / (1 - p)` with the expected share `p` of failed starts, which is
    /// `failed / (assumed + passed)`.
    pub fn starts_lost_ppb(self) -> u64 {
        let good = u128::from(self.passed) + u128::from(ASSUMED_VERDICTS);
        let lost = (u128::from(self.failed) * BILLION).div_ceil(good);
        u64::try_from(lost).unwrap_or(u64::MAX)
    }

    /// Expected share of starts that fail, in thousandths, rounded down.
    pub fn failed_permille(self) -> u32 {
        let all = u128::from(self.verdicts()) + u128::from(ASSUMED_VERDICTS);
        let share = u128::from(self.failed) * u128::from(PERMILLE) / all;
        u32::try_from(share).unwrap_or(SPEED_PERMILLE)
    }

    /// Whether so many of them failed that a grade cannot be believed: an expected share above
    /// `failed_permille_max`, by [`GRADE_VERDICTS_MIN`] verdicts or more.
    pub fn belies_grade(self, failed_permille_max: u32) -> bool {
        self.verdicts() >= GRADE_VERDICTS_MIN && self.failed_permille() > failed_permille_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passed(count: u64, permille: u32, is_referenced: bool) -> ProbesSeen {
        let mut seen = ProbesSeen::default();
        let speed = TimedSpeed {
            permille,
            is_referenced,
        };
        (0..count).for_each(|_| seen.add(Shown::Passed(Some(speed))));
        seen
    }

    fn failed(count: u64) -> ProbesSeen {
        let mut seen = ProbesSeen::default();
        (0..count).for_each(|_| seen.add(Shown::Failed));
        seen
    }

    #[test]
    fn nothing_seen_is_a_good_card_and_no_lost_start() {
        let none = ProbesSeen::default();
        assert_eq!(none.speed_permille(), 1_000);
        assert_eq!((none.starts_lost_ppb(), none.failed_permille()), (0, 0));
        assert!(!none.belies_grade(0));
    }

    #[test]
    fn what_is_seen_is_shrunk_toward_a_good_card() {
        // 20 at 800 beside 20 assumed at 1,000.
        assert_eq!(passed(20, 800, true).speed_permille(), 900);
        // 60 / 21 = 2.86 are lacking, rounded up.
        assert_eq!(passed(1, 940, false).speed_permille(), 997);
        assert_eq!(passed(1_000_000, 0, true).speed_permille(), 500);
        // Five of ten: p = 5 / 30, p / (1 - p) = 5 / 25.
        let half = failed(5).plus(passed(5, 1_000, true));
        assert_eq!(half.starts_lost_ppb(), 200_000_000);
        assert_eq!(half.failed_permille(), 166);
    }

    #[test]
    fn no_card_is_faster_than_a_good_one_and_one_without_a_clock_has_no_speed() {
        assert_eq!(passed(1_000, 4_000, true).speed_permille(), 1_000);
        let mut seen = passed(20, 800, true);
        (0..1_000).for_each(|_| seen.add(Shown::Passed(None)));
        assert_eq!(seen.speed_permille(), 900);
    }

    #[test]
    fn speeds_without_a_measured_reference_lower_and_never_raise() {
        let slow = passed(20, 800, true);
        let told = slow.plus(passed(10_000, 1_000, false));
        assert_eq!(told.speed_permille(), 900, "they all say 1,000");
        let worse = slow.plus(passed(20, 700, false));
        assert_eq!(worse.speed_permille(), 833);
        let timed = slow.plus(passed(60, 1_000, true));
        assert_eq!(timed.speed_permille(), 960, "measured ones raise it again");
    }

    #[test]
    fn a_grade_falls_by_enough_failures_and_not_by_few_verdicts() {
        assert!(!failed(9).belies_grade(300), "31 % by nine verdicts");
        assert!(failed(10).belies_grade(300), "33 % by ten");
        assert!(!failed(10).belies_grade(333));
        let better = failed(10).plus(passed(4, 1_000, true));
        assert!(!better.belies_grade(300), "10 of 34");
        assert!(!failed(u64::from(u16::MAX)).belies_grade(1_000));
    }

    #[test]
    fn old_verdicts_fade_so_that_a_kind_can_change() {
        let all = failed(900).plus(passed(200, 900, true)).faded();
        assert_eq!((all.failed, all.passed), (450, 100));
        assert_eq!(all.speeds.count, 100);
        assert_eq!(all.speeds.lacking_permille, 10_000);
        let once = failed(1_000);
        assert_eq!(once.faded(), once);
    }

    fn any_speeds() -> impl Strategy<Value = Speeds> {
        let number = || prop_oneof![0u64..100, any::<u64>()];
        (number(), number()).prop_map(|(count, lacking_permille)| Speeds {
            count,
            lacking_permille,
        })
    }

    proptest! {
        #[test]
        fn extremes_stay_in_their_bounds(
            passed in any::<u64>(),
            failed in any::<u64>(),
            speeds in any_speeds(),
            referenced in any_speeds(),
        ) {
            let seen = ProbesSeen { passed, failed, speeds, referenced };
            let speed = seen.speed_permille();
            prop_assert!((SPEED_PERMILLE_MIN..=SPEED_PERMILLE).contains(&speed));
            prop_assert!(seen.failed_permille() <= 1_000);
            prop_assert!(seen.plus(seen).faded().verdicts() <= VERDICTS_MAX);
            let mut more = seen;
            more.add(Shown::Failed);
            prop_assert!(more.starts_lost_ppb() >= seen.starts_lost_ppb());
        }
    }
}
