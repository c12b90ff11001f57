//! The engine's decision: one job, one input, one moment in; changed job and orders out.
//!
//! A plain function: no I/O, no clock, no async. The driver performs the orders and feeds each
//! outcome back as the next input. Every decision is repeated from state at the next tick, so an
//! order that is lost is given again.

mod answers;

use std::time::Duration;

use tandem_adapters::command::Outcome;
use tandem_model::id::PlacementId;
use tandem_model::job::{JobEvent, JobState, next};
use tandem_model::network::{LaunchVia, NetworkId};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_settlement::charge::charge_step;
use tandem_sla::detect::{Standing, Windows, standing};
use tandem_sla::failover;

use super::job::{ATTEMPTS_MAX, Job};
use super::view::{AgentView, ResultView};

/// How long a placement may take from its creation to its agent's first word, in world time.
pub const START_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How long after an unknown creation the second empty listing proves that nothing exists.
pub const LISTINGS_APART: Duration = Duration::from_secs(120);

/// Time between two looks at a placement in doubt, in world time.
pub const LOOK_OFTEN: Duration = Duration::from_secs(5);
/// Time between two looks at a placement that starts by itself, in world time.
pub const LOOK_SELDOM: Duration = Duration::from_secs(30);

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Time passed, or an agent was heard.
    Tick,
    /// The answer to `Order::Create`, and how the product starts a workload.
    Created(Outcome, LaunchVia),
    /// The answer to `Order::Look`.
    Looked(Outcome),
    /// The answer to `Order::Find`.
    Found(Outcome),
    /// The start over SSH ended well, or why not.
    Bootstrapped(Result<(), String>),
    /// Somebody asked to stop the job.
    CancelAsked,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Create the placement of this epoch.
    Create(Epoch),
    /// Look at it.
    Look,
    /// Find it by its tag.
    Find,
    /// Start the workload on its machine.
    Bootstrap,
    /// Stop the placement of this epoch.
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

    /// Applies an event to the state machine; an illegal one is a defect and changes nothing.
    fn apply(&mut self, job: &mut Job, event: JobEvent, moment: Moment) -> bool {
        match next(job.state, event) {
            Ok((state, _)) => {
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
    if job.state.is_terminal() {
        return decided;
    }
    match input {
        Input::Tick => tick(job, moment, &mut decided),
        Input::Created(outcome, via) => answers::created(job, outcome, via, moment, &mut decided),
        Input::Looked(outcome) => answers::looked(job, outcome, moment, &mut decided),
        Input::Found(outcome) => answers::found(job, outcome, moment, &mut decided),
        Input::Bootstrapped(result) => answers::bootstrapped(job, result, &mut decided),
        Input::CancelAsked => cancel(job, moment, &mut decided),
    }
    decided
}

fn tick(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let view = AgentView::of(&job.session, job.workload.resources.nodes);
    hear(job, &view, moment, decided);
    match job.state {
        JobState::Queued => place(job, moment, decided),
        JobState::Placing => {
            if job.last().is_some_and(|a| a.missed_at.is_some()) {
                decided.orders.push(Order::Find);
            }
        }
        JobState::Starting => starting(job, moment, decided),
        JobState::Running | JobState::Suspect => watch(job, &view, moment, decided),
        JobState::Fencing | JobState::Cancelling => fence(job, &view, moment, decided),
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
    }
}

/// Takes over what the agents said: binding, heartbeats, the durable result.
fn hear(job: &mut Job, view: &AgentView, moment: Moment, decided: &mut Decided) {
    let live = job.state.may_hold_lease();
    let mut bound_now = false;
    if let Some(attempt) = job.last_mut().filter(|_| live && view.bound) {
        bound_now = attempt.bound_at.is_none();
        attempt.bound_at = attempt.bound_at.or(view.heard_at);
        attempt.heard_at = view.heard_at.max(attempt.heard_at);
    }
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
        decided.orders.push(Order::Stop(job.epoch()));
    }
}

/// Posts the charge for newly proved time.
fn charge(job: &mut Job) {
    if let Ok(more) = charge_step(job.quote.rate, job.proved_gpu_us(), job.charged) {
        job.charged = job.charged.plus(more).unwrap_or(job.charged);
    }
}

/// Chooses the next offer and records the attempt.
fn place(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let plan = failover::plan(&job.ranked, &job.situation);
    let chosen = plan
        .choice
        .and_then(|id| job.ranked.iter().find(|offer| offer.id == id).cloned())
        .filter(|_| job.attempts.len() < ATTEMPTS_MAX);
    let Some(offer) = chosen else {
        job.cause = Some(format!(
            "no offer is left after {} attempts",
            job.attempts.len()
        ));
        if decided.apply(job, JobEvent::GivenUp, moment) {
            let cause = job.cause.clone().unwrap_or_default();
            decided.tell(job, cause);
        }
        return;
    };
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
    decided.tell(job, format!("epoch {epoch}: {words}"));
    decided.orders.push(Order::Create(epoch));
}

fn starting(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let Some(attempt) = job.last() else { return };
    if moment.now.since(attempt.decided_at) > START_WITHIN {
        leave(job, "no word of its agent in time", moment, decided);
        return;
    }
    let nodes = usize::from(job.workload.resources.nodes);
    let reachable = attempt
        .observed
        .as_ref()
        .is_some_and(|o| o.nodes.len() == nodes && o.nodes.iter().all(|n| n.ssh.is_some()));
    if reachable && !attempt.bootstrapped {
        decided.orders.push(Order::Bootstrap);
    } else if attempt.bootstrapped || attempt.starts_by_itself {
        look(job, LOOK_SELDOM, moment, decided);
    } else {
        look(job, LOOK_OFTEN, moment, decided);
    }
}

/// Orders a look, when the last one is long enough ago: networks limit how often they are asked.
fn look(job: &mut Job, every: Duration, moment: Moment, decided: &mut Decided) {
    if let Some(attempt) = job.last_mut()
        && attempt
            .looked_at
            .is_none_or(|last| moment.now.since(last) >= every)
    {
        attempt.looked_at = Some(moment.now);
        decided.orders.push(Order::Look);
    }
}

fn watch(job: &mut Job, view: &AgentView, moment: Moment, decided: &mut Decided) {
    let (Some(heard), Some(lease)) = (view.heard_at, view.lease_until) else {
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

/// Decides to leave the live placement: no renewal any more, stop asked for, offer not taken again.
pub fn leave(job: &mut Job, why: &str, moment: Moment, decided: &mut Decided) {
    if !decided.apply(job, JobEvent::LeaveDecided, moment) {
        return;
    }
    job.session.revoke();
    if let Some(attempt) = job.last_mut() {
        attempt.left_because = Some(why.to_owned());
        attempt.left_at = Some(moment.now);
        let offer = attempt.offer.id.clone();
        job.situation.failed_offers.insert(offer);
    }
    decided.tell(job, format!("left: {why}"));
    decided.orders.push(Order::Stop(job.epoch()));
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

fn cancel(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let had_placement = job.state != JobState::Queued;
    if decided.apply(job, JobEvent::CancelAsked, moment) {
        job.session.revoke();
        decided.tell(job, "stop asked for");
        if had_placement {
            decided.orders.push(Order::Stop(job.epoch()));
        }
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
