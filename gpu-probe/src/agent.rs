//! The agent's decisions: a plain function from state, input and time to actions.
//!
//! No I/O, no clock, no async: the shell turns what it sees into [`Input`]s and performs the
//! [`Action`]s; a simulation does the same without a process. The agent binds its epoch, has its
//! GPUs probed where the broker wants that, restores the checkpoint, starts the workload, renews its lease, publishes checkpoints while it holds the
//! lease, and reports the result until that is recorded or refused. Work that agreed to it is paused
//! for a moment and probed when the broker says so, and always goes on after it. Losing the lease does not stop
//! the computation unless the job is exclusive; it only stops publishing.
//!
//! The workload is killed on a higher live epoch, after `orphan_ttl` without a broker (jobs only),
//! and on lease loss when the job is exclusive. A killed agent never starts anything again.

mod checkpoints;
mod heartbeats;
mod log;
mod retry;
mod spot;
mod state;
mod step;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod props;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tandem_model::error::ErrorCode;
use tandem_model::id::{BootId, JobId};
use tandem_model::placement::Epoch;
use tandem_model::workload::WorkloadKind;

use crate::protocol::{
    BindReply, BindRequest, CheckpointRef, CheckpointReply, CheckpointRequest, CheckpointStore,
    EndCause, HeartbeatReply, HeartbeatRequest, MomentId, ProbeReply, ProbeRequest, Progress,
    ResultReply, ResultReport, Sha256,
};
use crate::report::Kind;
use crate::verdict::{Effect, Reason, Verdict};

pub use retry::{RETRY_MS_MAX, RETRY_MS_MIN};
pub use state::AgentState;
pub use step::{
    FULL_PROBE_MS_MAX, KILL_WAIT_MS_MAX, PAUSE_MS_MAX, QUICK_PROBE_MS_MAX, SOAK_PROBE_MS_MAX,
    SPOT_LEAD_MS_MAX, SPOT_PROBE_MS_MAX, step,
};

/// A moment of the agent's own clock: microseconds of world time since an arbitrary start, never
/// going back. The shell derives it from a monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct AgentTime(pub u64);

impl AgentTime {
    /// The moment `duration` later; stops at the end of the range.
    pub fn after(self, duration: Duration) -> Self {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(us))
    }

    /// How much time passed since `earlier`; zero when `earlier` lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Who the agent is; fixed for its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node; rank 0 alone moves the checkpoint pointer.
    pub rank: u16,
    /// This run of the agent.
    pub boot_id: BootId,
    /// Name of the container or machine.
    pub container: String,
    /// Version of the agent.
    pub agent_version: String,
    /// A job ends by itself; a service never stops because the broker is away.
    pub kind: WorkloadKind,
}

/// Why a call to the broker gave no reply of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The broker answered that this agent may not (409, TDM-4001).
    Refused {
        /// The job's live attempt, when it said so.
        live_epoch: Option<Epoch>,
    },
    /// No answer, or none that means anything: says nothing about the lease.
    Unreachable,
}

/// How a workload ended, as the shell saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why; [`EndCause::Workload`] unless its set-up or start failed.
    pub cause: EndCause,
    /// Exit code, when it exited.
    pub exit_code: Option<i32>,
    /// Signal, when it died by one.
    pub signal: Option<i32>,
    /// Digest of its output file, when there is one.
    pub output_sha256: Option<Sha256>,
    /// End of what it printed.
    pub output_tail: String,
    /// What went wrong, in the agent's words.
    pub detail: Option<String>,
}

/// What an upload left in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The object, relative to the store's URL.
    pub key: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeEnd {
    /// The broker lets the workload start.
    MayStart,
    /// It does not; why, in words.
    MayNotStart(String),
    /// The exchange did not come to its end: no driver, no device, no answer; why, with an error
    /// code. The broker is told and decides.
    CouldNotRun(String),
}

impl ProbeEnd {
    /// What a verdict and the broker's decision come to.
    pub fn decided(verdict: &Verdict, may_start: Option<bool>) -> Self {
        let grave = |reason: &&Reason| reason.effect >= Effect::CouldNotRun;
        let grave = verdict.reasons.iter().filter(grave);
        let mut codes: Vec<String> = grave.map(|reason| reason.code.to_string()).collect();
        codes.dedup();
        let (outcome, codes) = (verdict.outcome, codes.join(", "));
        let detail = format!("the probe's verdict is {outcome:?}: {codes}");
        match may_start {
            Some(true) => Self::MayStart,
            Some(false) => Self::MayNotStart(detail),
            None => Self::could_not_run(format!("no decision came with it: {detail}")),
        }
    }

    /// An exchange that broke off for no fault of a card.
    pub fn could_not_run(why: impl std::fmt::Display) -> Self {
        Self::CouldNotRun(format!("{}: {why}", ErrorCode::PROBE_CALL_FAILED))
    }
}

