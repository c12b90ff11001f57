//! One accepted job as the engine holds it: what is intended, what was observed, what was proved.

use std::collections::{BTreeMap, VecDeque};

use gpu_probe::protocol::HeartbeatRequest;
use gpu_probe::session::Session;
use serde::Serialize;
use tandem_adapters::command::FailureKind;
use tandem_model::id::{InstallationId, JobId, PlacementId};
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::offer::Offer;
use tandem_model::placement::{Epoch, Observed, Placement, PlacementTag};
use tandem_model::quote::Quote;
use tandem_model::secret::Secret;
use tandem_model::time::WorldTime;
use tandem_model::workload::Workload;
use tandem_sla::failover::Situation;

/// Attempts after which a job is given up.
pub const ATTEMPTS_MAX: usize = 12;

/// Lines kept of what a job printed.
pub const LOG_LINES_MAX: usize = 1_000;

/// One attempt with everything known of it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What is intended.
    pub placement: Placement,
    /// The offer it stands on.
    pub offer: Offer,
    /// The network's id, once known.
    pub remote_id: Option<String>,
    /// The last look at it.
    pub observed: Option<Observed>,
    /// When it was decided.
    pub decided_at: WorldTime,
    /// When its agent was bound.
    pub bound_at: Option<WorldTime>,
    /// When its agent was last heard while the epoch was live.
    pub heard_at: Option<WorldTime>,
    /// Whether the network itself starts the workload.
    pub starts_by_itself: bool,
    /// When it was last looked at.
    pub looked_at: Option<WorldTime>,
    /// Whether the start over SSH was done.
    pub bootstrapped: bool,
    /// When its creation was looked for and not found, after an unknown answer.
    pub missed_at: Option<WorldTime>,
    /// Why it was left.
    pub left_because: Option<String>,
    /// When it was decided to leave it.
    pub left_at: Option<WorldTime>,
    /// When it could surely publish nothing any more.
    pub fenced_at: Option<WorldTime>,
}

impl Attempt {
    /// Time in which it was proved to run, in microseconds of world time.
    pub fn proved_us(&self) -> u64 {
        match (self.bound_at, self.heard_at) {
            (Some(from), Some(to)) => u64::try_from(to.since(from).as_micros()).unwrap_or(u64::MAX),
            _ => 0,
        }
    }
}

/// An accepted job.
#[derive(Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose broker runs it.
    pub installation: InstallationId,
    /// What runs.
    pub workload: Workload,
    /// The price agreed.
    pub quote: Quote,
    /// Offers that fit, best first.
    pub ranked: Vec<Offer>,
    /// Where it stands.
    pub state: JobState,
    /// What the planner must avoid.
    pub situation: Situation,
    /// Its attempts, oldest first; the last is the live one.
    pub attempts: Vec<Attempt>,
    /// The agent's side: leases, pointer, result.
    pub session: Session,
    /// The secret by which its agents prove themselves.
    pub agent_token: Secret,
    /// Set when the checkpoint pointer ever went to a lower step; it must stay false.
    pub pointer_went_back: bool,
    /// The last lines that its workload printed.
    pub log: VecDeque<String>,
    /// Charged so far.
    pub charged: MicroUsd,
    /// Digest of its output file, when it named one.
    pub output_sha256: Option<String>,
    /// Why it ended, when it did not succeed.
    pub cause: Option<String>,
    /// When it was accepted.
    pub accepted_at: WorldTime,
    /// When it ended.
    pub ended_at: Option<WorldTime>,
}

impl Job {
    /// The live or the last attempt.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The live or the last attempt, to be changed.
    pub fn last_mut(&mut self) -> Option<&mut Attempt> {
        self.attempts.last_mut()
    }

    /// The epoch of the last attempt; 0 before the first.
    pub fn epoch(&self) -> Epoch {
        self.last()
            .map_or(Epoch(0), |attempt| attempt.placement.epoch)
    }

    /// Proved GPU-microseconds over all attempts.
    pub fn proved_gpu_us(&self) -> u64 {
        let gpus = u64::from(self.quote.gpus);
        self.attempts
            .iter()
            .map(|a| a.proved_us().saturating_mul(gpus))
            .sum()
    }

    /// Keeps what the workload printed, the newest [`LOG_LINES_MAX`] lines.
    pub fn keep_log(&mut self, beat: &HeartbeatRequest) {
        self.log.extend(beat.log_tail.iter().cloned());
        let surplus = self.log.len().saturating_sub(LOG_LINES_MAX);
        self.log.drain(..surplus);
    }

    /// Records the next attempt on an offer and returns it.
    pub fn open_attempt(&mut self, offer: Offer, id: PlacementId, now: WorldTime) -> &Attempt {
        let epoch = Epoch(self.epoch().0 + 1);
        let tag = PlacementTag {
            installation: self.installation,
            job: self.id,
            epoch,
        };
        let placement = Placement {
            id,
            job: self.id,
            epoch,
            offer: offer.id.clone(),
            network: offer.network.clone(),
            tag,
        };
        self.attempts.push(Attempt {
            placement,
            offer,
            remote_id: None,
            observed: None,
            decided_at: now,
            bound_at: None,
            heard_at: None,
            starts_by_itself: false,
            looked_at: None,
            bootstrapped: false,
            missed_at: None,
            left_because: None,
            left_at: None,
            fenced_at: None,
        });
        &self.attempts[self.attempts.len() - 1]
    }
}

/// What happened, for those who watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// When, in world time.
    pub at: WorldTime,
    /// The state after it.
    pub state: JobState,
    /// In words.
    pub what: String,
}

/// Jobs by id; the broker's memory until the store holds them.
pub type Jobs = BTreeMap<JobId, Job>;

/// In words, what a network's no means for the plan.
pub const fn refusal_in_words(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Refused => "the network refused the request",
        FailureKind::NotFound => "nothing of that id exists",
        FailureKind::NoCapacity => "the capacity was gone",
        FailureKind::NoCredit => "our balance there is too low",
        FailureKind::Credentials => "our key was not accepted",
        FailureKind::RateLimited => "the network's rate limit is reached",
        FailureKind::Conflict => "its state does not allow it",
        FailureKind::Unsupported => "the network has no such function",
        FailureKind::NetworkFault => "the network itself failed",
    }
}
