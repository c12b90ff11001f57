//! What a verifier says of a report: the outcome, every reason, and how much was really shown.

mod code;

use serde::{Deserialize, Serialize};

pub use code::ReasonCode;

use crate::report::DeviceUuid;

/// The outcome of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictOutcome {
    /// Nothing speaks against it; it may still be degraded, see `speed_permille`.
    Pass,
    /// Something could not be measured or judged, and nothing that could be fails it.
    CouldNotRun,
    /// At least one reason fails it.
    Fail,
}

/// What a reason does to the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Worth knowing.
    Note,
    /// Passes at a lower speed.
    Degraded,
    /// Could not be judged.
    CouldNotRun,
    /// Fails the probe.
    Fail,
}

/// One thing that speaks against a report, or is worth knowing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which.
    pub code: ReasonCode,
    /// What it does to the outcome.
    pub effect: Effect,
    /// The device, where it concerns one.
    pub device: Option<DeviceUuid>,
    /// What was seen and what was expected, in words.
    pub detail: String,
}

/// How much is known of a machine, rising. Level 1 is a timed proof of work and memory, and never
/// "verified hardware": the work may have been relayed to a real card elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofLevel {
    /// 0: the prover's word.
    Claimed,
    /// 1: both proofs, in time by the verifier's clock.
    TimedProof,
    /// 2: also challenged together with its like, and the same device over many days.
    Continuous,
    /// 3: also attested by NVIDIA, bound to the session. The attestation is an input; no code here
    /// obtains one.
    Attested,
}

impl ProofLevel {
    /// 0 to 3.
    pub const fn number(self) -> u8 {
        match self {
            Self::Claimed => 0,
            Self::TimedProof => 1,
            Self::Continuous => 2,
            Self::Attested => 3,
        }
    }
}

/// Where a reference figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Measured by us on a good card with these kernels.
    Measured,
    /// Measured by others, published.
    Published,
    /// From the datasheet.
    Quoted,
}

/// What a grade may be built on, of one device. Ratios are in thousandths of the reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which device.
    pub uuid: DeviceUuid,
    /// Catalogue id of the card that its facts fit; none when they fit no card.
    pub model: Option<String>,
    /// The matrix loop by the verifier's clock, in ms; none without a live exchange.
    pub matrix_elapsed_ms: Option<u64>,
    /// The VRAM passes by the verifier's clock, in ms; none without a live exchange.
    pub vram_elapsed_ms: Option<u64>,
    /// Memory that was proven, in MiB; none without a live exchange.
    pub vram_proven_mib: Option<u64>,
    /// Speed by the verifier's clock: the lower of the two proofs.
    pub timed_permille: Option<u32>,
    /// Speed by the prover's own word: the lowest of its rates. It can only lower the score.
    pub reported_permille: Option<u32>,
    /// Where the references of `timed_permille` come from.
    pub basis: Option<Basis>,
}

impl Evidence {
    /// A device of which nothing was shown.
    pub const fn none(uuid: DeviceUuid) -> Self {
        Self {
            uuid,
            model: None,
            matrix_elapsed_ms: None,
            vram_elapsed_ms: None,
            vram_proven_mib: None,
            timed_permille: None,
            reported_permille: None,
            basis: None,
        }
    }
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The outcome: the worst effect among the reasons.
    pub outcome: VerdictOutcome,
    /// How much was shown.
    pub proof_level: ProofLevel,
    /// Speed in thousandths of a good card of the model, at most 1000 and the lowest of all
    /// devices; none where no verifier's clock stood by.
    pub speed_permille: Option<u32>,
    /// Everything that was found, worst first.
    pub reasons: Vec<Reason>,
    /// One entry a device.
    pub evidence: Vec<Evidence>,
}

impl Verdict {
    /// Whether a reason of this code was given.
    pub fn has(&self, code: ReasonCode) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }
}
