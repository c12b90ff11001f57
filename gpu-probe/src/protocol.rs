//! The agent API (`/agent/v1`): bodies that an agent and a broker exchange, and their limits.
//!
//! All bodies are JSON over HTTP with `Authorization: Bearer <agent token>`. A refusal is
//! `409 application/problem+json` with the code TDM-4001 and, where known, `live_epoch`
//! ([`Problem`]). Fields are only ever added, and enums are open: a value that a reader does not
//! know has a harmless meaning, so agents two releases old go on working.

mod digest;
mod limits;
mod probes;
mod secret_wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_model::error::ErrorCode;
use tandem_model::id::{BootId, JobId};
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;

pub use digest::{ParseSha256Error, Sha256};
pub use limits::*;
pub use probes::{MomentId, PROBES_PATH, ProbeReply, ProbeRequest, ProbeSaid, SpotOrder};

/// Path of [`BindRequest`].
pub const BIND_PATH: &str = "/agent/v1/bind";
/// Path of [`HeartbeatRequest`].
pub const HEARTBEATS_PATH: &str = "/agent/v1/heartbeats";
/// Path of [`CheckpointRequest`].
pub const CHECKPOINTS_PATH: &str = "/agent/v1/checkpoints";
/// Path of [`ResultReport`].
pub const RESULTS_PATH: &str = "/agent/v1/results";

/// Asks to be the one instance of an epoch and rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindRequest {
    /// The job.
    pub job: JobId,
    /// The attempt for which the agent was started.
    pub epoch: Epoch,
    /// Which node of the placement, from 0.
    pub rank: u16,
    /// This run of the agent.
    pub boot_id: BootId,
    /// Name of the container or machine; up to [`CONTAINER_LEN_MAX`] bytes.
    pub container: String,
    /// Version of the agent; up to [`VERSION_LEN_MAX`] bytes.
    pub agent_version: String,
}

/// The terms under which the instance is bound. The lease is granted with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindReply {
    /// How long the lease lasts, in world milliseconds from the sending of the request.
    pub lease_ttl_ms: u64,
    /// How often to renew it, in world milliseconds.
    pub heartbeat_interval_ms: u64,
    /// How long a job computes on without a broker, in world milliseconds.
    pub orphan_ttl_ms: u64,
    /// Whether the workload is killed as soon as the lease is lost.
    pub exclusive: bool,
    /// Environment for the workload that no network has seen.
    #[serde(default, with = "secret_wire::map")]
    pub secrets: BTreeMap<String, Secret>,
    /// The checkpoint to start from.
    #[serde(default)]
    pub restore: Option<CheckpointRef>,
    /// Where checkpoints are kept; without one nothing is uploaded.
    #[serde(default)]
    pub checkpoint_store: Option<CheckpointStore>,
    /// The probe that comes before everything else; without one nothing is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<crate::report::Kind>,
}

/// A checkpoint in the store: what the pointer points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRef {
    /// The attempt that made it.
    pub epoch: Epoch,
    /// The workload's own step count.
    pub step: u64,
    /// Its object, relative to the store's URL; up to [`KEY_LEN_MAX`] bytes.
    pub key: String,
    /// Digest of the object.
    pub sha256: Sha256,
    /// Size of the object in bytes.
    pub bytes: u64,
}

/// Where checkpoints are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointStore {
    /// `s3://bucket/prefix`, or `file:///directory` on a disk that every attempt can reach.
    pub url: String,
    /// Address of an S3-compatible service; none means Amazon's own.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Region; none means `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// Access key.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// Its secret.
    #[serde(default, with = "secret_wire::option")]
    pub secret_access_key: Option<Secret>,
    /// Whether the endpoint may be plain HTTP.
    #[serde(default)]
    pub allow_http: bool,
}

/// What the instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Bound; set-up runs or the workload waits for its lease.
    Starting,
    /// The GPUs are probed; nothing of the workload runs yet.
    Probing,
    /// Fetching the checkpoint to start from.
    Restoring,
    /// The workload runs.
    Running,
    /// The workload ended or is ending; its last checkpoint is being published.
    Checkpointing,
    /// The workload ended; its result is being reported.
    Ended,
    /// A phase of a newer agent.
    #[serde(other)]
    Unknown,
}

/// How far the workload says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u64>,
}

/// Says that the instance lives, and asks to renew its lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatRequest {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// This run of the agent.
    pub boot_id: BootId,
    /// Rises by one with each heartbeat of this run; the first is 1.
    pub sequence: u64,
    /// What the instance is doing.
    pub phase: Phase,
    /// How far the workload says it is.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// World milliseconds since the agent started.
    pub uptime_ms: u64,
    /// World milliseconds during which the workload itself has run in this run of the agent, so
    /// far; its set-up and the restoring before it do not count. Never falls.
    #[serde(default)]
    pub worked_ms: u64,
    /// Lines that the workload printed since the last acknowledged heartbeat, oldest first; up to
    /// [`LOG_LINES_MAX`] lines of [`LOG_LINE_BYTES_MAX`] bytes, [`LOG_BYTES_MAX`] bytes in all.
    #[serde(default)]
    pub log_tail: Vec<String>,
}

