//! Small copies between a slice and the card, waited for. Not for timing.

use std::time::Duration;

use super::error::CudaError;
use super::memory::{DeviceMemory, PinnedMemory};
use super::stream::Stream;

/// Longest wait for a copy of at most a few hundred MiB.
const COPY_DEADLINE: Duration = Duration::from_secs(20);

/// Reads `bytes` of `memory` from `offset`, after everything queued on `stream`.
///
/// # Errors
///
/// A range outside, no page-locked memory, a failed call, or a deadline of 20 s.
pub fn download(
    stream: &Stream,
    memory: &DeviceMemory,
    offset: u64,
    bytes: usize,
) -> Result<Vec<u8>, CudaError> {
    let staging = PinnedMemory::new(stream.context(), bytes, "a copy to the host")?;
    stream.copy_to_host(memory, offset, &staging, bytes)?;
    stream.wait("a copy to the host", COPY_DEADLINE)?;
    let mut out = vec![0; bytes];
    staging.read(&mut out);
    Ok(out)
}

/// Writes `from` into `memory` at `offset`, after everything queued on `stream`.
///
/// # Errors
///
/// A range outside, no page-locked memory, a failed call, or a deadline of 20 s.
pub fn upload(
    stream: &Stream,
    memory: &DeviceMemory,
    offset: u64,
    from: &[u8],
) -> Result<(), CudaError> {
    let mut staging = PinnedMemory::new(stream.context(), from.len(), "a copy to the card")?;
    staging.write(from);
    stream.copy_to_device(&staging, memory, offset, from.len())?;
    stream.wait("a copy to the card", COPY_DEADLINE)
}
