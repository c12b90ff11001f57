//! The engine as one machine: all jobs that this broker holds, what is asked of it, and time go
//! in; commits, answers and orders come out. Pure and synchronous: the runner drives it with real
//! time, the simulation with its own.
//!
//! One turn at a time: [`Kernel::turn`] decides for up to [`COMMIT_JOBS_MAX`] jobs on copies;
//! after the commit [`Kernel::committed`] takes the copies over and gives out what may now be
//! answered and performed, or [`Kernel::refused`] forgets them. Heartbeats alone change a job in
//! place; they are answered after [`Kernel::flush`] is on the disk.

mod beats;
mod draft;
mod market_read;
mod networks;
mod turn;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use gpu_probe::session::Beat;
use tandem_model::id::JobId;
use tandem_model::offer::OfferId;
use tandem_model::time::{WallTime, WorldTime};
use tandem_pricing::policy::Live;
use tandem_pricing::quote::SeenByKind;
use tandem_sla::failover::Precedence;

use super::attempt::Attempt;
use super::commands::{self, Performance};
use super::job::Job;
use super::market::{self, Market};
use super::message::{AgentReply, AgentRequest, Reply, Request};
use super::planner::Planner;
use super::probe::moments::Cohorts;
use super::records::{self, Unreadable};
use super::step::{Input, Order};
use super::terms::Terms;
use crate::store::{COMMIT_JOBS_MAX, Claim, Claimed};

pub use beats::Flush;
pub use networks::{NetworkAnswer, NetworkOrder};
pub use turn::{After, Turn};

/// Names a request; its answer carries the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Ended jobs whose late agents are still told to stop.
const ENDED_MAX: usize = 10_000;

/// A job that this broker holds.
#[derive(Debug)]
struct Held {
    job: Job,
    version: u64,
    claim: Claim,
    /// When it is due, its key in `due`.
    due: Option<WorldTime>,
    /// Orders under way; none is given twice.
    flying: Vec<Order>,
}

/// What waits to be taken up with a job's next decision.
#[derive(Debug)]
enum Waiting {
    /// A request that changes it.
    Request(Ticket, Box<Request>),
    /// An outcome.
    Outcome(Input),
}

/// The engine's memory.
#[derive(Debug)]
pub struct Kernel {
    terms: Terms,
    /// The pricing policy in force.
    policy: Arc<Live>,
    jobs: BTreeMap<JobId, Held>,
    /// Jobs by the time at which they are to be looked at.
    due: BTreeSet<(WorldTime, JobId)>,
    /// Jobs to be decided on now; those with most at stake first.
    ready: BTreeSet<Precedence>,
    waiting: BTreeMap<JobId, Vec<Waiting>>,
    beats: beats::Beats,
    networks: networks::Networks,
    market: Arc<Market>,
    /// Nodes taken of each offer since its network was read.
    taken: BTreeMap<OfferId, u32>,
    ended: VecDeque<JobId>,
    /// What the jobs that are not held any more had seen of the supply.
    seen: SeenByKind,
    /// Answers that need no commit.
    answers: Vec<(Ticket, Reply)>,
    /// Jobs that are decided each in a turn of its own, after a commit was refused as a whole.
    alone: BTreeSet<JobId>,
    /// How many nodes were ordered for each of the newest moments.
    cohorts: Cohorts,
}

impl Kernel {
    /// An engine without jobs, under the standard policy.
    pub fn new(terms: Terms, now: WorldTime) -> Self {
        let networks = networks::Networks::new(&terms, now);
        let market = Market {
            networks: networks.readings(),
            ..Market::default()
        };
        Self {
            networks,
            seen: terms.seen.clone(),
            terms,
            policy: Arc::new(Live::standard(WallTime::default())),
            jobs: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: BTreeSet::new(),
            waiting: BTreeMap::new(),
            beats: beats::Beats::default(),
            market: Arc::new(market),
            taken: BTreeMap::new(),
            ended: VecDeque::new(),
            answers: Vec::new(),
            alone: BTreeSet::new(),
            cohorts: Cohorts::default(),
        }
    }

    /// Puts a pricing policy into force.
    pub fn price_by(&mut self, policy: Arc<Live>) {
        self.policy = policy;
    }

