//! Following a placement from its creation to its agent's first word.

use std::time::Duration;

use super::{ASK_AGAIN, Decided, LOOK_OFTEN, LOOK_SELDOM, Moment, Order, START_WITHIN, leave};
use crate::engine::job::{Job, Rented};

/// Looks by its tag for a live placement whose network id is not known.
pub(super) fn find_live(job: &mut Job, moment: Moment<'_>, decided: &mut Decided) {
    let epoch = job.epoch();
    let is_unsure = matches!(job.last(), Some(a) if matches!(a.rented, Rented::Unsure { .. }));
    if is_unsure && job.is_live(epoch) && is_due(job, ASK_AGAIN, moment, decided) {
        decided.order(Order::Find(epoch));
    }
}

/// A placement whose agents did not all speak yet: started over SSH where it must be, looked at.
pub(super) fn starting(job: &mut Job, moment: Moment<'_>, decided: &mut Decided) {
    let epoch = job.epoch();
    let nodes = usize::from(job.nodes());
    let Some(attempt) = job.last_mut() else {
        return;
    };
    if attempt.rented == Rented::Asked {
        // Its creation is under way: that answer has its own deadline.
        return;
    }
    let begun_at = attempt.created_at.unwrap_or(attempt.decided_at);
    let deadline = begun_at.after(START_WITHIN);
    if moment.now > deadline {
        leave(job, "no word of its agent in time", moment, decided);
        return;
    }
    decided.wake_at(deadline.after(Duration::from_micros(1)));
    if attempt.rented != Rented::Exists {
        return;
    }
    let reachable = attempt
        .observed
        .as_ref()
        .is_some_and(|o| o.nodes.len() == nodes && o.nodes.iter().all(|n| n.ssh.is_some()));
    if reachable && !attempt.bootstrapped && !attempt.starts_by_itself {
        let again = attempt.bootstrap_at.map(|last| last.after(ASK_AGAIN));
        match again.filter(|again| moment.now < *again) {
            Some(again) => decided.wake_at(again),
            None => {
                attempt.bootstrap_at = Some(moment.now);
                decided.wake_at(moment.now.after(ASK_AGAIN));
                decided.order(Order::Bootstrap(epoch));
            }
        }
        return;
    }
    let every = if attempt.bootstrapped || attempt.starts_by_itself {
        LOOK_SELDOM
    } else {
        LOOK_OFTEN
    };
    look(job, every, moment, decided);
}

/// Orders a look, when the last one is long enough ago: networks limit how often they are asked.
/// While one is under way none is ordered: when it was ordered says what it can have seen.
pub(super) fn look(job: &mut Job, every: Duration, moment: Moment<'_>, decided: &mut Decided) {
    let exists = job.last().is_some_and(|a| a.rented == Rented::Exists);
    if moment.flying.contains(&Order::Look(job.epoch())) {
        return;
    }
    if exists && is_due(job, every, moment, decided) {
        decided.order(Order::Look(job.epoch()));
    }
}

/// Whether the last attempt was looked at, or for, long enough ago; notes that it is now.
fn is_due(job: &mut Job, every: Duration, moment: Moment<'_>, decided: &mut Decided) -> bool {
    let Some(attempt) = job.last_mut() else {
        return false;
    };
    let due = attempt.looked_at.map(|last| last.after(every));
    if let Some(due) = due.filter(|due| moment.now < *due) {
        decided.wake_at(due);
        return false;
    }
    attempt.looked_at = Some(moment.now);
    decided.wake_at(moment.now.after(every));
    true
}
