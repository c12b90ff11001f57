//! What can go wrong between the probe and the driver, each with its code and its page.
//!
//! None of these says anything against a card: a run that ends in one of them could not be made.

use std::time::Duration;

use tandem_model::error::ErrorCode;

use super::driver::DriverVersion;

/// Exit code of a probe that could not run (`EX_UNAVAILABLE` of sysexits.h): no verdict on the card.
pub const EXIT_COULD_NOT_RUN: u8 = 69;

/// `CUDA_ERROR_OUT_OF_MEMORY`.
pub(super) const OUT_OF_MEMORY: i32 = 2;
/// `CUDA_ERROR_NO_DEVICE`.
pub(super) const NO_DEVICE: i32 = 100;
/// `CUDA_ERROR_NOT_READY`: not an error, the work is still under way.
pub(super) const NOT_READY: i32 = 600;
/// Errors after which a context answers every call with the same error: uncorrectable ECC, illegal
/// address, launch timeout, assertion, the hardware exceptions, launch failure.
const STICKY: [i32; 10] = [214, 700, 702, 710, 714, 715, 716, 717, 718, 719];

/// Why the driver or the card could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// The driver's library cannot be loaded.
    #[error("no CUDA driver: `{library}` cannot be loaded ({reason})")]
    DriverMissing {
        /// The library asked for.
        library: String,
        /// What the loader says.
        reason: String,
    },
    /// The driver is older than the kernels need.
    #[error("the driver supports CUDA {found}, the probe needs {needed} or newer")]
    DriverTooOld {
        /// What the driver says of itself.
        found: DriverVersion,
        /// The least version accepted.
        needed: DriverVersion,
    },
    /// The library lacks a function.
    #[error("`{library}` has no function `{symbol}`: it is not a whole CUDA driver")]
    SymbolMissing {
        /// The library.
        library: String,
        /// The function.
        symbol: &'static str,
    },
    /// The driver sees no card.
    #[error("the driver sees no device")]
    NoDevice,
    /// There is no device of that number.
    #[error("there is no device {ordinal}: the driver sees {count}, numbered from 0")]
    DeviceUnknown {
        /// The number asked for.
        ordinal: u32,
        /// How many there are.
        count: u32,
    },
    /// The card has not enough free memory.
    #[error("the card has no {bytes} bytes free for {purpose}")]
    OutOfMemory {
        /// What it was for.
        purpose: &'static str,
        /// Bytes asked for.
        bytes: u64,
    },
    /// No image of a kernel file is accepted.
    #[error("the driver loads no image of the kernels in `{file}`: {reasons}")]
    KernelsRefused {
        /// The kernel file.
        file: String,
        /// Each image with the driver's answer.
        reasons: String,
    },
    /// The card is of an architecture for which there is no such kernel.
    #[error("this card has no units for the kernels in `{file}`")]
    NoUnits {
        /// The kernel file.
        file: String,
    },
    /// Arguments do not fit a kernel's declared parameters, or lie outside an area of memory.
    #[error("`{subject}` was called wrongly: {detail}")]
    Misuse {
        /// The kernel or call.
        subject: String,
        /// What is wrong.
        detail: String,
    },
    /// A call failed.
    #[error("{call} failed with {name} ({code}): {meaning}")]
    Call {
        /// The driver's function.
        call: &'static str,
        /// The number.
        code: i32,
        /// The number's name, as the driver has it.
        name: String,
        /// The driver's own words.
        meaning: String,
    },
    /// A kernel's numbers are not those of its formula. That speaks against the kernel on this
    /// architecture as much as against the card.
    #[error("{what} gave wrong numbers: {detail}")]
    WrongNumbers {
        /// What was computed.
        what: String,
        /// A number and what it should be.
        detail: String,
    },
    /// Work did not end in time.
    #[error("{what} did not end within {} ms", limit.as_millis())]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
}

impl CudaError {
    /// The code under which it is explained.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::DriverMissing { .. } => ErrorCode::PROBE_DRIVER_MISSING,
            Self::DriverTooOld { .. } => ErrorCode::PROBE_DRIVER_OLD,
            Self::SymbolMissing { .. } => ErrorCode::PROBE_DRIVER_INCOMPLETE,
            Self::NoDevice | Self::DeviceUnknown { .. } => ErrorCode::PROBE_NO_DEVICE,
            Self::OutOfMemory { .. } => ErrorCode::PROBE_OUT_OF_MEMORY,
            Self::KernelsRefused { .. } | Self::NoUnits { .. } => ErrorCode::PROBE_KERNELS_REFUSED,
            Self::Call { .. } | Self::Misuse { .. } | Self::WrongNumbers { .. } => {
                ErrorCode::PROBE_CALL_FAILED
            }
            Self::Deadline { .. } => ErrorCode::PROBE_DEADLINE,
        }
    }

    /// Whether every later call of this process on the card would fail as well.
    pub fn is_sticky(&self) -> bool {
        match self {
            Self::Call { code, .. } => STICKY.contains(code),
            Self::Deadline { .. } => true,
            _ => false,
        }
    }
}
