//! A device as the driver describes it. All of it is claim: a driver can be forged.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use super::api::CuDevice;
use super::context::Context;
use super::driver::Driver;
use super::error::CudaError;

/// Length of the buffers for a device's name and its bus id.
const TEXT_BYTES: usize = 256;

/// `CUdevice_attribute`, those that the probe reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Attribute {
    /// Largest block.
    MaxThreadsPerBlock = 1,
    /// Core clock in kHz.
    ClockRateKhz = 13,
    /// Streaming multiprocessors.
    MultiprocessorCount = 16,
    /// Whether ECC is on.
    EccEnabled = 32,
    /// Memory clock in kHz.
    MemoryClockKhz = 36,
    /// Width of the memory bus in bits.
    MemoryBusWidthBits = 37,
    /// L2 cache in bytes.
    L2CacheBytes = 38,
    /// Threads that one multiprocessor holds.
    MaxThreadsPerMultiprocessor = 39,
    /// First number of the compute capability.
    ComputeCapabilityMajor = 75,
    /// Second number of the compute capability.
    ComputeCapabilityMinor = 76,
    /// Shared memory that a block may ask for, in bytes.
    MaxSharedMemoryPerBlockOptin = 97,
}

/// A device's UUID; NVML and `nvidia-smi` print it after `GPU-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceUuid(pub [u8; 16]);

impl fmt::Display for DeviceUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GPU-{}", uuid::Uuid::from_bytes(self.0))
    }
}

/// A device of the driver.
#[derive(Debug, Clone)]
pub struct Device {
    driver: Driver,
    ordinal: u32,
    raw: CuDevice,
}

impl Device {
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub(super) fn new(driver: Driver, ordinal: u32) -> Result<Self, CudaError> {
        let mut raw: CuDevice = 0;
        let number = c_int::try_from(ordinal).unwrap_or(c_int::MAX);
        // SAFETY: the pointer is to a live integer.
        let code = unsafe { (driver.api().device_get)(&raw mut raw, number) };
        driver.check("cuDeviceGet", code)?;
        Ok(Self {
            driver,
            ordinal,
            raw,
        })
    }

    /// Its number for this process, from 0.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// The driver it belongs to.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    pub(super) fn raw(&self) -> CuDevice {
        self.raw
    }

    /// Makes its primary context usable.
    ///
    /// # Errors
    ///
    /// A failed call, such as a card that another process holds exclusively.
    pub fn context(&self) -> Result<Context, CudaError> {
        Context::retain(self.clone())
    }

    /// Market name.
    ///
    /// # Errors
    ///
    /// A failed call.
    pub fn name(&self) -> Result<String, CudaError> {
        self.text("cuDeviceGetName", self.driver.api().device_get_name)
    }

    /// Bus id, such as `0000:65:00.0`.
    ///
    /// # Errors
    ///
    /// A failed call.
    pub fn pci_bus_id(&self) -> Result<String, CudaError> {
        self.text(
            "cuDeviceGetPCIBusId",
            self.driver.api().device_get_pci_bus_id,
        )
    }

    #[expect(unsafe_code, reason = "a call of the driver that writes a text")]
    fn text(
        &self,
        call: &'static str,
        function: unsafe extern "C" fn(*mut c_char, c_int, CuDevice) -> i32,
    ) -> Result<String, CudaError> {
        let mut buffer = [0_u8; TEXT_BYTES];
        let length = c_int::try_from(TEXT_BYTES - 1).unwrap_or(c_int::MAX);
        // SAFETY: the driver writes at most `length` bytes, one fewer than the buffer has.
        let code = unsafe { function(buffer.as_mut_ptr().cast(), length, self.raw) };
        self.driver.check(call, code)?;
        let text = CStr::from_bytes_until_nul(&buffer).unwrap_or(c"");
        Ok(text.to_string_lossy().into_owned())
    }

    /// UUID.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn uuid(&self) -> Result<DeviceUuid, CudaError> {
        let mut bytes = [0_u8; 16];
        // SAFETY: the pointer is to 16 live bytes, the size of `CUuuid`.
        let code = unsafe { (self.driver.api().device_get_uuid)(&raw mut bytes, self.raw) };
        self.driver.check("cuDeviceGetUuid_v2", code)?;
        Ok(DeviceUuid(bytes))
    }

    /// Memory in bytes, used or not.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn total_memory_bytes(&self) -> Result<u64, CudaError> {
        let mut bytes = 0_usize;
        // SAFETY: the pointer is to a live integer.
        let code = unsafe { (self.driver.api().device_total_mem)(&raw mut bytes, self.raw) };
        self.driver.check("cuDeviceTotalMem_v2", code)?;
        Ok(bytes as u64)
    }

    /// An attribute; negative answers, which mean nothing, are 0.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn attribute(&self, attribute: Attribute) -> Result<u32, CudaError> {
        let mut value: c_int = 0;
        // SAFETY: the pointer is to a live integer; the attribute is one of the header's.
        let code = unsafe {
            (self.driver.api().device_get_attribute)(&raw mut value, attribute as c_int, self.raw)
        };
        self.driver.check("cuDeviceGetAttribute", code)?;
        Ok(u32::try_from(value).unwrap_or(0))
    }

    /// Whether it can read `other`'s memory directly.
    ///
    /// # Errors
    ///
    /// A failed call.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn can_access(&self, other: &Self) -> Result<bool, CudaError> {
        let mut can: c_int = 0;
        // SAFETY: the pointer is to a live integer; both devices are of this driver.
        let code = unsafe {
            (self.driver.api().device_can_access_peer)(&raw mut can, self.raw, other.raw)
        };
        self.driver.check("cuDeviceCanAccessPeer", code)?;
        Ok(can != 0)
    }
}
