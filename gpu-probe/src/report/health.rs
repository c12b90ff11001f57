//! What full and soak probes add: memory patterns, peer copies, loads, time gaps, a latency map.

use serde::{Deserialize, Serialize};

use super::{DeviceUuid, Outcome, Transfer};

/// The longer tests of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Patterns written to and read from the memory.
    pub patterns: Outcome<PatternTests>,
    /// Copies to the machine's other devices.
    pub peers: Outcome<Vec<PeerCopy>>,
    /// Steady load.
    pub steady_load: Outcome<Load>,
    /// Load on for one second and off for half a second.
    pub pulsed_load: Outcome<Load>,
    /// Time that the device gave to someone else.
    pub gaps: Outcome<Gaps>,
    /// Latency from every SM to regions of the memory: a fingerprint of the die.
    pub latency_map: Outcome<LatencyMap>,
    /// The long load of a soak; none in a full probe.
    pub soak: Option<Outcome<Load>>,
}

/// Memory patterns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternTests {
    /// Bytes covered.
    pub bytes: u64,
    /// One entry a pass.
    pub passes: Vec<PatternPass>,
}

/// A pattern of memory tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// The same word everywhere.
    Constant,
    /// Each word's own index.
    Address,
    /// The complement of each word's own index.
    InvertedAddress,
    /// One bit set, moving.
    WalkingOne,
    /// A generator's output.
    Random,
}

/// One pass of a memory test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternPass {
    /// Which pattern.
    pub pattern: Pattern,
    /// The constant, or the seed.
    pub value: u64,
    /// Words that differed.
    pub errors: u64,
    /// Index of the first word that differed.
    pub first_bad_word: Option<u64>,
}

/// A copy to another device of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerCopy {
    /// The other device.
    pub peer: DeviceUuid,
    /// Whether it goes without the host's memory.
    pub is_direct: bool,
    /// The copies.
    pub transfer: Transfer,
}

/// A load and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// How long it ran, in ms.
    pub duration_ms: u64,
    /// Results whose digest was compared with the first.
    pub results: u64,
    /// Results that differed.
    pub mismatches: u64,
    /// By ascending time, about one a second.
    pub samples: Vec<Telemetry>,
}

/// One look at a device under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Since the load began, in ms.
    pub at_ms: u64,
    /// Rate of the work since the sample before, in GFLOP/s; zero in a pause.
    pub gflops: u64,
    /// SM clock, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Memory clock, in MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Power, in mW.
    pub power_mw: Option<u64>,
    /// Core temperature, in degrees Celsius.
    pub core_celsius: Option<i32>,
    /// Memory temperature, in degrees Celsius.
    pub memory_celsius: Option<i32>,
    /// Uncorrected ECC errors since the driver was loaded.
    pub ecc_uncorrected: Option<u64>,
    /// Retired memory pages or remapped rows.
    pub retired_pages: Option<u64>,
    /// `nvmlDeviceGetCurrentClocksEventReasons`, as it is.
    pub event_reasons: Option<u64>,
}

/// Bits of [`Telemetry::event_reasons`]
/// (docs.nvidia.com/deploy/nvml-api/api/group__nvmlClocksEventReasons.html).
pub mod event_reason {
    /// Power cap in software.
    pub const SW_POWER_CAP: u64 = 0x4;
    /// Slowed by hardware: thermal, power brake or supply.
    pub const HW_SLOWDOWN: u64 = 0x8;
    /// Slowed by software for heat.
    pub const SW_THERMAL_SLOWDOWN: u64 = 0x20;
    /// Slowed by hardware for heat.
    pub const HW_THERMAL_SLOWDOWN: u64 = 0x40;
    /// Slowed by an external power brake.
    pub const HW_POWER_BRAKE: u64 = 0x80;
}

/// Gaps that a kernel saw in the device's timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaps {
    /// How long it looked, in ns.
    pub duration_ns: u64,
    /// Shorter gaps were not counted, in ns.
    pub threshold_ns: u64,
    /// Gaps seen.
    pub count: u64,
    /// The first of them, in ns.
    pub gaps_ns: Vec<u64>,
}

/// Latency from SMs to regions of the memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyMap {
    /// `%smid` of each row.
    pub smids: Vec<u32>,
    /// Columns.
    pub regions: u32,
    /// Hops of each cell.
    pub hops: u32,
    /// Cycles of all hops, row by row: `smids x regions` entries.
    pub cycles: Vec<u32>,
}
