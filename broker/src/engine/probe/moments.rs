//! When running work is probed: moments of a GPU model and a day, drawn by the installation's key.
//!
//! Nobody without the key can foretell them, every broker that has it draws the same ones, and none
//! has to be remembered: a restart changes nothing. Pure.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use gpu_probe::hex::HexBytes;
use gpu_probe::protocol::MomentId;
use gpu_probe::session::HEARTBEAT_INTERVAL;
use tandem_model::time::WorldTime;

/// Most moments of a model and day.
pub const PER_DAY_MAX: u32 = 4;
/// Least time between the order and its moment: it is said with two heartbeats, and one may be lost.
pub const LEAD_MIN: Duration = HEARTBEAT_INTERVAL.saturating_mul(2);
/// Most time between the order and its moment.
pub const LEAD_MAX: Duration = HEARTBEAT_INTERVAL.saturating_mul(6);
/// From the moment, at which workloads are paused, to the challenge of all of the cohort: what was
/// queued on the cards ends, and drivers are opened.
pub const SETTLE: Duration = Duration::from_secs(5);
/// What the draws are bound to.
const DOMAIN: &[u8] = b"tandem probe moment v1";
const DAY_US: i64 = 86_400 * 1_000_000;

/// The key by which moments are drawn, and the length of the days for which. Prints nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MomentKey {
    bytes: [u8; 32],
    day_us: i64,
}

impl MomentKey {
    /// From 32 derived bytes that nobody outside knows.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self {
            bytes,
            day_us: DAY_US,
        }
    }

    /// The same key for days of another length, in microseconds and at least one: a simulated run is
    /// over within minutes, and has to see some moments.
    #[must_use]
    pub const fn with_day_us(self, day_us: i64) -> Self {
        Self {
            day_us: if day_us < 1 { 1 } else { day_us },
            ..self
        }
    }

    /// The day in which a time lies.
    fn day(&self, at: WorldTime) -> i64 {
        at.micros().div_euclid(self.day_us)
    }
}

impl fmt::Debug for MomentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MomentKey")
    }
}

/// A moment at which the running work of a model is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpotMoment {
    /// Its name; tells nothing of others.
    pub id: MomentId,
    /// When workloads are paused.
    pub at: WorldTime,
}

/// The moments of a model on a day, counted from 1970 in UTC, in no order: each falls anywhere in the
/// day, whatever the others do. `per_day` up to [`PER_DAY_MAX`].
pub fn of_day(key: &MomentKey, model: &str, day: i64, per_day: u32) -> Vec<SpotMoment> {
    let day_us = key.day_us;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key.bytes);
    let draw = |number: u32| {
        let mut context = hmac::Context::with_key(&key);
        context.update(DOMAIN);
        context.update(&day.to_le_bytes());
        context.update(&number.to_le_bytes());
        context.update(model.as_bytes());
        let tag = context.sign();
        let (id, rest) = tag.as_ref().split_at(16);
        let part = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        // The part of the day in 2^64ths: 64 bits make the bias of a remainder nothing.
        let within = (u128::from(part(&rest[..8])) * u128::from(day_us.unsigned_abs())) >> 64;
        let mut name = [0; 16];
        name.copy_from_slice(id);
        let start = day.saturating_mul(day_us);
        SpotMoment {
            id: HexBytes(name),
            at: WorldTime::from_micros(start)
                .after(Duration::from_micros(u64::try_from(within).unwrap_or(0))),
        }
    };
    (0..per_day.min(PER_DAY_MAX)).map(draw).collect()
}

/// The next moment of a model whose order can be given now: at least [`LEAD_MIN`] and at most
/// [`LEAD_MAX`] ahead.
pub fn to_order(key: &MomentKey, model: &str, per_day: u32, now: WorldTime) -> Option<SpotMoment> {
    let (today, last) = (key.day(now), key.day(now.after(LEAD_MAX)));
    let moments = (today..=last).flat_map(|day| of_day(key, model, day, per_day));
    let in_time =
        |moment: &SpotMoment| now.after(LEAD_MIN) <= moment.at && moment.at <= now.after(LEAD_MAX);
    moments.filter(in_time).min_by_key(|moment| moment.at)
}

/// Most nodes of this broker that are probed at one moment. Their proofs are checked within one
/// exchange's time: about a second of two cores a card, and up to 16 cards a node.
pub const COHORT_MAX: usize = 24;
/// Moments whose nodes are counted at once, the newest.
const COUNTED_MAX: usize = 64;

/// How many nodes were ordered for each of the newest moments. Who beats first is in: the hour of a
/// heartbeat within its interval is as good as a draw. A restart counts anew.
#[derive(Debug, Default)]
pub struct Cohorts {
    counted: VecDeque<(MomentId, usize)>,
}

