//! How large the benchmarks are. Measuring needs the standard sizes; an interpreter of the kernels
//! can only afford tiny ones.

/// Sizes and repetitions of every benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// Longest wait for one piece of work, in ms. The slowest, a fill of 180 GB or a long chase,
    /// takes some seconds on a slow card.
    pub deadline_ms: u64,
    /// Load before the first sample, in ms of the card's time.
    pub warm_up_ms: u64,
    /// Samples of a rate: 10 or more.
    pub samples: u32,
    /// Samples of the memory bandwidth.
    pub bandwidth_samples: u32,
    /// Bytes of each of the two areas of the bandwidth test; over eight times the largest L2.
    pub stream_bytes: u64,
    /// Blocks of the census for each SM.
    pub census_blocks_per_sm: u32,
    /// How long each of them spins, in SM cycles.
    pub census_spin_cycles: u64,
    /// Working sets of the latency test, as powers of two of bytes, first and last.
    pub chase_log2_bytes: (u32, u32),
    /// Dependent loads of a sample.
    pub chase_hops: u32,
    /// Samples of each working set.
    pub chase_samples: u32,
    /// Floating-point operations of an FP32 sample.
    pub fp32_operations: u64,
    /// Side of the matrices of the tensor test; a multiple of 256.
    pub gemm_n: u32,
    /// Iterations of the instruction that only one architecture has.
    pub isa_iterations: u32,
    /// Bytes of a copy over the bus.
    pub pcie_bytes: usize,
    /// Samples of each direction.
    pub pcie_samples: u32,
    /// Empty launches.
    pub launches: u32,
    /// Most threads of a launch that only fills or walks memory; 0 for as many as the card holds.
    pub threads_max: u32,
    /// Most blocks of 1 MiB in one allocation of the VRAM proof: each is a launch a pass, whose end
    /// leaves SMs idle; where memory lies in pieces, smaller ones are taken.
    pub vram_area_blocks: u64,
    /// Share of the free memory that patterns cover, in percent.
    pub pattern_percent: u32,
    /// Most bytes that patterns cover.
    pub pattern_bytes_max: u64,
    /// Steady load of a full probe, in ms.
    pub steady_ms: u64,
    /// Pulses of the pulsed load: 1 s on, half a second off.
    pub pulses: u32,
    /// Length of a pulse, in ms; the pause is half of it.
    pub pulse_ms: u64,
    /// How long time gaps are looked for, in ms.
    pub gaps_ms: u64,
    /// Regions of the latency map.
    pub map_regions: u32,
    /// Loads in each region.
    pub map_hops: u32,
    /// Length of a soak, in ms.
    pub soak_ms: u64,
    /// Time between two samples of a load, in ms.
    pub load_sample_ms: u64,
}

impl Scale {
    /// The sizes that measure a card.
    pub fn standard() -> Self {
        Self {
            deadline_ms: 30_000,
            warm_up_ms: 1_000,
            samples: 11,
            bandwidth_samples: 30,
            stream_bytes: 1 << 30,
            census_blocks_per_sm: 64,
            census_spin_cycles: 1_000_000,
            chase_log2_bytes: (18, 30),
            chase_hops: 16_384,
            chase_samples: 4,
            fp32_operations: 200_000_000_000,
            gemm_n: 8_192,
            isa_iterations: 4_096,
            pcie_bytes: 256 << 20,
            pcie_samples: 8,
            launches: 1_000,
            threads_max: 0,
            vram_area_blocks: 65_536,
            pattern_percent: 95,
            pattern_bytes_max: u64::MAX,
            steady_ms: 20_000,
            pulses: 10,
            pulse_ms: 1_000,
            gaps_ms: 5_000,
            map_regions: 32,
            map_hops: 4_096,
            soak_ms: 25 * 60 * 1_000,
            load_sample_ms: 1_000,
        }
    }

    /// Sizes for an interpreter: every kernel runs, and no rate of a real card can be had.
    pub fn tiny() -> Self {
        Self {
            deadline_ms: 2_000,
            warm_up_ms: 0,
            samples: 2,
            bandwidth_samples: 2,
            stream_bytes: 256 << 10,
            census_blocks_per_sm: 1,
            census_spin_cycles: 20_000,
            chase_log2_bytes: (18, 24),
            chase_hops: 32,
            chase_samples: 2,
            fp32_operations: 1 << 23,
            gemm_n: 256,
            isa_iterations: 2,
            pcie_bytes: 64 << 10,
            pcie_samples: 2,
            launches: 20,
            threads_max: 256,
            vram_area_blocks: 1,
            pattern_percent: 95,
            pattern_bytes_max: 16 << 10,
            steady_ms: 1,
            pulses: 2,
            pulse_ms: 1,
            gaps_ms: 0,
            map_regions: 2,
            map_hops: 8,
            soak_ms: 2,
            load_sample_ms: 1,
        }
    }
}
