//! Leaving a placement: no renewal any more, then certainty that it can publish nothing.

use std::time::Duration;

use tandem_model::job::{JobEvent, JobState};
use tandem_model::workload::WorkloadKind;

use super::look::look;
use super::{Decided, LOOK_OFTEN, Moment};
use crate::engine::job::Job;
use crate::engine::planted::Planted;
use crate::engine::view::AgentView;

/// Decides to leave the live placement: no renewal any more, offer not taken again.
pub(crate) fn leave(job: &mut Job, why: &str, moment: Moment<'_>, decided: &mut Decided) {
    if !decided.apply(job, JobEvent::LeaveDecided, moment) {
        return;
    }
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.left_because = Some(why.to_owned());
        attempt.left_at = Some(moment.now);
        // Time that ran out is no fault of the machine, nor is a creation that nobody paid.
        if !attempt.ends_soon && !attempt.was_turned_away {
            let offer = attempt.offer.id.clone();
            job.doc.situation.failed_offers.insert(offer);
        }
    }
    decided.tell(job, format!("left: {why}"));
    let view = AgentView::of(&job.doc.session, job.nodes(), moment.now);
    fence(job, &view, moment, decided);
}

/// Waits for the network's word or the end of the last lease; a service's replacement may start
/// first.
pub(super) fn fence(job: &mut Job, view: &AgentView, moment: Moment<'_>, decided: &mut Decided) {
    let may_overlap = job.spec.workload.kind == WorkloadKind::Service
        && !job.spec.workload.exclusive
        && job.doc.state == JobState::Fencing;
    let over_at = view
        .lease_until
        .map(|lease| lease.after(moment.windows().skew + Duration::from_micros(1)));
    let sooner = if Planted::LeaseShort.is_here() {
        moment.windows().suspect_after
    } else {
        Duration::ZERO
    };
    let is_planted = Planted::FenceNotWaited.is_here() || sooner > Duration::ZERO;
    let may_overlap = may_overlap || Planted::FenceNotWaited.is_here();
    match over_at.filter(|over_at| moment.now.after(sooner) < *over_at && !may_overlap) {
        None => finish(job, may_overlap || is_planted, moment, decided),
        Some(over_at) => {
            decided.wake_at(over_at);
            look(job, LOOK_OFTEN, moment, decided);
        }
    }
}

/// Ends the fence: the network confirmed the stop, or lease and skew ran out.
pub(super) fn finish(
    job: &mut Job,
    stop_confirmed: bool,
    moment: Moment<'_>,
    decided: &mut Decided,
) {
    if !end_session(job, stop_confirmed, moment) {
        return;
    }
    if let Some(attempt) = job.last_mut() {
        attempt.fenced_at = Some(moment.now);
    }
    let was = job.doc.state;
    if decided.apply(job, JobEvent::Fenced, moment) && was == JobState::Fencing {
        decided.tell(job, "fenced: the old attempt can publish nothing any more");
    } else if was == JobState::Cancelling {
        decided.tell(job, "stopped");
    }
}

/// Ends the live epoch for good; whether it could be ended.
pub(super) fn end_session(job: &mut Job, stop_confirmed: bool, moment: Moment<'_>) -> bool {
    match job.doc.session.fence(stop_confirmed, moment.now) {
        Ok(()) => true,
        Err(still) => {
            tracing::debug!(job = %job.id, %still, "not fenced yet");
            false
        }
    }
}
