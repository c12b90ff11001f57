//! The engine's decision: one job, one input, one moment in; changed job and orders out.
//!
//! A plain function: no I/O, no clock, no async. The driver performs the orders and feeds each
//! outcome back as the next input. What agents said is taken over before anything is decided, so a
//! durable result is never run again. Orders are repeated from state until their answer came; only
//! a creation is never ordered twice: one without an answer is looked for by its tag.

mod answers;
mod place;
mod release;

use std::time::Duration;

use gpu_probe::protocol::Directive;
use tandem_adapters::command::Outcome;
use tandem_model::id::PlacementId;
use tandem_model::job::{JobEffect, JobEvent, JobState, next};
use tandem_model::network::{LaunchVia, NetworkId};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_settlement::charge::charge_step;
use tandem_sla::detect::{Standing, Windows, standing};

use super::job::{Job, Rented};
use super::view::{AgentView, ResultView};

/// How long a placement may take from its creation to its agent's first word, in world time.
pub const START_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Time between the two empty listings that prove that an unknown creation came to nothing.
pub const LISTINGS_APART: Duration = Duration::from_secs(120);

/// Time between two looks at a placement in doubt, in world time.
pub const LOOK_OFTEN: Duration = Duration::from_secs(5);
/// Time between two listings, and between two starts over SSH, in world time.
pub const ASK_AGAIN: Duration = Duration::from_secs(15);
/// Time between two looks at a placement that starts by itself, in world time.
pub const LOOK_SELDOM: Duration = Duration::from_secs(30);

/// What happened. An answer names the epoch whose order it answers.
#[derive(Debug)]
pub enum Input {
    /// Time passed, an agent was heard, or somebody asked to stop the job.
    Tick,
    /// The answer to `Order::Create`, and how the product starts a workload.
    Created(Epoch, Outcome, LaunchVia),
    /// The answer to `Order::Look`.
    Looked(Epoch, Outcome),
    /// The answer to `Order::Find`.
    Found(Epoch, Outcome),
    /// The start over SSH ended well, or why not.
    Bootstrapped(Epoch, Result<(), String>),
    /// The answer to `Order::Stop`.
    Stopped(Epoch, Outcome),
}

/// What the driver is to do, for the attempt of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Create the placement.
    Create(Epoch),
    /// Look at it.
    Look(Epoch),
    /// Find it by its tag.
    Find(Epoch),
    /// Start the workload on its machines.
    Bootstrap(Epoch),
    /// Stop what was rented for it.
    Stop(Epoch),
}

/// The moment of a decision and what may be used up in it.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// World time.
    pub now: WorldTime,
    /// Detection and lease limits.
    pub windows: Windows,
    /// The id of a placement, should one be made.
    pub fresh: PlacementId,
}

/// What a step decided: orders, and what happened in words.
#[derive(Debug, Default)]
pub struct Decided {
    /// To be performed, in order.
    pub orders: Vec<Order>,
    /// To be told, in order, with the state after each.
    pub told: Vec<(JobState, String)>,
}

impl Decided {
    fn tell(&mut self, job: &Job, what: impl Into<String>) {
        self.told.push((job.state, what.into()));
    }

    /// Applies an event to the state machine, and takes the lease when it says so; an illegal one
    /// is a defect and changes nothing.
    fn apply(&mut self, job: &mut Job, event: JobEvent, moment: Moment) -> bool {
        match next(job.state, event) {
            Ok((state, effects)) => {
                let ends =
                    |e: &JobEffect| matches!(e, JobEffect::RevokeLease | JobEffect::Conclude);
                if effects.iter().any(ends) {
                    job.session.revoke();
                    job.session.direct(Directive::Stop);
                }
                job.state = state;
                if state.is_terminal() && job.ended_at.is_none() {
                    job.ended_at = Some(moment.now);
                }
                true
            }
            Err(illegal) => {
                tracing::error!(job = %job.id, %illegal, "defect: illegal transition refused");
                false
            }
        }
    }
}

