//! Gaps in the card's time: jumps of the timer while one thread watches it show another tenant's
//! time slices.

use std::time::Duration;

use crate::cuda::{Argument, CudaError, Dimensions};
use crate::report::Gaps;

use super::card::Card;
use super::signatures::kernel;
use crate::kernels::Module as KernelFile;

/// Gaps shorter than this are the card's own business, in ns.
const THRESHOLD_NS: u64 = 1_000_000;
/// Most gaps that are kept.
const GAPS_MAX: u32 = 1_024;

/// Runs it.
///
/// # Errors
///
/// A failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<Gaps, CudaError> {
    let duration_ns = card.scale.gaps_ms * 1_000_000;
    let gaps = card.memory(u64::from(GAPS_MAX) * 8, "the gap test")?;
    let count = card.memory(4, "the gap test")?;
    let arguments = [
        Argument::U64(duration_ns),
        Argument::U64(THRESHOLD_NS),
        gaps.pointer(),
        Argument::U32(GAPS_MAX),
        count.pointer(),
    ];
    let one = Dimensions::line(1, 1);
    card.launch(KernelFile::Gaps, kernel::TIME_GAPS, one, &arguments)?;
    let limit = card.deadline + Duration::from_millis(card.scale.gaps_ms);
    card.stream.wait("the gap test", limit)?;
    let found = card.read_u32(&count, 1)?.first().copied().unwrap_or(0);
    Ok(Gaps {
        duration_ns,
        threshold_ns: THRESHOLD_NS,
        count: u64::from(found),
        gaps_ns: card.read_u64(&gaps, found.min(GAPS_MAX) as usize)?,
    })
}
