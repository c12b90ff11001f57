//! The broker's side of the agent API for one job: who is bound, who holds the lease, where the
//! pointer is. Pure: time is given, and the caller persists what changed.
//!
//! An epoch passes through three standings: it is *granting* renewals, then *revoked* (no renewal
//! and no checkpoint any more, but the durable result of the live epoch still counts), then
//! *fenced* (nothing counts any more). A higher epoch is raised only over a fenced one, except for
//! a service, whose replacement may start first; raising it fences the one before.

mod beat;
mod bound;
mod publish;
mod verdict;

#[cfg(test)]
mod props;
#[cfg(test)]
mod tests;

pub use beat::Beat;
pub use bound::Bound;
pub use verdict::{Outcome, Verdict};

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;
use tandem_model::time::WorldTime;
use tandem_model::workload::WorkloadKind;

use crate::protocol::{
    BindReply, BindRequest, CheckpointRef, CheckpointStore, Directive, HeartbeatReply,
    HeartbeatRequest, Problem,
};

/// How long a lease lasts from the sending of its renewal.
pub const LEASE_TTL: Duration = Duration::from_secs(30);
/// How often an agent renews; a lease survives five lost renewals.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long a job computes on without a broker.
pub const ORPHAN_TTL: Duration = Duration::from_secs(15 * 60);
/// What is waited beyond a lease before it counts as run out: two clocks may differ in rate by
/// this much over one lease.
pub const LEASE_SKEW: Duration = Duration::from_secs(2);

/// The terms that a session grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTerms {
    /// How long a lease lasts.
    pub lease_ttl: Duration,
    /// How often to renew it.
    pub heartbeat_interval: Duration,
    /// How long a job computes on without a broker.
    pub orphan_ttl: Duration,
    /// What is waited beyond a lease.
    pub lease_skew: Duration,
    /// Whether losing the lease ends the computation.
    pub exclusive: bool,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self {
            lease_ttl: LEASE_TTL,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            orphan_ttl: ORPHAN_TTL,
            lease_skew: LEASE_SKEW,
            exclusive: false,
        }
    }
}

/// What a bound instance is given besides its lease; never stored in a session.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Environment for the workload.
    pub secrets: BTreeMap<String, Secret>,
    /// Where checkpoints are kept.
    pub checkpoint_store: Option<CheckpointStore>,
}

/// What the live epoch may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Bind, renew, publish.
    Granting,
    /// Only report its result.
    Revoked,
    /// Nothing.
    Fenced,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Live {
    epoch: Epoch,
    nodes: u16,
    standing: Standing,
    directive: Directive,
    ranks: BTreeMap<u16, Bound>,
    /// The rank whose failure was reported first.
    #[serde(default)]
    failed: Option<u16>,
    /// The rank that stayed silent for good while another one's failure was in doubt.
    #[serde(default)]
    peer_lost: Option<u16>,
}

/// The lease has not run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("epoch {epoch} may compute until {until:?}: confirm its stop or wait")]
pub struct StillLeased {
    /// The live epoch.
    pub epoch: Epoch,
    /// When lease and skew have run out.
    pub until: WorldTime,
}

/// Why an epoch cannot be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EpochRefused {
    /// Epochs only rise.
    #[error("epoch {wanted} is not higher than the live epoch {live}")]
    NotHigher {
        /// The epoch asked for.
        wanted: Epoch,
        /// The live one.
        live: Epoch,
    },
    /// The live epoch is not fenced.
    #[error("epoch {0} is not fenced")]
    NotFenced(Epoch),
    /// The job is over.
    #[error("the job is over")]
    JobOver,
}

/// The broker's side of the agent API for one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    job: JobId,
    kind: WorkloadKind,
    terms: LeaseTerms,
    live: Option<Live>,
    pointer: Option<CheckpointRef>,
}

impl Session {
    /// A job without a placement.
    pub fn new(job: JobId, kind: WorkloadKind, terms: LeaseTerms) -> Self {
        Self {
            job,
            kind,
            terms,
            live: None,
            pointer: None,
        }
    }

