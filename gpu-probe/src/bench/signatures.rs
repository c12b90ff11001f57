//! The kernels' names and parameters, as `docs/gpu-probe.md` lists them.

use crate::cuda::Parameter::{F32, Pointer, U32, U64};
use crate::cuda::Signature;

/// The kernels' signatures.
pub mod kernel {
    use super::{F32, Pointer, Signature, U32, U64};

    const fn new(name: &'static str, parameters: &'static [crate::cuda::Parameter]) -> Signature {
        Signature { name, parameters }
    }

    /// One entry a block.
    pub const CENSUS: Signature = new(
        "census",
        &[Pointer, Pointer, Pointer, Pointer, Pointer, U64],
    );
    /// Seed, iterations, output.
    pub const ISA_GATE: Signature = new("isa_gate", &[U32, U32, Pointer]);
    /// From, to, 16-byte pieces.
    pub const STREAM_COPY: Signature = new("stream_copy", &[Pointer, Pointer, U64]);
    /// From, pieces, sink.
    pub const STREAM_READ: Signature = new("stream_read", &[Pointer, U64, Pointer]);
    /// To, pieces, seed.
    pub const STREAM_WRITE: Signature = new("stream_write", &[Pointer, U64, U32]);
    /// To, pieces, seed.
    pub const STREAM_FILL: Signature = new("stream_fill", &[Pointer, U64, U64]);
    /// Ring, lines, words of a line, multiplier, increment.
    pub const CHASE_FILL: Signature = new("chase_fill", &[Pointer, U64, U32, U64, U64]);
    /// Ring, start, hops, cycles, timer, end.
    pub const CHASE: Signature = new("chase", &[Pointer, U32, U32, Pointer, Pointer, Pointer]);
    /// Output, iterations, factor, summand.
    pub const FP32_FMA: Signature = new("fp32_fma", &[Pointer, U32, F32, F32]);
    /// A, B by columns, C, side.
    pub const GEMM_F16: Signature = new("gemm_f16", &[Pointer, Pointer, Pointer, U32]);
    /// Output, count, seed.
    pub const FILL_F16: Signature = new("fill_f16", &[Pointer, U64, U64]);
    /// A, B by columns, C, side.
    pub const GEMM_BF16: Signature = new("gemm_bf16", &[Pointer, Pointer, Pointer, U32]);
    /// Output, count, seed.
    pub const FILL_BF16: Signature = new("fill_bf16", &[Pointer, U64, U64]);
    /// A, B by columns, C, side.
    pub const GEMM_FP8: Signature = new("gemm_fp8", &[Pointer, Pointer, Pointer, U32]);
    /// Output, count, seed.
    pub const FILL_FP8: Signature = new("fill_fp8", &[Pointer, U64, U64]);
    /// A, B by columns, two keys each, side.
    pub const MATRIX_FILL: Signature =
        new("matrix_fill", &[Pointer, Pointer, U64, U64, U64, U64, U32]);
    /// A, B by columns, C, side.
    pub const MATRIX_MULTIPLY: Signature =
        new("matrix_multiply", &[Pointer, Pointer, Pointer, U32]);
    /// C, digests, chunks of 256 numbers.
    pub const MATRIX_CHUNKS: Signature = new("matrix_chunks", &[Pointer, Pointer, U64]);
    /// Chunk digests, leaves, rows, chunks of a row.
    pub const MATRIX_LEAVES: Signature = new("matrix_leaves", &[Pointer, Pointer, U32, U32]);
    /// Level below, level above, its nodes.
    pub const MERKLE_LEVEL: Signature = new("merkle_level", &[Pointer, Pointer, U64]);
    /// Words, index of the first, count, key.
    pub const VRAM_FILL: Signature = new("vram_fill", &[Pointer, U64, U64, Pointer]);
    /// Words, blocks, x, checksums.
    pub const VRAM_CHECKSUM: Signature = new("vram_checksum", &[Pointer, U64, U64, Pointer]);
    /// Checksums, blocks, leaves, leaves with padding.
    pub const VRAM_LEAVES: Signature = new("vram_leaves", &[Pointer, U64, Pointer, U64]);
    /// Words, count, index of the first, kind, value.
    pub const PATTERN_WRITE: Signature = new("pattern_write", &[Pointer, U64, U64, U32, U64]);
    /// As above, then errors and the first bad index.
    pub const PATTERN_CHECK: Signature = new(
        "pattern_check",
        &[Pointer, U64, U64, U32, U64, Pointer, Pointer],
    );
    /// Nothing.
    pub const EMPTY: Signature = new("empty", &[]);
    /// Duration, threshold, gaps, room for gaps, count.
    pub const TIME_GAPS: Signature = new("time_gaps", &[U64, U64, Pointer, U32, Pointer]);
    /// Memory, words of a region, regions, hops, SMs, cycles.
    pub const LATENCY_MAP: Signature =
        new("latency_map", &[Pointer, U64, U32, U32, Pointer, Pointer]);
}
