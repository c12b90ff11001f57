//! `/v1/jobs`.

use std::collections::BTreeMap;

use gpu_probe::report::{DeviceUuid, Kind};
use gpu_probe::verdict::{Effect, ReasonCode, VerdictOutcome};
use serde::{Deserialize, Serialize};
use tandem_model::id::{JobId, PlacementId, ProbeId};
use tandem_model::job::JobState;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::placement::Epoch;
use tandem_model::workload::{Tier, WorkloadClass, WorkloadKind};
use utoipa::ToSchema;

use super::{Moment, QuoteView, SecretText};

/// Runs a workload at a quoted price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// The token of the quote.
    pub quote_token: String,
    /// The text that was quoted, byte for byte.
    pub workload: String,
    /// Values of the secrets that the workload names, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub secrets: BTreeMap<String, SecretText>,
}

/// A job in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    /// Its id.
    #[schema(value_type = String, example = "job_0198c1c2f0b47d3e8a1b2c3d4e5f6071")]
    pub id: JobId,
    /// Name of its workload.
    pub name: String,
    /// Where it stands.
    #[schema(value_type = String, example = "running")]
    pub state: JobState,
    /// Job or service.
    #[schema(value_type = String)]
    pub kind: WorkloadKind,
    /// What it is.
    #[schema(value_type = String)]
    pub class: WorkloadClass,
    /// The tier sold.
    #[schema(value_type = String)]
    pub tier: Tier,
    /// GPUs over all nodes.
    pub gpus: u32,
    /// When it was accepted (world time).
    pub accepted_at: Moment,
    /// When it ended (world time).
    pub ended_at: Option<Moment>,
}

/// A job with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// The price agreed.
    pub quote: QuoteView,
    /// The term that it is in, and what was told of the time after it.
    #[serde(default)]
    pub term: Option<TermView>,
    /// Where it waits, while it is queued.
    pub queue: Option<QueueView>,
    /// Whether the customer agreed that the work is paused now and then for a probe of its GPUs.
    #[serde(default)]
    pub probe_while_running: bool,
    /// Attempts, oldest first; the last is the live one unless the job is between two.
    pub placements: Vec<PlacementView>,
    /// Nodes of the newest attempt that was heard, by rank.
    pub nodes: Vec<NodeView>,
    /// The checkpoint that the next attempt would start from.
    pub checkpoint: Option<CheckpointView>,
    /// Charged so far.
    #[schema(value_type = i64)]
    pub charged_micro_usd: MicroUsd,
    /// Charged GPU-microseconds so far.
    pub charged_gpu_us: u64,
    /// Proved GPU time so far, charged or not, in whole seconds.
    pub delivered_gpu_seconds: u64,
    /// Why it ended, when it did not succeed.
    pub cause: Option<String>,
    /// SHA-256 of its output file, when it named one.
    pub output_sha256: Option<String>,
}

/// The term that a job is in. Times are times of work over all its attempts, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TermView {
    /// How many terms were agreed to: 1 is that of its quote; the next counts once it was told.
    pub number: u32,
    /// Price of one GPU for an hour now.
    #[schema(value_type = i64)]
    pub rate_micro_usd_per_gpu_hour: RatePerGpuHour,
    /// Time of work so far.
    pub worked_seconds: u64,
    /// The time of work until which rates are agreed.
    pub firm_until_seconds: u64,
    /// The next rate, where one was agreed that does not hold yet.
    #[schema(value_type = Option<i64>)]
    pub next_rate_micro_usd_per_gpu_hour: Option<RatePerGpuHour>,
    /// The time of work from which on it holds.
    pub next_rate_from_seconds: Option<u64>,
    /// The time of work at which the job is stopped unless its price falls.
    pub stops_at_seconds: Option<u64>,
}

/// Where a queued job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// Queued jobs of the installation that were accepted before it.
    pub before: u64,
    /// When it is given up unless it started (world time).
    pub start_by: Option<Moment>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacementView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: PlacementId,
    /// Its number.
    #[schema(value_type = u32)]
    pub epoch: Epoch,
    /// Whether it is the live one.
    pub live: bool,
    /// The network.
    #[schema(value_type = String)]
    pub network: NetworkId,
    /// The network's product.
    pub product: String,
    /// The card's id in the catalogue.
    pub gpu: String,
    /// Grade of the hardware.
    #[schema(value_type = String)]
    pub grade: Grade,
    /// Where it stands, ISO 3166-1 alpha-2.
    #[schema(value_type = String)]
    pub country: Country,
    /// When it was decided (world time).
    pub decided_at: Moment,
    /// When its agent was bound (world time).
    pub bound_at: Option<Moment>,
    /// When it was left (world time).
    pub left_at: Option<Moment>,
    /// Why it was left.
    pub left_because: Option<String>,
    /// From when it surely publishes nothing any more (world time).
    #[serde(default)]
    pub fenced_at: Option<Moment>,
    /// What came of the probes of its GPUs, by node: those at the start, then of its running work
    /// the first that showed devices and the newest; empty while none was judged.
    #[serde(default)]
    pub probes: Vec<ProbeView>,
    /// Nodes that were slower than the quote promises, each once.
    #[serde(default)]
    pub performance_breaches: Vec<PerformanceBreachView>,
}

