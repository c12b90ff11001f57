//! Graphs: launches that were captured once and are replayed by one call.

use super::api::Handle;
use super::context::Context;
use super::error::CudaError;
use super::stream::Stream;

/// `CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`: other threads may go on calling the driver.
const THREAD_LOCAL: u32 = 1;

/// Captured launches, ready to be replayed.
#[derive(Debug)]
pub struct Graph {
    context: Context,
    raw: Handle,
}

impl Graph {
    /// Captures what `queue` launches on a stream; none of it runs yet.
    ///
    /// # Errors
    ///
    /// What `queue` fails with, or a failed call.
    #[expect(unsafe_code, reason = "calls of the driver")]
    pub fn capture(
        stream: &Stream,
        queue: impl FnOnce() -> Result<(), CudaError>,
    ) -> Result<Self, CudaError> {
        let context = stream.context().clone();
        context.enter()?;
        let driver = context.driver();
        // SAFETY: the stream lives as long as its borrow.
        let code = unsafe { (driver.api().stream_begin_capture)(stream.raw(), THREAD_LOCAL) };
        driver.check("cuStreamBeginCapture_v2", code)?;
        let queued = queue();
        let mut graph: Handle = 0;
        // SAFETY: the capture that was begun above ends whatever was queued; the pointer is to a
        // live handle.
        let ended = unsafe { (driver.api().stream_end_capture)(stream.raw(), &raw mut graph) };
        queued?;
        driver.check("cuStreamEndCapture", ended)?;
        let mut raw: Handle = 0;
        // SAFETY: the graph is the one just captured; no flags.
        let made = unsafe { (driver.api().graph_instantiate)(&raw mut raw, graph, 0) };
        // SAFETY: destroyed once; what was instantiated of it does not need it.
        let freed = unsafe { (driver.api().graph_destroy)(graph) };
        driver.check("cuGraphInstantiateWithFlags", made)?;
        let graph = Self {
            context: context.clone(),
            raw,
        };
        driver.check("cuGraphDestroy", freed)?;
        Ok(graph)
    }

    /// Queues all of its launches, in their order.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn launch(&self, stream: &Stream) -> Result<(), CudaError> {
        self.context.enter()?;
        let driver = self.context.driver();
        // SAFETY: both live, and belong to contexts of this driver.
        let code = unsafe { (driver.api().graph_launch)(self.raw, stream.raw()) };
        driver.check("cuGraphLaunch", code)
    }
}

impl Drop for Graph {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        let driver = self.context.driver();
        if !driver.is_abandoned() && self.context.enter().is_ok() {
            // SAFETY: instantiated in `capture`, destroyed once; a replay that still runs ends.
            let _ = unsafe { (driver.api().graph_exec_destroy)(self.raw) };
        }
    }
}
