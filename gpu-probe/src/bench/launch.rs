//! Q10: empty kernels, each launched and waited for by the host. A card behind a network, or one
//! that is shared by time slices, is slow here.

use std::time::Instant;

use crate::cuda::{CudaError, Dimensions};
use crate::report::Launch;

use super::card::Card;
use super::signatures::kernel;
use crate::kernels::Module as KernelFile;

/// Runs it.
///
/// # Errors
///
/// A failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<Launch, CudaError> {
    let one = Dimensions::line(1, 32);
    let module = card.kernels.module(KernelFile::Launch)?;
    let empty = module.function(kernel::EMPTY, 0)?;
    let mut host_ns = Vec::with_capacity(card.scale.launches as usize);
    for _ in 0..card.scale.launches {
        let begun = Instant::now();
        empty.launch(&card.stream, one, &[])?;
        card.wait("an empty launch")?;
        host_ns.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(Launch { host_ns })
}