/// What the agent learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time passed; give one at least every [`TICK_MS_MAX`].
    Tick,
    /// The answer to the bind request with this number.
    BindReplied(u64, Result<BindReply, CallError>),
    /// The answer to the heartbeat with this sequence number.
    HeartbeatReplied(u64, Result<HeartbeatReply, CallError>),
    /// The end of the probe that was ordered.
    Probed(ProbeEnd),
    /// The probe of this moment has done what it needs the cards for.
    SpotMeasured(MomentId),
    /// The probe of this moment is over: it has its verdict, or why it has none.
    SpotProbed(MomentId, Result<(), String>),
    /// The broker's answer to a probe that could not run.
    ProbeReplied(Result<ProbeReply, CallError>),
    /// The checkpoint to start from is in place, or why not.
    Restored(Result<(), String>),
    /// The workload's command runs.
    Started,
    /// The workload, or its set-up, is over; checkpoints it finished were given before this.
    WorkloadEnded(Box<Ended>),
    /// How far the workload says it is.
    Progress(Progress),
    /// The workload finished writing the checkpoint of this step.
    CheckpointFinished(u64),
    /// The upload of this step is in the store, or why not.
    Uploaded(u64, Result<Uploaded, String>),
    /// The answer to the checkpoint request of this step.
    CheckpointReplied(u64, Result<CheckpointReply, CallError>),
    /// The answer to the result.
    ResultReplied(Result<ResultReply, CallError>),
    /// Lines that the workload printed.
    Printed(Vec<String>),
    /// The agent itself was asked to terminate (SIGTERM).
    Terminate,
}

/// Why the workload is killed; nothing is published after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KillReason {
    /// A newer attempt is live, or the broker refused this instance.
    Fenced,
    /// No broker answered for `orphan_ttl`.
    Orphaned,
    /// The lease was lost and the job is exclusive.
    LeaseLost,
}

/// Why the workload is asked to stop; its end is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The broker directed so; nothing more is published.
    Directed,
    /// The broker directed so, and wants the last checkpoint first.
    DirectedAfterCheckpoint,
    /// The agent was asked to terminate; the last checkpoint is published if that is possible.
    Terminated,
}

/// Why the agent exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitReason {
    /// The end of the workload is recorded by the broker.
    Recorded,
    /// The broker refused this instance for good, before or after it ran something.
    Fenced,
    /// No broker answered for `orphan_ttl`.
    Orphaned,
    /// The lease was lost and the job is exclusive.
    LeaseLost,
    /// The agent was asked to terminate before it was bound.
    Terminated,
}

/// What the shell is to do. It performs them in order and answers most with an [`Input`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a bind request with this number; answer [`Input::BindReplied`].
    SendBind(u64, BindRequest),
    /// Probe the GPUs, message by message with the broker; answer [`Input::Probed`]. Given at most
    /// once, and before everything that belongs to the workload.
    Probe(Kind),
    /// Give up the probe; its answer, should it still come, is ignored.
    AbortProbe,
    /// Stop the workload where it stands (SIGSTOP); [`Action::Resume`] always follows.
    Pause,
    /// Let the paused workload go on (SIGCONT).
    Resume,
    /// Probe the GPUs of the paused workload for this moment, message by message with the broker;
    /// answer [`Input::SpotMeasured`], then [`Input::SpotProbed`].
    ProbeSpot(MomentId),
    /// Tell the broker that the probe could not run; answer [`Input::ProbeReplied`].
    SendProbe(ProbeRequest),
    /// Fetch, check and unpack a checkpoint; answer [`Input::Restored`].
    Restore(CheckpointRef, CheckpointStore),
    /// Run set-up and start the workload; answer [`Input::Started`], then
    /// [`Input::WorkloadEnded`]. Given once in an agent's life.
    Start {
        /// The step that was restored, for the workload to know.
        restored_step: Option<u64>,
    },
    /// Send a heartbeat; answer [`Input::HeartbeatReplied`].
    SendHeartbeat(HeartbeatRequest),
    /// Put the checkpoint of this step into the store; answer [`Input::Uploaded`].
    Upload(u64, CheckpointStore),
    /// Ask to move the pointer; answer [`Input::CheckpointReplied`].
    SendCheckpoint(CheckpointRequest),
    /// Report the end; answer [`Input::ResultReplied`].
    SendResult(ResultReport),
    /// Ask the workload to stop (SIGTERM), and kill it after the grace.
    Stop(StopReason),
    /// Kill the workload and everything it started, at once.
    Kill(KillReason),
    /// Exit; the last action of an agent's life.
    Exit(ExitReason),
}

/// Longest time between two inputs, in world milliseconds; lease loss is seen with this delay.
pub const TICK_MS_MAX: u64 = 1_000;
