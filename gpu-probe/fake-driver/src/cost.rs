//! How long a launch takes on the card that is pretended, in picoseconds: bytes over bandwidth or
//! operations over rate, whichever the kernel is bound by.

use crate::spec::CardSpec;

/// Integer operations of a word of the VRAM proof's fill.
const FILL_OPERATIONS: f64 = 1_900.0;
/// Integer lanes of an SM.
const INTEGER_LANES: f64 = 64.0;

/// A launch: its kernel, threads, and parameters as integers.
pub(crate) struct Work<'a> {
    pub(crate) kernel: &'a str,
    pub(crate) threads: u64,
    pub(crate) arguments: &'a [u64],
    /// Bytes of the ring that was made last.
    pub(crate) ring_bytes: u64,
}

impl Work<'_> {
    fn argument(&self, index: usize) -> f64 {
        self.arguments.get(index).copied().unwrap_or(0) as f64
    }

    /// Picoseconds on a card.
    pub(crate) fn ps(&self, card: &CardSpec) -> u64 {
        // 1 MB/s is 10^-6 bytes a ps; 1 GFLOP/s is 10^-3 operations a ps.
        let moved = |bytes: f64| bytes * 1e6 / card.bandwidth_mb_per_s;
        let done = |operations: f64, giga: f64| operations * 1e3 / giga;
        let cycles = |count: f64| count * 1e9 / f64::from(card.sm_clock_khz);
        let sms = f64::from(card.sm_count_real.unwrap_or(card.sm_count));
        let integer_giga = sms * INTEGER_LANES * f64::from(card.sm_clock_khz) / 1e6;
        let fill = |words: f64| done(words * FILL_OPERATIONS, integer_giga);
        let n = self.argument(3);
        let ps = match self.kernel {
            "stream_copy" => moved(32.0 * self.argument(2)),
            "stream_read" | "stream_write" | "stream_fill" => moved(16.0 * self.argument(1)),
            "chase_fill" => moved(128.0 * self.argument(1)),
            "chase" => self.argument(2) * hop_ns(card, self.ring_bytes) * 1e3,
            "fp32_fma" => done(
                self.threads as f64 * 16.0 * self.argument(1),
                card.fp32_gflops,
            ),
            "gemm_f16" | "gemm_bf16" => done(2.0 * n * n * n, card.tensor_gflops),
            "gemm_fp8" => done(2.0 * n * n * n, card.tensor_fp8_gflops),
            "matrix_multiply" => done(2.0 * n * n * n, card.int8_gops),
            "matrix_fill" => moved(2.0 * self.argument(6) * self.argument(6)),
            "matrix_chunks" => moved(1_024.0 * self.argument(2)),
            "merkle_level" => moved(96.0 * self.argument(2)),
            "vram_fill" => fill(self.argument(2)),
            "vram_checksum" if card.recomputes => fill(self.argument(1) * 131_072.0),
            "vram_checksum" => moved(self.argument(1) * 1_048_576.0),
            "pattern_write" | "pattern_check" => moved(8.0 * self.argument(1)),
            "census" => cycles(self.argument(5)),
            "time_gaps" => self.argument(0) * 1e3,
            _ => 0.0,
        };
        ps as u64
    }
}

/// A dependent load's time, by the working set.
pub(crate) fn hop_ns(card: &CardSpec, ring_bytes: u64) -> f64 {
    if ring_bytes <= card.l2_bytes {
        card.l2_ns
    } else {
        card.dram_ns
    }
}
