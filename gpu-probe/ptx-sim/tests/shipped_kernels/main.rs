//! The kernels that the probe ships, run from their own PTX and compared with a plain reference of
//! `docs/gpu-probe.md`, for every architecture they are built for.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod memory;
mod proofs;
mod reference;
mod setting;
mod tensor;
mod timing;

use std::collections::BTreeSet;

use setting::{card, shipped};

/// Every kernel that a test here runs.
const KERNELS: &str = "census chase chase_fill empty fill_bf16 fill_f16 fill_fp8 fp32_fma gemm_bf16 \
    gemm_f16 gemm_fp8 isa_gate latency_map matrix_chunks matrix_fill matrix_leaves matrix_multiply \
    merkle_level pattern_check pattern_write stream_copy stream_fill stream_read stream_write \
    time_gaps vram_checksum vram_fill vram_leaves";

#[test]
fn every_shipped_text_is_read_and_its_kernels_are_run_here() {
    let mut found = BTreeSet::new();
    for (file, architecture) in shipped() {
        let card = card(&file, &architecture);
        found.extend(card.module.kernels().iter().map(|k| k.name().to_owned()));
    }
    let found: Vec<_> = found.into_iter().collect();
    assert_eq!(found.join(" "), KERNELS);
}
