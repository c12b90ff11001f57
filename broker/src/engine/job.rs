//! One accepted job as the engine holds it: what is intended, what was observed, what was proved.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gpu_probe::session::{LeaseTerms, Session};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
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

use super::view::AgentView;

/// Attempts after which a job is given up.
pub const ATTEMPTS_MAX: usize = 12;

/// Lines kept of what a job printed.
pub const LOG_LINES_MAX: usize = 1_000;

/// What is known of the thing rented for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rented {
    /// Its creation was asked for, and the answer is not there yet.
    Asked,
    /// Its creation may have worked: it is looked for by its tag.
    Unsure {
        /// The first listing without it.
        missed_at: Option<WorldTime>,
    },
    /// It exists under the network's id.
    Exists,
    /// It was never created, or is stopped.
    Gone,
    /// It could not be found or stopped in all tries: a person must look.
    GivenUp,
}

/// How far the stop of a rented thing that is not wanted any more has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stopping {
    /// How often it was looked for, asked to stop, or looked at.
    pub tries: u32,
    /// The last try.
    pub tried_at: Option<WorldTime>,
    /// The network took the request.
    pub accepted: bool,
}

/// One attempt with everything known of it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What is intended.
    pub placement: Placement,
    /// The offer it stands on.
    pub offer: Offer,
    /// The thing rented for it.
    pub rented: Rented,
    /// Its stop.
    pub stopping: Stopping,
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
    /// Time between its words, gaps of silence left out.
    pub proved: Duration,
    /// Whether the network itself starts the workload.
    pub starts_by_itself: bool,
    /// When it was last looked at, or for.
    pub looked_at: Option<WorldTime>,
    /// When its start over SSH was last ordered.
    pub bootstrap_at: Option<WorldTime>,
    /// Whether the start over SSH was done.
    pub bootstrapped: bool,
    /// Host keys that its machines showed at the first start, by rank.
    pub host_keys: BTreeMap<u16, String>,
    /// Why it was left.
    pub left_because: Option<String>,
    /// When it was decided to leave it.
    pub left_at: Option<WorldTime>,
    /// When it could surely publish nothing any more.
    pub fenced_at: Option<WorldTime>,
}

impl Attempt {
    fn new(placement: Placement, offer: Offer, now: WorldTime) -> Self {
        Self {
            placement,
            offer,
            rented: Rented::Asked,
            stopping: Stopping::default(),
            remote_id: None,
            observed: None,
            decided_at: now,
            bound_at: None,
            heard_at: None,
            proved: Duration::ZERO,
            starts_by_itself: false,
            looked_at: None,
            bootstrap_at: None,
            bootstrapped: false,
            host_keys: BTreeMap::new(),
            left_because: None,
            left_at: None,
            fenced_at: None,
        }
    }

    /// Whether nothing is rented for it any more, as far as can be known.
    pub fn is_released(&self) -> bool {
        matches!(self.rented, Rented::Gone | Rented::GivenUp)
    }

    /// Whether the last look saw it ended.
    pub fn seen_ended(&self) -> bool {
        self.observed.as_ref().is_some_and(|o| o.state.is_ended())
    }

    /// Takes over a word of its agents; a longer silence than `believed` proves nothing.
    fn hear(&mut self, at: WorldTime, believed: Duration) {
        self.bound_at = self.bound_at.or(Some(at));
        if let Some(before) = self.heard_at {
            let gap = at.since(before);
            if gap <= believed {
                self.proved += gap;
            }
        }
        self.heard_at = self.heard_at.max(Some(at));
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
    /// The secret from which the tokens of its agents are derived.
    pub agent_secret: Secret,
    /// Somebody asked to stop it.
    pub cancel_asked: bool,
    /// Since when no offer is left; asked again after a rest.
    pub waiting_since: Option<WorldTime>,
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

/// What was agreed with the customer: the workload, its quote, and the offers behind it.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// What runs.
    pub workload: Workload,
    /// The quote taken.
    pub quote: Quote,
    /// Offers that fit, best first.
    pub ranked: Vec<Offer>,
}

impl Job {
    /// A job that was just accepted: queued, with nothing placed, proved or charged.
    pub fn new(
        id: JobId,
        installation: InstallationId,
        accepted: Accepted,
        agent_secret: Secret,
        now: WorldTime,
    ) -> Self {
        let terms = LeaseTerms {
            exclusive: accepted.workload.exclusive,
            ..LeaseTerms::default()
        };
        Self {
            id,
            installation,
            session: Session::new(id, accepted.workload.kind, terms),
            workload: accepted.workload,
            quote: accepted.quote,
            ranked: accepted.ranked,
            state: JobState::Queued,
            situation: Situation::default(),
            attempts: Vec::new(),
            agent_secret,
            cancel_asked: false,
            waiting_since: None,
            pointer_went_back: false,
            log: VecDeque::new(),
            charged: MicroUsd::ZERO,
            output_sha256: None,
            cause: None,
            accepted_at: now,
            ended_at: None,
        }
    }

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

    /// The attempt of an epoch.
    pub fn attempt(&self, epoch: Epoch) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.placement.epoch == epoch)
    }

    /// The attempt of an epoch, to be changed.
    pub fn attempt_mut(&mut self, epoch: Epoch) -> Option<&mut Attempt> {
        self.attempts
            .iter_mut()
            .find(|a| a.placement.epoch == epoch)
    }

    /// Whether the epoch is the last and may hold a lease.
    pub fn is_live(&self, epoch: Epoch) -> bool {
        self.state.may_hold_lease() && self.epoch() == epoch
    }

    /// Whether it ended and nothing is rented for it any more.
    pub fn is_settled(&self) -> bool {
        self.state.is_terminal() && self.attempts.iter().all(Attempt::is_released)
    }

    /// The secret by which the agents of an epoch prove themselves. Each epoch has its own, so a
    /// machine that was left cannot speak for the next attempt.
    pub fn agent_token(&self, epoch: Epoch) -> Secret {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.agent_secret.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(&epoch.0.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        Secret::new(
            digest
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect::<String>(),
        )
    }

    /// Takes over when the live attempt's agents were heard; silences longer than `believed` are
    /// not counted as time in which it ran.
    pub fn prove(&mut self, believed: Duration) {
        let view = AgentView::of(&self.session, self.workload.resources.nodes);
        if let Some(at) = view.heard_at.filter(|_| view.bound)
            && self.is_live(self.epoch())
            && let Some(attempt) = self.last_mut()
        {
            attempt.hear(at, believed);
        }
    }

    /// Proved GPU-microseconds over all attempts.
    pub fn proved_gpu_us(&self) -> u64 {
        let gpus = u64::from(self.quote.gpus);
        let proved = self.attempts.iter().map(|a| a.proved).sum::<Duration>();
        u64::try_from(proved.as_micros())
            .unwrap_or(u64::MAX)
            .saturating_mul(gpus)
    }

    /// Keeps what the workload printed, the newest [`LOG_LINES_MAX`] lines.
    pub fn keep_log(&mut self, lines: &[String]) {
        self.log.extend(lines.iter().cloned());
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
        self.attempts.push(Attempt::new(placement, offer, now));
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
