//! Q4: pointer chases over growing working sets. The latency of a load rises where the set outgrows
//! the L2 cache.

use crate::cuda::{Argument, CudaError, DeviceMemory, Dimensions};
use crate::report::{LatencyCurve, LatencyPoint};

use super::card::Card;
use super::signatures::kernel;
use crate::kernels::Module as KernelFile;

/// Words of a line of 128 bytes, the L2 cache's.
const LINE_WORDS: u32 = 32;
/// Bytes of a line.
const LINE_BYTES: u64 = 128;

/// Runs it.
///
/// # Errors
///
/// Too little memory, a failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<LatencyCurve, CudaError> {
    let (first, last) = card.scale.chase_log2_bytes;
    let ring = card.memory(1 << last, "the latency test")?;
    let samples = u64::from(card.scale.chase_samples);
    let results = card.memory(samples * 24, "the latency test")?;
    let points = (first..=last)
        .map(|log2_bytes| point(card, &ring, &results, 1 << log2_bytes))
        .collect::<Result<_, _>>()?;
    Ok(LatencyCurve { points })
}

fn point(
    card: &Card<'_>,
    ring: &DeviceMemory,
    results: &DeviceMemory,
    bytes: u64,
) -> Result<LatencyPoint, CudaError> {
    let lines = bytes / LINE_BYTES;
    // One cycle through all lines (Hull and Dobell): the factor is 1 modulo 4, the summand odd.
    let (factor, summand) = (rand::random::<u64>() & !3 | 1, rand::random::<u64>() | 1);
    let arguments = [
        ring.pointer(),
        Argument::U64(lines),
        Argument::U32(LINE_WORDS),
        Argument::U64(factor & (lines - 1)),
        Argument::U64(summand & (lines - 1)),
    ];
    card.launch_wide(KernelFile::Chase, kernel::CHASE_FILL, &arguments)?;
    let (hops, count) = (card.scale.chase_hops, card.scale.chase_samples);
    for sample in 0..count {
        let start = (rand::random::<u64>() & (lines - 1)) as u32 * LINE_WORDS;
        let at = |field: u64| results.pointer_at(u64::from(sample) * 24 + field * 8);
        let arguments = [
            ring.pointer(),
            Argument::U32(start),
            Argument::U32(hops),
            at(0)?,
            at(1)?,
            at(2)?,
        ];
        let one = Dimensions::line(1, 1);
        card.launch(KernelFile::Chase, kernel::CHASE, one, &arguments)?;
    }
    card.wait("the latency test")?;
    let words = card.read_u64(results, count as usize * 3)?;
    let field = |index: usize| words.as_chunks::<3>().0.iter().map(move |w| w[index]);
    Ok(LatencyPoint {
        working_set_bytes: bytes,
        hops,
        cycles: field(0).collect(),
        timer_ns: field(1).collect(),
    })
}
