//! What the agent remembers between two inputs.

use std::time::Duration;

use super::checkpoints::Checkpoints;
use super::heartbeats::Heartbeats;
use super::log::LogTail;
use super::retry::Retry;
use super::spot::Spot;
use super::{AgentTime, Ended, Identity, KillReason, StopReason};
use crate::protocol::{
    BindReply, BindRequest, CheckpointRef, CheckpointStore, EndCause, HeartbeatRequest, Phase,
    Progress, ResultReport,
};
use crate::report::Kind;

/// What the broker granted with the binding.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) lease_ttl: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) orphan_ttl: Duration,
    pub(super) exclusive: bool,
    pub(super) store: Option<CheckpointStore>,
    pub(super) restored: Option<CheckpointRef>,
}

impl Terms {
    pub(super) fn of(reply: &BindReply) -> Self {
        Self {
            lease_ttl: Duration::from_millis(reply.lease_ttl_ms),
            heartbeat_interval: Duration::from_millis(reply.heartbeat_interval_ms),
            orphan_ttl: Duration::from_millis(reply.orphan_ttl_ms),
            exclusive: reply.exclusive,
            store: reply.checkpoint_store.clone(),
            restored: reply.restore.clone(),
        }
    }
}

/// Terms before any were granted: only `orphan_ttl` matters then.
impl Default for Terms {
    fn default() -> Self {
        Self {
            lease_ttl: Duration::ZERO,
            heartbeat_interval: Duration::ZERO,
            orphan_ttl: crate::session::ORPHAN_TTL,
            exclusive: false,
            store: None,
            restored: None,
        }
    }
}

/// Where the agent is in its life; it only goes down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Binding,
    /// The GPUs are probed since this time, so thoroughly.
    Probing(AgentTime, Kind),
    /// The probe could not run; since this time the broker is asked whether to start.
    Undecided(AgentTime),
    /// The work may start here; what was kept back until now is asked for by binding again.
    Allowed,
    Restoring,
    /// Nothing runs yet; waits for the lease.
    Ready,
    /// Set-up runs.
    Starting,
    Running,
    Stopping(StopReason),
    /// Since when the end is waited for, and why.
    Killing(AgentTime, KillReason),
    /// Ended at this time; the last checkpoint is being published.
    Settling(AgentTime),
    /// The end is reported since this time.
    Reporting(AgentTime),
    Done,
}

impl Stage {
    /// Whether the broker is asked for the binding.
    pub(super) fn asks_to_bind(self) -> bool {
        matches!(self, Self::Binding | Self::Allowed)
    }

    /// Whether there may be a process to end.
    pub(super) fn has_workload(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping(_))
    }

    /// Whether the agent is bound and speaks with the broker.
    pub(super) fn is_bound(self) -> bool {
        !matches!(self, Self::Binding | Self::Killing(..) | Self::Done)
    }

    fn phase(self) -> Phase {
        match self {
            Self::Binding | Self::Ready | Self::Starting => Phase::Starting,
            Self::Probing(..) | Self::Undecided(_) | Self::Allowed => Phase::Probing,
            Self::Restoring => Phase::Restoring,
            Self::Running => Phase::Running,
            Self::Stopping(_) | Self::Settling(_) => Phase::Checkpointing,
            Self::Killing(..) | Self::Reporting(_) | Self::Done => Phase::Ended,
        }
    }
}

/// The agent's memory; made once, changed only by [`super::step()`].
#[derive(Debug, Clone)]
pub struct AgentState {
    pub(super) identity: Identity,
    pub(super) booted_at: AgentTime,
    pub(super) now: AgentTime,
    pub(super) stage: Stage,
    pub(super) terms: Terms,
    /// When the broker last answered anything.
    pub(super) heard_at: AgentTime,
    /// Number and sending time of the bind request under way.
    pub(super) bind: Option<(u64, AgentTime)>,
    pub(super) binds_sent: u64,
    pub(super) bind_retry: Retry,
    /// Why the probe could not run.
    pub(super) could_not_run: String,
    /// Whether the broker is being asked to start in spite of it.
    pub(super) asks_to_start: bool,
    pub(super) probe_retry: Retry,
    pub(super) heartbeats: Heartbeats,
    pub(super) log: LogTail,
    pub(super) progress: Option<Progress>,
    pub(super) checkpoints: Checkpoints,
    /// When the workload itself began to run.
    pub(super) worked_from: Option<AgentTime>,
    /// The probe inside the running work.
    pub(super) spot: Spot,
    /// When it was over.
    pub(super) worked_until: Option<AgentTime>,
    pub(super) ended: Option<Box<Ended>>,
    pub(super) result_under_way: bool,
    pub(super) result_retry: Retry,
}

