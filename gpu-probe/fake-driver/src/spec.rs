//! What the library pretends to be, and how it lies.

use serde::Deserialize;

/// A machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// `cuDriverGetVersion`.
    #[serde(default = "driver_version")]
    pub(crate) driver_version: i32,
    /// The cards.
    pub(crate) cards: Vec<CardSpec>,
    /// Allocations above this size are refused.
    pub(crate) refuse_above_bytes: Option<u64>,
    /// The launch, counted from 1, after which the card answers nothing but a launch failure.
    pub(crate) fail_launch: Option<u64>,
    /// The launch, counted from 1, that never ends.
    pub(crate) hang_launch: Option<u64>,
    /// Kernels that are not run: their output is whatever the memory holds.
    #[serde(default)]
    pub(crate) skip: Vec<String>,
}

/// A card: what it says, and how fast it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CardSpec {
    pub(crate) name: String,
    pub(crate) uuid: [u8; 16],
    pub(crate) pci_bus_id: String,
    pub(crate) compute_capability: [i32; 2],
    /// SMs that the attribute says.
    pub(crate) sm_count: u32,
    /// SMs that blocks run on; as many as are said where it is left out.
    pub(crate) sm_count_real: Option<u32>,
    pub(crate) total_bytes: u64,
    pub(crate) free_bytes: u64,
    /// Memory that is really there; allocations beyond it share the pages of earlier ones.
    pub(crate) real_bytes: Option<u64>,
    /// Words beyond the real memory are computed again when they are read: right, and slow.
    #[serde(default)]
    pub(crate) recomputes: bool,
    pub(crate) sm_clock_khz: i32,
    pub(crate) memory_clock_khz: i32,
    pub(crate) memory_bus_bits: i32,
    pub(crate) l2_bytes: u64,
    pub(crate) bandwidth_mb_per_s: f64,
    pub(crate) fp32_gflops: f64,
    pub(crate) tensor_gflops: f64,
    pub(crate) tensor_fp8_gflops: f64,
    pub(crate) int8_gops: f64,
    pub(crate) l2_ns: f64,
    pub(crate) dram_ns: f64,
    pub(crate) pcie_mb_per_s: f64,
    /// What NVML calls it, where that is not `name`.
    pub(crate) nvml_name: Option<String>,
    /// Power that NVML says.
    #[serde(default = "power_mw")]
    pub(crate) power_mw: u32,
    /// Cards of the same number are one and the same chip.
    pub(crate) chip: usize,
    /// What the card's clocks and events say, in thousandths of the time that passed.
    #[serde(default = "honest")]
    pub(crate) told_permille: u64,
}

fn driver_version() -> i32 {
    12_040
}

fn power_mw() -> u32 {
    250_000
}

fn honest() -> u64 {
    1_000
}
