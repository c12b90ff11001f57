//! The engine's decision: one job, one input, one moment in; changed job and orders out.
//!
//! A plain function: no I/O, no clock, no async. The kernel commits what was decided, the runner
//! performs the orders and feeds each outcome back as the next input. What agents said is taken
//! over before anything is decided, so a durable result is never run again. Orders are repeated
//! from state until their answer came; only a creation and a purchase of time are never ordered
//! twice: one without an answer is looked for.

mod answers;
mod billing;
mod fence;
mod look;
mod pay;
mod place;
mod probe;
mod release;
mod term;
mod watch;

use std::time::Duration;

use gpu_probe::protocol::Directive;
use serde::{Deserialize, Serialize};
use tandem_adapters::command::Outcome;
use tandem_model::id::PlacementId;
use tandem_model::job::{JobEffect, JobEvent, JobState, next};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_settlement::ledger;
use tandem_sla::detect::Windows;

use super::job::{HostKeys, Job};
use super::planner::Planner;
use super::view::{AgentView, ResultView};
use crate::store::ChargeRecord;

pub(crate) use fence::leave;
pub use place::start_by;

/// How long a placement may take from its creation to its agent's first word, in world time.
pub const START_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Time between the two empty listings that prove that an unknown creation came to nothing, and
/// between the two looks that prove it of a purchase of time.
pub const LISTINGS_APART: Duration = Duration::from_secs(120);
/// Time between two looks at a placement in doubt, in world time.
pub const LOOK_OFTEN: Duration = Duration::from_secs(5);
/// Time between two listings, and between two starts over SSH, in world time.
pub const ASK_AGAIN: Duration = Duration::from_secs(15);
/// Time between two looks at a placement that starts by itself, in world time.
pub const LOOK_SELDOM: Duration = Duration::from_secs(30);
/// Longest time between two decisions on a job that is open.
pub const WAKE_MAX: Duration = Duration::from_secs(600);
/// Decisions on one input: a fence may be followed by the next placement at once.
const ROUNDS_MAX: usize = 4;

/// What happened. An answer names the epoch whose order it answers.
#[derive(Debug, Clone)]
pub enum Input {
    /// Time passed, an agent was heard, or somebody asked to stop the job.
    Tick,
    /// The answer to `Order::Create`.
    Created(Epoch, Outcome),
    /// The answer to `Order::Look`.
    Looked(Epoch, Outcome),
    /// The answer to `Order::Find`.
    Found(Epoch, Outcome),
    /// The start over SSH ended well, or why not, with the host keys that machines showed.
    Bootstrapped(Epoch, Result<(), String>, HostKeys),
    /// The answer to `Order::Extend`.
    Extended(Epoch, Outcome),
    /// The answer to `Order::Stop`.
    Stopped(Epoch, Outcome),
}

/// What is to be done, for the attempt of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Create the placement.
    Create(Epoch),
    /// Look at it.
    Look(Epoch),
    /// Find it by its tag.
    Find(Epoch),
    /// Start the workload on its machines.
    Bootstrap(Epoch),
    /// Buy more time.
    Extend(Epoch),
    /// Stop what was rented for it.
    Stop(Epoch),
}

impl Order {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Look(_) => "look",
            Self::Find(_) => "find",
            Self::Bootstrap(_) => "bootstrap",
            Self::Extend(_) => "extend",
            Self::Stop(_) => "stop",
        }
    }

    /// The attempt that it is for.
    pub const fn epoch(self) -> Epoch {
        match self {
            Self::Create(epoch)
            | Self::Look(epoch)
            | Self::Find(epoch)
            | Self::Bootstrap(epoch)
            | Self::Extend(epoch)
            | Self::Stop(epoch) => epoch,
        }
    }
}

/// The moment of a decision and what may be used in it.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// World time.
    pub now: WorldTime,
    /// The id of a placement, should one be made.
    pub fresh: PlacementId,
    /// Where a job can be placed.
    pub planner: Planner<'a>,
    /// The job's orders under way.
    pub flying: &'a [Order],
}

impl Moment<'_> {
    fn windows(&self) -> &Windows {
        &self.planner.terms.windows
    }
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The state after it.
    pub state: JobState,
    /// The attempt that was live or last then; a later one may follow in the same decision.
    pub epoch: Epoch,
    /// In words.
    pub what: String,
}

/// What a step decided.
#[derive(Debug, Default)]
pub struct Decided {
    /// To be performed, in order.
    pub orders: Vec<Order>,
    /// To be told, in order.
    pub told: Vec<Told>,
    /// Effects owed from now on, by idempotency key: those that must not be done twice.
    pub owed: Vec<(String, Order)>,
    /// Keys of effects whose answer came.
    pub settled: Vec<String>,
    /// Charges that grew.
    pub charges: Vec<ChargeRecord>,
    /// Their postings.
    pub postings: Vec<ledger::Transaction>,
    /// Whether anything changed that must be on the disk.
    pub is_durable: bool,
    /// When the job is to be decided on again.
    pub wake: Option<WorldTime>,
}

impl Decided {
    fn tell(&mut self, job: &Job, what: impl Into<String>) {
        self.is_durable = true;
        self.told.push(Told {
            state: job.doc.state,
            epoch: job.epoch(),
            what: what.into(),
        });
    }

    fn order(&mut self, order: Order) {
        self.is_durable = true;
        self.orders.push(order);
    }

    /// An order that must not be done twice, with its idempotency key.
    fn owe(&mut self, key: String, order: Order) {
        self.order(order);
        self.owed.push((key, order));
    }

    fn settle(&mut self, key: String) {
        self.is_durable = true;
        self.settled.push(key);
    }

