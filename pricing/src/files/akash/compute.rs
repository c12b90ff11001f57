//! Compute profiles: CPUs, memory, storage and GPUs of one replica.

use tandem_model::workload::{GpuNeed, Workload};

use crate::files::cursor::Meaning::{Note, Used};
use crate::files::cursor::{Field, Table};
use crate::files::problem::Problems;
use crate::files::units::Bounds;
use crate::files::{gpu, quantity, units};

const PROFILE: Table = &[("resources", Used)];
const RESOURCES: Table = &[
    ("cpu", Used),
    ("memory", Used),
    ("storage", Used),
    ("gpu", Used),
    ("id", Note("Akash's own bookkeeping")),
];
const ARCHITECTURE: &str = "machines are x86-64 with NVIDIA GPUs";
const CPU: Table = &[("units", Used), ("attributes", Note(ARCHITECTURE))];
const MEMORY: Table = &[("size", Used), ("attributes", Note(ARCHITECTURE))];
const STORAGE: Table = &[("name", Used), ("size", Used), ("attributes", Used)];
const KIND: Table = &[("persistent", Used), ("class", Used)];
const GPU: Table = &[("units", Used), ("attributes", Used)];
const VENDORS: Table = &[("vendor", Used)];
const MODEL: Table = &[
    ("model", Used),
    ("ram", Used),
    ("interface", Note("cards are told apart by name and memory")),
];

/// Reads one profile.
pub(super) fn read(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(profile) = field.map(p) else { return };
    profile.check(PROFILE, p);
    let Some(fields) = profile.get("resources").and_then(|f| f.map(p)) else {
        return;
    };
    fields.check(RESOURCES, p);
    let inner = |name: &str, table: Table, value: &str, p: &mut Problems| {
        let inner = fields.get(name)?.map(p)?;
        inner.check(table, p);
        inner.get(value)
    };
    w.resources.cpus_min = inner("cpu", CPU, "units", p).and_then(|f| quantity::cpus(&f, p));
    w.resources.memory_gb_min =
        inner("memory", MEMORY, "size", p).and_then(|f| quantity::gigabytes(&f, p));
    if let Some(f) = fields.get("storage") {
        let sizes = f.list_or_one(p);
        let total: u32 = sizes
            .iter()
            .filter_map(|f| storage(f, p))
            .fold(0, u32::saturating_add);
        w.resources.disk_gb_min = Some(total).filter(|n| *n > 0);
    }
    if let Some(f) = fields.get("gpu") {
        gpus(&f, w, p);
    }
}

/// GB on disk of one volume; a volume in memory takes none.
fn storage(field: &Field<'_>, p: &mut Problems) -> Option<u32> {
    if !field.is_map() {
        return quantity::gigabytes(field, p);
    }
    let fields = field.map(p)?;
    fields.check(STORAGE, p);
    let kind = fields.get("attributes").and_then(|f| f.map(p));
    if let Some(kind) = &kind {
        kind.check(KIND, p);
        if kind.get("class").and_then(|f| f.text(p)) == Some("ram") {
            return None;
        }
        if let Some(f) = kind.get("persistent")
            && f.boolean(p) == Some(true)
        {
            p.note(
                &f,
                "the folder is on the rented machine: it starts empty and is gone with it",
            );
        }
    }
    quantity::gigabytes(&fields.get("size")?, p)
}

fn gpus(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    fields.check(GPU, p);
    let units = fields.get("units");
    let count = units
        .as_ref()
        .and_then(|f| gpu::gpus(f.text(p)?, f, p))
        .unwrap_or(0);
    w.resources.gpus_per_node = count;
    if count == 0 {
        return;
    }
    w.resources.gpu = GpuNeed::AnyWithVram { vram_gb_min: 0 };
    let attributes = fields.get("attributes").and_then(|f| f.map(p));
    if let Some(attributes) = &attributes {
        attributes.check(VENDORS, p);
    }
    let vendors = attributes
        .and_then(|a| a.get("vendor"))
        .and_then(|f| f.map(p));
    let mut choices = Vec::new();
    for (vendor, f) in vendors.iter().flat_map(|v| v.iter()) {
        if vendor != "nvidia" {
            p.unsupported(
                &f,
                "neither network rents such accelerators",
                "use `nvidia`",
            );
        }
        if f.node.is_null() {
            continue;
        }
        for item in f.list(p) {
            choices.extend(model(&item, p));
        }
    }
    if !choices.is_empty() {
        w.resources.gpu = GpuNeed::Named { choices };
    }
}

/// One acceptable card; `*` accepts any.
fn model(field: &Field<'_>, p: &mut Problems) -> Option<tandem_model::workload::GpuChoice> {
    let fields = field.map(p)?;
    fields.check(MODEL, p);
    let memory = fields.get("ram").and_then(|f| {
        let text = f.text(p)?;
        let bounds = units::bounds(text, units::size_gb);
        if bounds.is_none() {
            p.invalid(&f, format!("`{}` is not a memory such as 80Gi", f.shown()));
        }
        bounds
    });
    let name = fields.get("model");
    match name.as_ref().and_then(|f| f.text(p)) {
        Some("*") | None => {
            let any = Bounds {
                min: Some(0),
                max: None,
            };
            Some(gpu::choice_in_range(memory.unwrap_or(any), "any"))
        }
        Some(text) => gpu::choice(text, memory, name.as_ref()?, p),
    }
}
