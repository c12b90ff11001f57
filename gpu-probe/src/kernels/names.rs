//! The modules and kernels by name, as `docs/gpu-probe.md` lists them.

/// A source file of kernels, loaded as one module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Module {
    /// SM numbers and clocks.
    Census,
    /// Pointer chase.
    Chase,
    /// FP32 rate.
    Fp32,
    /// Time slices of others.
    Gaps,
    /// BF16 matrix product.
    GemmBf16,
    /// FP16 matrix product.
    GemmF16,
    /// FP8 matrix product.
    GemmFp8,
    /// An instruction of this architecture.
    IsaGate,
    /// Latency from each SM to each region of memory.
    LatencyMap,
    /// A launch itself.
    Launch,
    /// Matrix proof.
    Matrix,
    /// Merkle tree.
    Merkle,
    /// Memory test.
    Pattern,
    /// Memory bandwidth.
    Stream,
    /// VRAM proof.
    Vram,
}

impl Module {
    /// All modules.
    pub const ALL: [Self; 15] = [
        Self::Census,
        Self::Chase,
        Self::Fp32,
        Self::Gaps,
        Self::GemmBf16,
        Self::GemmF16,
        Self::GemmFp8,
        Self::IsaGate,
        Self::LatencyMap,
        Self::Launch,
        Self::Matrix,
        Self::Merkle,
        Self::Pattern,
        Self::Stream,
        Self::Vram,
    ];

    /// File name of the source, without `.cu`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Census => "census",
            Self::Chase => "chase",
            Self::Fp32 => "fp32",
            Self::Gaps => "gaps",
            Self::GemmBf16 => "gemm_bf16",
            Self::GemmF16 => "gemm_f16",
            Self::GemmFp8 => "gemm_fp8",
            Self::IsaGate => "isa_gate",
            Self::LatencyMap => "latency_map",
            Self::Launch => "launch",
            Self::Matrix => "matrix",
            Self::Merkle => "merkle",
            Self::Pattern => "pattern",
            Self::Stream => "stream",
            Self::Vram => "vram",
        }
    }
}

/// A kernel and the module that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// Where it is.
    pub module: Module,
    /// Its name in the module.
    pub name: &'static str,
}

const fn kernel(module: Module, name: &'static str) -> Kernel {
    Kernel { module, name }
}

/// SM number, clock and timer of every block.
pub const CENSUS: Kernel = kernel(Module::Census, "census");
/// Makes the ring that [`CHASE`] walks.
pub const CHASE_FILL: Kernel = kernel(Module::Chase, "chase_fill");
/// Walks a ring of dependent loads.
pub const CHASE: Kernel = kernel(Module::Chase, "chase");
/// Eight chains of FP32 multiply-adds a thread.
pub const FP32_FMA: Kernel = kernel(Module::Fp32, "fp32_fma");
/// Jumps of the timer.
pub const TIME_GAPS: Kernel = kernel(Module::Gaps, "time_gaps");
/// BF16 matrix product.
pub const GEMM_BF16: Kernel = kernel(Module::GemmBf16, "gemm_bf16");
/// Random BF16 numbers.
pub const FILL_BF16: Kernel = kernel(Module::GemmBf16, "fill_bf16");
/// FP16 matrix product.
pub const GEMM_F16: Kernel = kernel(Module::GemmF16, "gemm_f16");
/// Random FP16 numbers.
pub const FILL_F16: Kernel = kernel(Module::GemmF16, "fill_f16");
/// FP8 (e4m3) matrix product.
pub const GEMM_FP8: Kernel = kernel(Module::GemmFp8, "gemm_fp8");
/// Random FP8 numbers.
pub const FILL_FP8: Kernel = kernel(Module::GemmFp8, "fill_fp8");
/// A tensor instruction of this architecture on seeded integers.
pub const ISA_GATE: Kernel = kernel(Module::IsaGate, "isa_gate");
/// Cycles from each SM to each region.
pub const LATENCY_MAP: Kernel = kernel(Module::LatencyMap, "latency_map");
/// Does nothing.
pub const EMPTY: Kernel = kernel(Module::Launch, "empty");
/// Operands of the matrix proof.
pub const MATRIX_FILL: Kernel = kernel(Module::Matrix, "matrix_fill");
/// Exact integer matrix product.
pub const MATRIX_MULTIPLY: Kernel = kernel(Module::Matrix, "matrix_multiply");
/// Digests of 1024 bytes of a product.
pub const MATRIX_CHUNKS: Kernel = kernel(Module::Matrix, "matrix_chunks");
/// Leaves of a product's rows.
pub const MATRIX_LEAVES: Kernel = kernel(Module::Matrix, "matrix_leaves");
/// One level of a Merkle tree.
pub const MERKLE_LEVEL: Kernel = kernel(Module::Merkle, "merkle_level");
/// Writes a test pattern.
pub const PATTERN_WRITE: Kernel = kernel(Module::Pattern, "pattern_write");
/// Compares memory with a test pattern.
pub const PATTERN_CHECK: Kernel = kernel(Module::Pattern, "pattern_check");
/// Copies memory.
pub const STREAM_COPY: Kernel = kernel(Module::Stream, "stream_copy");
/// Reads memory.
pub const STREAM_READ: Kernel = kernel(Module::Stream, "stream_read");
/// Writes memory.
pub const STREAM_WRITE: Kernel = kernel(Module::Stream, "stream_write");
/// Random words for the other three.
pub const STREAM_FILL: Kernel = kernel(Module::Stream, "stream_fill");
/// Words of the VRAM proof.
pub const VRAM_FILL: Kernel = kernel(Module::Vram, "vram_fill");
/// Keyed checksum of every MiB.
pub const VRAM_CHECKSUM: Kernel = kernel(Module::Vram, "vram_checksum");
/// Leaves of the checksums.
pub const VRAM_LEAVES: Kernel = kernel(Module::Vram, "vram_leaves");

/// All kernels.
pub const KERNELS: [Kernel; 28] = [
    CENSUS,
    CHASE_FILL,
    CHASE,
    FP32_FMA,
    TIME_GAPS,
    GEMM_BF16,
    FILL_BF16,
    GEMM_F16,
    FILL_F16,
    GEMM_FP8,
    FILL_FP8,
    ISA_GATE,
    LATENCY_MAP,
    EMPTY,
    MATRIX_FILL,
    MATRIX_MULTIPLY,
    MATRIX_CHUNKS,
    MATRIX_LEAVES,
    MERKLE_LEVEL,
    PATTERN_WRITE,
    PATTERN_CHECK,
    STREAM_COPY,
    STREAM_READ,
    STREAM_WRITE,
    STREAM_FILL,
    VRAM_FILL,
    VRAM_CHECKSUM,
    VRAM_LEAVES,
];
