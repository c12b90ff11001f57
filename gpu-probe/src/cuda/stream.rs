//! Streams and events: order, copies, and time as the card's own counter has it.

use std::time::{Duration, Instant};

use super::api::Handle;
use super::context::Context;
use super::error::{CudaError, NOT_READY};
use super::memory::{DeviceMemory, PinnedMemory};

/// `CU_STREAM_NON_BLOCKING`.
const NON_BLOCKING: u32 = 1;
/// `CU_EVENT_DEFAULT`: with timing, and without a blocking wait.
const EVENT_DEFAULT: u32 = 0;
/// How long a wait spins before it sleeps between looks, so that short waits are exact.
const SPIN: Duration = Duration::from_millis(20);
/// Pause between looks after that.
const PAUSE: Duration = Duration::from_micros(200);

/// A queue of work of one context.
#[derive(Debug)]
pub struct Stream {
    context: Context,
    raw: Handle,
}

impl Stream {
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub(super) fn new(context: Context) -> Result<Self, CudaError> {
        context.enter()?;
        let mut raw: Handle = 0;
        // SAFETY: the pointer is to a live handle; the context is current.
        let code = unsafe { (context.driver().api().stream_create)(&raw mut raw, NON_BLOCKING) };
        context.driver().check("cuStreamCreate", code)?;
        Ok(Self { context, raw })
    }

    /// The context it belongs to.
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn raw(&self) -> Handle {
        self.raw
    }

    /// Whether everything queued has ended.
    ///
    /// # Errors
    ///
    /// What the queued work failed with.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn is_idle(&self) -> Result<bool, CudaError> {
        self.context.enter()?;
        let driver = self.context.driver();
        // SAFETY: the stream lives as long as `self`.
        let code = unsafe { (driver.api().stream_query)(self.raw) };
        if code == NOT_READY {
            return Ok(false);
        }
        driver.check("cuStreamQuery", code).map(|()| true)
    }

    /// Waits until everything queued has ended.
    ///
    /// # Errors
    ///
    /// What the queued work failed with, or [`CudaError::Deadline`] for `what` after `limit`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread that measures has no runtime"
    )]
    pub fn wait(&self, what: &str, limit: Duration) -> Result<(), CudaError> {
        let begun = Instant::now();
        while !self.is_idle()? {
            let waited = begun.elapsed();
            if waited > limit {
                return Err(self.context.deadline(what, limit));
            }
            if waited > SPIN {
                std::thread::sleep(PAUSE);
            } else {
                std::hint::spin_loop();
            }
        }
        Ok(())
    }

    /// Queues an event.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn record(&self, event: &Event) -> Result<(), CudaError> {
        self.context.enter()?;
        let driver = self.context.driver();
        // SAFETY: event and stream live; both belong to contexts of this driver.
        let code = unsafe { (driver.api().event_record)(event.raw, self.raw) };
        driver.check("cuEventRecord", code)
    }

    /// Lets what is queued from now on wait for an event of another stream.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn wait_for(&self, event: &Event) -> Result<(), CudaError> {
        self.context.enter()?;
        let driver = self.context.driver();
        // SAFETY: event and stream live; the flags must be 0.
        let code = unsafe { (driver.api().stream_wait_event)(self.raw, event.raw, 0) };
        driver.check("cuStreamWaitEvent", code)
    }

    /// Queues a copy of the first `bytes` of `from` to `to` at `offset`.
    ///
    /// # Errors
    ///
    /// A range outside either, or a failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn copy_to_device(
        &self,
        from: &PinnedMemory,
        to: &DeviceMemory,
        offset: u64,
        bytes: usize,
    ) -> Result<(), CudaError> {
        let bytes = bytes.min(from.bytes());
        let address = to.range(offset, bytes as u64)?;
        self.context.enter()?;
        let driver = self.context.driver();
        // SAFETY: `bytes` lie inside both areas; page-locked memory is freed only after the
        // stream's work, or never (see `PinnedMemory`).
        let code = unsafe {
            (driver.api().memcpy_htod_async)(address, from.host_pointer(), bytes, self.raw)
        };
        driver.check("cuMemcpyHtoDAsync_v2", code)
    }

    /// Queues a copy of `bytes` of `from` at `offset` to the start of `to`.
    ///
    /// # Errors
    ///
    /// A range outside either, or a failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn copy_to_host(
        &self,
        from: &DeviceMemory,
        offset: u64,
        to: &PinnedMemory,
        bytes: usize,
    ) -> Result<(), CudaError> {
        let bytes = bytes.min(to.bytes());
        let address = from.range(offset, bytes as u64)?;
        self.context.enter()?;
        let driver = self.context.driver();
        // SAFETY: as in `copy_to_device`; nothing borrows the bytes of `to`.
        let code = unsafe {
            (driver.api().memcpy_dtoh_async)(to.host_pointer(), address, bytes, self.raw)
        };
        driver.check("cuMemcpyDtoHAsync_v2", code)
    }

    /// Queues a copy of `bytes` between two areas from their starts, of one device or of two.
    ///
    /// # Errors
    ///
    /// A range outside either, or a failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn copy_device(
        &self,
        from: &DeviceMemory,
        to: &DeviceMemory,
        bytes: u64,
    ) -> Result<(), CudaError> {
        let (source, target) = (from.range(0, bytes)?, to.range(0, bytes)?);
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.context.enter()?;
        let (driver, raw) = (self.context.driver(), self.raw);
        let (a, b) = (from.context().raw(), to.context().raw());
        // SAFETY: `bytes` lie inside both areas, which the driver keeps until the copy has ended.
        let (call, code) = unsafe {
            if a == b {
                let copy = driver.api().memcpy_dtod_async;
                ("cuMemcpyDtoDAsync_v2", copy(target, source, length, raw))
            } else {
                let copy = driver.api().memcpy_peer_async;
                ("cuMemcpyPeerAsync", copy(target, b, source, a, length, raw))
            }
        };
        driver.check(call, code)
    }

    /// Queues the setting of every byte of `memory` to `value`.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn set(&self, memory: &DeviceMemory, value: u8) -> Result<(), CudaError> {
        let address = memory.range(0, memory.bytes())?;
        let length = usize::try_from(memory.bytes()).unwrap_or(usize::MAX);
        self.context.enter()?;
        let driver = self.context.driver();
        // SAFETY: the whole area is live device memory.
        let code = unsafe { (driver.api().memset_d8_async)(address, value, length, self.raw) };
        driver.check("cuMemsetD8Async", code)
    }
}

