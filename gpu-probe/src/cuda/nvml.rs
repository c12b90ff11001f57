//! What NVML says of a card. It is text from a library that anyone can replace, so it is a finding
//! beside the measurements and never one of them; where NVML is missing, so are its values.

use std::ffi::OsStr;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id;

use super::device::DeviceUuid;

/// Names another library than the system's `libnvidia-ml.so.1`.
const LIBRARY_VARIABLE: &str = "TANDEM_NVML_LIBRARY";

/// `NVML_DEVICE_MIG_ENABLE`.
const MIG_ON: u32 = 1;

/// NVML, loaded.
pub struct Nvml(nvml_wrapper::Nvml);

/// What does not change while a probe runs; each is left out where NVML does not give it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NvmlFacts {
    /// Name.
    pub name: Option<String>,
    /// `GPU-…` or `MIG-…`.
    pub uuid: Option<String>,
    /// Serial number of the board.
    pub serial: Option<String>,
    /// Version of the video BIOS.
    pub vbios: Option<String>,
    /// PCI device id (upper 16 bits) and vendor id.
    pub pci_ids: Option<u32>,
    /// PCI subsystem ids.
    pub pci_subsystem_ids: Option<u32>,
    /// Memory in all, in bytes.
    pub total_memory_bytes: Option<u64>,
    /// Enforced power limit in mW.
    pub power_limit_mw: Option<u64>,
    /// Whether ECC is on.
    pub ecc_enabled: Option<bool>,
    /// Whether MIG is on.
    pub mig_enabled: Option<bool>,
    /// Whether the system computes confidentially.
    pub confidential_compute: Option<bool>,
    /// Negotiated PCIe generation and lanes.
    pub pcie: Option<(u8, u8)>,
    /// Highest PCIe generation and lanes of card and slot.
    pub pcie_max: Option<(u8, u8)>,
}

/// One look at a card under load; each is left out where NVML does not give it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// SM clock in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Memory clock in MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Power in mW.
    pub power_mw: Option<u32>,
    /// Core temperature in degrees Celsius.
    pub core_c: Option<u32>,
    /// Memory temperature in degrees Celsius.
    pub memory_c: Option<u32>,
    /// Why the clocks are not higher: `nvmlClocksEventReason…` bits.
    pub event_reasons: Option<u64>,
    /// Corrected memory errors since the driver started.
    pub ecc_corrected: Option<u64>,
    /// Uncorrected memory errors since the driver started.
    pub ecc_uncorrected: Option<u64>,
    /// Retired pages and remapped rows, of those that the card counts.
    pub retired_pages: Option<u64>,
}

/// Fields of [`Telemetry`] that NVML has no function of their own for: the memory's temperature,
/// and what of the memory is no longer used.
const FIELDS: [FieldId; 5] = [
    FieldId(field_id::NVML_FI_DEV_MEMORY_TEMP),
    FieldId(field_id::NVML_FI_DEV_RETIRED_SBE),
    FieldId(field_id::NVML_FI_DEV_RETIRED_DBE),
    FieldId(field_id::NVML_FI_DEV_REMAPPED_COR),
    FieldId(field_id::NVML_FI_DEV_REMAPPED_UNC),
];

/// The values of [`FIELDS`], in their order.
fn fields(device: &nvml_wrapper::Device<'_>) -> [Option<u64>; FIELDS.len()] {
    let mut values = [None; FIELDS.len()];
    let samples = device.field_values_for(&FIELDS).unwrap_or_default();
    for (value, sample) in values.iter_mut().zip(samples) {
        *value = match sample.and_then(|sample| sample.value) {
            Ok(SampleValue::U32(number)) => Some(number.into()),
            Ok(SampleValue::U64(number)) => Some(number),
            _ => None,
        };
    }
    values
}

impl Nvml {
    /// Loads NVML.
    ///
    /// # Errors
    ///
    /// The reason in words, for a report: without NVML a probe still runs.
    pub fn load() -> Result<Self, String> {
        let path = std::env::var_os(LIBRARY_VARIABLE);
        let loaded = match &path {
            Some(path) => nvml_wrapper::Nvml::builder()
                .lib_path(OsStr::new(path))
                .init(),
            None => nvml_wrapper::Nvml::init(),
        };
        loaded.map(Self).map_err(|error| error.to_string())
    }

    /// Version of the driver, such as `550.54.15`.
    pub fn driver_version(&self) -> Option<String> {
        self.0.sys_driver_version().ok()
    }

    /// The facts of the card that CUDA gives this UUID; none when NVML does not know it.
    pub fn facts(&self, uuid: DeviceUuid) -> Option<NvmlFacts> {
        let device = self.0.device_by_uuid(uuid.to_string()).ok()?;
        let pci = device.pci_info().ok();
        let narrow = |value: Result<u32, _>| value.ok().and_then(|v| u8::try_from(v).ok());
        Some(NvmlFacts {
            name: device.name().ok(),
            uuid: device.uuid().ok(),
            serial: device.serial().ok(),
            vbios: device.vbios_version().ok(),
            pci_ids: pci.as_ref().map(|p| p.pci_device_id),
            pci_subsystem_ids: pci.as_ref().and_then(|p| p.pci_sub_system_id),
            total_memory_bytes: device.memory_info().ok().map(|m| m.total),
            power_limit_mw: device.enforced_power_limit().ok().map(u64::from),
            ecc_enabled: device.is_ecc_enabled().ok().map(|e| e.currently_enabled),
            mig_enabled: device.mig_mode().ok().map(|m| m.current == MIG_ON),
            confidential_compute: device.is_cc_enabled().ok(),
            pcie: narrow(device.current_pcie_link_gen())
                .zip(narrow(device.current_pcie_link_width())),
            pcie_max: narrow(device.max_pcie_link_gen()).zip(narrow(device.max_pcie_link_width())),
        })
    }

    /// A look at the card now; empty when NVML does not know it.
    pub fn telemetry(&self, uuid: DeviceUuid) -> Telemetry {
        let Ok(device) = self.0.device_by_uuid(uuid.to_string()) else {
            return Telemetry::default();
        };
        let [memory_c, retired @ ..] = fields(&device);
        let errors = |kind| device.total_ecc_errors(kind, EccCounter::Volatile).ok();
        Telemetry {
            sm_clock_mhz: device.clock_info(Clock::SM).ok(),
            memory_clock_mhz: device.clock_info(Clock::Memory).ok(),
            power_mw: device.power_usage().ok(),
            core_c: device.temperature(TemperatureSensor::Gpu).ok(),
            memory_c: memory_c.and_then(|c| u32::try_from(c).ok()),
            event_reasons: device
                .current_throttle_reasons()
                .ok()
                .map(|r: ThrottleReasons| r.bits()),
            ecc_corrected: errors(MemoryError::Corrected),
            ecc_uncorrected: errors(MemoryError::Uncorrected),
            retired_pages: retired
                .into_iter()
                .flatten()
                .reduce(|sum, more| sum.saturating_add(more)),
        }
    }

    /// Energy that the card took since the driver started, in mJ; Volta and later count it.
    pub fn energy_mj(&self, uuid: DeviceUuid) -> Option<u64> {
        let device = self.0.device_by_uuid(uuid.to_string()).ok()?;
        device.total_energy_consumption().ok()
    }
}

impl std::fmt::Debug for Nvml {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nvml")
    }
}
