//! The interactive exchange between a prover (the probe) and a verifier, version 1.
//!
//! | prover | verifier |
//! | --- | --- |
//! | `hello` | `plan` |
//! | `matrix_begin` | `matrix_challenge` |
//! | `matrix_commit` | `matrix_picks` |
//! | `matrix_openings`, one a device, in the plan's order | `ok` |
//! | `vram_begin` | `vram_fill` |
//! | `vram_filled` | `vram_key` |
//! | `vram_commit` | `vram_picks` |
//! | `vram_openings`, one a device, in the plan's order | `ok` |
//! | `report` | `verdict` |
//!
//! A plan of the kind `spot` ends after the matrix openings: `report` follows them.
//!
//! All devices of a machine compute at the same time between `matrix_begin` and `matrix_commit`,
//! and between `vram_filled` and `vram_commit`: the verifier's clock runs over them together, so one
//! card cannot stand for two. Each message is one JSON document, `{"type": …}` first.

mod bounds;

use serde::{Deserialize, Serialize};

pub use bounds::*;

use crate::hex::HexBytes;
use crate::report::{
    ChallengeId, ComputeCapability, DeviceUuid, Digest, Kind, Nonce, PublicKey, SignedReport,
};
use crate::verdict::Verdict;

/// What a prover sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ProverMessage {
    /// Says which devices it will prove.
    Hello(Hello),
    /// Ready to start the chained products on every device at once.
    MatrixBegin,
    /// Every device has ended its chain.
    MatrixCommit {
        /// One entry a device of the plan, in its order.
        devices: Vec<Roots>,
    },
    /// The rows that were picked.
    MatrixOpenings(MatrixOpenings),
    /// Ready to fill memory.
    VramBegin,
    /// Every device has filled its memory.
    VramFilled {
        /// One entry a device of the plan, in its order.
        devices: Vec<Filled>,
    },
    /// Every device has ended its passes.
    VramCommit {
        /// One entry a device of the plan, in its order.
        devices: Vec<Roots>,
    },
    /// The blocks that were picked.
    VramOpenings(VramOpenings),
    /// The signed report.
    Report(Box<SignedReport>),
}

/// What a verifier answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum VerifierMessage {
    /// What to do.
    Plan(Plan),
    /// Start the chains now; the verifier's clock runs.
    MatrixChallenge {
        /// Seeds every device's chain together with its binding; drawn for this moment, so that no
        /// chain can begin before it.
        key: Digest,
        /// The roots must be there by then, in ms from the sending of this.
        deadline_ms: u64,
    },
    /// Open these rows.
    MatrixPicks {
        /// One entry a device of the plan, in its order.
        devices: Vec<MatrixPicks>,
        /// All openings must be there by then, in ms from the sending of this.
        deadline_ms: u64,
    },
    /// Fill memory now.
    VramFill {
        /// Every device must be full by then, in ms from the sending of this.
        deadline_ms: u64,
    },
    /// Start the passes now; the verifier's clock runs.
    VramKey {
        /// `K_0`, the same for every device.
        key: Digest,
        /// The roots must be there by then, in ms from the sending of this.
        deadline_ms: u64,
    },
    /// Open these blocks.
    VramPicks {
        /// One entry a device of the plan, in its order.
        devices: Vec<Vec<BlockPick>>,
        /// All openings must be there by then, in ms from the sending of this.
        deadline_ms: u64,
    },
    /// Taken; go on.
    Ok,
    /// What came of it.
    Verdict(Box<Verdict>),
}

/// Opens the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`crate::report::FORMAT_VERSION`].
    pub format_version: u32,
    /// Version of the program.
    pub agent_version: String,
    /// The key to which the proofs are bound.
    pub public_key: PublicKey,
    /// The devices to prove, in CUDA's order.
    pub devices: Vec<Claim>,
}

/// What a device is claimed to be: enough to size its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// UUID by CUDA.
    pub uuid: DeviceUuid,
    /// Name by CUDA.
    pub name: String,
    /// PCI device id, where it is known.
    pub pci_device_id: Option<u16>,
    /// Compute capability.
    pub compute_capability: ComputeCapability,
    /// SMs.
    pub sm_count: u32,
    /// Memory in all, in bytes.
    pub total_memory_bytes: u64,
    /// Memory free now, in bytes.
    pub free_memory_bytes: u64,
}

/// The work of one challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Names the challenge.
    pub challenge_id: ChallengeId,
    /// Binds the proofs and the report to this challenge.
    pub nonce: Nonce,
    /// What to measure for the report.
    pub kind: Kind,
    /// One entry a device of the hello, in its order.
    pub devices: Vec<DevicePlan>,
}

/// The work of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevicePlan {
    /// Which device.
    pub uuid: DeviceUuid,
    /// Rows and columns of a matrix: a power of two, 256 to 8192.
    pub matrix_n: u32,
    /// Chained products: 8 to 1024.
    pub matrix_jobs: u32,
    /// Blocks of 1 MiB to fill; none in a spot probe.
    pub vram_blocks: u64,
    /// Passes over the blocks: 40 to 4096; none in a spot probe.
    pub vram_passes: u32,
}

/// The Merkle roots of one device's chain, first to last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roots {
    /// Which device.
    pub uuid: DeviceUuid,
    /// One a job or pass.
    pub roots: Vec<Digest>,
}

/// Memory that a device has filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filled {
    /// Which device.
    pub uuid: DeviceUuid,
    /// Blocks of 1 MiB; fewer than planned when the memory did not suffice.
    pub blocks: u64,
}

/// Rows that one device must open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixPicks {
    /// By ascending job.
    pub jobs: Vec<JobPick>,
}

/// Rows of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobPick {
    /// The job, from 0.
    pub job: u32,
    /// Rows, ascending.
    pub rows: Vec<u32>,
}

/// The rows of one device, in the order of the picks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixOpenings {
    /// Which device.
    pub uuid: DeviceUuid,
    /// One entry a picked row.
    pub rows: Vec<RowOpening>,
}

/// A row of a product and its way to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowOpening {
    /// The job.
    pub job: u32,
    /// The row.
    pub row: u32,
    /// `n` 32-bit integers, little-endian, in base64 (RFC 4648 §4, padded).
    pub values: String,
    /// Siblings from the leaf upwards, `log2 n` of them.
    pub path: Vec<Digest>,
}

/// A block in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockPick {
    /// The pass, from 0.
    pub pass: u32,
    /// The block, from 0.
    pub block: u64,
}

/// The blocks of one device, in the order of the picks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VramOpenings {
    /// Which device.
    pub uuid: DeviceUuid,
    /// One entry a pick.
    pub blocks: Vec<BlockOpening>,
}

/// The checksum of a block and its way to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockOpening {
    /// The pass.
    pub pass: u32,
    /// The block.
    pub block: u64,
    /// `c_b`, below `2^61 - 1`, as 8 little-endian bytes in hex.
    pub checksum: HexBytes<8>,
    /// Siblings from the leaf upwards.
    pub path: Vec<Digest>,
}
