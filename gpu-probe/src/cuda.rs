//! The CUDA driver, loaded at run time: the only place of the probe that calls foreign code.
//!
//! Nothing of CUDA is needed to build or to start the program. About forty functions of
//! `libcuda.so.1` are looked up by name (`TANDEM_CUDA_LIBRARY` names another file); a driver that
//! is missing, too old or incomplete is an error that says so, never a panic. Every wait has a
//! deadline: after one has passed the driver is [abandoned](Driver::abandon), so that no destructor
//! blocks behind a kernel that never ends.
//!
//! Reference: "CUDA Driver API", docs.nvidia.com/cuda/cuda-driver-api.

mod api;
mod context;
mod copy;
mod device;
mod driver;
mod error;
mod graph;
mod leave;
mod memory;
mod module;
mod nvml;
mod stream;
#[cfg(test)]
mod tests;

pub use context::Context;
pub use copy::{download, upload};
pub use device::{Attribute, Device, DeviceUuid};
pub use driver::{DRIVER_NEEDED, Driver, DriverVersion, LIBRARY_VARIABLE};
pub use error::{CudaError, EXIT_COULD_NOT_RUN};
pub use graph::Graph;
pub use leave::{leave_if_work_left, with_work_left};
pub use memory::{DeviceMemory, PinnedMemory};
pub use module::{Argument, Dimensions, Function, FunctionFacts, Module, Parameter, Signature};
pub use nvml::{Nvml, NvmlFacts, Telemetry};
pub use stream::{Event, Stream};
