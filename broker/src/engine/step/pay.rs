//! Prepaid time: bought as late and as small as safe, confirmed by what the network shows, and
//! left in time when no more can be had.

use std::time::Duration;

use gpu_probe::protocol::Directive;
use tandem_adapters::command::Outcome;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_settlement::prepaid::{self, Next};

use super::look::look;
use super::{ASK_AGAIN, Decided, LISTINGS_APART, Moment, Order};
use crate::engine::attempt::{Attempt, Extension};
use crate::engine::commands::COMMAND_TIMEOUT;
use crate::engine::job::Job;
use crate::engine::planted::Planted;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Its creation is confirmed: the paid time is counted from the moment since which it may have been
/// asked for, the safe one, until the network shows better.
pub(super) fn begins(attempt: &mut Attempt, asked_after: WorldTime, now: WorldTime) {
    attempt.created_at = attempt.created_at.or(Some(now));
    let paid = HOUR * attempt.prepaid.bought_hours;
    attempt.prepaid.until = attempt.prepaid.until.max(asked_after.after(paid));
    seen_minutes(attempt, now);
}

/// Idempotency key of a purchase.
pub(super) fn extend_key(attempt: &Attempt, number: u32) -> String {
    format!("{}/extend/{number}", attempt.placement.tag)
}

/// Buys more time for the live placement when it must, or prepares to leave it.
pub(super) fn pay(job: &mut Job, moment: Moment<'_>, decided: &mut Decided) {
    let epoch = job.epoch();
    let Some(attempt) = job.attempts.last_mut() else {
        return;
    };
    let Some(product) = moment.planner.terms.product(&attempt.offer) else {
        return;
    };
    if attempt.ends_soon || Planted::NeverExtended.is_here() {
        return;
    }
    let open = attempt.extension.is_some();
    match prepaid::next(&attempt.prepaid, product, None, open, moment.now) {
        Next::Wait { until } => {
            decided.wake_at(until);
            let asks = attempt.extension.is_some_and(|e| e.unsure);
            if asks {
                look(job, ASK_AGAIN, moment, decided);
            }
        }
        Next::Buy { hours } => buy(attempt, epoch, hours, moment, decided),
        Next::PredictedLoss => {
            attempt.ends_soon = true;
            job.doc.session.direct(Directive::CheckpointAndStop);
            decided.tell(
                job,
                "its paid time ends and more is not confirmed: saves its work and moves",
            );
        }
    }
}

fn buy(attempt: &mut Attempt, epoch: Epoch, hours: u32, moment: Moment<'_>, decided: &mut Decided) {
    let again = attempt.pay_again_at.filter(|again| moment.now < *again);
    if let Some(again) = again {
        decided.wake_at(again);
        return;
    }
    attempt.extensions += 1;
    let number = attempt.extensions;
    attempt.extension = Some(Extension {
        number,
        hours,
        minutes_before: minutes(attempt).unwrap_or(attempt.prepaid.bought_hours * 60),
        asked_at: moment.now,
        unsure: false,
        unsure_since: None,
        unchanged_at: None,
    });
    decided.wake_at(moment.now.after(ASK_AGAIN));
    decided.owe(extend_key(attempt, number), Order::Extend(epoch));
}

/// Minutes served and remaining, by the last look.
fn minutes(attempt: &Attempt) -> Option<u32> {
    let observed = attempt.observed.as_ref()?;
    let served = observed.minutes_served?;
    Some(served.saturating_add(observed.minutes_remaining?))
}

/// The answer to a purchase.
pub(super) fn extended(
    job: &mut Job,
    epoch: Epoch,
    outcome: Outcome,
    moment: Moment<'_>,
    decided: &mut Decided,
) {
    let Some(attempt) = job.attempt_mut(epoch) else {
        return;
    };
    let Some(extension) = attempt.extension else {
        return;
    };
    decided.is_durable = true;
    match outcome {
        Outcome::Extended(observed) => {
            attempt.observed = Some(*observed);
            settle(attempt, extension, true, decided);
            seen_minutes(attempt, moment.now);
            decided.tell(job, format!("{} h more are paid", extension.hours));
        }
        Outcome::Failed(failure) => {
            settle(attempt, extension, false, decided);
            attempt.pay_again_at = Some(moment.now.after(PAY_AGAIN));
            let words = format!("more time was not sold ({}): asked again", failure.detail);
            decided.tell(job, words);
        }
        Outcome::Unknown { detail, .. } => {
            attempt.doubt_extension(moment.now);
            let words = format!("unknown whether more time was sold ({detail}): looking");
            decided.tell(job, words);
        }
        other => {
            attempt.doubt_extension(moment.now);
            tracing::error!(job = %job.id, ?other, "defect: not an answer to a purchase");
        }
    }
}

/// Time after which a refused purchase is tried again.
const PAY_AGAIN: Duration = Duration::from_secs(120);

fn settle(attempt: &mut Attempt, extension: Extension, bought: bool, decided: &mut Decided) {
    attempt.extension = None;
    if bought {
        attempt.prepaid.bought_hours += extension.hours;
        attempt.prepaid.until = attempt.prepaid.until.after(HOUR * extension.hours);
    }
    decided.settle(extend_key(attempt, extension.number));
}

/// A look showed the minutes: what was unknown may be known now.
pub(super) fn seen(attempt: &mut Attempt, moment: Moment<'_>, decided: &mut Decided) {
    if let (Some(extension), Some(total), Some(looked_at)) = (
        attempt.extension.filter(|e| e.unsure),
        minutes(attempt),
        attempt.looked_at,
    ) {
        let fate = prepaid::confirmed(extension.minutes_before, total, extension.hours);
        match fate {
            Some(true) => settle(attempt, extension, true, decided),
            Some(false) => unchanged(attempt, extension, looked_at, moment, decided),
            None => {
                attempt.extension = Some(Extension {
                    unchanged_at: None,
                    ..extension
                })
            }
        }
    }
    seen_minutes(attempt, moment.now);
}

/// A look showed no more minutes than before the purchase. It may have been sent too early, or the
/// network may still be at it: only a second one, far enough from the first, proves that nothing
/// was bought.
fn unchanged(
    attempt: &mut Attempt,
    extension: Extension,
    looked_at: WorldTime,
    moment: Moment<'_>,
    decided: &mut Decided,
) {
    let answered = COMMAND_TIMEOUT * moment.planner.terms.launch.time_factor.max(1);
    let answered_by = extension.asked_at.after(answered);
    if looked_at < answered_by.max(extension.unsure_since.unwrap_or(answered_by)) {
        return;
    }
    match extension.unchanged_at {
        Some(first) if looked_at.since(first) >= LISTINGS_APART => {
            settle(attempt, extension, false, decided);
        }
        Some(_) => {}
        None => {
            attempt.extension = Some(Extension {
                unchanged_at: Some(looked_at),
                ..extension
            });
            decided.is_durable = true;
        }
    }
}

/// The network's own word for the time left wins over our sums.
fn seen_minutes(attempt: &mut Attempt, now: WorldTime) {
    let left = attempt.observed.as_ref().and_then(|o| o.minutes_remaining);
    if let Some(minutes) = left.filter(|_| attempt.extension.is_none()) {
        attempt.prepaid.until = now.after(MINUTE * minutes);
    }
}
