//! A placement whose agents spoke: silence, the customer's limit of time, prepaid time.

use std::time::Duration;

use tandem_model::job::{JobEvent, JobState};
use tandem_sla::detect::{Standing, standing};

use super::billing::left_for;
use super::look::look;
use super::{Decided, LOOK_OFTEN, Moment, leave, pay, term};
use crate::engine::job::Job;
use crate::engine::planted::Planted;
use crate::engine::view::AgentView;

/// The smallest step past a limit that is itself still allowed.
const JUST_AFTER: Duration = Duration::from_micros(1);
/// Shortest time after which a job's running time is compared with its limit again.
const OVER_TIME_AGAIN: Duration = Duration::from_secs(1);

pub(super) fn watch(job: &mut Job, view: &AgentView, moment: Moment<'_>, decided: &mut Decided) {
    let used_up = [
        (
            is_over_time(job, moment, decided),
            "it ran as long as its file allows",
        ),
        (
            is_over_budget(job, moment, decided),
            "it cost as much as its file allows",
        ),
        (
            term::is_over(job, moment, decided),
            "its term is over, and no rate was agreed for another",
        ),
    ];
    if let Some((_, why)) = used_up.into_iter().find(|(is_used_up, _)| *is_used_up) {
        job.doc.cancel_asked = true;
        decided.apply(job, JobEvent::CancelAsked, moment);
        decided.tell(job, format!("stopped: {why}"));
        return;
    }
    judge(job, view, moment, decided);
    if matches!(job.doc.state, JobState::Running | JobState::Suspect) {
        pay::pay(job, moment, decided);
    }
}

/// Whether the customer's own limit of running time is used up; wakes when it can be at the
/// earliest.
fn is_over_time(job: &Job, moment: Moment<'_>, decided: &mut Decided) -> bool {
    let Some(limit) = job.spec.workload.limits.max_duration_seconds else {
        return false;
    };
    let limit = Duration::from_secs(limit.into());
    let proved: Duration = job.attempts.iter().map(|a| a.proved).sum();
    if proved >= limit {
        return true;
    }
    // Proved time grows no faster than the clock, and by the heartbeat: it is asked again when it
    // can be used up at the earliest, which is never now.
    decided.wake_at(moment.now.after((limit - proved).max(OVER_TIME_AGAIN)));
    false
}

/// Whether the live attempt worked for all that is left of the customer's budget; wakes when it can
/// have done so at the earliest.
fn is_over_budget(job: &Job, moment: Moment<'_>, decided: &mut Decided) -> bool {
    let has_budget = job.spec.workload.limits.budget_micro_usd.is_some();
    let Some(last) = job.last().filter(|_| has_budget) else {
        return false;
    };
    let most = left_for(job, job.attempts.len() - 1);
    let used = job.gpu_us(last, last.proved);
    if used >= most {
        return true;
    }
    let gpus = u64::from(job.spec.gpus_charged(&last.offer)).max(1);
    let left = Duration::from_micros((most - used) / gpus);
    decided.wake_at(moment.now.after(left.max(OVER_TIME_AGAIN)));
    false
}

/// The quietest node decides: the others' renewals say nothing of it.
fn judge(job: &mut Job, view: &AgentView, moment: Moment<'_>, decided: &mut Decided) {
    let (Some(heard), Some(lease)) = (view.heard_at, view.quiet_lease_until) else {
        return;
    };
    let windows = moment.windows();
    let silent = moment.now.since(heard).as_secs();
    let lease = if Planted::LeaseShort.is_here() {
        heard.after(windows.lease - windows.suspect_after)
    } else {
        lease
    };
    match standing(windows, heard, lease, moment.now) {
        Standing::Heard => {
            if job.doc.state == JobState::Suspect {
                decided.apply(job, JobEvent::Heard, moment);
                decided.tell(job, "heard again");
            }
            decided.wake_at(heard.after(windows.suspect_after + JUST_AFTER));
        }
        Standing::Suspect => {
            if job.doc.state == JobState::Running {
                decided.apply(job, JobEvent::Silent, moment);
                decided.tell(job, format!("silent for {silent} s: suspect"));
            }
            decided.wake_at(lease.after(windows.skew + JUST_AFTER));
            look(job, LOOK_OFTEN, moment, decided);
        }
        Standing::LeaseOver => {
            if job.doc.state == JobState::Running {
                decided.apply(job, JobEvent::Silent, moment);
                decided.tell(job, format!("silent for {silent} s: suspect"));
            }
            let network = job.last().map(|a| a.placement.network.clone());
            let health = network.map(|n| moment.planner.health_of(&n));
            if health.is_none_or(|health| health.may_leave()) {
                let why = format!("silent for {silent} s, lease over");
                leave(job, &why, moment, decided);
            } else {
                // A whole network, or the broker itself, is in doubt: nothing is moved yet.
                look(job, LOOK_OFTEN, moment, decided);
            }
        }
    }
}