/// Decides.
pub fn step(job: &mut Job, input: Input, moment: Moment) -> Decided {
    let mut decided = Decided::default();
    let view = AgentView::of(&job.session, job.workload.resources.nodes);
    if !job.state.is_terminal() {
        hear(job, &view, moment, &mut decided);
    }
    if job.cancel_asked && !job.state.is_terminal() && job.state != JobState::Cancelling {
        decided.apply(job, JobEvent::CancelAsked, moment);
        decided.tell(job, "stop asked for");
    }
    match input {
        Input::Tick => tick(job, &view, moment, &mut decided),
        Input::Created(epoch, outcome, via) => {
            answers::created(job, epoch, outcome, via, moment, &mut decided);
        }
        Input::Looked(epoch, outcome) => {
            answers::looked(job, epoch, outcome, moment, &mut decided);
        }
        Input::Found(epoch, outcome) => answers::found(job, epoch, outcome, moment, &mut decided),
        Input::Bootstrapped(epoch, result) => {
            answers::bootstrapped(job, epoch, result, &mut decided);
        }
        Input::Stopped(epoch, outcome) => release::stopped(job, epoch, &outcome),
    }
    release::release(job, moment, &mut decided);
    decided
}

fn tick(job: &mut Job, view: &AgentView, moment: Moment, decided: &mut Decided) {
    find_live(job, moment, decided);
    match job.state {
        JobState::Queued => place::place(job, moment, decided),
        JobState::Placing | JobState::Starting => starting(job, moment, decided),
        JobState::Running | JobState::Suspect => watch(job, view, moment, decided),
        JobState::Fencing | JobState::Cancelling => fence(job, view, moment, decided),
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
    }
}

/// Looks by its tag for a live placement whose network id is not known.
fn find_live(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let epoch = job.epoch();
    let is_unsure = matches!(job.last(), Some(a) if matches!(a.rented, Rented::Unsure { .. }));
    if is_unsure && job.is_live(epoch) && is_due(job, ASK_AGAIN, moment) {
        decided.orders.push(Order::Find(epoch));
    }
}

/// Takes over what the agents said: binding, heartbeats, the durable result.
fn hear(job: &mut Job, view: &AgentView, moment: Moment, decided: &mut Decided) {
    let live = job.state.may_hold_lease();
    job.prove(moment.windows.suspect_after);
    let is_new = matches!(job.state, JobState::Placing | JobState::Starting);
    let bound_now = is_new && job.last().is_some_and(|a| a.bound_at.is_some());
    if bound_now && decided.apply(job, JobEvent::AgentBound, moment) {
        let from = view
            .pointer_step
            .map_or(String::new(), |s| format!(", goes on from step {s}"));
        decided.tell(job, format!("agent bound{from}"));
    }
    charge(job);
    if let Some(result) = &view.result {
        conclude(job, result, moment, decided);
    } else if let Some(why) = view.placement_end.as_ref().filter(|_| live) {
        leave(job, why, moment, decided);
    }
}

/// The durable result of the live epoch ends the job, whatever was suspected.
fn conclude(job: &mut Job, result: &ResultView, moment: Moment, decided: &mut Decided) {
    let event = if result.success {
        JobEvent::ResultSucceeded
    } else {
        JobEvent::ResultFailed
    };
    if decided.apply(job, event, moment) {
        job.cause = (!result.success).then(|| result.words.clone());
        job.output_sha256.clone_from(&result.output_sha256);
        decided.tell(job, result.words.clone());
    }
}

/// Posts the charge for newly proved time.
fn charge(job: &mut Job) {
    if let Ok(more) = charge_step(job.quote.rate, job.proved_gpu_us(), job.charged) {
        job.charged = job.charged.plus(more).unwrap_or(job.charged);
    }
}

