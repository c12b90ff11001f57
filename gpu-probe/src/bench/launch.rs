//! Q10: empty kernels, each launched and waited for by the host, then many of them in one graph. A
//! card behind a network, or one that is shared by time slices, is slow in the first; what is slow
//! in both is the card's own.

use std::time::Instant;

use crate::cuda::{CudaError, Dimensions, Graph};
use crate::report::{GraphReplays, Launch};

use super::card::Card;
use super::signatures::kernel;
use crate::kernels::Module as KernelFile;

/// Empty kernels in the graph.
const GRAPH_KERNELS: u32 = 100;
/// One replay stands for so many single launches.
const LAUNCHES_PER_REPLAY: u32 = 10;

/// Runs it.
///
/// # Errors
///
/// A failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<Launch, CudaError> {
    let one = Dimensions::line(1, 32);
    let module = card.kernels.module(KernelFile::Launch)?;
    let empty = module.function(kernel::EMPTY, 0)?;
    let host_ns = timed(card, card.scale.launches, "an empty launch", || {
        empty.launch(&card.stream, one, &[])
    })?;
    let graph = Graph::capture(&card.stream, || {
        (0..GRAPH_KERNELS).try_for_each(|_| empty.launch(&card.stream, one, &[]))
    })?;
    let replays = card.scale.launches.div_ceil(LAUNCHES_PER_REPLAY);
    let replays = timed(card, replays, "a graph of empty launches", || {
        graph.launch(&card.stream)
    })?;
    Ok(Launch {
        host_ns,
        graph: Some(GraphReplays {
            kernels: GRAPH_KERNELS,
            host_ns: replays,
        }),
    })
}

/// Host time of some work with its wait, in ns, `times` times.
fn timed(
    card: &Card<'_>,
    times: u32,
    what: &str,
    queue: impl Fn() -> Result<(), CudaError>,
) -> Result<Vec<u64>, CudaError> {
    let mut host_ns = Vec::with_capacity(times as usize);
    for _ in 0..times {
        let begun = Instant::now();
        queue()?;
        card.wait(what)?;
        host_ns.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(host_ns)
}
