//! What the software stack says of a device: CUDA, NVML, `/proc/driver/nvidia` and sysfs, each
//! apart, because a forger of one often forgets another.

use serde::{Deserialize, Serialize};

use super::DeviceUuid;

/// Everything said of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// From the CUDA driver.
    pub cuda: CudaIdentity,
    /// From NVML, where it can be loaded.
    pub nvml: Option<NvmlIdentity>,
    /// From `/proc/driver/nvidia/gpus/*/information`, where it can be read.
    pub proc: Option<ProcIdentity>,
    /// From `/sys/bus/pci/devices/*`, where it can be read.
    pub sysfs: Option<SysfsIdentity>,
}

/// CUDA compute capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputeCapability {
    /// 7 is Volta and Turing, 8 Ampere and Ada, 9 Hopper, 10 and 12 Blackwell.
    pub major: u8,
    /// Within the generation.
    pub minor: u8,
}

/// Device attributes of the CUDA driver (`cuDeviceGetAttribute` and its kin).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CudaIdentity {
    /// Name.
    pub name: String,
    /// UUID of the device, or of the MIG instance.
    pub uuid: DeviceUuid,
    /// Compute capability.
    pub compute_capability: ComputeCapability,
    /// SMs.
    pub sm_count: u32,
    /// Memory in all, in bytes.
    pub total_memory_bytes: u64,
    /// Memory free at the start, in bytes.
    pub free_memory_bytes: u64,
    /// Domain, bus, device and function, as `0000:65:00.0`.
    pub pci_bus_id: String,
    /// Highest SM clock, in kHz.
    pub sm_clock_khz: u32,
    /// Memory clock, in kHz.
    pub memory_clock_khz: u32,
    /// L2 cache, in bytes.
    pub l2_bytes: u64,
    /// Width of the memory bus, in bits.
    pub memory_bus_bits: u32,
}

/// What NVML says; each is left out where the driver or the rights do not give it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NvmlIdentity {
    /// Name.
    pub name: Option<String>,
    /// UUID as text, `GPU-…` or `MIG-…`.
    pub uuid: Option<String>,
    /// Serial number of the board.
    pub serial: Option<String>,
    /// Version of the video BIOS.
    pub vbios: Option<String>,
    /// PCI device id, without the vendor.
    pub pci_device_id: Option<u16>,
    /// PCI subsystem id, device in the upper and vendor in the lower 16 bits.
    pub pci_subsystem_id: Option<u32>,
    /// Memory in all, in bytes.
    pub total_memory_bytes: Option<u64>,
    /// Enforced power limit, in mW.
    pub power_limit_mw: Option<u64>,
    /// Whether ECC is on.
    pub ecc_enabled: Option<bool>,
    /// Whether MIG is on.
    pub mig_enabled: Option<bool>,
    /// Whether confidential computing is on.
    pub confidential_compute: Option<bool>,
}

/// What the kernel module's own files say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcIdentity {
    /// `Model:`.
    pub model: Option<String>,
    /// `GPU UUID:`.
    pub uuid: Option<String>,
    /// `Video BIOS:`.
    pub vbios: Option<String>,
    /// `Bus Location:`.
    pub bus_location: Option<String>,
}

/// What the PCI bus itself says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SysfsIdentity {
    /// PCI vendor id; NVIDIA is 10de.
    pub vendor_id: Option<u16>,
    /// PCI device id.
    pub device_id: Option<u16>,
    /// Subsystem vendor id.
    pub subsystem_vendor_id: Option<u16>,
    /// Subsystem device id.
    pub subsystem_device_id: Option<u16>,
    /// Class, as 0x030200.
    pub class: Option<u32>,
}

impl Identity {
    /// The PCI device id, by the bus first and NVML second.
    pub fn pci_device_id(&self) -> Option<u16> {
        let bus = self.sysfs.as_ref().and_then(|s| s.device_id);
        bus.or_else(|| self.nvml.as_ref().and_then(|n| n.pci_device_id))
    }
}
