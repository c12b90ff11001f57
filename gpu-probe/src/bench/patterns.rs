//! Memory patterns over most of the free memory: each is written everywhere, then compared word by
//! word. Finds broken memory, proves nothing else.

use crate::cuda::{Argument, CudaError, DeviceMemory, download};
use crate::report::{Pattern, PatternPass, PatternTests};

use super::card::Card;
use super::signatures::kernel;
use crate::kernels::Module as KernelFile;

/// Bytes of one area: large enough to be quick, small enough to fit between others' areas.
const AREA_BYTES: u64 = 1 << 30;
/// Left free for the driver and for a display.
const RESERVE_BYTES: u64 = 512 << 20;

/// Runs it.
///
/// # Errors
///
/// Less than one area of free memory, a failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<PatternTests, CudaError> {
    let areas = areas(card)?;
    let counters = card.memory(16, "the memory patterns")?;
    let seed = rand::random::<u64>();
    let passes = [
        (Pattern::Constant, 0, 0x5555_5555_5555_5555),
        (Pattern::Constant, 0, 0xAAAA_AAAA_AAAA_AAAA),
        (Pattern::Address, 1, 0),
        (Pattern::InvertedAddress, 2, 0),
        (Pattern::WalkingOne, 3, 0),
        (Pattern::WalkingOne, 3, 31),
        (Pattern::Random, 4, seed),
    ];
    let passes = passes
        .into_iter()
        .map(|(pattern, kind, value)| {
            let (errors, first) = pass(card, &areas, &counters, kind, value)?;
            Ok(PatternPass {
                pattern,
                value,
                errors,
                first_bad_word: (errors > 0).then_some(first),
            })
        })
        .collect::<Result<_, CudaError>>()?;
    Ok(PatternTests {
        bytes: areas.iter().map(DeviceMemory::bytes).sum(),
        passes,
    })
}

/// Takes areas until the wanted share of the free memory is taken, or no more are given.
fn areas(card: &Card<'_>) -> Result<Vec<DeviceMemory>, CudaError> {
    let (free, _) = card.context().memory_bytes()?;
    let share = free / 100 * u64::from(card.scale.pattern_percent);
    let wanted = share
        .min(free.saturating_sub(RESERVE_BYTES))
        .min(card.scale.pattern_bytes_max);
    let (mut areas, mut left) = (Vec::new(), wanted / 8 * 8);
    while left > 0 {
        let bytes = left.min(AREA_BYTES);
        match card.memory(bytes, "the memory patterns") {
            Ok(area) => areas.push(area),
            Err(CudaError::OutOfMemory { .. }) if !areas.is_empty() => break,
            Err(error) => return Err(error),
        }
        left -= bytes;
    }
    Ok(areas)
}

/// Errors, and the index of the first word that was wrong.
fn pass(
    card: &Card<'_>,
    areas: &[DeviceMemory],
    counters: &DeviceMemory,
    kind: u32,
    value: u64,
) -> Result<(u64, u64), CudaError> {
    let mut start = [0_u8; 16];
    start[8..].fill(0xFF);
    crate::cuda::upload(&card.stream, counters, 0, &start)?;
    let mut first_index = 0;
    let mut indices = Vec::new();
    for area in areas {
        indices.push(first_index);
        let arguments = words(area, first_index, kind, value);
        card.launch_wide(KernelFile::Pattern, kernel::PATTERN_WRITE, &arguments)?;
        first_index += area.bytes() / 8;
    }
    for (area, first_index) in areas.iter().zip(indices) {
        let mut arguments = words(area, first_index, kind, value).to_vec();
        arguments.extend([counters.pointer(), counters.pointer_at(8)?]);
        card.launch_wide(KernelFile::Pattern, kernel::PATTERN_CHECK, &arguments)?;
    }
    card.wait("the memory patterns")?;
    let found = download(&card.stream, counters, 0, 16)?;
    let word = |at: usize| {
        let bytes = found.as_chunks::<8>().0.get(at).copied();
        bytes.map_or(0, u64::from_le_bytes)
    };
    Ok((word(0), word(1)))
}

fn words(area: &DeviceMemory, first_index: u64, kind: u32, value: u64) -> [Argument; 5] {
    [
        area.pointer(),
        Argument::U64(area.bytes() / 8),
        Argument::U64(first_index),
        Argument::U32(kind),
        Argument::U64(value),
    ]
}
