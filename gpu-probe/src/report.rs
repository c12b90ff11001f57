//! What a probe reports of a machine's GPUs, version 1: identity, raw samples of every measurement,
//! summaries of the proofs, and a signature over all of it.
//!
//! Integers with their unit last, no floats, no unknown fields. Everything here is the prover's own
//! word: a verifier may lower a score by it, never raise one (`docs/gpu-probe.md`, Verdicts).

mod bounds;
mod health;
mod identity;
mod latency;
mod measured;
mod outcome;
mod signature;

use serde::{Deserialize, Serialize};

pub use bounds::*;
pub use health::*;
pub use identity::*;
pub use latency::*;
pub use measured::*;
pub(crate) use outcome::percentile;
pub use outcome::{Outcome, Timing};
pub use signature::{SIGNATURE_DOMAIN, SignatureRefused, SignedReport};

use crate::hex::HexBytes;

/// The version of the format that this code reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// Names one challenge; used once.
pub type ChallengeId = HexBytes<16>;
/// The verifier's random bytes of one challenge; used once.
pub type Nonce = HexBytes<32>;
/// A SHA-256 digest.
pub type Digest = HexBytes<32>;
/// The prover's Ed25519 public key (RFC 8032).
pub type PublicKey = HexBytes<32>;
/// The UUID that CUDA gives a device (`cuDeviceGetUuid`), 16 bytes.
pub type DeviceUuid = HexBytes<16>;

/// How much a probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Inside running work, about a second of it: identity, census, the matrix proof. No memory is
    /// filled and no rate measured.
    Spot,
    /// About ten seconds: identity, rates, both proofs.
    Quick,
    /// Under a minute more: memory patterns, peer copies, loads, time gaps, latency map.
    Full,
    /// As `Full`, with 25 minutes of steady load.
    Soak,
}

/// The driver that the probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Driver {
    /// `cuDriverGetVersion`: 1000 x major + 10 x minor, as 12040.
    pub cuda_version: u32,
    /// The driver's own version, as `550.54.15`, where NVML or `/proc/driver/nvidia` gives it.
    pub version: Option<String>,
    /// Whether the process runs in a container or virtual machine, where it can tell.
    pub is_virtual: Option<bool>,
}

impl Kind {
    /// Whether it proves memory and measures rates.
    pub const fn is_thorough(self) -> bool {
        !matches!(self, Self::Spot)
    }
}

/// A report without its signature; [`SignedReport`] is what travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// How much was done.
    pub kind: Kind,
    /// The challenge it answers; 16 zero bytes for a report that nobody asked for.
    pub challenge_id: ChallengeId,
    /// The challenge's nonce; 32 zero bytes for a report that nobody asked for.
    pub nonce: Nonce,
    /// The prover's clock at the start, in milliseconds since 1970.
    pub started_at_unix_ms: u64,
    /// Version of the program.
    pub agent_version: String,
    /// Whether no card was measured: a sandbox's emulation ([`crate::emulate`]) made the numbers up.
    /// The member is absent where it is false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emulated: bool,
    /// Digest of the embedded kernel binaries.
    pub kernels_sha256: Digest,
    /// The driver.
    pub driver: Driver,
    /// One entry a device, in CUDA's order.
    pub devices: Vec<DeviceReport>,
    /// The key that signs, and to which the proofs are bound.
    pub public_key: PublicKey,
}

/// What was found of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceReport {
    /// Q0: what the software stack says that it is.
    pub identity: Identity,
    /// Q1: SMs and their clock.
    pub census: Outcome<Census>,
    /// Q2: an instruction that only this architecture has.
    pub isa_gate: Outcome<IsaGate>,
    /// Q3: device memory bandwidth.
    pub bandwidth: Outcome<Bandwidth>,
    /// Q4: latency by working set.
    pub latency: Outcome<LatencyCurve>,
    /// Q5: FP32 multiply-adds.
    pub fp32: Outcome<Rate>,
    /// Q6: matrix product with FP16 operands, FP32 accumulation.
    pub tensor_f16: Outcome<Rate>,
    /// Q6: matrix product with BF16 operands, FP32 accumulation.
    pub tensor_bf16: Outcome<Rate>,
    /// Q6: matrix product with FP8 (e4m3) operands, FP32 accumulation.
    pub tensor_fp8: Outcome<Rate>,
    /// Q7: the prover's own times of the matrix proof.
    pub matrix: Outcome<MatrixSummary>,
    /// Q8: the prover's own times of the VRAM proof.
    pub vram: Outcome<VramSummary>,
    /// Q9: the bus.
    pub pcie: Outcome<Pcie>,
    /// Q10: launch latency.
    pub launch: Outcome<Launch>,
    /// What full and soak probes add; none in a quick one.
    pub health: Option<Health>,
}

impl DeviceReport {
    /// The report of a device of which nothing but its identity is known, for a reason.
    pub fn unmeasured(identity: Identity, reason: &str) -> Self {
        fn not<T>(reason: &str) -> Outcome<T> {
            let reason = reason.to_owned();
            Outcome::CouldNotRun { reason }
        }
        Self {
            identity,
            census: not(reason),
            isa_gate: not(reason),
            bandwidth: not(reason),
            latency: not(reason),
            fp32: not(reason),
            tensor_f16: not(reason),
            tensor_bf16: not(reason),
            tensor_fp8: not(reason),
            matrix: not(reason),
            vram: not(reason),
            pcie: not(reason),
            launch: not(reason),
            health: None,
        }
    }

    /// What a spot probe reports: identity, census and the matrix proof.
    pub fn spot(
        identity: Identity,
        census: Outcome<Census>,
        matrix: Outcome<MatrixSummary>,
    ) -> Self {
        Self {
            census,
            matrix,
            ..Self::unmeasured(identity, "a spot probe leaves it out")
        }
    }
}
