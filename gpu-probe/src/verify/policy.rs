//! What a verifier holds a report against: thresholds, sizes of the work, measured references, and
//! the facts that only a fleet knows. Shares are in thousandths.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{DeviceUuid, Digest, PublicKey};

/// Where the lines are drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds {
    /// At least this share of the reference passes.
    pub pass_permille: u64,
    /// Less than this share of the reference fails; between the two the speed is degraded.
    pub fail_permille: u64,
    /// Most memory bandwidth, of the datasheet's.
    pub bandwidth_max_permille: u64,
    /// The same for GeForce cards, whose memory can be overclocked.
    pub bandwidth_max_consumer_permille: u64,
    /// Highest SM clock, of the catalogue's boost clock, which is no ceiling.
    pub clock_max_permille: u64,
    /// Least and most FP32 rate over clock, of the SMs that are claimed.
    pub fp32_sm_permille: (u64, u64),
    /// Least and most memory, of the model's nominal.
    pub vram_permille: (u64, u64),
    /// Most difference between the two clocks of the same samples, of the longer one.
    pub clocks_off_permille: u64,
    /// Difference between the two clocks that is always allowed: resolution and launch, in ns.
    pub clocks_off_ns: u64,
    /// Most power, of the board's.
    pub power_max_permille: u64,
    /// Least power under tensor load, of the board's.
    pub power_min_permille: u64,
    /// A bus slower than this fails, in MB/s: no slot of a rented machine is.
    pub pcie_fail_mb_per_s: u64,
    /// Least share of its link that a bus moves.
    pub pcie_link_permille: u64,
    /// Most median launch time that is nothing to speak of, in ns.
    pub launch_ns_max: u64,
    /// Least share of the first minutes' speed after a soak that is good.
    pub soak_good_permille: u64,
    /// Less than this share of the first minutes' speed after a soak fails.
    pub soak_fail_permille: u64,
    /// Longest gap in time that is nothing to speak of, in ns.
    pub gap_ns_max: u64,
    /// Share of the time in gaps above which the device is shared.
    pub gaps_permille: u64,
    /// Days over which a machine's devices must have been known for proof level 2.
    pub continuity_days: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            pass_permille: 850,
            fail_permille: 750,
            bandwidth_max_permille: 1_050,
            bandwidth_max_consumer_permille: 1_150,
            clock_max_permille: 1_300,
            fp32_sm_permille: (750, 1_050),
            vram_permille: (900, 1_020),
            clocks_off_permille: 100,
            clocks_off_ns: 50_000,
            power_max_permille: 1_300,
            power_min_permille: 100,
            pcie_fail_mb_per_s: 500,
            pcie_link_permille: 750,
            launch_ns_max: 50_000,
            soak_good_permille: 950,
            soak_fail_permille: 850,
            gap_ns_max: 1_000_000,
            gaps_permille: 10,
            continuity_days: 7,
        }
    }
}

/// How large the proofs are, and how long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizing {
    /// Rows and columns of a matrix.
    pub matrix_n: u32,
    /// Time that the matrix loop aims at on a card at its quoted rate, in ms.
    pub matrix_aim_ms: u64,
    /// The same of a spot probe, which asks it of the same matrices: a measured rate is of their size.
    pub spot_aim_ms: u64,
    /// Time that the VRAM passes aim at on a card at its quoted rate, in ms.
    pub vram_aim_ms: u64,
    /// Memory left free, in MiB: drivers, displays and confidential computing need some.
    pub vram_reserve_mib: u64,
    /// Most blocks of 1 MiB to fill; a test may ask for few.
    pub vram_blocks_max: u64,
    /// Most that a proof's time is forgiven for the network's way, in ms: the least round trip
    /// seen counts, up to this.
    pub rtt_ms_max: u64,
    /// What every timed step is forgiven beside, in ms.
    pub allowance_ms: u64,
    /// For filling all memory, in ms.
    pub fill_ms_max: u64,
    /// For all openings of one proof, in ms.
    pub openings_ms_max: u64,
    /// For a quick exchange as a whole, in ms; full and soak have 2 and 40 minutes more a device.
    pub session_ms_max: u64,
    /// Share of the best published or quoted rate that stands for a reference of the matrix loop
    /// as long as nobody measured one.
    pub matrix_uncalibrated_permille: u64,
    /// The same for the VRAM passes.
    pub vram_uncalibrated_permille: u64,
}

