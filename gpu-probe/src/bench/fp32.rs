//! Q5: FP32 multiply-adds, eight independent chains a thread.

use crate::cuda::{Argument, CudaError};
use crate::report::Rate;

use super::card::{BLOCK_THREADS, Card};
use super::signatures::kernel;
use super::telemetry::watched;
use super::timing::stamped;
use crate::kernels::Module as KernelFile;

/// Operations of an iteration of a thread: eight multiply-adds.
const OPERATIONS: u64 = 16;

/// Runs it.
///
/// # Errors
///
/// A failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<Rate, CudaError> {
    let shape = card.wide(8);
    let threads = u64::from(shape.grid[0]) * u64::from(BLOCK_THREADS);
    let wanted = card.scale.fp32_operations / (threads * OPERATIONS);
    let iterations = u32::try_from(wanted.max(1)).unwrap_or(u32::MAX);
    let out = card.memory(threads * 4, "the FP32 test")?;
    // A contraction, so that values stay finite and never become zero.
    let arguments = [
        out.pointer(),
        Argument::U32(iterations),
        Argument::F32(0.999_9),
        Argument::F32(0.000_1),
    ];
    let launch = |_| card.launch(KernelFile::Fp32, kernel::FP32_FMA, shape, &arguments);
    launch(0)?;
    let (timing, seen) = watched(card, || {
        stamped(card, "the FP32 test", card.scale.samples, launch)
    });
    Ok(Rate {
        operations: threads * u64::from(iterations) * OPERATIONS,
        timing: timing?,
        sm_clock_khz: seen.sm_clock_khz,
        power_mw: seen.power_mw,
    })
}
