//! Rows of probes, and of the devices that they saw.

use gpu_probe::report::{DeviceUuid, LatencySummary};
use gpu_probe::verdict::VerdictOutcome;
use serde::{Deserialize, Serialize};
use tandem_model::id::{JobId, ProbeId};
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

/// A verdict on a node, kept beyond its job, up to a number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRecord {
    /// Number within the store, rising; 0 when it is to be written.
    pub sequence: u64,
    /// Its id.
    pub id: ProbeId,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// When it was judged.
    pub at: WorldTime,
    /// What its receipt says, as JSON, byte for byte.
    pub document: String,
}

/// What a verdict said of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceVerdict {
    /// The probe.
    pub probe: ProbeId,
    /// The job that it was probed for.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// Where it was rented.
    pub network: NetworkId,
    /// Catalogue id of the card that its facts fit, when they fit one.
    pub model: Option<String>,
    /// The verdict on it: another device's failure is not its own.
    pub outcome: VerdictOutcome,
    /// How much the node showed, 0 to 3.
    pub proof_level: u8,
    /// Speed of the node in thousandths of a good card of the model.
    pub speed_permille: Option<u32>,
}

/// A device as a verdict saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSeen {
    /// Which.
    pub uuid: DeviceUuid,
    /// When.
    pub at: WorldTime,
    /// Failed verdicts after which it is banned, at least 1.
    pub ban_after_fails: u32,
    /// Its latencies, where the report had any.
    pub latency: Option<LatencySummary>,
    /// What was said of it.
    pub verdict: DeviceVerdict,
}

/// Why a device is banned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceBan {
    /// In words.
    pub reason: String,
    /// Which operator did it; none where failed verdicts did.
    pub by: Option<String>,
    /// Since when.
    pub at: WorldTime,
}

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Which.
    pub uuid: DeviceUuid,
    /// Catalogue id of the card that its facts fitted last.
    pub model: Option<String>,
    /// Where it was rented last; none where no verdict saw it.
    pub network: Option<NetworkId>,
    /// When it was seen first; none where no verdict saw it.
    pub first_seen: Option<WorldTime>,
    /// When it was seen last, or named by an operator before it was ever seen.
    pub last_seen: WorldTime,
    /// Since when no verdict failed it and no ban of it was lifted: at first since it was seen first.
    pub spotless_since: Option<WorldTime>,
    /// Verdicts that passed it.
    pub passed: u64,
    /// Verdicts that could not judge it.
    pub could_not_run: u64,
    /// Verdicts that failed it.
    pub failed: u64,
    /// Verdicts that failed it since a ban of it was lifted last.
    pub failed_since_lifted: u64,
    /// The ban that holds.
    pub ban: Option<DeviceBan>,
    /// The job, attempt and node that showed it and did not fail, while that attempt is live; the
    /// first one, where several did.
    pub in_use_by: Option<(JobId, Epoch, u16)>,
}

/// Which devices are listed; what is none takes all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceFilter {
    /// Rented last on this network.
    pub network: Option<NetworkId>,
    /// Catalogue ids of cards.
    pub models: Option<Vec<String>>,
    /// Banned, or not.
    pub banned: Option<bool>,
}

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanChange {
    /// Of which device.
    pub uuid: DeviceUuid,
    /// Whether it is banned from now on.
    pub banned: bool,
    /// Why, in words.
    pub reason: String,
    /// Who asks.
    pub by: String,
    /// When.
    pub at: WorldTime,
}

/// One line of a device's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEntry {
    /// A probe judged it.
    Verdict(DeviceVerdict),
    /// It was banned.
    Banned {
        /// Why.
        reason: String,
        /// Which operator did it; none where failed verdicts did.
        by: Option<String>,
    },
    /// Its ban was lifted.
    Lifted {
        /// Why.
        reason: String,
        /// Which operator did it.
        by: Option<String>,
    },
}

/// What happened to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHistory {
    /// Number within the store, rising.
    pub sequence: u64,
    /// When.
    pub at: WorldTime,
    /// What.
    pub entry: DeviceEntry,
    /// Its latencies then, where a report had any.
    pub latency: Option<LatencySummary>,
    /// Its latencies the last time before that a report had any.
    pub latency_before: Option<LatencySummary>,
}
