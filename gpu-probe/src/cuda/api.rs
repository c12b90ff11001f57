//! The functions of the driver by name and type, as `cuda.h` declares them.
//!
//! A name with `_v2` is the one that today's header gives to the plain name; the plain symbols of
//! those are older functions with 32-bit sizes, still exported. Handles are pointers to opaque
//! structures, kept as `usize` because nothing here looks behind them.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

use libloading::Library;

use super::error::CudaError;

/// `CUresult`.
pub(super) type CuResult = c_int;
/// `CUdevice`.
pub(super) type CuDevice = c_int;
/// `CUdeviceptr`.
pub(super) type CuPointer = u64;
/// `CUcontext`, `CUmodule`, `CUfunction`, `CUstream`, `CUevent`, `CUgraph`,
/// `CUgraphExec`.
pub(super) type Handle = usize;

/// The calls that answer before a driver's age is known.
pub(super) struct FirstApi {
    pub(super) init: unsafe extern "C" fn(c_uint) -> CuResult,
    pub(super) driver_get_version: unsafe extern "C" fn(*mut c_int) -> CuResult,
}

/// Every other call.
pub(super) struct Api {
    pub(super) get_error_name: unsafe extern "C" fn(CuResult, *mut *const c_char) -> CuResult,
    pub(super) get_error_string: unsafe extern "C" fn(CuResult, *mut *const c_char) -> CuResult,
    pub(super) device_get_count: unsafe extern "C" fn(*mut c_int) -> CuResult,
    pub(super) device_get: unsafe extern "C" fn(*mut CuDevice, c_int) -> CuResult,
    pub(super) device_get_name: unsafe extern "C" fn(*mut c_char, c_int, CuDevice) -> CuResult,
    pub(super) device_get_uuid: unsafe extern "C" fn(*mut [u8; 16], CuDevice) -> CuResult,
    pub(super) device_total_mem: unsafe extern "C" fn(*mut usize, CuDevice) -> CuResult,
    pub(super) device_get_attribute: unsafe extern "C" fn(*mut c_int, c_int, CuDevice) -> CuResult,
    pub(super) device_get_pci_bus_id:
        unsafe extern "C" fn(*mut c_char, c_int, CuDevice) -> CuResult,
    pub(super) device_can_access_peer:
        unsafe extern "C" fn(*mut c_int, CuDevice, CuDevice) -> CuResult,
    pub(super) primary_retain: unsafe extern "C" fn(*mut Handle, CuDevice) -> CuResult,
    pub(super) primary_release: unsafe extern "C" fn(CuDevice) -> CuResult,
    pub(super) ctx_set_current: unsafe extern "C" fn(Handle) -> CuResult,
    pub(super) ctx_enable_peer_access: unsafe extern "C" fn(Handle, c_uint) -> CuResult,
    pub(super) mem_get_info: unsafe extern "C" fn(*mut usize, *mut usize) -> CuResult,
    pub(super) mem_alloc: unsafe extern "C" fn(*mut CuPointer, usize) -> CuResult,
    pub(super) mem_free: unsafe extern "C" fn(CuPointer) -> CuResult,
    pub(super) mem_alloc_host: unsafe extern "C" fn(*mut *mut c_void, usize) -> CuResult,
    pub(super) mem_free_host: unsafe extern "C" fn(*mut c_void) -> CuResult,
    pub(super) memcpy_htod_async:
        unsafe extern "C" fn(CuPointer, *const c_void, usize, Handle) -> CuResult,
    pub(super) memcpy_dtoh_async:
        unsafe extern "C" fn(*mut c_void, CuPointer, usize, Handle) -> CuResult,
    pub(super) memcpy_dtod_async:
        unsafe extern "C" fn(CuPointer, CuPointer, usize, Handle) -> CuResult,
    pub(super) memcpy_peer_async:
        unsafe extern "C" fn(CuPointer, Handle, CuPointer, Handle, usize, Handle) -> CuResult,
    pub(super) memset_d8_async: unsafe extern "C" fn(CuPointer, u8, usize, Handle) -> CuResult,
    pub(super) module_load_data_ex: unsafe extern "C" fn(
        *mut Handle,
        *const c_void,
        c_uint,
        *mut c_uint,
        *mut *mut c_void,
    ) -> CuResult,
    pub(super) module_unload: unsafe extern "C" fn(Handle) -> CuResult,
    pub(super) module_get_function:
        unsafe extern "C" fn(*mut Handle, Handle, *const c_char) -> CuResult,
    pub(super) func_get_attribute: unsafe extern "C" fn(*mut c_int, c_int, Handle) -> CuResult,
    pub(super) func_set_attribute: unsafe extern "C" fn(Handle, c_int, c_int) -> CuResult,
    pub(super) occupancy_max_blocks:
        unsafe extern "C" fn(*mut c_int, Handle, c_int, usize) -> CuResult,
    pub(super) launch_kernel: unsafe extern "C" fn(
        Handle,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        Handle,
        *mut *mut c_void,
        *mut *mut c_void,
    ) -> CuResult,
    pub(super) stream_create: unsafe extern "C" fn(*mut Handle, c_uint) -> CuResult,
    pub(super) stream_destroy: unsafe extern "C" fn(Handle) -> CuResult,
    pub(super) stream_query: unsafe extern "C" fn(Handle) -> CuResult,
    pub(super) stream_wait_event: unsafe extern "C" fn(Handle, Handle, c_uint) -> CuResult,
    pub(super) stream_begin_capture: unsafe extern "C" fn(Handle, c_uint) -> CuResult,
    pub(super) stream_end_capture: unsafe extern "C" fn(Handle, *mut Handle) -> CuResult,
    pub(super) graph_destroy: unsafe extern "C" fn(Handle) -> CuResult,
    pub(super) graph_instantiate:
        unsafe extern "C" fn(*mut Handle, Handle, c_ulonglong) -> CuResult,
    pub(super) graph_launch: unsafe extern "C" fn(Handle, Handle) -> CuResult,
    pub(super) graph_exec_destroy: unsafe extern "C" fn(Handle) -> CuResult,
    pub(super) event_create: unsafe extern "C" fn(*mut Handle, c_uint) -> CuResult,
    pub(super) event_destroy: unsafe extern "C" fn(Handle) -> CuResult,
    pub(super) event_record: unsafe extern "C" fn(Handle, Handle) -> CuResult,
    pub(super) event_query: unsafe extern "C" fn(Handle) -> CuResult,
    pub(super) event_elapsed_time: unsafe extern "C" fn(*mut f32, Handle, Handle) -> CuResult,
}

