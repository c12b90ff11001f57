//! Prepaid time: when to buy more, how much, and when to give a placement up.
//!
//! Both networks are paid ahead by the hour, and what is bought is not given back, so extensions
//! are bought as late and as small as is safe. Late leaves room for two tries and a look-up;
//! after that an extension that is not confirmed is taken as lost while there is still time to
//! save a checkpoint and move.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_model::network::Product;
use tandem_model::time::WorldTime;

/// How long before the end of the prepaid time an extension is bought: room for two tries and a
/// look-up before [`LOSS_BEFORE`].
pub const BUY_BEFORE: Duration = Duration::from_secs(25 * 60);
/// How long before the end the placement counts as lost when no extension is confirmed: room to
/// save a checkpoint and to start elsewhere.
pub const LOSS_BEFORE: Duration = Duration::from_secs(10 * 60);
/// By how much a network's minutes may be off: it rounds the served and the remaining ones.
pub const ROUNDING_MINUTES: u32 = 2;

/// What was paid ahead for a placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepaid {
    /// When the network ends it.
    pub until: WorldTime,
    /// Hours bought in all, confirmed ones only.
    pub bought_hours: u32,
}

/// What to do about prepaid time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing; ask again then, or when something changes.
    Wait {
        /// The moment.
        until: WorldTime,
    },
    /// Buy so many hours.
    Buy {
        /// A multiple of the product's step.
        hours: u32,
    },
    /// The time will run out before the work is done: save a checkpoint and move.
    PredictedLoss,
}

/// Decides about the prepaid time of a placement at `now`.
///
/// `remaining_work` is how long the work will still take, `None` when that is not known (a
/// service); work that ends within the prepaid time needs no more of it. `asked_and_unconfirmed`
/// says that an extension is under way or its outcome unknown: none is bought beside it.
pub fn next(
    prepaid: &Prepaid,
    terms: &Product,
    remaining_work: Option<Duration>,
    asked_and_unconfirmed: bool,
    now: WorldTime,
) -> Next {
    let buy_at = before(prepaid.until, BUY_BEFORE);
    let lost_at = before(prepaid.until, LOSS_BEFORE);
    if now < buy_at {
        return Next::Wait { until: buy_at };
    }
    // An estimate can slip, so work that fits now is looked at again at the next limit.
    let fits = remaining_work.is_some_and(|work| now.after(work) <= prepaid.until);
    let hours = terms.extension_step_hours.max(1);
    let is_sold = prepaid
        .bought_hours
        .checked_add(hours)
        .is_some_and(|total| total <= terms.prepaid_hours_max);
    if now >= lost_at {
        if fits && now < prepaid.until {
            return Next::Wait {
                until: prepaid.until,
            };
        }
        return Next::PredictedLoss;
    }
    if fits || asked_and_unconfirmed || !is_sold {
        return Next::Wait { until: lost_at };
    }
    Next::Buy { hours }
}

fn before(moment: WorldTime, duration: Duration) -> WorldTime {
    let us = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    WorldTime::from_micros(moment.micros().saturating_sub(us))
}

