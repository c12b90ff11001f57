//! What the engine makes of each answer of a network: done, refused, or unknown.

use std::time::Duration;

use tandem_adapters::command::{Failure, FailureKind, Outcome};
use tandem_model::error::ErrorCode;
use tandem_model::job::{JobEvent, JobState};
use tandem_model::placement::{Epoch, Observed, RemoteState};
use tandem_model::time::WorldTime;

use super::fence::{end_session, finish};
use super::{Decided, LISTINGS_APART, Moment, Order, leave, pay, release};
use crate::engine::job::{HostKeys, Job, Rented, Stopping};
use crate::engine::planted::Planted;

/// In words, what a network's no means for the plan.
pub(super) const fn refusal_in_words(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Refused => "the network refused the request",
        FailureKind::NotFound => "nothing of that id exists",
        FailureKind::NoCapacity => "the capacity was gone",
        FailureKind::NoCredit => "our balance there is too low",
        FailureKind::Credentials => "our key was not accepted",
        FailureKind::RateLimited => "the network's rate limit is reached",
        FailureKind::Conflict => "its state does not allow it",
        FailureKind::Unsupported => "the network has no such function",
        FailureKind::NetworkFault => "the network itself failed",
    }
}

/// Longest time from the sending of a creation to its answer, in world time: a minute on the wall
/// in the fastest world.
const ANSWER_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Longest time that something that was created may await its payment, in world time: a balance
/// is charged at once, and our own payment is part of the creation.
const PAID_WITHIN: Duration = Duration::from_secs(120);

fn before(moment: WorldTime, duration: Duration) -> WorldTime {
    let us = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    WorldTime::from_micros(moment.micros().saturating_sub(us))
}

/// Idempotency key of the creation of an attempt.
pub(super) fn create_key(tag: &impl std::fmt::Display) -> String {
    format!("{tag}/create")
}

pub(super) fn created(
    job: &mut Job,
    epoch: Epoch,
    outcome: Outcome,
    moment: Moment<'_>,
    decided: &mut Decided,
) {
    let live = job.is_live(epoch);
    let Some(attempt) = job.attempt_mut(epoch) else {
        return;
    };
    decided.settle(create_key(&attempt.placement.tag));
    match outcome {
        Outcome::Started { remote_id } => {
            attempt.remote_id = Some(remote_id);
            attempt.rented = Rented::Exists;
            // However long the order waited for its turn, it was not sent before this.
            let asked_after = before(moment.now, ANSWER_WITHIN);
            pay::begins(attempt, asked_after, moment.now);
            if attempt.starts_by_itself {
                attempt.looked_at = Some(moment.now);
            }
            if live {
                decided.apply(job, JobEvent::CreateConfirmed, moment);
            } else {
                decided.tell(job, format!("epoch {epoch} was created after it was left"));
            }
        }
        Outcome::Failed(failure) if attempt.bound_at.is_some() => {
            // Its agent spoke: it exists, whatever the answer says.
            attempt.rented = Rented::Unsure { missed_at: None };
            let detail = failure.detail;
            tracing::warn!(job = %job.id, %epoch, detail, "refused, and yet its agent spoke");
        }
        Outcome::Failed(failure) => {
            attempt.rented = Rented::Gone;
            refused(job, epoch, &failure, moment, decided);
        }
        Outcome::Unknown { detail, .. } => {
            // Looked up by our tag, never guessed.
            attempt.rented = Rented::Unsure { missed_at: None };
            if Planted::CreationRepeated.is_here() {
                attempt.rented = Rented::Asked;
                decided.order(Order::Create(epoch));
            }
            decided.tell(
                job,
                format!("creation unknown ({detail}): looking for it by its tag"),
            );
        }
        other => {
            attempt.rented = Rented::Unsure { missed_at: None };
            tracing::error!(job = %job.id, ?other, "defect: not an answer to a creation");
        }
    }
}

/// A certain no to the live placement: the next offer.
fn refused(
    job: &mut Job,
    epoch: Epoch,
    failure: &Failure,
    moment: Moment<'_>,
    decided: &mut Decided,
) {
    if job.doc.state != JobState::Placing || job.epoch() != epoch {
        return;
    }
    let why = refusal_in_words(failure.kind);
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.left_because = Some(format!("{why}: {}", failure.detail));
        attempt.left_at = Some(moment.now);
        attempt.fenced_at = Some(moment.now);
        let (offer, network) = (attempt.offer.id.clone(), attempt.offer.network.clone());
        match failure.kind {
            FailureKind::Credentials
            | FailureKind::NoCredit
            | FailureKind::RateLimited
            | FailureKind::NetworkFault => {
                attempt.was_turned_away = true;
                job.doc.situation.networks_avoided.insert(network);
            }
            FailureKind::NoCapacity => {
                attempt.was_turned_away = true;
                job.doc.situation.no_room.insert(offer);
            }
            _ => {
                job.doc.situation.failed_offers.insert(offer);
            }
        }
    }
    decided.apply(job, JobEvent::CreateRefused, moment);
    end_session(job, true, moment);
    decided.tell(job, format!("{why} ({}); next offer", failure.detail));
}