impl Drop for Stream {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        let driver = self.context.driver();
        if !driver.is_abandoned() && self.context.enter().is_ok() {
            // SAFETY: created in `new`, destroyed once; the driver finishes queued work first.
            let _ = unsafe { (driver.api().stream_destroy)(self.raw) };
        }
    }
}

/// A mark in a stream that knows when it was passed.
#[derive(Debug)]
pub struct Event {
    context: Context,
    raw: Handle,
}

impl Event {
    /// An event that is not queued yet.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn new(context: &Context) -> Result<Self, CudaError> {
        context.enter()?;
        let mut raw: Handle = 0;
        // SAFETY: the pointer is to a live handle; the context is current.
        let code = unsafe { (context.driver().api().event_create)(&raw mut raw, EVENT_DEFAULT) };
        context.driver().check("cuEventCreate", code)?;
        Ok(Self {
            context: context.clone(),
            raw,
        })
    }

    /// Whether it was passed, or was never queued.
    ///
    /// # Errors
    ///
    /// What the work before it failed with.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn is_passed(&self) -> Result<bool, CudaError> {
        self.context.enter()?;
        let driver = self.context.driver();
        // SAFETY: the event lives as long as `self`.
        let code = unsafe { (driver.api().event_query)(self.raw) };
        if code == NOT_READY {
            return Ok(false);
        }
        driver.check("cuEventQuery", code).map(|()| true)
    }

    /// Nanoseconds from `earlier` to this event; both must have been passed. The driver counts in
    /// about 0.5 us and answers milliseconds as a 32-bit float. A negative or undefined answer is 0.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn since_ns(&self, earlier: &Self) -> Result<u64, CudaError> {
        self.context.enter()?;
        let driver = self.context.driver();
        let mut ms = 0.0_f32;
        // SAFETY: the pointer is to a live float; both events live.
        let code = unsafe { (driver.api().event_elapsed_time)(&raw mut ms, earlier.raw, self.raw) };
        driver.check("cuEventElapsedTime", code)?;
        // A cast of a float stops at the bounds of the integer; NaN becomes 0.
        Ok((f64::from(ms) * 1e6).round() as u64)
    }
}

impl Drop for Event {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        let driver = self.context.driver();
        if !driver.is_abandoned() && self.context.enter().is_ok() {
            // SAFETY: created in `new`, destroyed once.
            let _ = unsafe { (driver.api().event_destroy)(self.raw) };
        }
    }
}
