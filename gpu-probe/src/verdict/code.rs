//! The codes of reasons, each with one meaning; `docs/gpu-probe.md` lists them for readers.

use serde::{Deserialize, Serialize};

/// Why a verifier says what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The signature is not the report's own.
    SignatureInvalid,
    /// The report answers another challenge, or another nonce: a replay.
    WrongChallenge,
    /// This challenge was answered before.
    ChallengeReused,
    /// The report's key is not the one that opened the exchange, or not the enrolled one.
    WrongKey,
    /// The report's devices are not the ones that were challenged.
    DevicesDiffer,
    /// The program's kernels are not of a known release.
    KernelsUnknown,
    /// No card was measured: the numbers are a sandbox's.
    Emulated,
    /// Roots of some jobs or passes are missing.
    RootsMissing,
    /// Two jobs or passes have the same root, so their seeds were not chained.
    SeedsNotChained,
    /// An opening is missing, doubled or of something else.
    OpeningsMissing,
    /// A row is not that of the product.
    RowWrong,
    /// A row does not lead to the root that was committed.
    RowPathWrong,
    /// A block's checksum is not that of its words.
    BlockWrong,
    /// A checksum does not lead to the root that was committed.
    BlockPathWrong,
    /// The products took longer than the card that is claimed.
    MatrixTooSlow,
    /// Reading the memory took longer than the card that is claimed.
    VramTooSlow,
    /// Openings came after their deadline.
    OpeningsLate,
    /// Less memory could be filled than the model has.
    VramNotFilled,
    /// The prover's own times or roots do not fit the verifier's.
    SummaryDisagrees,
    /// A memory rate that the model's memory cannot have.
    BandwidthBeyondPhysics,
    /// An FP32 rate that the SMs and clocks cannot have.
    Fp32BeyondPhysics,
    /// A bus rate that the link cannot have.
    PcieBeyondLink,
    /// Power that the board cannot draw or cannot compute with.
    PowerImplausible,
    /// The two clocks of the same samples disagree.
    ClocksDisagree,
    /// FP32 rate over clock does not give the number of SMs.
    Fp32SmMismatch,
    /// The latency curve rises elsewhere than at the L2 cache's size.
    L2KneeMismatch,
    /// DRAM latency is not the model's.
    LatencyOff,
    /// The census saw another number of SMs than CUDA names.
    CensusMismatch,
    /// No card of the catalogue fits the name and the PCI device id.
    ModelUnknown,
    /// CUDA, NVML, `/proc` and the bus contradict each other.
    SourcesDisagree,
    /// The PCI device id is not the model's.
    DeviceIdMismatch,
    /// The compute capability is not the model's.
    ComputeCapabilityMismatch,
    /// The number of SMs is not the model's.
    SmCountMismatch,
    /// The memory is not the model's.
    VramOutsideWindow,
    /// The device is part of a card (MIG).
    MigSlice,
    /// An instruction of the architecture is missing or gives wrong results.
    ArchitectureGate,
    /// The device is banned.
    DeviceBanned,
    /// The machine had another device before.
    DeviceChanged,
    /// The device is in use by another machine, or twice in this one.
    DeviceDuplicate,
    /// Memory bandwidth is below the model's.
    BandwidthLow,
    /// The FP32 rate is below the model's.
    Fp32Low,
    /// A tensor rate is below the model's.
    TensorLow,
    /// The bus is slower than its link, or the link narrower than the card's.
    PcieLow,
    /// Launches take long: time slicing, or a remote device.
    LaunchSlow,
    /// A measurement ran and the device did wrong.
    MeasurementFailed,
    /// A measurement could not run.
    MeasurementMissing,
    /// The memory did not keep what was written.
    MemoryErrors,
    /// The same work gave different results.
    ResultsDiffer,
    /// The speed fell under long load.
    SoakSlowed,
    /// The hardware throttled for heat or supply.
    HardwareThrottled,
    /// The device computed for someone else meanwhile.
    TimeGaps,
    /// The reference of a timed proof was not measured by us; its deadline is wide.
    ReferenceNotMeasured,
    /// Only a live exchange can show this.
    NotShownOffline,
    /// A spot probe does not show this.
    NotShownBySpot,
}

impl std::fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_list_every_code_once() {
        let page = include_str!("../../../docs/gpu-probe.md");
        let (_, after) = page.split_once("## Reasons\n").unwrap();
        let table = after.split("\n## ").next().unwrap();
        let rows = table
            .lines()
            .filter_map(|l| l.strip_prefix("| `")?.split_once('`'));
        let codes: Vec<ReasonCode> = rows
            .map(|(name, _)| serde_json::from_value(name.into()).unwrap())
            .collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "in the order of the type");
        assert_eq!(codes.len(), ReasonCode::NotShownBySpot as usize + 1);
        assert_eq!(ReasonCode::RowWrong.to_string(), "row_wrong");
    }
}
