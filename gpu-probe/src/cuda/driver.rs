//! The loaded driver: version, devices, and the translation of its error numbers.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libloading::Library;

use super::api::{Api, CuResult, FirstApi};
use super::device::Device;
use super::error::{CudaError, NO_DEVICE};

/// Names another library than `libcuda.so.1`.
pub const LIBRARY_VARIABLE: &str = "TANDEM_CUDA_LIBRARY";
/// The driver's library on every Linux with an NVIDIA driver.
const LIBRARY: &str = "libcuda.so.1";
/// The least driver: the binaries are of CUDA 12, which every driver from 525 on runs
/// (docs.nvidia.com/deploy/cuda-compatibility, minor version compatibility).
pub const DRIVER_NEEDED: DriverVersion = DriverVersion(12_000);
/// Most devices that are looked at.
const DEVICES_MAX: u32 = 64;

/// The CUDA version that a driver supports, as the driver writes it: 1000 x major + 10 x minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion(pub u32);

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 1_000, self.0 % 1_000 / 10)
    }
}

/// A loaded driver. Clones share it.
#[derive(Clone)]
pub struct Driver(Arc<Inner>);

struct Inner {
    api: Api,
    version: DriverVersion,
    library: String,
    abandoned: AtomicBool,
    /// Never unloaded: that runs the driver's own destructors, which wait for a kernel that hangs.
    _library: ManuallyDrop<Library>,
}

impl Driver {
    /// Loads the driver of this machine, or the library that [`LIBRARY_VARIABLE`] names.
    ///
    /// # Errors
    ///
    /// No library, a driver older than [`DRIVER_NEEDED`], a function that is missing, no device.
    pub fn load() -> Result<Self, CudaError> {
        let path = std::env::var_os(LIBRARY_VARIABLE).unwrap_or_else(|| OsString::from(LIBRARY));
        Self::load_from(&path)
    }

    /// Loads the driver from `path`, or from the loader's search path where it has no slash.
    ///
    /// # Errors
    ///
    /// Those of [`Driver::load`].
    #[expect(unsafe_code, reason = "loading a library runs its initialisers")]
    pub fn load_from(path: &OsStr) -> Result<Self, CudaError> {
        let shown = path.to_string_lossy().into_owned();
        // SAFETY: the library's initialisers run. It is the machine's CUDA driver, or what the
        // operator named in its place, which is trusted as any program they start.
        let library = unsafe { Library::new(path) };
        let library = library.map_err(|error| CudaError::DriverMissing {
            library: shown.clone(),
            reason: error.to_string(),
        })?;
        let first = FirstApi::of(&library, &shown)?;
        // SAFETY: `cuInit` takes flags, which must be 0.
        let started = unsafe { (first.init)(0) };
        let version = Self::version_of(&first)?;
        if version < DRIVER_NEEDED {
            return Err(CudaError::DriverTooOld {
                found: version,
                needed: DRIVER_NEEDED,
            });
        }
        let driver = Self(Arc::new(Inner {
            api: Api::of(&library, &shown)?,
            version,
            library: shown,
            abandoned: AtomicBool::new(false),
            _library: ManuallyDrop::new(library),
        }));
        driver.check("cuInit", started)?;
        Ok(driver)
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn version_of(first: &FirstApi) -> Result<DriverVersion, CudaError> {
        let mut version: c_int = 0;
        // SAFETY: the pointer is to a live integer; the call works before `cuInit` succeeds.
        let code = unsafe { (first.driver_get_version)(&raw mut version) };
        if code != 0 {
            return Err(CudaError::Call {
                call: "cuDriverGetVersion",
                code,
                name: "unknown".into(),
                meaning: "the driver does not tell its version".into(),
            });
        }
        Ok(DriverVersion(u32::try_from(version).unwrap_or(0)))
    }

    /// The CUDA version that the driver supports.
    pub fn version(&self) -> DriverVersion {
        self.0.version
    }

    /// The library it was loaded from.
    pub fn library(&self) -> &str {
        &self.0.library
    }

    /// How many devices this process sees.
    ///
    /// # Errors
    ///
    /// A failed call; no device is 0, not an error.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn device_count(&self) -> Result<u32, CudaError> {
        let mut count: c_int = 0;
        // SAFETY: the pointer is to a live integer.
        let code = unsafe { (self.api().device_get_count)(&raw mut count) };
        match self.check("cuDeviceGetCount", code) {
            Err(CudaError::NoDevice) => Ok(0),
            Err(error) => Err(error),
            Ok(()) => Ok(u32::try_from(count).unwrap_or(0).min(DEVICES_MAX)),
        }
    }

    /// The device with this number.
    ///
    /// # Errors
    ///
    /// [`CudaError::NoDevice`] with no device at all, [`CudaError::DeviceUnknown`] for a number
    /// that is too high, and failed calls.
    pub fn device(&self, ordinal: u32) -> Result<Device, CudaError> {
        match self.device_count()? {
            0 => Err(CudaError::NoDevice),
            count if ordinal >= count => Err(CudaError::DeviceUnknown { ordinal, count }),
            _ => Device::new(self.clone(), ordinal),
        }
    }

    /// Makes destructors leave what they hold to the end of the process: after a kernel that does
    /// not end, or an error that the context never leaves, the calls that free would block or fail.
    pub fn abandon(&self) {
        self.0.abandoned.store(true, Ordering::Release);
        super::leave::with_work_left();
    }

    /// Whether the driver was abandoned.
    pub fn is_abandoned(&self) -> bool {
        self.0.abandoned.load(Ordering::Acquire)
    }

    pub(super) fn api(&self) -> &Api {
        &self.0.api
    }

    /// Turns a result into an error; a sticky one abandons the driver.
    pub(super) fn check(&self, call: &'static str, code: CuResult) -> Result<(), CudaError> {
        if code == 0 {
            return Ok(());
        }
        if code == NO_DEVICE {
            return Err(CudaError::NoDevice);
        }
        let error = CudaError::Call {
            call,
            code,
            name: self.text(code, self.api().get_error_name),
            meaning: self.text(code, self.api().get_error_string),
        };
        if error.is_sticky() {
            self.abandon();
        }
        Err(error)
    }

    #[expect(unsafe_code, reason = "a call of the driver and the text it points to")]
    fn text(
        &self,
        code: CuResult,
        call: unsafe extern "C" fn(CuResult, *mut *const c_char) -> CuResult,
    ) -> String {
        let mut text: *const c_char = std::ptr::null();
        // SAFETY: the pointer is to a live pointer, set to a static text or to null.
        let result = unsafe { call(code, &raw mut text) };
        if result != 0 || text.is_null() {
            return "unknown".to_owned();
        }
        // SAFETY: the driver answered with one of its static, zero-terminated texts.
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Driver({}, CUDA {})", self.0.library, self.0.version)
    }
}
