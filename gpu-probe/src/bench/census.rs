//! Q1: which SMs run blocks, and how fast their clock goes. A slice of a card, or a card with fewer
//! SMs under a better name, shows here.

use crate::cuda::{Argument, CudaError, Dimensions};
use crate::report::{Census, ClockSpan, SMS_MAX, SmBlocks};
use std::collections::BTreeMap;

use super::card::Card;
use super::signatures::kernel;
use crate::kernels::Module as KernelFile;

/// Most spans that are reported.
const SPANS_MAX: usize = 512;

/// Runs it.
///
/// # Errors
///
/// A failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<Census, CudaError> {
    let sms = card
        .sm_count
        .min(u32::try_from(SMS_MAX).unwrap_or(u32::MAX));
    let blocks = sms * card.scale.census_blocks_per_sm;
    let words = u64::from(blocks) * 8;
    let smid = card.memory(words, "the census")?;
    let clocks = card.memory(words * 4, "the census")?;
    let arguments = [
        smid.pointer(),
        clocks.pointer(),
        clocks.pointer_at(words)?,
        clocks.pointer_at(words * 2)?,
        clocks.pointer_at(words * 3)?,
        Argument::U64(card.scale.census_spin_cycles),
    ];
    let shape = Dimensions::line(blocks, 32);
    card.launch(KernelFile::Census, kernel::CENSUS, shape, &arguments)?;
    card.wait("the census")?;
    let count = blocks as usize;
    let mut blocks_of = BTreeMap::new();
    for id in card.read_u32(&smid, count)? {
        *blocks_of.entry(id).or_insert(0) += 1;
    }
    let all = card.read_u64(&clocks, count * 4)?;
    let span = |i: usize| ClockSpan {
        cycles: all[count + i].saturating_sub(all[i]),
        timer_ns: all[3 * count + i].saturating_sub(all[2 * count + i]),
    };
    Ok(Census {
        sms: blocks_of
            .into_iter()
            .take(SMS_MAX)
            .map(|(smid, blocks)| SmBlocks { smid, blocks })
            .collect(),
        spans: (0..count.min(SPANS_MAX)).map(span).collect(),
    })
}