fn starting(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let epoch = job.epoch();
    let nodes = usize::from(job.workload.resources.nodes);
    let Some(attempt) = job.last_mut() else {
        return;
    };
    if moment.now.since(attempt.decided_at) > START_WITHIN {
        leave(job, "no word of its agent in time", moment, decided);
        return;
    }
    if attempt.rented != Rented::Exists {
        return;
    }
    let reachable = attempt
        .observed
        .as_ref()
        .is_some_and(|o| o.nodes.len() == nodes && o.nodes.iter().all(|n| n.ssh.is_some()));
    if reachable && !attempt.bootstrapped && !attempt.starts_by_itself {
        let last = attempt.bootstrap_at;
        if last.is_none_or(|last| moment.now.since(last) >= ASK_AGAIN) {
            attempt.bootstrap_at = Some(moment.now);
            decided.orders.push(Order::Bootstrap(epoch));
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
fn look(job: &mut Job, every: Duration, moment: Moment, decided: &mut Decided) {
    let exists = job.last().is_some_and(|a| a.rented == Rented::Exists);
    if exists && is_due(job, every, moment) {
        decided.orders.push(Order::Look(job.epoch()));
    }
}

/// Whether the last attempt was looked at, or for, long enough ago; notes that it is now.
fn is_due(job: &mut Job, every: Duration, moment: Moment) -> bool {
    let Some(attempt) = job.last_mut() else {
        return false;
    };
    let last = attempt.looked_at;
    let is_due = last.is_none_or(|last| moment.now.since(last) >= every);
    if is_due {
        attempt.looked_at = Some(moment.now);
    }
    is_due
}

fn watch(job: &mut Job, view: &AgentView, moment: Moment, decided: &mut Decided) {
    // The quietest node decides: the others' renewals say nothing of it.
    let (Some(heard), Some(lease)) = (view.heard_at, view.quiet_lease_until) else {
        return;
    };
    match standing(&moment.windows, heard, lease, moment.now) {
        Standing::Heard if job.state == JobState::Suspect => {
            decided.apply(job, JobEvent::Heard, moment);
            decided.tell(job, "heard again");
        }
        Standing::Heard => {}
        Standing::Suspect => {
            if job.state == JobState::Running {
                decided.apply(job, JobEvent::Silent, moment);
                let silent = moment.now.since(heard).as_secs();
                decided.tell(job, format!("silent for {silent} s: suspect"));
            }
            look(job, LOOK_OFTEN, moment, decided);
        }
        Standing::LeaseOver => {
            let silent = moment.now.since(heard).as_secs();
            leave(
                job,
                &format!("silent for {silent} s, lease over"),
                moment,
                decided,
            );
        }
    }
}

/// Decides to leave the live placement: no renewal any more, offer not taken again.
fn leave(job: &mut Job, why: &str, moment: Moment, decided: &mut Decided) {
    if !decided.apply(job, JobEvent::LeaveDecided, moment) {
        return;
    }
    if let Some(attempt) = job.last_mut() {
        attempt.left_because = Some(why.to_owned());
        attempt.left_at = Some(moment.now);
        let offer = attempt.offer.id.clone();
        job.situation.failed_offers.insert(offer);
    }
    decided.tell(job, format!("left: {why}"));
}

fn fence(job: &mut Job, view: &AgentView, moment: Moment, decided: &mut Decided) {
    let over = match view.lease_until {
        None => true,
        Some(lease) => moment.now > lease.after(moment.windows.skew),
    };
    if over {
        finish_fence(job, false, moment, decided);
    } else {
        look(job, LOOK_OFTEN, moment, decided);
    }
}

fn finish_fence(job: &mut Job, stop_confirmed: bool, moment: Moment, decided: &mut Decided) {
    if !fence_session(job, stop_confirmed, moment) {
        return;
    }
    if let Some(attempt) = job.last_mut() {
        attempt.fenced_at = Some(moment.now);
    }
    if decided.apply(job, JobEvent::Fenced, moment) {
        decided.tell(job, "fenced: the old attempt can publish nothing any more");
    }
}

/// Ends the live epoch for good; whether it could be ended.
fn fence_session(job: &mut Job, stop_confirmed: bool, moment: Moment) -> bool {
    match job.session.fence(stop_confirmed, moment.now) {
        Ok(()) => true,
        Err(still) => {
            tracing::debug!(job = %job.id, %still, "not fenced yet");
            false
        }
    }
}

/// Keeps a job away from a network from now on.
pub fn avoid(job: &mut Job, network: NetworkId) {
    job.situation.networks_avoided.insert(network);
}

#[cfg(test)]
mod story;
#[cfg(test)]
mod tests;