pub(super) fn found(
    job: &mut Job,
    epoch: Epoch,
    outcome: Outcome,
    moment: Moment<'_>,
    decided: &mut Decided,
) {
    let live = job.is_live(epoch);
    let Some(attempt) = job.attempt_mut(epoch) else {
        return;
    };
    if !matches!(attempt.rented, Rented::Unsure { .. }) {
        return;
    }
    let Outcome::Listed(all) = outcome else {
        tracing::debug!(job = %job.id, "listing failed; asked again later");
        return;
    };
    let tag = attempt.placement.tag.to_string();
    let ours = |o: &Observed| o.tag.as_deref() == Some(tag.as_str());
    let Some(observed) = all.into_iter().find(ours) else {
        return missed(job, epoch, moment, decided);
    };
    attempt.remote_id = Some(observed.remote_id.clone());
    attempt.observed = Some(observed);
    attempt.rented = Rented::Exists;
    attempt.stopping = Stopping::default();
    decided.settle(create_key(&attempt.placement.tag));
    let asked_after = attempt.decided_at;
    pay::begins(attempt, asked_after, moment.now);
    if live {
        decided.apply(job, JobEvent::CreateConfirmed, moment);
    }
    let words = format!("epoch {epoch} found by its tag: it had been created");
    decided.tell(job, words);
}

/// A creation that is shown as not paid. Its payment may still be under way; after a while nobody
/// pays it any more, for whoever was to do so died or had no answer: it is left and released, and
/// its offer, which did nothing wrong, may be taken again.
fn leave_unpaid(job: &mut Job, moment: Moment<'_>, decided: &mut Decided) {
    let is_starting = job.doc.state == JobState::Starting;
    let Some(attempt) = job.attempts.last_mut().filter(|_| is_starting) else {
        return;
    };
    let shown_since = attempt.created_at.unwrap_or(attempt.decided_at);
    if moment.now.since(shown_since) < PAID_WITHIN {
        return;
    }
    attempt.was_turned_away = true;
    leave(job, "it was created and never paid", moment, decided);
}

/// An empty listing: the second one, far enough from the first, proves that nothing exists.
fn missed(job: &mut Job, epoch: Epoch, moment: Moment<'_>, decided: &mut Decided) {
    let Some(attempt) = job.attempt_mut(epoch) else {
        return;
    };
    let Rented::Unsure { missed_at } = attempt.rented else {
        return;
    };
    let Some(first) = missed_at else {
        attempt.rented = Rented::Unsure {
            missed_at: Some(moment.now),
        };
        decided.is_durable = true;
        return;
    };
    // Its agent spoke: it exists, whatever the listing says.
    let is_early = moment.now.since(first) < LISTINGS_APART && !Planted::ListedOnce.is_here();
    if is_early || attempt.bound_at.is_some() {
        return;
    }
    attempt.rented = Rented::Gone;
    decided.settle(create_key(&attempt.placement.tag));
    let failure = Failure {
        kind: FailureKind::NetworkFault,
        code: ErrorCode::NETWORK_UNREACHABLE,
        detail: "two empty listings: it was never created".into(),
        retry_after: None,
    };
    refused(job, epoch, &failure, moment, decided);
}

pub(super) fn bootstrapped(
    job: &mut Job,
    epoch: Epoch,
    result: Result<(), String>,
    keys: HostKeys,
    decided: &mut Decided,
) {
    let live = job.is_live(epoch);
    let Some(attempt) = job.attempt_mut(epoch) else {
        return;
    };
    for (rank, key) in keys {
        attempt.host_keys.entry(rank).or_insert(key);
    }
    attempt.bootstrapped |= result.is_ok();
    decided.is_durable = true;
    match result {
        Ok(()) if live => decided.tell(job, "started over SSH"),
        // The script is idempotent: it is sent again, until the start's deadline.
        Err(why) if live => decided.tell(job, format!("start over SSH failed, again soon: {why}")),
        _ => {}
    }
}

pub(super) fn looked(
    job: &mut Job,
    epoch: Epoch,
    outcome: Outcome,
    moment: Moment<'_>,
    decided: &mut Decided,
) {
    let live = job.is_live(epoch);
    let is_last = job.epoch() == epoch;
    let Some(attempt) = job.attempt_mut(epoch) else {
        return;
    };
    if let Outcome::Status(observed) = &outcome {
        decided.is_durable |= attempt.observed.as_ref() != Some(&**observed);
        attempt.observed = Some((**observed).clone());
        pay::seen(attempt, moment, decided);
        if live && observed.state == RemoteState::AwaitingPayment {
            return leave_unpaid(job, moment, decided);
        }
    }
    if !live {
        release::looked(attempt, &outcome, decided);
    }
    let observed = match outcome {
        Outcome::Status(observed) if is_last && observed.state.is_ended() => observed,
        // Right after a creation a network may not know it yet, so absence proves nothing.
        _ => return,
    };
    match job.doc.state {
        JobState::Starting | JobState::Suspect => {
            let why = format!("the network says `{}`", observed.remote_word);
            leave(job, &why, moment, decided);
            if job.doc.state == JobState::Fencing {
                finish(job, true, moment, decided);
            }
        }
        JobState::Fencing | JobState::Cancelling => finish(job, true, moment, decided),
        _ => {}
    }
}