/// What the broker wants of the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directive {
    /// End the workload.
    Stop,
    /// Let the workload write a checkpoint, publish it, then end it: this placement will be left.
    CheckpointAndStop,
    /// Go on. A directive that this agent does not know means the same.
    #[default]
    #[serde(other)]
    Continue,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// Whether the lease is renewed.
    pub granted: bool,
    /// How long it lasts, in world milliseconds from the sending of the heartbeat.
    pub lease_ttl_ms: u64,
    /// The job's live attempt; a higher one than the agent's ends the workload.
    pub live_epoch: Epoch,
    /// What the broker wants.
    #[serde(default)]
    pub directive: Directive,
    /// A probe inside the running work, soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_probe: Option<SpotOrder>,
}

/// Asks to move the checkpoint pointer to an object that is in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRequest {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node; only rank 0 moves the pointer.
    pub rank: u16,
    /// This run of the agent.
    pub boot_id: BootId,
    /// The workload's own step count.
    pub step: u64,
    /// The object, relative to the store's URL.
    pub key: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The answer to a [`CheckpointRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointReply {
    /// Whether the pointer is now at this checkpoint.
    pub accepted: bool,
    /// Where the pointer is.
    #[serde(default)]
    pub pointer: Option<CheckpointRef>,
}

/// Why the workload of an instance is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Its set-up ended with a failure.
    SetupFailed,
    /// Its command could not be started.
    StartFailed,
    /// The checkpoint to start from could not be restored; nothing was started.
    RestoreFailed,
    /// The broker did not let it start after the probe of its GPUs; nothing was started.
    ProbeFailed,
    /// It was ended because the broker directed so.
    StopDirected,
    /// It was ended because the agent was asked to terminate (SIGTERM).
    Terminated,
    /// It ended by itself; a cause that this reader does not know means the same.
    #[default]
    #[serde(other)]
    Workload,
}

impl EndCause {
    /// Whether this is the job's own outcome, not just the end of this placement.
    pub const fn is_outcome(self) -> bool {
        matches!(self, Self::Workload | Self::SetupFailed | Self::StartFailed)
    }
}

/// How the workload of an instance ended; re-sent until it is recorded or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultReport {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// This run of the agent.
    pub boot_id: BootId,
    /// Exit code, when it exited.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Signal, when it died by one.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Last step known; 0 when it told none.
    pub step: u64,
    /// World milliseconds during which the workload itself has run in this run of the agent.
    #[serde(default)]
    pub worked_ms: u64,
    /// Digest of the file named by `TANDEM_OUTPUT_FILE`, when there is one.
    #[serde(default)]
    pub output_sha256: Option<Sha256>,
    /// End of what it printed; up to [`OUTPUT_TAIL_BYTES_MAX`] bytes.
    #[serde(default)]
    pub output_tail: String,
    /// Why it is over.
    #[serde(default)]
    pub cause: EndCause,
    /// What went wrong in the agent's own words, with an error code; up to
    /// [`DETAIL_LEN_MAX`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl ResultReport {
    /// Whether the workload failed by itself.
    pub fn is_failure(&self) -> bool {
        self.cause.is_outcome() && !self.is_success()
    }

    /// Whether the job itself is over and went well.
    pub fn is_success(&self) -> bool {
        self.cause.is_outcome() && self.exit_code == Some(0)
    }
}

/// The answer to a [`ResultReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultReply {
    /// Whether it is recorded, now or earlier. `false` is final: it never will be.
    pub recorded: bool,
}

/// A refusal as problem+json (RFC 9457); every field may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Short title of the code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Error code, `TDM-4001` for a fenced agent.
    pub code: String,
    /// What was refused, for which subject.
    pub detail: String,
    /// The job's live attempt, when that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_epoch: Option<Epoch>,
}

impl Problem {
    /// HTTP status of [`Problem::fenced`].
    pub const FENCED_STATUS: u16 = 409;

    /// The refusal of an agent that may not publish.
    pub fn fenced(detail: impl Into<String>, live_epoch: Option<Epoch>) -> Self {
        let code = ErrorCode::AGENT_FENCED;
        Self {
            title: code.title().to_owned(),
            status: Self::FENCED_STATUS,
            code: code.as_str().to_owned(),
            detail: detail.into(),
            live_epoch,
        }
    }
}

#[cfg(test)]
mod tests;
