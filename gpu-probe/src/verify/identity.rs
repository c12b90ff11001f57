//! Identity: one tuple of PCI device id, name, SMs, compute capability and memory, said alike by
//! every source; and what the fleet knows of the device.

use tandem_model::gpu::GpuModel;

use super::findings::Findings;
use super::{Facts, Policy};
use crate::report::{ComputeCapability, DeviceReport, Report};
use crate::verdict::{Effect, ReasonCode};

/// NVIDIA's PCI vendor id.
const NVIDIA: u16 = 0x10de;
/// Most that two sources' sizes of one memory differ, in thousandths: NVML counts what is reserved.
const MEMORY_OFF_PERMILLE: u64 = 60;

/// Checks the sources of one device against each other.
pub(super) fn check_sources(device: &DeviceReport, found: &mut Findings) {
    names_and_uuids(device, found);
    bus_and_memory(device, found);
}

fn disagree(found: &mut Findings, what: &str, one: &str, other: &str) {
    let detail = format!("{what}: `{one}` and `{other}`");
    found.fail(ReasonCode::SourcesDisagree, detail);
}

/// What CUDA, NVML and the kernel module call the device.
fn names_and_uuids(device: &DeviceReport, found: &mut Findings) {
    let identity = &device.identity;
    let cuda = &identity.cuda;
    let mut differ = |what: &str, one: &str, other: &str| disagree(found, what, one, other);
    let nvml = identity.nvml.as_ref();
    let proc = identity.proc.as_ref();
    if let Some(name) = nvml
        .and_then(|n| n.name.as_deref())
        .filter(|n| *n != cuda.name)
    {
        differ("names of CUDA and NVML", &cuda.name, name);
    }
    if let Some(name) = proc
        .and_then(|p| p.model.as_deref())
        .filter(|n| *n != cuda.name)
    {
        differ("names of CUDA and the kernel module", &cuda.name, name);
    }
    let digits = |text: &str| -> String {
        let hex = text.chars().filter(char::is_ascii_hexdigit);
        hex.map(|c| c.to_ascii_lowercase()).collect()
    };
    let own = cuda.uuid.to_string();
    let said = [
        nvml.and_then(|n| n.uuid.as_deref()),
        proc.and_then(|p| p.uuid.as_deref()),
    ];
    for uuid in said.into_iter().flatten() {
        let Some(rest) = uuid.strip_prefix("GPU-") else {
            continue;
        };
        if digits(rest) != own {
            differ("UUIDs", &own, uuid);
        }
    }
    if let (Some(one), Some(other)) = (
        nvml.and_then(|n| n.vbios.as_deref()),
        proc.and_then(|p| p.vbios.as_deref()),
    ) && !one.eq_ignore_ascii_case(other)
    {
        differ("video BIOS", one, other);
    }
}

/// What the bus says of the device, and how large its memory is said to be.
fn bus_and_memory(device: &DeviceReport, found: &mut Findings) {
    let identity = &device.identity;
    let cuda = &identity.cuda;
    let mut differ = |what: &str, one: &str, other: &str| disagree(found, what, one, other);
    let nvml = identity.nvml.as_ref();
    let sysfs = identity.sysfs.as_ref();
    let ids = (
        nvml.and_then(|n| n.pci_device_id),
        sysfs.and_then(|s| s.device_id),
    );
    if let (Some(one), Some(other)) = ids
        && one != other
    {
        differ("PCI device ids of NVML and the bus", &hex(one), &hex(other));
    }
    if let Some(vendor) = sysfs.and_then(|s| s.vendor_id).filter(|v| *v != NVIDIA) {
        differ("PCI vendor of the bus", &hex(NVIDIA), &hex(vendor));
    }
    if let Some(bytes) = nvml.and_then(|n| n.total_memory_bytes) {
        let most = bytes.max(cuda.total_memory_bytes);
        let off = u128::from(bytes.abs_diff(cuda.total_memory_bytes)) * 1_000;
        if off > u128::from(most) * u128::from(MEMORY_OFF_PERMILLE) {
            let (one, other) = (cuda.total_memory_bytes.to_string(), bytes.to_string());
            differ("memory of CUDA and NVML in bytes", &one, &other);
        }
    }
}

fn hex(id: u16) -> String {
    format!("{id:04x}")
}

