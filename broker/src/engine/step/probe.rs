//! Leaving a placement by its probe: a verdict that is not accepted, work without one, or none in
//! time. It is left as failed hardware. By the probe at its start that is before anything was charged
//! for it; by one inside its running work, what was proved before stays charged.

use std::time::Duration;

use super::{Decided, Moment, leave};
use crate::engine::job::Job;
use crate::engine::planted::Planted;
use crate::engine::probe::running;

/// The smallest step past a deadline.
const JUST_AFTER: Duration = Duration::from_micros(1);

/// Leaves the live placement when its probe says so; wakes when it may be late.
pub(super) fn judge(job: &mut Job, moment: Moment<'_>, decided: &mut Decided) {
    if !job.doc.state.may_hold_lease() {
        return;
    }
    let within = moment.planner.terms.probe.within;
    let (has_lapsed, next) = running::lapse(job, within, moment.now);
    decided.is_durable |= has_lapsed;
    if let Some(due) = next {
        decided.wake_at(due.after(JUST_AFTER));
    }
    let Some(attempt) = job.last_mut() else {
        return;
    };
    let unjudged = attempt
        .probe_ordered
        .iter()
        .filter(|(rank, _)| !attempt.probes.contains_key(*rank));
    // The node that was told first is late first.
    let first = unjudged.min_by_key(|(_, told)| **told);
    let due = first.map(|(rank, told)| (*rank, told.after(within)));
    let mut judged = attempt.probes.iter();
    let refused = judged.find(|(_, p)| !p.accepted && !Planted::RefusedStays.is_here());
    let running = attempt.running_probes.iter();
    let mut running = running.filter_map(|(rank, probes)| probes.refused(*rank));
    let why = if let Some((rank, probed)) = refused {
        format!("node {rank} {}", probed.in_words())
    } else if let Some(why) = running.next() {
        why
    } else if let Some(rank) = attempt.probe_skipped {
        format!("node {rank} began its work without the probe of its GPUs")
    } else if let Some((rank, due)) = due {
        if moment.now <= due {
            decided.wake_at(due.after(JUST_AFTER));
            return;
        }
        format!("no verdict of the probe of node {rank} in time")
    } else {
        return;
    };
    attempt.failed_probe = true;
    leave(job, &why, moment, decided);
}