impl Cohorts {
    /// Counts one more node, unless the cohort is full.
    pub fn admits(&mut self, moment: MomentId) -> bool {
        let known = self.counted.iter_mut().find(|(id, _)| *id == moment);
        if let Some((_, nodes)) = known {
            *nodes += 1;
            return *nodes <= COHORT_MAX;
        }
        self.counted.push_back((moment, 1));
        if self.counted.len() > COUNTED_MAX {
            self.counted.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const KEY: MomentKey = MomentKey::new([7; 32]);

    fn year(key: &MomentKey, model: &str) -> Vec<SpotMoment> {
        let days = 20_000..20_365;
        days.flat_map(|day| of_day(key, model, day, 4)).collect()
    }

    #[test]
    fn two_brokers_with_one_key_draw_the_same_and_more_a_day_add_to_fewer() {
        assert_eq!(year(&KEY, "l4"), year(&MomentKey::new([7; 32]), "l4"));
        assert_eq!(
            of_day(&KEY, "l4", 20_000, 4)[..2],
            of_day(&KEY, "l4", 20_000, 2)
        );
        assert_eq!(of_day(&KEY, "l4", 20_000, 0), []);
        assert_eq!(of_day(&KEY, "l4", 20_000, 99).len(), 4, "the limit");
    }

    #[test]
    fn no_moment_tells_of_another_key_model_day_or_number() {
        let mut names = BTreeSet::new();
        let mut times = BTreeSet::new();
        let other = MomentKey::new([8; 32]);
        for (key, model) in [(&KEY, "l4"), (&KEY, "l40"), (&other, "l4")] {
            for moment in year(key, model) {
                assert!(names.insert(moment.id));
                times.insert(moment.at.micros().rem_euclid(DAY_US));
            }
        }
        assert_eq!(names.len(), 3 * 4 * 365);
        assert!(times.len() > names.len() - 5, "times of the day repeat");
        assert_eq!(format!("{KEY:?}"), "MomentKey");
    }

    #[test]
    fn moments_fall_into_every_hour_alike_and_within_their_day() {
        let mut hours = [0; 24];
        for day in 20_000..20_365 {
            for moment in of_day(&KEY, "h100-sxm-80gb", day, 4) {
                assert_eq!(moment.at.micros().div_euclid(DAY_US), day);
                let hour = moment.at.micros().rem_euclid(DAY_US) / (DAY_US / 24);
                hours[usize::try_from(hour).unwrap()] += 1;
            }
        }
        // 61 expected; five standard deviations are 38.
        assert!(hours.iter().all(|n| (20..=100).contains(n)), "{hours:?}");
    }

    #[test]
    fn a_moment_is_ordered_only_while_its_order_arrives_in_time() {
        let before = |at: WorldTime, lead: Duration| {
            let us = i64::try_from(lead.as_micros()).unwrap();
            WorldTime::from_micros(at.micros() - us)
        };
        for moment in year(&KEY, "l4") {
            let order = |lead| to_order(&KEY, "l4", 4, before(moment.at, lead));
            let of_it = |lead| order(lead).is_some_and(|m| m.id == moment.id);
            assert!(of_it(LEAD_MIN));
            assert!(!of_it(LEAD_MIN - Duration::from_micros(1)));
            assert!(!of_it(LEAD_MAX + Duration::from_micros(1)));
            assert!(order(LEAD_MAX).is_some(), "this one, or an earlier one");
        }
    }

    #[test]
    fn shorter_days_have_as_many_moments_each_and_other_times() {
        let hour_us = 3_600_000_000;
        let hourly = KEY.with_day_us(hour_us);
        for day in 480_000..480_100 {
            let moments = of_day(&hourly, "l4", day, 3);
            assert_eq!(moments.len(), 3);
            for moment in moments {
                assert_eq!(moment.at.micros().div_euclid(hour_us), day);
                let now = WorldTime::from_micros(moment.at.micros() - 15_000_000);
                assert!(to_order(&hourly, "l4", 3, now).is_some());
            }
        }
        assert_eq!(KEY.with_day_us(DAY_US), KEY);
    }

    #[test]
    fn a_cohort_is_limited_and_so_is_what_is_counted() {
        let mut cohorts = Cohorts::default();
        let moment = |n: u8| HexBytes([n; 16]);
        let admitted = (0..100).filter(|_| cohorts.admits(moment(1))).count();
        assert_eq!(admitted, COHORT_MAX);
        assert!(cohorts.admits(moment(2)), "another one has its own");
        (3..=200).for_each(|n| assert!(cohorts.admits(moment(n))));
        assert_eq!(cohorts.counted.len(), COUNTED_MAX);
    }

    #[test]
    fn a_moment_just_after_midnight_is_ordered_the_day_before() {
        let early = (0..200_000)
            .map(|day| of_day(&KEY, "l4", day, 1)[0])
            .find(|moment| moment.at.micros().rem_euclid(DAY_US) < 9_000_000)
            .expect("one in ten thousand");
        let midnight = early.at.micros().div_euclid(DAY_US) * DAY_US;
        let now = WorldTime::from_micros(early.at.micros() - 12_000_000);
        assert!(now.micros() < midnight);
        assert_eq!(to_order(&KEY, "l4", 1, now), Some(early));
    }
}