/// Checks the tuple of one device against the card that it is claimed to be.
pub(super) fn check_tuple(
    device: &DeviceReport,
    model: GpuModel,
    policy: &Policy,
    found: &mut Findings,
) {
    let (identity, facts) = (&device.identity, model.facts());
    let cuda = &identity.cuda;
    let name_fits = GpuModel::matching(&cuda.name).contains(&model);
    if !name_fits && !GpuModel::matching(&cuda.name).is_empty() {
        let detail = format!("the name is `{}`, the card {model}", cuda.name);
        found.fail(ReasonCode::SourcesDisagree, detail);
    }
    match identity.pci_device_id() {
        Some(id) if !facts.pci_device_ids.contains(&id) => {
            let detail = format!("PCI device id {id:04x} is not that of {model}");
            found.fail(ReasonCode::DeviceIdMismatch, detail);
        }
        Some(_) => {}
        None => found.note(
            ReasonCode::MeasurementMissing,
            "no source gives a PCI device id".to_owned(),
        ),
    }
    let (major, minor) = facts.compute_capability;
    if cuda.compute_capability != (ComputeCapability { major, minor }) {
        let seen = cuda.compute_capability;
        let detail = format!("{}.{} instead of {major}.{minor}", seen.major, seen.minor);
        found.fail(ReasonCode::ComputeCapabilityMismatch, detail);
    }
    let sms = u32::from(facts.sm_count);
    if cuda.sm_count != sms {
        let detail = format!("{} SMs instead of {sms} of {model}", cuda.sm_count);
        found.fail(ReasonCode::SmCountMismatch, detail);
    }
    let mib = cuda.total_memory_bytes >> 20;
    let nominal = u64::from(facts.vram_gb) << 10;
    let (least, most) = policy.thresholds.vram_permille;
    if mib * 1_000 < nominal * least || mib * 1_000 > nominal * most {
        let detail = format!("{mib} MiB instead of about {nominal} of {model}");
        found.fail(ReasonCode::VramOutsideWindow, detail);
    }
}

/// Checks whether a device is a part of a card, and what its SMs and instructions say.
pub(super) fn check_silicon(device: &DeviceReport, found: &mut Findings) {
    let nvml = device.identity.nvml.as_ref();
    let is_part = nvml
        .and_then(|n| n.uuid.as_deref())
        .is_some_and(|u| u.starts_with("MIG-"));
    let name_says = device.identity.cuda.name.contains(" MIG ");
    if is_part || name_says || nvml.is_some_and(|n| n.mig_enabled == Some(true)) {
        let detail = "a MIG slice is part of a card and never the card".to_owned();
        found.fail(ReasonCode::MigSlice, detail);
    }
    if let Some(census) = device.census.measured() {
        let (seen, said) = (census.sms.len(), device.identity.cuda.sm_count);
        let mut ids: Vec<u32> = census.sms.iter().map(|sm| sm.smid).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != said as usize || seen != ids.len() {
            let detail = format!("blocks ran on {} SMs, CUDA names {said}", ids.len());
            found.fail(ReasonCode::CensusMismatch, detail);
        }
    }
    if let Some(gate) = device.isa_gate.measured()
        && !gate.is_right
    {
        let detail = format!("`{}` gave a wrong result", gate.kernel);
        found.fail(ReasonCode::ArchitectureGate, detail);
    }
}

/// Checks a machine's devices against each other and against what the fleet knows.
pub(super) fn check_fleet(report: &Report, facts: &Facts, found: &mut Findings) {
    let uuids: Vec<_> = report
        .devices
        .iter()
        .map(|d| d.identity.cuda.uuid)
        .collect();
    for (at, uuid) in uuids.iter().enumerate() {
        found.about(Some(*uuid));
        if facts.banned.contains(uuid) {
            found.fail(ReasonCode::DeviceBanned, "the device is banned".to_owned());
        }
        if uuids[..at].contains(uuid) {
            let detail = "the same UUID twice in one machine".to_owned();
            found.fail(ReasonCode::DeviceDuplicate, detail);
        }
        if facts.in_use_elsewhere.contains(uuid) {
            let detail = "another machine shows this device".to_owned();
            found.fail(ReasonCode::DeviceDuplicate, detail);
        }
        if facts
            .expected
            .as_ref()
            .is_some_and(|known| !known.contains(uuid))
        {
            let detail = "the machine had another device before".to_owned();
            found.add(Effect::Fail, ReasonCode::DeviceChanged, detail);
        }
    }
    found.about(None);
    let shown = report.devices.len();
    if let Some(sold) = facts.sold_count.filter(|sold| shown < *sold as usize) {
        let detail = format!("{shown} devices are shown, {sold} were sold");
        found.fail(ReasonCode::DevicesDiffer, detail);
    }
    for gone in facts
        .expected
        .iter()
        .flatten()
        .filter(|known| !uuids.contains(known))
    {
        let detail = format!("device {gone} is gone");
        found.fail(ReasonCode::DeviceChanged, detail);
    }
}