    /// The live epoch; `None` before the first placement.
    pub fn live_epoch(&self) -> Option<Epoch> {
        self.live.as_ref().map(|live| live.epoch)
    }

    /// What the live epoch may still do.
    pub fn standing(&self) -> Option<Standing> {
        self.live.as_ref().map(|live| live.standing)
    }

    /// The checkpoint that the next attempt starts from.
    pub fn pointer(&self) -> Option<&CheckpointRef> {
        self.pointer.as_ref()
    }

    /// The instance bound to a rank of the live epoch.
    pub fn bound(&self, rank: u16) -> Option<&Bound> {
        self.live.as_ref()?.ranks.get(&rank)
    }

    /// Whether some instance of the live epoch holds its lease at `now`.
    pub fn holds_lease(&self, now: WorldTime) -> bool {
        let is_granting = self.standing() == Some(Standing::Granting);
        is_granting && self.last_lease().is_some_and(|until| now < until)
    }

    fn last_lease(&self) -> Option<WorldTime> {
        let ranks = self.live.as_ref()?.ranks.values();
        ranks.filter_map(|bound| bound.lease_until).max()
    }

    /// Records a new placement of `nodes` nodes; the pointer stays.
    pub fn raise_epoch(&mut self, epoch: Epoch, nodes: u16) -> Result<(), EpochRefused> {
        if self.outcome().is_some() {
            return Err(EpochRefused::JobOver);
        }
        if let Some(live) = &self.live {
            if epoch <= live.epoch {
                return Err(EpochRefused::NotHigher {
                    wanted: epoch,
                    live: live.epoch,
                });
            }
            if live.standing != Standing::Fenced && self.kind == WorkloadKind::Job {
                return Err(EpochRefused::NotFenced(live.epoch));
            }
        }
        self.live = Some(Live {
            epoch,
            nodes,
            standing: Standing::Granting,
            directive: Directive::Continue,
            ranks: BTreeMap::new(),
            failed: None,
            peer_lost: None,
        });
        Ok(())
    }

    /// Grants no renewal and no checkpoint any more; leases that are out run on to their end.
    pub fn revoke(&mut self) {
        if let Some(live) = self
            .live
            .as_mut()
            .filter(|l| l.standing == Standing::Granting)
        {
            live.standing = Standing::Revoked;
        }
    }

    /// Ends the live epoch: when its stop is confirmed, or its leases and the skew have run out.
    pub fn fence(&mut self, stop_confirmed: bool, now: WorldTime) -> Result<(), StillLeased> {
        let until = self
            .last_lease()
            .map(|until| until.after(self.terms.lease_skew));
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        if let Some(until) = until.filter(|until| !stop_confirmed && now < *until) {
            return Err(StillLeased {
                epoch: live.epoch,
                until,
            });
        }
        live.standing = Standing::Fenced;
        Ok(())
    }

    /// Says what the next heartbeats of the live epoch are told.
    pub fn direct(&mut self, directive: Directive) {
        if let Some(live) = &mut self.live {
            live.directive = directive;
        }
    }

    fn refused(&self, epoch: Epoch, why: &str) -> Problem {
        Problem::fenced(
            format!("epoch {epoch} of {}: {why}", self.job),
            self.live_epoch(),
        )
    }