    /// Adds what a later step decided; when to wake is the later one's to say.
    pub(super) fn join(&mut self, mut later: Self) {
        self.orders.append(&mut later.orders);
        self.told.append(&mut later.told);
        self.owed.append(&mut later.owed);
        self.settled.append(&mut later.settled);
        self.charges.append(&mut later.charges);
        self.postings.append(&mut later.postings);
        self.is_durable |= later.is_durable;
        self.wake = later.wake;
    }

    fn wake_at(&mut self, at: WorldTime) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Applies an event to the state machine, and takes the lease when it says so; an illegal one
    /// is a defect and changes nothing.
    fn apply(&mut self, job: &mut Job, event: JobEvent, moment: Moment<'_>) -> bool {
        match next(job.doc.state, event) {
            Ok((state, effects)) => {
                let ends =
                    |e: &JobEffect| matches!(e, JobEffect::RevokeLease | JobEffect::Conclude);
                if effects.iter().any(ends) {
                    job.doc.session.revoke();
                    job.doc.session.direct(Directive::Stop);
                }
                self.is_durable |= state != job.doc.state;
                if state == JobState::Queued && job.doc.state != JobState::Queued {
                    job.doc.queued_since = moment.now;
                }
                job.doc.state = state;
                if state.is_terminal() && job.doc.ended_at.is_none() {
                    job.doc.ended_at = Some(moment.now);
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

/// Decides on one input, and goes on while each decision leads to another: a settled fence and the
/// next placement are one commit.
pub fn step(job: &mut Job, input: Input, moment: Moment<'_>) -> Decided {
    let mut decided = Decided::default();
    once(job, input, moment, &mut decided);
    for _ in 1..ROUNDS_MAX {
        if job.doc.state != JobState::Queued || job.doc.waiting_since.is_some() {
            break;
        }
        once(job, Input::Tick, moment, &mut decided);
    }
    release::release(job, moment, &mut decided);
    if decided.is_durable {
        billing::charge(job, moment.now, &mut decided);
    }
    if !job.is_settled() {
        decided.wake_at(moment.now.after(WAKE_MAX));
    }
    decided
}

fn once(job: &mut Job, input: Input, moment: Moment<'_>, decided: &mut Decided) {
    probe::judge(job, moment, decided);
    let view = AgentView::of(&job.doc.session, job.nodes(), moment.now);
    if !job.doc.state.is_terminal() {
        hear(job, &view, moment, decided);
    }
    if job.doc.cancel_asked && !job.doc.state.is_terminal() && job.doc.state != JobState::Cancelling
    {
        decided.apply(job, JobEvent::CancelAsked, moment);
        decided.tell(job, "stop asked for");
    }
    match input {
        Input::Tick => {}
        Input::Created(epoch, outcome) => {
            answers::created(job, epoch, outcome, moment, decided);
        }
        Input::Looked(epoch, outcome) => answers::looked(job, epoch, outcome, moment, decided),
        Input::Found(epoch, outcome) => answers::found(job, epoch, outcome, moment, decided),
        Input::Bootstrapped(epoch, result, keys) => {
            answers::bootstrapped(job, epoch, result, keys, decided);
        }
        Input::Extended(epoch, outcome) => pay::extended(job, epoch, outcome, moment, decided),
        Input::Stopped(epoch, outcome) => release::stopped(job, epoch, &outcome, decided),
    }
    tick(job, &view, moment, decided);
}

fn tick(job: &mut Job, view: &AgentView, moment: Moment<'_>, decided: &mut Decided) {
    look::find_live(job, moment, decided);
    match job.doc.state {
        JobState::Queued => place::place(job, moment, decided),
        JobState::Placing | JobState::Starting => look::starting(job, moment, decided),
        JobState::Running | JobState::Suspect => watch::watch(job, view, moment, decided),
        JobState::Fencing | JobState::Cancelling => fence::fence(job, view, moment, decided),
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
    }
}

/// Takes over what the agents said: binding, heartbeats, the durable result.
fn hear(job: &mut Job, view: &AgentView, moment: Moment<'_>, decided: &mut Decided) {
    let live = job.doc.state.may_hold_lease();
    job.prove(false);
    let is_new = matches!(job.doc.state, JobState::Placing | JobState::Starting);
    if is_new && view.bound && decided.apply(job, JobEvent::AgentBound, moment) {
        if let Some(attempt) = job.last_mut() {
            attempt.bound_at = Some(moment.now);
        }
        // What was full or away before it ran may not be any more when it moves.
        job.doc.situation.no_room.clear();
        job.doc.situation.networks_avoided.clear();
        let from = view
            .pointer_step
            .map_or(String::new(), |s| format!(", goes on from step {s}"));
        decided.tell(job, format!("agent bound{from}"));
    }
    if let Some(result) = &view.result {
        conclude(job, result, moment, decided);
    } else if let Some(why) = view.placement_end.as_ref().filter(|_| live) {
        leave(job, why, moment, decided);
    } else if let Some(until) = view.undecided_until {
        decided.wake_at(until);
    }
}

/// The durable result of the live epoch ends the job, whatever was suspected.
fn conclude(job: &mut Job, result: &ResultView, moment: Moment<'_>, decided: &mut Decided) {
    let event = if result.success {
        JobEvent::ResultSucceeded
    } else {
        JobEvent::ResultFailed
    };
    if job.doc.state != JobState::Queued && decided.apply(job, event, moment) {
        job.doc.cause = (!result.success).then(|| result.words.clone());
        job.doc.output_sha256.clone_from(&result.output_sha256);
        decided.tell(job, result.words.clone());
    }
}

#[cfg(test)]
pub(in crate::engine) mod story;
#[cfg(test)]
mod tests;
