//! Latency from every SM to regions of the memory: the wires differ from die to die and stay the
//! same over time, so the map recognises a card that comes back.

use std::collections::BTreeMap;

use crate::cuda::{Argument, CudaError, Dimensions};
use crate::report::{LATENCY_CELLS_MAX, LatencyMap};

use super::card::Card;
use super::signatures::kernel;
use crate::kernels::Module as KernelFile;

/// Words from the start of one region to that of the next: 64 KiB and one line.
const REGION_WORDS: u64 = 16 * 1024 + 32;

/// Runs it with one block for each SM; where two met on one SM, the first is kept. Regions are
/// zero, a ring of one word, so that all loads of a cell go to one place.
///
/// # Errors
///
/// Too little memory, a failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<LatencyMap, CudaError> {
    let (regions, hops) = (card.scale.map_regions, card.scale.map_hops);
    let blocks = card.sm_count;
    let cells = u64::from(blocks) * u64::from(regions);
    let memory = card.memory(u64::from(regions) * REGION_WORDS * 4, "the latency map")?;
    let smid = card.memory(u64::from(blocks) * 4, "the latency map")?;
    let cycles = card.memory(cells * 4, "the latency map")?;
    card.stream.set(&memory, 0)?;
    let arguments = [
        memory.pointer(),
        Argument::U64(REGION_WORDS),
        Argument::U32(regions),
        Argument::U32(hops),
        smid.pointer(),
        cycles.pointer(),
    ];
    let shape = Dimensions::line(blocks, 32);
    card.launch(
        KernelFile::LatencyMap,
        kernel::LATENCY_MAP,
        shape,
        &arguments,
    )?;
    card.wait("the latency map")?;
    let all = card.read_u32(&cycles, cells as usize)?;
    let rows = all.chunks(regions.max(1) as usize);
    let mut by_sm = BTreeMap::new();
    for (id, row) in card.read_u32(&smid, blocks as usize)?.into_iter().zip(rows) {
        by_sm.entry(id).or_insert(row);
    }
    let rows_max = LATENCY_CELLS_MAX / regions.max(1) as usize;
    Ok(LatencyMap {
        smids: by_sm.keys().copied().take(rows_max).collect(),
        regions,
        hops,
        cycles: by_sm
            .values()
            .take(rows_max)
            .flat_map(|row| row.iter().copied())
            .collect(),
    })
}
