//! The one instance of an epoch and rank, as the broker knows it, and how much of the work that it
//! claims is proved.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_model::id::BootId;
use tandem_model::time::WorldTime;

use super::LeaseTerms;
use crate::protocol::{BindRequest, Phase, Progress, ResultReport};

/// The one instance of an epoch and rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Its run.
    pub boot_id: BootId,
    /// Its container.
    pub container: String,
    /// When its lease runs out; `None` once its end is recorded.
    pub lease_until: Option<WorldTime>,
    /// When it last told something new; the moment of its end once that is recorded.
    pub heard_at: WorldTime,
    /// When it last told something new while its workload was neither ending nor over, nor waiting
    /// for the probe of its GPUs.
    #[serde(default)]
    pub active_at: WorldTime,
    /// Its newest heartbeat.
    pub sequence: u64,
    /// What it was doing then.
    pub phase: Phase,
    /// How far it was.
    pub progress: Option<Progress>,
    /// How long its workload has run by its own account.
    #[serde(default)]
    pub worked: Duration,
    /// How much of that the broker's own clock confirms; never falls, and never more than the time
    /// since it was bound.
    #[serde(default)]
    pub proved: Duration,
    /// Time on the broker's clock that no claim has used yet, up to the lease's skew.
    #[serde(default)]
    pub(super) spare: Duration,
    /// How it ended.
    pub end: Option<ResultReport>,
}

impl Bound {
    pub(super) fn new(request: &BindRequest, lease_until: WorldTime, now: WorldTime) -> Self {
        Self {
            boot_id: request.boot_id,
            container: request.container.clone(),
            lease_until: Some(lease_until),
            heard_at: now,
            active_at: now,
            sequence: 0,
            phase: Phase::Starting,
            progress: None,
            worked: Duration::ZERO,
            proved: Duration::ZERO,
            spare: Duration::ZERO,
            end: None,
        }
    }

    /// The same instance asked again because it got no answer. A request that comes after
    /// heartbeats was late on its way, and says nothing.
    pub(super) fn bound_again(&self, lease_until: WorldTime, now: WorldTime) -> Self {
        let mut again = self.clone();
        if again.sequence == 0 {
            again.renew(lease_until);
            again.hear(Phase::Starting, now);
        }
        again
    }

    pub(super) fn is(&self, boot_id: BootId) -> bool {
        self.boot_id == boot_id
    }

    /// Moves the end of the lease, never back.
    pub(super) fn renew(&mut self, lease_until: WorldTime) {
        self.lease_until = self.lease_until.max(Some(lease_until));
    }

    /// It told something new.
    pub(super) fn hear(&mut self, phase: Phase, now: WorldTime) {
        self.phase = phase;
        self.heard_at = self.heard_at.max(now);
        if !matches!(phase, Phase::Probing | Phase::Checkpointing | Phase::Ended) {
            self.active_at = self.active_at.max(now);
        }
    }

    /// Its work counts from now on: whatever is claimed later, no time before this is proved.
    pub(super) fn count_from(&mut self, now: WorldTime) {
        self.heard_at = self.heard_at.max(now);
        self.spare = Duration::ZERO;
    }

    /// Counts what the claim has grown by, as far as the broker's clock confirms it; to be asked
    /// before [`Bound::hear`].
    ///
    /// No more counts than passed since it was last heard, and nothing when that is longer than a
    /// lease: what happened then is unknown, and stays so. Messages take different times to
    /// arrive, so time that one claim did not use is left for the next, up to the lease's skew;
    /// over any stretch the sum is still bounded by the broker's clock.
    pub(super) fn claim(&mut self, worked_ms: u64, now: WorldTime, terms: &LeaseTerms) {
        let claimed = self.worked.max(Duration::from_millis(worked_ms));
        let passed = now.since(self.heard_at);
        if passed > terms.lease_ttl {
            self.spare = Duration::ZERO;
        } else {
            let confirmed = passed + self.spare;
            let grown = (claimed - self.worked).min(confirmed);
            self.proved += grown;
            self.spare = (confirmed - grown).min(terms.lease_skew);
        }
        self.worked = claimed;
    }
}