    /// Binds the first instance of the live epoch and rank that asks, and the same one again.
    ///
    /// Everybody else is refused until a new epoch is given.
    pub fn bind(
        &mut self,
        request: &BindRequest,
        grants: &Grants,
        now: WorldTime,
    ) -> Result<BindReply, Problem> {
        let refused = |why| Err(self.refused(request.epoch, why));
        let over = self.outcome().is_some();
        let live = self
            .live
            .as_ref()
            .filter(|live| live.epoch == request.epoch);
        let Some(live) = live.filter(|_| request.job == self.job) else {
            return refused("it is not the live epoch");
        };
        if live.standing != Standing::Granting || over {
            return refused("it is over");
        }
        if request.rank >= live.nodes {
            return refused("it has no such rank");
        }
        let lease_until = now.after(self.terms.lease_ttl);
        let bound = match live.ranks.get(&request.rank) {
            None => Bound::new(request, lease_until, now),
            Some(bound) if !bound.is(request.boot_id) || bound.container != request.container => {
                return refused("another instance is bound to it");
            }
            Some(bound) if bound.end.is_some() => return refused("the instance has ended"),
            Some(bound) => bound.bound_again(lease_until, now),
        };
        self.note_lost_peer(now);
        if let Some(live) = &mut self.live {
            live.ranks.insert(request.rank, bound);
        }
        Ok(self.bind_reply(grants))
    }

    fn bind_reply(&self, grants: &Grants) -> BindReply {
        BindReply {
            lease_ttl_ms: duration_ms(self.terms.lease_ttl),
            heartbeat_interval_ms: duration_ms(self.terms.heartbeat_interval),
            orphan_ttl_ms: duration_ms(self.terms.orphan_ttl),
            exclusive: self.terms.exclusive,
            secrets: grants.secrets.clone(),
            restore: self.pointer.clone(),
            checkpoint_store: grants.checkpoint_store.clone(),
            probe: None,
        }
    }

    /// Whether a heartbeat is of an instance that may still be heard. Its lines of output count
    /// even when a later heartbeat overtook it: no other one carries them.
    pub fn is_heard(&self, request: &HeartbeatRequest) -> bool {
        self.speaker(request).is_some()
    }

    /// Whether a heartbeat is the newest of an instance that may still be heard: only then does
    /// what it says of the work count.
    pub fn is_news(&self, request: &HeartbeatRequest) -> bool {
        let bound = self.speaker(request);
        bound.is_some_and(|b| request.sequence > b.sequence)
    }

    /// The bound instance that speaks, while it may be heard.
    fn speaker(&self, request: &HeartbeatRequest) -> Option<&Bound> {
        let live = self.live.as_ref().filter(|live| {
            request.job == self.job
                && live.epoch == request.epoch
                && live.standing != Standing::Fenced
        });
        let bound = live.and_then(|live| live.ranks.get(&request.rank));
        bound.filter(|b| b.is(request.boot_id))
    }

    /// Renews the lease of a bound instance and counts the work that it claims; an older heartbeat
    /// than the newest does neither, and is no sign of life.
    pub fn heartbeat(&mut self, request: &HeartbeatRequest, now: WorldTime) -> HeartbeatReply {
        let is_news = self.is_news(request);
        if is_news {
            self.note_lost_peer(now);
        }
        let terms = self.terms;
        let lease_ttl = terms.lease_ttl;
        let mut reply = HeartbeatReply {
            granted: false,
            lease_ttl_ms: duration_ms(lease_ttl),
            live_epoch: self.live_epoch().unwrap_or(Epoch(0)),
            directive: Directive::Stop,
            spot_probe: None,
        };
        let live = self
            .live
            .as_mut()
            .filter(|live| live.epoch == request.epoch);
        let Some(live) = live.filter(|_| request.job == self.job) else {
            return reply;
        };
        let bound = live
            .ranks
            .get_mut(&request.rank)
            .filter(|b| b.is(request.boot_id));
        let Some(bound) = bound else {
            return reply;
        };
        if live.standing != Standing::Fenced {
            reply.directive = live.directive;
        }
        if is_news {
            bound.sequence = request.sequence;
            bound.progress = request.progress;
            if bound.end.is_none() {
                bound.claim(request.worked_ms, now, &terms);
                bound.hear(request.phase, now);
                if live.standing == Standing::Granting {
                    bound.renew(now.after(lease_ttl));
                }
            }
        }
        let leased = bound.lease_until.is_some_and(|until| now < until);
        reply.granted = leased && live.standing == Standing::Granting;
        reply
    }
}

fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