/// A node that was slower than promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PerformanceBreachView {
    /// Which node, from 0.
    pub rank: u16,
    /// Least speed that the quote promises, in thousandths of a good card of the model.
    pub promised_permille: u32,
    /// The speed that was measured.
    pub measured_permille: u32,
    /// How much was shown: 0 the machine's word, 1 timed proofs, 2 continuous, 3 attested.
    pub proof_level: u8,
    /// When it was measured (world time).
    pub at: Moment,
}

/// The probe of one node of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    /// Which node, from 0.
    pub rank: u16,
    /// `pass`, `could_not_run` or `fail`.
    #[schema(value_type = String, example = "pass")]
    pub outcome: VerdictOutcome,
    /// Whether it was made inside the running work, at a moment of its card; else at the start.
    #[serde(default)]
    pub while_running: bool,
    /// Whether the workload might start, or go on, after it.
    pub accepted: bool,
    /// How much was shown: 0 the machine's word, 1 timed proofs, 2 continuous, 3 attested.
    pub proof_level: u8,
    /// Speed in thousandths of a good card of the model, where a clock of ours stood by.
    pub speed_permille: Option<u32>,
    /// The worst reasons, worst first.
    pub reasons: Vec<ProbeReasonView>,
    /// When it was judged (world time).
    pub at: Moment,
}

/// A verdict on a node, with what is signed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobProbeView {
    /// Its id.
    #[schema(value_type = String, example = "prb_0198c1c2f0b47d3e8a1b2c3d4e5f6071")]
    pub id: ProbeId,
    /// The attempt.
    #[schema(value_type = u32)]
    pub epoch: Epoch,
    /// The network.
    #[schema(value_type = String)]
    pub network: NetworkId,
    /// The id of the card that was sold.
    pub sold_as: String,
    /// `quick`, `full`, `soak` or `spot`.
    #[schema(value_type = String, example = "quick")]
    pub kind: Kind,
    /// What came of it.
    #[serde(flatten)]
    pub probe: ProbeView,
    /// The devices, by their own word.
    pub devices: Vec<ProbedDeviceView>,
    /// The challenge, 32 hex digits, where one was asked.
    pub challenge_id: Option<String>,
    /// SHA-256 of the machine's signed report, where one came.
    pub report_sha256: Option<String>,
    /// A JSON Web Signature in compact form (RFC 7515) with Ed25519 over all of this; the same text
    /// each time.
    pub receipt: String,
}

/// One device of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbedDeviceView {
    /// Its UUID, 32 hex digits.
    #[schema(value_type = String)]
    pub uuid: DeviceUuid,
    /// Catalogue id of the card that its facts fit, when they fit one.
    pub model: Option<String>,
    /// Whether a reason that fails the probe names it.
    pub failed: bool,
}

/// One reason of a probe's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeReasonView {
    /// Which, as docs/gpu-probe.md lists them.
    #[schema(value_type = String, example = "vram_too_slow")]
    pub code: ReasonCode,
    /// `note`, `degraded`, `could_not_run` or `fail`.
    #[schema(value_type = String, example = "fail")]
    pub effect: Effect,
    /// What was seen and what was expected, in words.
    pub detail: String,
}

/// One node of the newest attempt that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// The attempt.
    #[schema(value_type = u32)]
    pub epoch: Epoch,
    /// Which node, from 0.
    pub rank: u16,
    /// When it was last heard (world time).
    pub last_seen: Moment,
    /// Until when it may publish (world time).
    pub lease_until: Moment,
    /// What it was doing then: `starting`, `probing`, `restoring`, `running`, `checkpointing`, `ended`.
    pub phase: Option<String>,
    /// Steps done.
    pub step: Option<u64>,
    /// Steps in all, when known.
    pub total_steps: Option<u64>,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// The attempt that made it.
    #[schema(value_type = u32)]
    pub epoch: Epoch,
    /// The workload's own step count.
    pub step: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A stop was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CancelReply {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// Where it stands now.
    #[schema(value_type = String)]
    pub state: JobState,
}