/// Looks a symbol up and takes its address.
///
/// # Errors
///
/// [`CudaError::SymbolMissing`] when the library does not export it.
#[expect(unsafe_code, reason = "symbols of a foreign library have no types")]
fn symbol<T: Copy>(library: &Library, path: &str, name: &'static str) -> Result<T, CudaError> {
    // SAFETY: every caller names `T` as the function type that `cuda.h` declares for this name
    // (the fields of the two structures above); the address is used only while `library` is
    // loaded, because the structure that holds it also holds the library.
    let found = unsafe { library.get::<T>(name.as_bytes()) };
    match found {
        Ok(address) => Ok(*address),
        Err(_) => Err(CudaError::SymbolMissing {
            library: path.to_owned(),
            symbol: name,
        }),
    }
}

impl FirstApi {
    /// The calls of a loaded library.
    pub(super) fn of(library: &Library, path: &str) -> Result<Self, CudaError> {
        Ok(Self {
            init: symbol(library, path, "cuInit")?,
            driver_get_version: symbol(library, path, "cuDriverGetVersion")?,
        })
    }
}

impl Api {
    /// The calls of a loaded library; the first one that is missing is named.
    pub(super) fn of(l: &Library, p: &str) -> Result<Self, CudaError> {
        Ok(Self {
            get_error_name: symbol(l, p, "cuGetErrorName")?,
            get_error_string: symbol(l, p, "cuGetErrorString")?,
            device_get_count: symbol(l, p, "cuDeviceGetCount")?,
            device_get: symbol(l, p, "cuDeviceGet")?,
            device_get_name: symbol(l, p, "cuDeviceGetName")?,
            device_get_uuid: symbol(l, p, "cuDeviceGetUuid_v2")?,
            device_total_mem: symbol(l, p, "cuDeviceTotalMem_v2")?,
            device_get_attribute: symbol(l, p, "cuDeviceGetAttribute")?,
            device_get_pci_bus_id: symbol(l, p, "cuDeviceGetPCIBusId")?,
            device_can_access_peer: symbol(l, p, "cuDeviceCanAccessPeer")?,
            primary_retain: symbol(l, p, "cuDevicePrimaryCtxRetain")?,
            primary_release: symbol(l, p, "cuDevicePrimaryCtxRelease_v2")?,
            ctx_set_current: symbol(l, p, "cuCtxSetCurrent")?,
            ctx_enable_peer_access: symbol(l, p, "cuCtxEnablePeerAccess")?,
            mem_get_info: symbol(l, p, "cuMemGetInfo_v2")?,
            mem_alloc: symbol(l, p, "cuMemAlloc_v2")?,
            mem_free: symbol(l, p, "cuMemFree_v2")?,
            mem_alloc_host: symbol(l, p, "cuMemAllocHost_v2")?,
            mem_free_host: symbol(l, p, "cuMemFreeHost")?,
            memcpy_htod_async: symbol(l, p, "cuMemcpyHtoDAsync_v2")?,
            memcpy_dtoh_async: symbol(l, p, "cuMemcpyDtoHAsync_v2")?,
            memcpy_dtod_async: symbol(l, p, "cuMemcpyDtoDAsync_v2")?,
            memcpy_peer_async: symbol(l, p, "cuMemcpyPeerAsync")?,
            memset_d8_async: symbol(l, p, "cuMemsetD8Async")?,
            module_load_data_ex: symbol(l, p, "cuModuleLoadDataEx")?,
            module_unload: symbol(l, p, "cuModuleUnload")?,
            module_get_function: symbol(l, p, "cuModuleGetFunction")?,
            func_get_attribute: symbol(l, p, "cuFuncGetAttribute")?,
            func_set_attribute: symbol(l, p, "cuFuncSetAttribute")?,
            occupancy_max_blocks: symbol(l, p, "cuOccupancyMaxActiveBlocksPerMultiprocessor")?,
            launch_kernel: symbol(l, p, "cuLaunchKernel")?,
            stream_create: symbol(l, p, "cuStreamCreate")?,
            stream_destroy: symbol(l, p, "cuStreamDestroy_v2")?,
            stream_query: symbol(l, p, "cuStreamQuery")?,
            stream_wait_event: symbol(l, p, "cuStreamWaitEvent")?,
            stream_begin_capture: symbol(l, p, "cuStreamBeginCapture_v2")?,
            stream_end_capture: symbol(l, p, "cuStreamEndCapture")?,
            graph_destroy: symbol(l, p, "cuGraphDestroy")?,
            graph_instantiate: symbol(l, p, "cuGraphInstantiateWithFlags")?,
            graph_launch: symbol(l, p, "cuGraphLaunch")?,
            graph_exec_destroy: symbol(l, p, "cuGraphExecDestroy")?,
            event_create: symbol(l, p, "cuEventCreate")?,
            event_destroy: symbol(l, p, "cuEventDestroy_v2")?,
            event_record: symbol(l, p, "cuEventRecord")?,
            event_query: symbol(l, p, "cuEventQuery")?,
            event_elapsed_time: symbol(l, p, "cuEventElapsedTime")?,
        })
    }
}
