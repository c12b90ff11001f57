//! Giving back what is rented and not wanted any more, whatever became of the job.
//!
//! A creation can turn out to have worked after the job was cancelled or moved, and a stop can be
//! refused, lost, or taken and not carried out. So each attempt that is not the live one is
//! followed until its network says that it ended: found by its tag when its id is not known,
//! asked to stop, looked at, asked again; with growing pauses and a last try, after which a
//! person is told.

use std::time::Duration;

use tandem_adapters::command::{FailureKind, Outcome};
use tandem_model::job::JobState;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use super::{Decided, LOOK_OFTEN, Moment, Order, START_WITHIN, pay};
use crate::engine::job::{Attempt, Job, Rented};
use crate::engine::planted::Planted;

/// Tries after which a person must look; with their pauses they take more than an hour.
pub(super) const TRIES_MAX: u32 = 15;
/// Longest pause between two tries, in world time.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(10 * 60);

/// Orders the next try for every attempt that is not live.
pub(super) fn release(job: &mut Job, moment: Moment<'_>, decided: &mut Decided) {
    let live = job.doc.state.may_hold_lease().then(|| job.epoch());
    let mut given_up = Vec::new();
    for attempt in &mut job.attempts {
        if Some(attempt.placement.epoch) == live {
            continue;
        }
        // Nobody needs the time any more, whether or not it was sold.
        if let Some(extension) = attempt.extension.take() {
            decided.settle(pay::extend_key(attempt, extension.number));
        }
        if wanted(attempt).is_some_and(|order| moment.flying.contains(&order)) {
            // A try that waits for its turn is not the next one too; its answer wakes the job.
            continue;
        }
        if let Some(order) = next_try(attempt, moment.now) {
            decided.order(order);
        } else if attempt.rented != Rented::GivenUp && is_spent(attempt, moment.now) {
            attempt.rented = Rented::GivenUp;
            given_up.push(format!(
                "not confirmed as stopped after {TRIES_MAX} tries: look at {} for `{}`",
                attempt.placement.network, attempt.placement.tag
            ));
        }
        if !attempt.is_released() {
            decided.wake_at(next_try_at(attempt, moment.now));
        }
    }
    for words in given_up {
        tracing::error!(job = %job.id, "{words}");
        decided.tell(job, words);
    }
}

/// What brings an attempt that is not live nearer to its end.
fn wanted(attempt: &Attempt) -> Option<Order> {
    let epoch = attempt.placement.epoch;
    match attempt.rented {
        Rented::Unsure { .. } => Some(Order::Find(epoch)),
        Rented::Exists if attempt.stopping.accepted => Some(Order::Look(epoch)),
        Rented::Exists => Some(Order::Stop(epoch)),
        Rented::Asked | Rented::Gone | Rented::GivenUp => None,
    }
}

/// Pause after the n-th try: 5 s, doubled each time, up to [`PAUSE_MAX`].
fn pause(tries: u32) -> Duration {
    let doubled = 1 << tries.saturating_sub(1).min(16);
    (LOOK_OFTEN * doubled).min(PAUSE_MAX)
}

fn is_due(attempt: &Attempt, now: WorldTime) -> bool {
    let last = attempt.stopping.tried_at;
    last.is_none_or(|last| now.since(last) >= pause(attempt.stopping.tries))
}

/// When the next try is due; a creation whose answer is awaited has its own deadline.
fn next_try_at(attempt: &Attempt, now: WorldTime) -> WorldTime {
    let pause = match attempt.rented {
        Rented::Asked => START_WITHIN,
        _ => pause(attempt.stopping.tries),
    };
    attempt.stopping.tried_at.unwrap_or(now).after(pause)
}

fn is_spent(attempt: &Attempt, now: WorldTime) -> bool {
    !attempt.is_released() && attempt.stopping.tries >= TRIES_MAX && is_due(attempt, now)
}

fn next_try(attempt: &mut Attempt, now: WorldTime) -> Option<Order> {
    if attempt.rented == Rented::Asked && now.since(attempt.decided_at) > START_WITHIN {
        // Its answer was lost with whoever waited for it.
        attempt.rented = Rented::Unsure { missed_at: None };
    }
    let order = wanted(attempt)?;
    if attempt.stopping.tries >= TRIES_MAX || !is_due(attempt, now) {
        return None;
    }
    attempt.stopping.tries += 1;
    attempt.stopping.tried_at = Some(now);
    Some(order)
}

/// Takes over the answer to a stop.
pub(super) fn stopped(job: &mut Job, epoch: Epoch, outcome: &Outcome, decided: &mut Decided) {
    let id = job.id;
    if Planted::TerminalLeft.is_here() && job.doc.state.is_terminal() {
        job.doc.state = JobState::Cancelled;
    }
    let Some(attempt) = job.attempt_mut(epoch) else {
        return;
    };
    decided.is_durable = true;
    match outcome {
        Outcome::Stopping => {
            attempt.stopping.accepted = true;
            settle(attempt);
        }
        Outcome::Failed(failure) if failure.kind == FailureKind::NotFound => {
            attempt.rented = Rented::Gone;
        }
        // What has ended already cannot be stopped.
        Outcome::Failed(_) if attempt.seen_ended() => attempt.rented = Rented::Gone,
        // Its state does not allow it: a look says whether it ended.
        Outcome::Failed(failure) if failure.kind == FailureKind::Conflict => {
            attempt.stopping.accepted = true;
        }
        other => tracing::warn!(job = %id, %epoch, ?other, "not stopped; asked again later"),
    }
}

/// Takes over a look at a thing that is to be stopped.
pub(super) fn looked(attempt: &mut Attempt, outcome: &Outcome, decided: &mut Decided) {
    let before = (attempt.rented, attempt.stopping);
    match outcome {
        Outcome::Status(observed) if observed.state.is_ended() => settle(attempt),
        Outcome::Status(observed)
            if observed.state != tandem_model::placement::RemoteState::Stopping =>
        {
            // Taken and not carried out: the next try asks again.
            attempt.stopping.accepted = false;
        }
        Outcome::Failed(failure)
            if failure.kind == FailureKind::NotFound && attempt.stopping.accepted =>
        {
            attempt.rented = Rented::Gone;
        }
        _ => {}
    }
    decided.is_durable |= before != (attempt.rented, attempt.stopping);
}

/// A stop that was taken, and a thing that was seen ended, are enough together.
fn settle(attempt: &mut Attempt) {
    if attempt.stopping.accepted && attempt.seen_ended() {
        attempt.rented = Rented::Gone;
    }
}
