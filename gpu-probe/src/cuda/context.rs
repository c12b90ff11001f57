//! A device's primary context: what all memory, modules and streams on it belong to.

use std::sync::Arc;
use std::time::Duration;

use super::api::Handle;
use super::device::Device;
use super::driver::Driver;
use super::error::CudaError;
use super::stream::Stream;

/// `CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED`.
const PEER_ALREADY: i32 = 704;

/// The primary context of a device, kept for as long as a clone lives. Usable from any thread:
/// every call first makes it the calling thread's current one.
#[derive(Debug, Clone)]
pub struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    device: Device,
    raw: Handle,
}

impl Context {
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub(super) fn retain(device: Device) -> Result<Self, CudaError> {
        let mut raw: Handle = 0;
        let driver = device.driver().clone();
        // SAFETY: the pointer is to a live handle; the device is of this driver.
        let code = unsafe { (driver.api().primary_retain)(&raw mut raw, device.raw()) };
        driver.check("cuDevicePrimaryCtxRetain", code)?;
        Ok(Self(Arc::new(Inner { device, raw })))
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// Its driver.
    pub fn driver(&self) -> &Driver {
        self.0.device.driver()
    }

    pub(super) fn raw(&self) -> Handle {
        self.0.raw
    }

    /// Makes it the calling thread's current context.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub(super) fn enter(&self) -> Result<(), CudaError> {
        // SAFETY: the context is retained for as long as `self` lives.
        let code = unsafe { (self.driver().api().ctx_set_current)(self.0.raw) };
        self.driver().check("cuCtxSetCurrent", code)
    }

    /// Bytes free and bytes in all, as the driver says.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn memory_bytes(&self) -> Result<(u64, u64), CudaError> {
        self.enter()?;
        let (mut free, mut total) = (0_usize, 0_usize);
        // SAFETY: both pointers are to live integers; the context is current.
        let code = unsafe { (self.driver().api().mem_get_info)(&raw mut free, &raw mut total) };
        self.driver().check("cuMemGetInfo_v2", code)?;
        Ok((free as u64, total as u64))
    }

    /// Lets kernels and copies of this context reach the memory of `other`'s device.
    ///
    /// # Errors
    ///
    /// A failed call, such as for devices without a path between them.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn enable_peer(&self, other: &Self) -> Result<(), CudaError> {
        self.enter()?;
        // SAFETY: both contexts are retained; the flags must be 0.
        let code = unsafe { (self.driver().api().ctx_enable_peer_access)(other.raw(), 0) };
        if code == PEER_ALREADY {
            return Ok(());
        }
        self.driver().check("cuCtxEnablePeerAccess", code)
    }

    /// A stream of its own.
    ///
    /// # Errors
    ///
    /// A failed call.
    pub fn stream(&self) -> Result<Stream, CudaError> {
        Stream::new(self.clone())
    }

    /// The error for something that did not end; abandons the driver, because nothing may be freed
    /// while a kernel runs.
    pub(super) fn deadline(&self, what: &str, limit: Duration) -> CudaError {
        self.driver().abandon();
        CudaError::Deadline {
            what: what.to_owned(),
            limit,
        }
    }
}

impl Drop for Inner {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        let driver = self.device.driver();
        if !driver.is_abandoned() {
            // SAFETY: retained once in `retain`, released once here.
            let _ = unsafe { (driver.api().primary_release)(self.device.raw()) };
        }
    }
}