impl Default for Sizing {
    fn default() -> Self {
        Self {
            matrix_n: 8_192,
            matrix_aim_ms: 1_500,
            spot_aim_ms: 750,
            vram_aim_ms: 1_500,
            vram_reserve_mib: 2_048,
            vram_blocks_max: crate::exchange::VRAM_BLOCKS_MAX,
            rtt_ms_max: 300,
            allowance_ms: 150,
            fill_ms_max: 60_000,
            openings_ms_max: 30_000,
            session_ms_max: 180_000,
            matrix_uncalibrated_permille: 250,
            vram_uncalibrated_permille: 400,
        }
    }
}

/// Rates that were measured with these kernels on a good card: of the proofs' own loops, hashing and
/// all, and of those benchmarks that have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredReference {
    /// Multiplications and additions of the matrix loop, in 10^6 a second.
    pub matrix_mops: u64,
    /// Bytes read by the VRAM passes, in MB/s.
    pub vram_mb_per_s: u64,
    /// Of the FP16 and BF16 products, in GFLOP/s.
    pub tensor_gflops: Option<u64>,
    /// Of the copy kernel, in MB/s, both ways counted.
    pub copy_mb_per_s: Option<u64>,
    /// Of the FP32 chains, in GFLOP/s.
    pub fp32_gflops: Option<u64>,
}

impl MeasuredReference {
    /// Of the proofs alone.
    pub const fn of_proofs(matrix_mops: u64, vram_mb_per_s: u64) -> Self {
        Self {
            matrix_mops,
            vram_mb_per_s,
            tensor_gflops: None,
            copy_mb_per_s: None,
            fp32_gflops: None,
        }
    }
}

/// How a verifier judges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Where the lines are drawn.
    pub thresholds: Thresholds,
    /// How large the proofs are.
    pub sizing: Sizing,
    /// Measured references by catalogue id. Empty today: nothing was measured on a GPU.
    pub measured: BTreeMap<String, MeasuredReference>,
    /// Digests of released kernels; empty accepts any.
    pub kernels: BTreeSet<Digest>,
    /// Whether the emulated cards of a sandbox may pass, at proof level 0. Never where money is.
    pub accepts_emulated: bool,
}

/// Rows and columns of a sandbox's matrices, fewer than any card's: an emulated exchange is made
/// by a CPU, in milliseconds, and shows nothing.
const SANDBOX_MATRIX_N: u32 = 32;
/// What every timed step of a sandbox is forgiven, in ms of a world that may run fast.
const SANDBOX_ALLOWANCE_MS: u64 = 600_000;
/// Longest exchange of a sandbox, in ms of a world that may run fast.
const SANDBOX_SESSION_MS_MAX: u64 = 3_600_000;

impl Policy {
    /// For the emulated cards of a sandbox: they may pass, with proofs so small that a CPU makes
    /// them in milliseconds, no memory to fill, and times that say nothing. What the report says is
    /// judged as usual.
    pub fn sandbox() -> Self {
        let sizing = Sizing {
            matrix_n: SANDBOX_MATRIX_N,
            matrix_aim_ms: 0,
            spot_aim_ms: 0,
            vram_aim_ms: 0,
            vram_blocks_max: 0,
            allowance_ms: SANDBOX_ALLOWANCE_MS,
            fill_ms_max: SANDBOX_ALLOWANCE_MS,
            openings_ms_max: SANDBOX_ALLOWANCE_MS,
            session_ms_max: SANDBOX_SESSION_MS_MAX,
            ..Sizing::default()
        };
        Self {
            sizing,
            accepts_emulated: true,
            ..Self::default()
        }
    }
}

/// What a fleet knows of a machine and its devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether an answer to this challenge was taken before.
    pub challenge_reused: bool,
    /// The key that the machine enrolled, where it did.
    pub enrolled_key: Option<PublicKey>,
    /// Catalogue id of the card that was sold, where one was.
    pub sold_as: Option<String>,
    /// How many cards were sold, where that is known: a machine that shows fewer fails.
    pub sold_count: Option<u32>,
    /// Banned devices.
    pub banned: BTreeSet<DeviceUuid>,
    /// Devices that another machine showed lately.
    pub in_use_elsewhere: BTreeSet<DeviceUuid>,
    /// Devices that this machine had at its last probe, where there was one.
    pub expected: Option<BTreeSet<DeviceUuid>>,
    /// Whether its like in the fleet was challenged in the same second.
    pub challenged_together: bool,
    /// Whether devices and latency maps have stayed the same over the days that the fleet asks.
    pub stayed_the_same: bool,
    /// Whether NVIDIA's attestation, bound to this session, was checked elsewhere.
    pub attested: bool,
}