/// Whether an extension by `hours` whose answer was lost was made after all.
///
/// Both readings are the minutes served plus those remaining, as the network tells them: stored
/// before the extension was asked for, and read after it. Up to [`ROUNDING_MINUTES`] are rounding.
/// More than was asked for is more than enough; `None` when the reading lies between the two cases
/// or below both: read it again.
pub fn confirmed(minutes_before: u32, minutes_now: u32, hours: u32) -> Option<bool> {
    let grown = i64::from(minutes_now) - i64::from(minutes_before);
    let rounding = i64::from(ROUNDING_MINUTES);
    let is_made = hours > 0 && grown >= i64::from(hours) * 60 - rounding;
    let is_unchanged = hours > 0 && grown.abs() <= rounding;
    match (is_made, is_unchanged) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tandem_model::network::{LaunchVia, NetworkId, Payment, RefundRule};

    const END: u64 = 600;

    fn at(minute: u64) -> WorldTime {
        WorldTime::default().after(minutes(minute))
    }

    const fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    fn product(step: u32, max: u32) -> Product {
        Product {
            network: NetworkId::from_static("ionet"),
            name: "caas",
            launch: LaunchVia::Container,
            nodes_are_linked: false,
            nodes_max: 1,
            gpus_per_node_max: 8,
            published_ports_max: 1,
            doubles_dollar: true,
            payment: Payment::Balance,
            prepaid_hours_min: 1,
            prepaid_hours_max: max,
            extension_step_hours: step,
            refund: RefundRule::None,
        }
    }

    fn decide(now: u64, work: Option<u64>, asked: bool, step: u32, bought: u32) -> Next {
        let prepaid = Prepaid {
            until: at(END),
            bought_hours: bought,
        };
        let work = work.map(minutes);
        next(&prepaid, &product(step, 24), work, asked, at(now))
    }

    const WAIT_TO_BUY: Next = Next::Wait {
        until: WorldTime::from_micros(575 * 60_000_000),
    };
    const WAIT_FOR_LOSS: Next = Next::Wait {
        until: WorldTime::from_micros(590 * 60_000_000),
    };
    const WAIT_FOR_END: Next = Next::Wait {
        until: WorldTime::from_micros(600 * 60_000_000),
    };

    /// Asks ten hours' worth of placement, bought by the hour.
    fn hourly(now: u64, work: Option<u64>, asked: bool) -> Next {
        decide(now, work, asked, 1, 10)
    }

    #[test]
    fn extensions_are_bought_late_once_and_only_when_the_work_needs_them() {
        let buy = Next::Buy { hours: 1 };
        for (what, now, work, asked, expected) in [
            ("long before", 0, None, false, WAIT_TO_BUY),
            ("just before", 574, Some(60), false, WAIT_TO_BUY),
            ("in time", 575, Some(60), false, buy),
            ("a service", 575, None, false, buy),
            ("asked, not confirmed", 580, None, true, WAIT_FOR_LOSS),
            ("the work fits", 580, Some(20), false, WAIT_FOR_LOSS),
            ("it lacks a minute", 580, Some(21), false, buy),
        ] {
            assert_eq!(hourly(now, work, asked), expected, "{what}");
        }
    }

    #[test]
    fn what_is_not_confirmed_ten_minutes_before_the_end_is_a_predicted_loss() {
        let lost = Next::PredictedLoss;
        for (what, now, work, asked, expected) in [
            ("it fits", 590, Some(10), false, WAIT_FOR_END),
            ("it fits, and was asked", 595, Some(5), true, WAIT_FOR_END),
            ("asked", 590, None, true, lost),
            ("never asked", 590, Some(11), false, lost),
            ("over", 600, Some(0), false, lost),
            ("long over", 900, None, true, lost),
        ] {
            assert_eq!(hourly(now, work, asked), expected, "{what}");
        }
    }

    #[test]
    fn a_product_sells_steps_and_not_beyond_its_limit() {
        let service = |now, step, bought| decide(now, None, false, step, bought);
        assert_eq!(service(589, 4, 12), Next::Buy { hours: 4 });
        assert_eq!(service(580, 4, 20), Next::Buy { hours: 4 });
        assert_eq!(service(580, 4, 21), WAIT_FOR_LOSS, "a step too many");
        assert_eq!(service(580, 1, 24), WAIT_FOR_LOSS);
        assert_eq!(service(590, 1, 24), Next::PredictedLoss);
    }

    #[test]
    fn an_hour_lives_on_by_one_hour_at_a_time() {
        let mut prepaid = Prepaid {
            until: at(60),
            bought_hours: 1,
        };
        let (mut now, mut buys) = (at(0), 0);
        while buys < 23 {
            match next(&prepaid, &product(1, 24), None, false, now) {
                Next::Wait { until } => {
                    assert!(until > now, "waiting ends");
                    now = until;
                }
                Next::Buy { hours } => {
                    assert_eq!(prepaid.until.since(now), BUY_BEFORE);
                    buys += 1;
                    prepaid.until = prepaid.until.after(minutes(u64::from(hours) * 60));
                    prepaid.bought_hours += hours;
                }
                Next::PredictedLoss => panic!("lost with {buys} extensions"),
            }
        }
        assert_eq!(prepaid.until, at(24 * 60));
        let end = next(&prepaid, &product(1, 24), None, false, at(24 * 60 - 10));
        assert_eq!(end, Next::PredictedLoss, "a day is all that is sold");
    }

    #[test]
    fn a_lost_answer_is_resolved_from_the_minutes_and_never_guessed() {
        for (before, now, hours, expected) in [
            (60, 120, 1, Some(true)),
            (60, 118, 1, Some(true)),
            (60, 122, 1, Some(true)),
            (60, 180, 1, Some(true)),
            (60, 60, 1, Some(false)),
            (60, 58, 1, Some(false)),
            (60, 62, 1, Some(false)),
            (60, 63, 1, None),
            (60, 90, 1, None),
            (60, 117, 1, None),
            (60, 120, 4, None),
            (60, 300, 4, Some(true)),
            (60, 0, 1, None),
            (60, 60, 0, None),
            (0, u32::MAX, 1, Some(true)),
            (u32::MAX, 0, u32::MAX, None),
        ] {
            assert_eq!(
                confirmed(before, now, hours),
                expected,
                "{before} {now} {hours}"
            );
        }
    }

    proptest! {
        #[test]
        fn buying_respects_the_terms_and_waiting_always_ends(
            until in 0i64..i64::MAX, now in 0i64..i64::MAX, left_min in 0u64..60,
            work_min in proptest::option::of(0u64..120), asked: bool,
            bought: u32, step in 1u32..100, max: u32, close: bool,
        ) {
            let until = WorldTime::from_micros(until);
            let now = if close { before(until, minutes(left_min)) } else { WorldTime::from_micros(now) };
            let prepaid = Prepaid { until, bought_hours: bought };
            let terms = product(step, max);
            match next(&prepaid, &terms, work_min.map(minutes), asked, now) {
                Next::Wait { until: moment } => prop_assert!(now < moment && moment <= until),
                Next::Buy { hours } => {
                    prop_assert!(!asked && hours == step);
                    prop_assert!(u64::from(bought) + u64::from(hours) <= u64::from(max));
                    let left = until.since(now);
                    prop_assert!(LOSS_BEFORE < left && left <= BUY_BEFORE);
                }
                Next::PredictedLoss => prop_assert!(until.since(now) <= LOSS_BEFORE),
            }
        }

        #[test]
        fn both_readings_may_be_rounded(
            minutes in 0u32..100_000, hours in 1u32..1_000, off in 0u32..=ROUNDING_MINUTES, up: bool,
        ) {
            let read = |exact: u32| if up { exact + off } else { exact.saturating_sub(off) };
            prop_assert_eq!(confirmed(minutes, read(minutes), hours), Some(false));
            prop_assert_eq!(confirmed(minutes, read(minutes + hours * 60), hours), Some(true));
        }
    }
}