impl AgentState {
    /// An agent that has done nothing yet; its first [`super::step()`] asks for the binding.
    pub fn new(identity: Identity, now: AgentTime) -> Self {
        Self {
            identity,
            booted_at: now,
            now,
            stage: Stage::Binding,
            terms: Terms::default(),
            heard_at: now,
            bind: None,
            binds_sent: 0,
            bind_retry: Retry::default(),
            could_not_run: String::new(),
            asks_to_start: false,
            probe_retry: Retry::default(),
            heartbeats: Heartbeats::default(),
            log: LogTail::default(),
            progress: None,
            checkpoints: Checkpoints::starting_from(None),
            worked_from: None,
            spot: Spot::default(),
            worked_until: None,
            ended: None,
            result_under_way: false,
            result_retry: Retry::default(),
        }
    }

    /// Who the agent is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the agent may publish now, as far as it knows.
    pub fn holds_lease(&self, now: AgentTime) -> bool {
        self.stage.is_bound() && self.heartbeats.holds_lease(now)
    }

    /// What the agent is doing.
    pub fn phase(&self) -> Phase {
        self.stage.phase()
    }

    /// Whether the agent has given [`super::Action::Exit`]; it does nothing more.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// A number that differs between agents, to spread their tries.
    pub(super) fn salt(&self) -> u64 {
        let (high, low) = self.identity.boot_id.uuid().as_u64_pair();
        high ^ low
    }

    pub(super) fn bind_request(&self) -> BindRequest {
        let me = &self.identity;
        BindRequest {
            job: me.job,
            epoch: me.epoch,
            rank: me.rank,
            boot_id: me.boot_id,
            container: me.container.clone(),
            agent_version: me.agent_version.clone(),
        }
    }

    /// How long the workload itself has run, in milliseconds; paused it does not run.
    fn worked_ms(&self) -> u64 {
        let until = self.worked_until.unwrap_or(self.now);
        let lived = self.worked_from.map(|from| until.since(from));
        let worked = lived.unwrap_or_default();
        milliseconds(worked.saturating_sub(self.spot.paused(self.now)))
    }

    pub(super) fn heartbeat_request(&mut self, sequence: u64) -> HeartbeatRequest {
        HeartbeatRequest {
            job: self.identity.job,
            epoch: self.identity.epoch,
            rank: self.identity.rank,
            boot_id: self.identity.boot_id,
            sequence,
            phase: self.phase(),
            progress: self.progress,
            uptime_ms: milliseconds(self.now.since(self.booted_at)),
            worked_ms: self.worked_ms(),
            log_tail: self.log.carry(sequence),
        }
    }

    /// The report of how the workload ended; `None` before it did.
    pub(super) fn result_report(&self) -> Option<ResultReport> {
        let ended = self.ended.as_deref()?;
        let told = self.progress.map_or(0, |p| p.step);
        Some(ResultReport {
            job: self.identity.job,
            epoch: self.identity.epoch,
            rank: self.identity.rank,
            boot_id: self.identity.boot_id,
            exit_code: ended.exit_code,
            signal: ended.signal,
            step: told.max(self.checkpoints.finished().unwrap_or(0)),
            worked_ms: self.worked_ms(),
            output_sha256: ended.output_sha256,
            output_tail: ended.output_tail.clone(),
            cause: ended.cause,
            detail: ended.detail.clone(),
        })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Ended {
    /// The end of a workload that was never started.
    pub(super) fn unstarted(cause: EndCause, detail: Option<String>) -> Self {
        Self {
            cause,
            exit_code: None,
            signal: None,
            output_sha256: None,
            output_tail: String::new(),
            detail,
        }
    }
}
