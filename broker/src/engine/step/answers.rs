//! What the engine makes of each answer of a network: done, refused, or unknown.

use tandem_adapters::command::{Failure, FailureKind, Outcome};
use tandem_model::error::ErrorCode;
use tandem_model::job::{JobEvent, JobState};
use tandem_model::network::LaunchVia;
use tandem_model::placement::Observed;

use super::{Decided, LISTINGS_APART, Moment, Order, fence_session, finish_fence, leave};
use crate::engine::job::{Job, refusal_in_words};

pub(super) fn created(
    job: &mut Job,
    outcome: Outcome,
    via: LaunchVia,
    moment: Moment,
    decided: &mut Decided,
) {
    match outcome {
        Outcome::Started { remote_id } => {
            if let Some(attempt) = job.last_mut() {
                attempt.remote_id = Some(remote_id);
                attempt.missed_at = None;
                if via == LaunchVia::Container {
                    attempt.starts_by_itself = true;
                    attempt.looked_at = Some(moment.now);
                }
            }
            decided.apply(job, JobEvent::CreateConfirmed, moment);
        }
        Outcome::Failed(failure) => refused(job, &failure, moment, decided),
        Outcome::Unknown { detail, .. } => {
            // Looked up by our tag, never guessed.
            if let Some(attempt) = job.last_mut() {
                attempt.missed_at = Some(moment.now);
            }
            decided.tell(
                job,
                format!("creation unknown ({detail}): looking for it by its tag"),
            );
            decided.orders.push(Order::Find);
        }
        other => tracing::error!(job = %job.id, ?other, "defect: not an answer to a creation"),
    }
}

fn refused(job: &mut Job, failure: &Failure, moment: Moment, decided: &mut Decided) {
    if job.state != JobState::Placing {
        return;
    }
    let why = refusal_in_words(failure.kind);
    if let Some(attempt) = job.last_mut() {
        attempt.left_because = Some(format!("{why}: {}", failure.detail));
        attempt.left_at = Some(moment.now);
        attempt.fenced_at = Some(moment.now);
        let (offer, network) = (attempt.offer.id.clone(), attempt.offer.network.clone());
        match failure.kind {
            FailureKind::Credentials | FailureKind::NoCredit => {
                job.situation.networks_avoided.insert(network);
            }
            _ => {
                job.situation.failed_offers.insert(offer);
            }
        }
    }
    fence_session(job, true, moment);
    decided.apply(job, JobEvent::CreateRefused, moment);
    decided.tell(job, format!("{why} ({}); next offer", failure.detail));
}

pub(super) fn found(job: &mut Job, outcome: Outcome, moment: Moment, decided: &mut Decided) {
    let Some(attempt) = job.last_mut() else {
        return;
    };
    let tag = attempt.placement.tag.to_string();
    match outcome {
        Outcome::Listed(all) => {
            match all
                .into_iter()
                .find(|o| o.tag.as_deref() == Some(tag.as_str()))
            {
                Some(observed) => {
                    attempt.remote_id = Some(observed.remote_id.clone());
                    attempt.observed = Some(observed);
                    attempt.missed_at = None;
                    decided.apply(job, JobEvent::CreateConfirmed, moment);
                    decided.tell(job, "found by its tag: it had been created");
                }
                None => missed(job, moment, decided),
            }
        }
        _ => tracing::debug!(job = %job.id, "listing failed; asked again at the next tick"),
    }
}

/// An empty listing: the second one, far enough from the first, proves that nothing exists.
fn missed(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let first = job.last().and_then(|a| a.missed_at);
    if first.is_some_and(|first| moment.now.since(first) >= LISTINGS_APART) {
        let failure = Failure {
            kind: FailureKind::NetworkFault,
            code: ErrorCode::NETWORK_UNREACHABLE,
            detail: "two empty listings: it was never created".into(),
            retry_after: None,
        };
        refused(job, &failure, moment, decided);
    }
}

pub(super) fn bootstrapped(job: &mut Job, result: Result<(), String>, decided: &mut Decided) {
    match result {
        Ok(()) => {
            if let Some(attempt) = job.last_mut() {
                attempt.bootstrapped = true;
            }
            decided.tell(job, "started over SSH");
        }
        // The script is idempotent: it is sent again at the next tick, until the start's deadline.
        Err(why) => decided.tell(job, format!("start over SSH failed, again soon: {why}")),
    }
}

pub(super) fn looked(job: &mut Job, outcome: Outcome, moment: Moment, decided: &mut Decided) {
    let observed = match outcome {
        Outcome::Status(observed) => *observed,
        // Right after a creation a network may not know it yet, so absence proves nothing.
        _ => return,
    };
    let ended = observed.state.is_ended();
    let word = observed.remote_word.clone();
    remember(job, observed);
    if !ended {
        return;
    }
    match job.state {
        JobState::Starting | JobState::Suspect => {
            leave(job, &format!("the network says `{word}`"), moment, decided);
            finish_fence(job, true, moment, decided);
        }
        JobState::Fencing | JobState::Cancelling => finish_fence(job, true, moment, decided),
        _ => {}
    }
}

fn remember(job: &mut Job, observed: Observed) {
    if let Some(attempt) = job.last_mut() {
        attempt.observed = Some(observed);
    }
}
