//! `/v1/nodes`: the GPUs that probes saw, what was said of them, and bans.

use gpu_probe::report::{Continuity, DeviceUuid, LatencySummary};
use gpu_probe::verdict::VerdictOutcome;
use serde::{Deserialize, Serialize};
use tandem_model::id::{JobId, ProbeId};
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use utoipa::ToSchema;

use super::described::BanReasonText;
use super::{Moment, Page};
use crate::store::{DeviceBan, DeviceEntry, DeviceHistory, DeviceRecord, DeviceVerdict};

/// Picoseconds of a nanosecond.
const PS_PER_NS: u64 = 1_000;

/// Bans a device, or lifts its ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// Why, 1 to 200 characters; stands in the device's history.
    #[schema(value_type = BanReasonText)]
    pub reason: String,
}

/// A device that probes saw, by its own word, or that an operator named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    /// The UUID that CUDA gives it, 32 hex digits.
    #[schema(value_type = String, example = "5f0e1c9a7b3d4e2f8a6b1c2d3e4f5061")]
    pub uuid: DeviceUuid,
    /// Catalogue id of the card that its facts fitted last.
    pub model: Option<String>,
    /// The network it was rented on last; none where no verdict saw it.
    #[schema(value_type = Option<String>)]
    pub network: Option<NetworkId>,
    /// When it was seen first (world time); none where no verdict saw it.
    pub first_seen: Option<Moment>,
    /// When it was seen last (world time), or named before it was seen.
    pub last_seen: Moment,
    /// Verdicts that passed it.
    pub passed: u64,
    /// Verdicts that could not judge it.
    pub could_not_run: u64,
    /// Verdicts that failed it.
    pub failed: u64,
    /// Those of them that count towards a ban: since a ban was lifted last.
    pub failed_since_lifted: u64,
    /// The ban that holds.
    pub ban: Option<BanView>,
    /// Who showed it and did not fail, while that attempt is live.
    pub in_use_by: Option<DeviceUseView>,
}

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BanView {
    /// Why.
    pub reason: String,
    /// Account and API key of the operator; none where failed verdicts did it.
    pub by: Option<String>,
    /// Since when (world time).
    pub at: Moment,
}

/// The node of a live attempt that showed a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceUseView {
    /// The job.
    #[schema(value_type = String)]
    pub job: JobId,
    /// The attempt.
    #[schema(value_type = u32)]
    pub epoch: Epoch,
    /// The node, from 0.
    pub rank: u16,
}

/// A device with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceDetailView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub device: DeviceView,
    /// What happened to it, the newest first.
    pub history: Page<DeviceEventView>,
}

/// What happened to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceEventView {
    /// When (world time).
    pub at: Moment,
    /// `verdict`, `banned` or `lifted`.
    #[schema(example = "verdict")]
    pub what: String,
    /// What a probe said of it.
    pub verdict: Option<DeviceVerdictView>,
    /// Why it was banned, or the ban lifted.
    pub reason: Option<String>,
    /// Account and API key of the operator who did it.
    pub by: Option<String>,
    /// Its latencies, where the report had any: the machine's own word.
    pub latency: Option<LatencyView>,
}

/// What a probe said of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceVerdictView {
    /// The probe.
    #[schema(value_type = String, example = "prb_0198c1c2f0b47d3e8a1b2c3d4e5f6071")]
    pub probe: ProbeId,
    /// The job that it was for.
    #[schema(value_type = String)]
    pub job: JobId,
    /// The attempt.
    #[schema(value_type = u32)]
    pub epoch: Epoch,
    /// The node, from 0.
    pub rank: u16,
    /// Where it was rented.
    #[schema(value_type = String)]
    pub network: NetworkId,
    /// Catalogue id of the card that its facts fit.
    pub model: Option<String>,
    /// `pass`, `could_not_run` or `fail`, of this device.
    #[schema(value_type = String, example = "pass")]
    pub outcome: VerdictOutcome,
    /// How much the node showed, 0 to 3.
    pub proof_level: u8,
    /// Speed of the node in thousandths of a good card of the model.
    pub speed_permille: Option<u32>,
}

/// What a report showed of a device's latencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LatencyView {
    /// From memory, in nanoseconds.
    pub memory_ns: Option<u64>,
    /// Where the latency curve rises, in bytes: about the size of the L2 cache.
    pub l2_knee_bytes: Option<u64>,
    /// SHA-256 of the map from SMs to regions of the memory, where a longer probe made one.
    pub map_sha256: Option<String>,
    /// Cycles of a hop by SM, the median over the regions.
    pub map_sm_cycles: Option<Vec<u32>>,
    /// `stayed` or `changed` against the last time before; none where nothing can be compared.
    #[schema(value_type = Option<String>, example = "stayed")]
    pub continuity: Option<Continuity>,
}

impl From<DeviceBan> for BanView {
    fn from(ban: DeviceBan) -> Self {
        Self {
            reason: ban.reason,
            by: ban.by,
            at: ban.at.into(),
        }
    }
}

impl From<DeviceRecord> for DeviceView {
    fn from(device: DeviceRecord) -> Self {
        let by = device.in_use_by;
        Self {
            uuid: device.uuid,
            model: device.model,
            network: device.network,
            first_seen: device.first_seen.map(Into::into),
            last_seen: device.last_seen.into(),
            passed: device.passed,
            could_not_run: device.could_not_run,
            failed: device.failed,
            failed_since_lifted: device.failed_since_lifted,
            ban: device.ban.map(Into::into),
            in_use_by: by.map(|(job, epoch, rank)| DeviceUseView { job, epoch, rank }),
        }
    }
}

impl From<DeviceVerdict> for DeviceVerdictView {
    fn from(verdict: DeviceVerdict) -> Self {
        Self {
            probe: verdict.probe,
            job: verdict.job,
            epoch: verdict.epoch,
            rank: verdict.rank,
            network: verdict.network,
            model: verdict.model,
            outcome: verdict.outcome,
            proof_level: verdict.proof_level,
            speed_permille: verdict.speed_permille,
        }
    }
}

impl LatencyView {
    fn of(now: LatencySummary, before: Option<&LatencySummary>) -> Self {
        let continuity = before.and_then(|before| now.since(before));
        let (map_sha256, map_sm_cycles) = match now.map {
            Some(map) => (Some(map.sha256.to_string()), Some(map.sm_cycles)),
            None => (None, None),
        };
        Self {
            memory_ns: now.memory_ps.map(|ps| ps / PS_PER_NS),
            l2_knee_bytes: now.l2_knee_bytes,
            map_sha256,
            map_sm_cycles,
            continuity,
        }
    }
}

impl From<DeviceHistory> for DeviceEventView {
    fn from(line: DeviceHistory) -> Self {
        let before = line.latency_before;
        let (what, verdict, reason, by) = match line.entry {
            DeviceEntry::Verdict(verdict) => ("verdict", Some(verdict.into()), None, None),
            DeviceEntry::Banned { reason, by } => ("banned", None, Some(reason), by),
            DeviceEntry::Lifted { reason, by } => ("lifted", None, Some(reason), by),
        };
        Self {
            at: line.at.into(),
            what: what.to_owned(),
            verdict,
            reason,
            by,
            latency: line
                .latency
                .map(|now| LatencyView::of(now, before.as_ref())),
        }
    }
}
