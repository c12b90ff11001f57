//! Q0: what CUDA, NVML, the kernel module's files and the PCI bus say of a card, each apart. None
//! of it is evidence; where they disagree, one of them is forged.

use std::path::Path;

use crate::cuda::{Attribute, CudaError, Device, Nvml};
use crate::hex::HexBytes;
use crate::report::{
    ComputeCapability, CudaIdentity, Identity, NvmlIdentity, ProcIdentity, SysfsIdentity,
};

/// Most bytes that are read of a file of the kernel.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// Asks all four.
///
/// # Errors
///
/// A failed call of the driver; what the others do not give is left out.
pub fn identify(
    device: &Device,
    free_memory_bytes: u64,
    nvml: Option<&Nvml>,
) -> Result<Identity, CudaError> {
    let cuda = of_cuda(device, free_memory_bytes)?;
    let bus_id = cuda.pci_bus_id.to_ascii_lowercase();
    let facts = nvml.and_then(|nvml| nvml.facts(device.uuid().ok()?));
    Ok(Identity {
        nvml: facts.map(of_nvml),
        proc: of_proc(Path::new("/proc/driver/nvidia/gpus"), &bus_id),
        sysfs: of_sysfs(Path::new("/sys/bus/pci/devices"), &bus_id),
        cuda,
    })
}

fn of_cuda(device: &Device, free_memory_bytes: u64) -> Result<CudaIdentity, CudaError> {
    let number = |attribute| device.attribute(attribute);
    let small = |attribute| number(attribute).map(|n| u8::try_from(n).unwrap_or(u8::MAX));
    Ok(CudaIdentity {
        name: super::error::reason(&device.name()?),
        uuid: HexBytes(device.uuid()?.0),
        compute_capability: ComputeCapability {
            major: small(Attribute::ComputeCapabilityMajor)?,
            minor: small(Attribute::ComputeCapabilityMinor)?,
        },
        sm_count: number(Attribute::MultiprocessorCount)?,
        total_memory_bytes: device.total_memory_bytes()?,
        free_memory_bytes,
        pci_bus_id: super::error::reason(&device.pci_bus_id()?),
        sm_clock_khz: number(Attribute::ClockRateKhz)?,
        memory_clock_khz: number(Attribute::MemoryClockKhz)?,
        l2_bytes: u64::from(number(Attribute::L2CacheBytes)?),
        memory_bus_bits: number(Attribute::MemoryBusWidthBits)?,
    })
}

fn of_nvml(facts: crate::cuda::NvmlFacts) -> NvmlIdentity {
    NvmlIdentity {
        name: facts.name,
        uuid: facts.uuid,
        serial: facts.serial,
        vbios: facts.vbios,
        pci_device_id: facts.pci_ids.and_then(|ids| u16::try_from(ids >> 16).ok()),
        pci_subsystem_id: facts.pci_subsystem_ids,
        total_memory_bytes: facts.total_memory_bytes,
        power_limit_mw: facts.power_limit_mw,
        ecc_enabled: facts.ecc_enabled,
        mig_enabled: facts.mig_enabled,
        confidential_compute: facts.confidential_compute,
    }
}

fn read(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

fn of_proc(folder: &Path, bus_id: &str) -> Option<ProcIdentity> {
    let text = read(&folder.join(bus_id).join("information"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| super::error::reason(value.trim()))
    };
    Some(ProcIdentity {
        model: field("Model:"),
        uuid: field("GPU UUID:"),
        vbios: field("Video BIOS:"),
        bus_location: field("Bus Location:"),
    })
}

fn of_sysfs(folder: &Path, bus_id: &str) -> Option<SysfsIdentity> {
    let folder = folder.join(bus_id);
    let number = |name: &str| {
        let text = read(&folder.join(name))?;
        u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    let id = |name: &str| number(name).and_then(|n| u16::try_from(n).ok());
    id("vendor")?;
    Some(SysfsIdentity {
        vendor_id: id("vendor"),
        device_id: id("device"),
        subsystem_vendor_id: id("subsystem_vendor"),
        subsystem_device_id: id("subsystem_device"),
        class: number("class"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read_as_they_are_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let gpu = folder.path().join("0000:65:00.0");
        std::fs::create_dir(&gpu).expect("a folder");
        let text = "Model: \t\t NVIDIA GeForce RTX 3090\nIRQ:   \t\t 30\nGPU UUID: \t GPU-1\nBus Location: \t 0000:65:00.0\n";
        std::fs::write(gpu.join("information"), text).expect("a file");
        let found = of_proc(folder.path(), "0000:65:00.0").expect("an entry");
        assert_eq!(found.model.as_deref(), Some("NVIDIA GeForce RTX 3090"));
        assert_eq!(found.uuid.as_deref(), Some("GPU-1"));
        assert_eq!(found.vbios, None);
        for (name, value) in [
            ("vendor", "0x10de\n"),
            ("device", "0x2204\n"),
            ("class", "0x030200\n"),
        ] {
            std::fs::write(gpu.join(name), value).expect("a file");
        }
        let found = of_sysfs(folder.path(), "0000:65:00.0").expect("an entry");
        assert_eq!(
            (found.vendor_id, found.device_id),
            (Some(0x10de), Some(0x2204))
        );
        assert_eq!(
            (found.class, found.subsystem_vendor_id),
            (Some(0x30200), None)
        );
        assert_eq!(of_sysfs(folder.path(), "0000:66:00.0"), None);
    }
}
