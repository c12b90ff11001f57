//! Memory of the card and page-locked memory of the host, freed when dropped.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::api::CuPointer;
use super::context::Context;
use super::error::{CudaError, OUT_OF_MEMORY};
use super::module::Argument;

/// An area of the card's memory.
#[derive(Debug)]
pub struct DeviceMemory {
    context: Context,
    address: CuPointer,
    bytes: u64,
}

impl DeviceMemory {
    /// Allocates `bytes` for `purpose`, which an error names.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfMemory`] when the card has not enough, or a failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn new(context: &Context, bytes: u64, purpose: &'static str) -> Result<Self, CudaError> {
        context.enter()?;
        let out_of_memory = || CudaError::OutOfMemory { purpose, bytes };
        let size = usize::try_from(bytes).map_err(|_| out_of_memory())?;
        let mut address: CuPointer = 0;
        // SAFETY: the pointer is to a live integer; the context is current.
        let code = unsafe { (context.driver().api().mem_alloc)(&raw mut address, size.max(1)) };
        if code == OUT_OF_MEMORY {
            return Err(out_of_memory());
        }
        context.driver().check("cuMemAlloc_v2", code)?;
        Ok(Self {
            context: context.clone(),
            address,
            bytes,
        })
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The context it belongs to.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Its start as a kernel's argument.
    pub fn pointer(&self) -> Argument {
        Argument::Pointer(self.address)
    }

    /// A place inside it as a kernel's argument.
    ///
    /// # Errors
    ///
    /// [`CudaError::Misuse`] when `offset` lies outside.
    pub fn pointer_at(&self, offset: u64) -> Result<Argument, CudaError> {
        self.range(offset, 0).map(Argument::Pointer)
    }

    /// The address of `offset`, when `bytes` from there on lie inside.
    pub(super) fn range(&self, offset: u64, bytes: u64) -> Result<CuPointer, CudaError> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.bytes => Ok(self.address + offset),
            _ => Err(CudaError::Misuse {
                subject: "device memory".to_owned(),
                detail: format!("{bytes} bytes at {offset} of an area of {}", self.bytes),
            }),
        }
    }
}

impl Drop for DeviceMemory {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        let driver = self.context.driver();
        if !driver.is_abandoned() && self.context.enter().is_ok() {
            // SAFETY: allocated in `new`, freed once; the driver waits for work that uses it.
            let _ = unsafe { (driver.api().mem_free)(self.address) };
        }
    }
}

/// Page-locked memory of the host, which the card's copy engines reach at full speed. Its bytes
/// are only ever copied in and out, never borrowed, because a copy may be under way.
#[derive(Debug)]
pub struct PinnedMemory {
    context: Context,
    start: NonNull<u8>,
    bytes: usize,
}

#[expect(unsafe_code, reason = "the memory belongs to this value alone")]
// SAFETY: `start` is owned by this value and is reached only through `&self` copies out and
// `&mut self` copies in; the driver allows both from any thread.
unsafe impl Send for PinnedMemory {}

impl PinnedMemory {
    /// Allocates `bytes` for `purpose`.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfMemory`] when the host has not enough, or a failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn new(context: &Context, bytes: usize, purpose: &'static str) -> Result<Self, CudaError> {
        context.enter()?;
        let out_of_memory = || CudaError::OutOfMemory {
            purpose,
            bytes: bytes as u64,
        };
        let mut start: *mut c_void = std::ptr::null_mut();
        // SAFETY: the pointer is to a live pointer; the context is current.
        let code = unsafe { (context.driver().api().mem_alloc_host)(&raw mut start, bytes.max(1)) };
        if code == OUT_OF_MEMORY {
            return Err(out_of_memory());
        }
        context.driver().check("cuMemAllocHost_v2", code)?;
        let start = NonNull::new(start.cast()).ok_or_else(out_of_memory)?;
        // SAFETY: the driver gave `bytes` writable bytes; zeroing them makes every byte readable.
        unsafe { std::ptr::write_bytes(start.as_ptr(), 0, bytes) };
        Ok(Self {
            context: context.clone(),
            start,
            bytes,
        })
    }

    /// Its size.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies as much of `from` in as there is room for.
    #[expect(unsafe_code, reason = "a copy to memory of the driver")]
    pub fn write(&mut self, from: &[u8]) {
        let length = from.len().min(self.bytes);
        // SAFETY: `length` bytes lie in both; memory of the driver cannot overlap a slice.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.start.as_ptr(), length) };
    }

    /// Copies its first bytes out, as many as `to` has room for.
    #[expect(unsafe_code, reason = "a copy from memory of the driver")]
    pub fn read(&self, to: &mut [u8]) {
        let length = to.len().min(self.bytes);
        // SAFETY: `length` bytes lie in both and were written when allocated; no overlap.
        unsafe { std::ptr::copy_nonoverlapping(self.start.as_ptr(), to.as_mut_ptr(), length) };
    }

    pub(super) fn host_pointer(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }
}

impl Drop for PinnedMemory {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        let driver = self.context.driver();
        if !driver.is_abandoned() && self.context.enter().is_ok() {
            // SAFETY: allocated in `new`, freed once; no copy outlives it, because copies that
            // missed their deadline abandon the driver.
            let _ = unsafe { (driver.api().mem_free_host)(self.start.as_ptr().cast()) };
        }
    }
}
