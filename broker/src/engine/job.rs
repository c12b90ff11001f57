//! One accepted job as the engine holds it: what was agreed, what is intended, what was observed,
//! what was proved. It is stored as three documents: the spec (written once), the job's own, and
//! one an attempt.

use std::collections::BTreeMap;
use std::sync::Arc;

use gpu_probe::session::{LeaseTerms, Session};
use serde::{Deserialize, Serialize};
use tandem_model::id::{InstallationId, JobId, PlacementId};
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::offer::Offer;
use tandem_model::placement::{Epoch, Placement, PlacementTag};
use tandem_model::time::WorldTime;
use tandem_sla::failover::Situation;

pub use super::attempt::{Attempt, Extension, Rented, Stopping};
use super::message::JobSpec;
use super::renewal::Renewals;

/// Attempts after which a job is given up, not counting those that no network took in.
pub const ATTEMPTS_MAX: usize = 12;
/// Attempts that no network took in after which a job is given up; with the pauses between them
/// they take more than a day.
pub const TURNED_AWAY_MAX: usize = 64;

/// What changes of a job, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobDocument {
    /// Where it stands.
    pub state: JobState,
    /// What the planner must avoid.
    pub situation: Situation,
    /// The agent's side: leases, pointer, result.
    pub session: Session,
    /// Somebody asked to stop it.
    #[serde(default)]
    pub cancel_asked: bool,
    /// Since when it is queued: its acceptance, or the fence of its last attempt.
    pub queued_since: WorldTime,
    /// Since when no offer is left; asked again after a rest.
    #[serde(default)]
    pub waiting_since: Option<WorldTime>,
    /// Until when it then rests.
    #[serde(default)]
    pub rests_until: Option<WorldTime>,
    /// The epoch that would have been next when it was last told that it waits.
    #[serde(default)]
    pub wait_told: u32,
    /// How often the checkpoint pointer went to a lower step; it must stay 0.
    #[serde(default)]
    pub pointer_went_back: u32,
    /// Digest of its output file, when it named one.
    #[serde(default)]
    pub output_sha256: Option<String>,
    /// The terms after that of its quote.
    #[serde(default)]
    pub renewals: Renewals,
    /// Why it ended, when it did not succeed.
    #[serde(default)]
    pub cause: Option<String>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<WorldTime>,
}

/// An accepted job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose broker runs it.
    pub installation: InstallationId,
    /// What was agreed.
    pub spec: Arc<JobSpec>,
    /// What changes.
    pub doc: JobDocument,
    /// Its attempts, oldest first; the last is the live one.
    pub attempts: Vec<Attempt>,
}

impl Job {
    /// A job that was just accepted: queued, with nothing placed, proved or charged.
    pub fn new(id: JobId, installation: InstallationId, spec: Arc<JobSpec>) -> Self {
        let terms = LeaseTerms {
            exclusive: spec.workload.exclusive,
            ..LeaseTerms::default()
        };
        Self {
            id,
            installation,
            doc: JobDocument {
                state: JobState::Queued,
                situation: Situation::default(),
                session: Session::new(id, spec.workload.kind, terms),
                cancel_asked: false,
                queued_since: spec.accepted_at,
                waiting_since: None,
                rests_until: None,
                wait_told: 0,
                pointer_went_back: 0,
                output_sha256: None,
                renewals: Renewals::default(),
                cause: None,
                ended_at: None,
            },
            spec,
            attempts: Vec::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> JobState {
        self.doc.state
    }

    /// Nodes of each attempt.
    pub fn nodes(&self) -> u16 {
        self.spec.workload.resources.nodes
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
        self.doc.state.may_hold_lease() && self.epoch() == epoch
    }

    /// Whether it ended and nothing is rented for it any more.
    pub fn is_settled(&self) -> bool {
        self.doc.state.is_terminal() && self.attempts.iter().all(Attempt::is_released)
    }

    /// Takes over the time that the live attempt's agents proved, and, when `kept`, that a
    /// checkpoint now keeps it.
    pub fn prove(&mut self, kept: bool) {
        let epoch = self.epoch();
        if self.doc.session.live_epoch() != Some(epoch) {
            return;
        }
        let proved = self.doc.session.proved();
        if let Some(attempt) = self.last_mut() {
            attempt.proved = attempt.proved.max(proved);
            if kept {
                attempt.kept = attempt.proved;
            }
        }
    }

    /// Whether the agents of an attempt were all bound once.
    pub fn has_run(&self) -> bool {
        self.attempts.iter().any(|a| a.bound_at.is_some())
    }

    /// Charged so far, over all attempts.
    pub fn charged(&self) -> MicroUsd {
        self.attempts
            .iter()
            .fold(MicroUsd::ZERO, |sum, a| sum.plus(a.charged).unwrap_or(sum))
    }

    /// GPU-microseconds in a time of all GPUs that an attempt is charged for.
    pub fn gpu_us(&self, attempt: &Attempt, time: std::time::Duration) -> u64 {
        let gpus = u64::from(self.spec.gpus_charged(&attempt.offer));
        u64::try_from(time.as_micros())
            .unwrap_or(u64::MAX)
            .saturating_mul(gpus)
    }

    /// Price of an hour: what is at stake when it stands still.
    pub fn stake(&self) -> MicroUsd {
        const HOUR_US: u64 = 3_600_000_000;
        let gpu_us = HOUR_US.saturating_mul(u64::from(self.spec.quote.gpus));
        self.spec.quote.rate.charge_for(gpu_us).unwrap_or_default()
    }

    /// Records the next attempt on an offer and returns its epoch.
    pub fn open_attempt(
        &mut self,
        offer: Offer,
        id: PlacementId,
        prepaid_hours: u32,
        now: WorldTime,
    ) -> Epoch {
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
        self.attempts
            .push(Attempt::new(placement, offer, prepaid_hours, now));
        epoch
    }
}

/// What happened to a job, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDocument {
    /// The state after it.
    pub state: JobState,
    /// In words.
    pub what: String,
    /// The attempt that was live or last.
    pub epoch: Epoch,
}

/// Host keys that machines showed at their first start, by rank.
pub type HostKeys = BTreeMap<u16, String>;