    /// What choices and prices are made from, as of now.
    fn planner(&self) -> Planner<'_> {
        Planner {
            terms: &self.terms,
            policy: &self.policy,
            market: &self.market,
            health: self.networks.health(),
            taken: &self.taken,
        }
    }

    /// Takes a claimed job over, as the store has it: newer heartbeats are laid over it, and what
    /// was under way with the broker before is looked for. Its agents are given a lease's time to
    /// be heard before any silence counts.
    pub fn adopt(&mut self, claimed: &Claimed, now: WorldTime) -> Result<(), Unreadable> {
        let mut job = records::job(self.terms.installation, claimed)?;
        for row in &claimed.liveness {
            if job.doc.session.live_epoch() == Some(row.epoch) {
                let beat = Beat {
                    sequence: row.sequence,
                    heard_at: row.last_seen,
                    lease_until: row.lease_until,
                    proved: std::time::Duration::from_micros(row.proved_us),
                };
                job.doc.session.overlay(row.rank, beat);
            }
        }
        for attempt in &mut job.attempts {
            attempt.adopt(now);
        }
        self.networks.was_away(now, &self.terms);
        let id = job.id;
        self.hold(job, claimed.job.version, claimed.claim);
        self.make_ready(id);
        Ok(())
    }

    fn hold(&mut self, job: Job, version: u64, claim: Claim) {
        let held = Held {
            version,
            claim,
            due: None,
            flying: Vec::new(),
            job,
        };
        self.jobs.insert(held.job.id, held);
    }

    /// Jobs held.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether it holds no job.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// One job, as last committed, with its newest heartbeats.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id).map(|held| &held.job)
    }

    /// Every job held, in the order of their ids.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|held| &held.job)
    }

    /// The market as last read.
    pub fn market(&self) -> &Arc<Market> {
        &self.market
    }

    /// This installation.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Takes a request in. Its answer comes with a later turn, flush, or [`Self::answers`].
    pub fn receive(&mut self, ticket: Ticket, request: Request, now: WorldTime) {
        let job = match &request {
            Request::Accept { job, .. } => {
                return self.wait(*job, Waiting::Request(ticket, Box::new(request)));
            }
            Request::Cancel { job, account } => {
                let job = *job;
                let theirs = |held: &Held| held.job.spec.account == *account;
                if !self.jobs.get(&job).is_some_and(theirs) {
                    let refused = super::message::Refused::NotFound;
                    return self.answers.push((ticket, Reply::Refused(refused)));
                }
                job
            }
            Request::Agent(AgentRequest::Heartbeat(beat)) => {
                let beat = beat.clone();
                return self.beat(ticket, &beat, now);
            }
            Request::Agent(other) => {
                let (job, epoch) = other.names();
                if !self.jobs.contains_key(&job) {
                    let reply = self.unknown(job, epoch);
                    return self.answers.push((ticket, reply));
                }
                job
            }
        };
        self.wait(job, Waiting::Request(ticket, Box::new(request)));
    }

    /// What an agent of a job that is not held is told: a job that ended here is over; one that is
    /// not known may be another broker's, so it is asked to try again.
    fn unknown(&self, job: JobId, epoch: tandem_model::placement::Epoch) -> Reply {
        if self.ended.contains(&job) {
            let problem = gpu_probe::protocol::Problem::fenced(
                format!("epoch {epoch} of {job}: the job is over"),
                None,
            );
            return Reply::Agent(AgentReply::Refused(problem));
        }
        Reply::Refused(super::message::Refused::NotFound)
    }

    /// Takes in what came of an order.
    pub fn landed(&mut self, job: JobId, order: Order, input: Input) {
        if let Some(held) = self.jobs.get_mut(&job) {
            held.flying.retain(|flying| *flying != order);
            self.wait(job, Waiting::Outcome(input));
        }
    }

    /// What is to be sent for an order now; the job may have moved on since it was given.
    pub fn performance(&self, job: JobId, order: Order) -> Result<Performance, Input> {
        let held = self.jobs.get(&job).ok_or(Input::Tick)?;
        commands::performance(&held.job, order, &self.terms)
    }

    /// Answers that need no commit.
    pub fn answers(&mut self) -> Vec<(Ticket, Reply)> {
        std::mem::take(&mut self.answers)
    }

    /// When something is to be done next by itself; the past when something waits already.
    pub fn next_wake(&self) -> Option<WorldTime> {
        if !self.ready.is_empty() {
            return Some(WorldTime::default());
        }
        let due = self.due.first().map(|(at, _)| *at);
        let rest = [self.networks.next_wake(), self.beats.flush_at()];
        due.into_iter().chain(rest.into_iter().flatten()).min()
    }

    fn wait(&mut self, job: JobId, what: Waiting) {
        self.waiting.entry(job).or_default().push(what);
        self.make_ready(job);
    }

    fn make_ready(&mut self, job: JobId) {
        let stake = self.jobs.get(&job).map(|held| held.job.stake());
        self.ready
            .insert(Precedence::new(stake.unwrap_or_default(), job));
    }

    /// Sets when a job is due again.
    fn schedule(&mut self, job: JobId, at: Option<WorldTime>) {
        let Some(held) = self.jobs.get_mut(&job) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut held.due, at) {
            self.due.remove(&(before, job));
        }
        if let Some(at) = at {
            self.due.insert((at, job));
        }
    }

    /// Forgets a job that ended with nothing left to give back, or that another broker holds now.
    fn forget(&mut self, job: JobId, has_ended: bool) {
        self.schedule(job, None);
        let held = self.jobs.remove(&job);
        if has_ended {
            if let Some(held) = held {
                market::count_seen(&held.job, &mut self.seen);
                self.seen.fade();
            }
            self.ended.push_back(job);
            if self.ended.len() > ENDED_MAX {
                self.ended.pop_front();
            }
        }
    }
}

/// Most jobs of a turn.
const TURN_JOBS_MAX: usize = COMMIT_JOBS_MAX;

#[cfg(test)]
mod tests;
