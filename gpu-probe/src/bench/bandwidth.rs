//! Q3: device memory, by a copy, a read and a write of areas far larger than the L2 cache.

use crate::cuda::{Argument, CudaError};
use crate::report::{Bandwidth, Transfer};

use super::card::Card;
use super::signatures::kernel;
use super::timing::stamped;
use crate::kernels::Module as KernelFile;

/// Runs it. A copy counts the bytes that it reads and those that it writes.
///
/// # Errors
///
/// Too little memory, a failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<Bandwidth, CudaError> {
    let bytes = card.scale.stream_bytes;
    let pieces = Argument::U64(bytes / 16);
    let from = card.memory(bytes, "the bandwidth test")?;
    let to = card.memory(bytes, "the bandwidth test")?;
    let sink = card.memory(16, "the bandwidth test")?;
    let seed = rand::random::<u64>();
    card.fill_random(&from, seed)?;
    card.fill_random(&to, !seed)?;
    card.wait("the fill of the bandwidth test")?;
    let samples = card.scale.bandwidth_samples;
    let copy = stamped(card, "the copy test", samples, |_| {
        let arguments = [from.pointer(), to.pointer(), pieces];
        card.launch_wide(KernelFile::Stream, kernel::STREAM_COPY, &arguments)
    })?;
    let read = stamped(card, "the read test", samples, |_| {
        let arguments = [from.pointer(), pieces, sink.pointer()];
        card.launch_wide(KernelFile::Stream, kernel::STREAM_READ, &arguments)
    })?;
    let write = stamped(card, "the write test", samples, |sample| {
        let low = (seed & u64::from(u32::MAX)) as u32;
        let value = Argument::U32(low.wrapping_add(sample) | 1);
        let arguments = [to.pointer(), pieces, value];
        card.launch_wide(KernelFile::Stream, kernel::STREAM_WRITE, &arguments)
    })?;
    let transfer = |bytes, timing| Transfer { bytes, timing };
    Ok(Bandwidth {
        copy: transfer(2 * bytes, copy),
        read: transfer(bytes, read),
        write: transfer(bytes, write),
    })
}

/// The driver's own copy of areas of the same size, to be held beside that of Q3.
///
/// # Errors
///
/// Too little memory, a failed call or a deadline.
pub fn driver_copy(card: &Card<'_>) -> Result<Transfer, CudaError> {
    let (bytes, purpose) = (card.scale.stream_bytes, "the driver's copy");
    let from = card.memory(bytes, purpose)?;
    let to = card.memory(bytes, purpose)?;
    card.fill_random(&from, rand::random())?;
    card.fill_random(&to, rand::random())?;
    card.wait(purpose)?;
    let timing = stamped(card, purpose, card.scale.bandwidth_samples, |_| {
        card.stream.copy_device(&from, &to, bytes)
    })?;
    let bytes = 2 * bytes;
    Ok(Transfer { bytes, timing })
}
