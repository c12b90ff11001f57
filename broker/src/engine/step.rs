//! The engine's decision: one job, one input, one moment in; changed job and orders out.
//!
//! A plain function: no I/O, no clock, no async. The driver performs the orders and feeds each
//! outcome back as the next input. Every decision is repeated from state at the next tick, so an
//! order that is lost is given again.

use std::time::Duration;

use tandem_adapters::command::{Failure, FailureKind, Outcome};
use tandem_model::id::PlacementId;
use tandem_model::job::{JobEvent, JobState, next};
use tandem_model::network::NetworkId;
use tandem_model::placement::{Epoch, Observed};
use tandem_model::time::WorldTime;
use tandem_settlement::charge::charge_step;
use tandem_sla::detect::{Standing, Windows, standing};
use tandem_sla::failover;

use super::job::{ATTEMPTS_MAX, Job, refusal_in_words};
use super::view::AgentView;

/// How long a placement may take from its creation to its agent's first word, in world time.
pub const START_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How long after an unknown creation the second empty listing proves that nothing exists.
pub const LISTINGS_APART: Duration = Duration::from_secs(120);


/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Time passed, or an agent was heard.
    Tick,
    /// The answer to `Order::Create`.
    Created(Outcome),
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
        Input::Created(outcome) => created(job, outcome, moment, &mut decided),
        Input::Looked(outcome) => looked(job, outcome, moment, &mut decided),
        Input::Found(outcome) => found(job, outcome, moment, &mut decided),
        Input::Bootstrapped(result) => bootstrapped(job, result, &mut decided),
        Input::CancelAsked => cancel(job, moment, &mut decided),
    }
    decided
}

