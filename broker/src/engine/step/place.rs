//! The next placement of a queued job, or the wait for an offer.

use std::time::Duration;

use tandem_model::job::JobEvent;
use tandem_model::offer::Offer;
use tandem_model::time::WorldTime;
use tandem_sla::failover::{self, PassedOver, Plan};

use super::{Decided, Moment, Order};
use crate::engine::job::{ATTEMPTS_MAX, Job};

/// How long a job without an offer waits before those that had no room are asked again.
pub(super) const OFFERS_REST: Duration = Duration::from_secs(60);

/// Chooses the next offer and records the attempt.
pub(super) fn place(job: &mut Job, moment: Moment, decided: &mut Decided) {
    if job.attempts.len() >= ATTEMPTS_MAX {
        return give_up(
            job,
            &format!("all {ATTEMPTS_MAX} attempts failed"),
            moment,
            decided,
        );
    }
    let plan = failover::plan(&job.ranked, &job.situation);
    let chosen = plan
        .choice
        .as_ref()
        .and_then(|id| job.ranked.iter().find(|offer| offer.id == *id).cloned());
    match chosen {
        Some(offer) => take(job, offer, moment, decided),
        None => wait(job, &plan, moment, decided),
    }
}

fn take(job: &mut Job, offer: Offer, moment: Moment, decided: &mut Decided) {
    if !decided.apply(job, JobEvent::OfferChosen, moment) {
        return;
    }
    let words = format!(
        "takes {} x {} of {} in {} at {}/GPU-hour",
        job.quote.gpus,
        offer.gpu,
        offer.network,
        offer.country,
        offer.price.price(),
    );
    let epoch = job
        .open_attempt(offer, moment.fresh, moment.now)
        .placement
        .epoch;
    if let Err(refused) = job.session.raise_epoch(epoch, job.workload.resources.nodes) {
        tracing::error!(job = %job.id, %refused, "defect: epoch not raised");
    }
    job.waiting_since = None;
    decided.tell(job, format!("epoch {epoch}: {words}"));
    decided.orders.push(Order::Create(epoch));
}

/// No offer may be taken: says so once, and asks those that had no room again after a rest.
fn wait(job: &mut Job, plan: &Plan, moment: Moment, decided: &mut Decided) {
    let counts: Vec<_> = plan
        .counts
        .iter()
        .map(|(reason, count)| format!("{count} {}", reason.in_words()))
        .collect();
    let none_left = if counts.is_empty() {
        "no offer fits".to_owned()
    } else {
        format!("no offer is left: {}", counts.join(", "))
    };
    if !plan.counts.contains_key(&PassedOver::NoRoom) {
        return give_up(job, &none_left, moment, decided);
    }
    if must_start_by(job).is_some_and(|by| moment.now > by) {
        let late = format!("{none_left}, and it was to start by now");
        return give_up(job, &late, moment, decided);
    }
    match job.waiting_since {
        None => {
            job.waiting_since = Some(moment.now);
            let seconds = OFFERS_REST.as_secs();
            decided.tell(job, format!("waits {seconds} s: {none_left}"));
        }
        Some(since) if moment.now.since(since) >= OFFERS_REST => {
            job.situation.no_room.clear();
            job.waiting_since = None;
        }
        Some(_) => {}
    }
}

/// The customer's latest start, for a job that has not started.
fn must_start_by(job: &Job) -> Option<WorldTime> {
    let seconds = job.workload.limits.start_by_seconds?;
    let started = job.attempts.iter().any(|a| a.bound_at.is_some());
    let by = job.accepted_at.after(Duration::from_secs(seconds.into()));
    (!started).then_some(by)
}

fn give_up(job: &mut Job, why: &str, moment: Moment, decided: &mut Decided) {
    let last = job.last().and_then(|a| a.left_because.clone());
    let cause = last.map_or_else(|| why.to_owned(), |last| format!("{why}; the last: {last}"));
    if decided.apply(job, JobEvent::GivenUp, moment) {
        job.cause = Some(cause.clone());
        decided.tell(job, cause);
    }
}