fn tick(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let view = AgentView::of(&job.session);
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

/// Takes over what the agent said: binding, heartbeats, the durable result.
fn hear(job: &mut Job, view: &AgentView, moment: Moment, decided: &mut Decided) {
    let restored = view.pointer_step;
    let mut bound_now = false;
    if let Some(attempt) = job.last_mut() {
        bound_now = attempt.bound_at.is_none() && view.bound_at.is_some();
        attempt.bound_at = view.bound_at;
        attempt.heard_at = view.heard_at;
    }
    if bound_now && next(job.state, JobEvent::AgentBound).is_ok() {
        decided.apply(job, JobEvent::AgentBound, moment);
        let from = restored.map_or(String::new(), |step| format!(", goes on from step {step}"));
        decided.tell(job, format!("agent bound{from}"));
    }
    charge(job);
    let Some(result) = &view.result else { return };
    if result.is_outcome {
        let event =
            if result.success { JobEvent::ResultSucceeded } else { JobEvent::ResultFailed };
        if decided.apply(job, event, moment) {
            if !result.success {
                job.cause = Some(result.words.clone());
            }
            decided.tell(job, result.words.clone());
            decided.orders.push(Order::Stop(job.epoch()));
        }
    } else if job.state.may_hold_lease() {
        leave(job, &result.words.clone(), moment, decided);
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
        job.cause = Some(format!("no offer is left after {} attempts", job.attempts.len()));
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
        job.workload.gpus_total(), offer.gpu, offer.network, offer.country, offer.price.price(),
    );
    let epoch = job.open_attempt(offer, moment.fresh, moment.now).placement.epoch;
    job.session.raise_epoch(epoch, moment.now);
    decided.tell(job, format!("epoch {epoch}: {words}"));
    decided.orders.push(Order::Create(epoch));
}

fn created(job: &mut Job, outcome: Outcome, moment: Moment, decided: &mut Decided) {
    match outcome {
        Outcome::Started { remote_id } => {
            if let Some(attempt) = job.last_mut() {
                attempt.remote_id = Some(remote_id);
                attempt.missed_at = None;
            }
            decided.apply(job, JobEvent::CreateConfirmed, moment);
        }
        Outcome::Failed(failure) => refused(job, &failure, moment, decided),
        Outcome::Unknown { detail, .. } => {
            // Looked up by our tag, never guessed.
            if let Some(attempt) = job.last_mut() {
                attempt.missed_at = Some(moment.now);
            }
            decided.tell(job, format!("creation unknown ({detail}): looking for it by its tag"));
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
    job.session.fence(moment.now);
    decided.apply(job, JobEvent::CreateRefused, moment);
    decided.tell(job, format!("{why} ({}); next offer", failure.detail));
}

fn found(job: &mut Job, outcome: Outcome, moment: Moment, decided: &mut Decided) {
    let Some(attempt) = job.last_mut() else { return };
    let tag = attempt.placement.tag.to_string();
    match outcome {
        Outcome::Listed(all) => {
            match all.into_iter().find(|o| o.tag.as_deref() == Some(tag.as_str())) {
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
            code: tandem_model::error::ErrorCode::NETWORK_UNREACHABLE,
            detail: "two empty listings: it was never created".into(),
            retry_after: None,
        };
        refused(job, &failure, moment, decided);
    }
}

fn starting(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let Some(attempt) = job.last() else { return };
    if moment.now.since(attempt.decided_at) > START_WITHIN {
        leave(job, "no word of its agent in time", moment, decided);
        return;
    }
    let reachable = attempt.observed.as_ref().is_some_and(|o| o.ssh.is_some());
    if reachable && !attempt.bootstrapped {
        decided.orders.push(Order::Bootstrap);
    } else {
        decided.orders.push(Order::Look);
    }
}

fn bootstrapped(job: &mut Job, result: Result<(), String>, decided: &mut Decided) {
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

fn looked(job: &mut Job, outcome: Outcome, moment: Moment, decided: &mut Decided) {
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
        }
        JobState::Fencing | JobState::Cancelling => finish_fence(job, moment, decided),
        _ => {}
    }
}

fn remember(job: &mut Job, observed: Observed) {
    if let Some(attempt) = job.last_mut() {
        attempt.observed = Some(observed);
    }
}

fn watch(job: &mut Job, view: &AgentView, moment: Moment, decided: &mut Decided) {
    let (Some(heard), Some(lease)) = (view.heard_at, view.lease_until) else { return };
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
            decided.orders.push(Order::Look);
        }
        Standing::LeaseOver => {
            let silent = moment.now.since(heard).as_secs();
            leave(job, &format!("silent for {silent} s, lease over"), moment, decided);
        }
    }
}

/// Decides to leave the live placement: no renewal any more, stop asked for, offer not taken again.
pub fn leave(job: &mut Job, why: &str, moment: Moment, decided: &mut Decided) {
    if !decided.apply(job, JobEvent::LeaveDecided, moment) {
        return;
    }
    job.session.fence(moment.now);
    if let Some(attempt) = job.last_mut() {
        attempt.left_because = Some(why.to_owned());
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
        finish_fence(job, moment, decided);
    } else {
        decided.orders.push(Order::Look);
    }
}

fn finish_fence(job: &mut Job, moment: Moment, decided: &mut Decided) {
    if let Some(attempt) = job.last_mut() {
        attempt.left_at = Some(moment.now);
    }
    if decided.apply(job, JobEvent::Fenced, moment) {
        decided.tell(job, "fenced: the old attempt can publish nothing any more");
    }
}

fn cancel(job: &mut Job, moment: Moment, decided: &mut Decided) {
    let had_placement = job.state != JobState::Queued;
    if decided.apply(job, JobEvent::CancelAsked, moment) {
        job.session.fence(moment.now);
        decided.tell(job, "stop asked for");
        if had_placement {
            decided.orders.push(Order::Stop(job.epoch()));
        }
    }
}

/// Keeps a job away from a network from now on.
pub fn avoid(job: &mut Job, network: NetworkId) {
    job.situation.networks_avoided.insert(network);
}
