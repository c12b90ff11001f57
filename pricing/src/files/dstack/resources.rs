//! The `resources` section of a dstack configuration, with its many spellings of GPUs.

use tandem_model::gpu::GpuModel;
use tandem_model::workload::{GpuChoice, GpuNeed, Workload};

use crate::files::cursor::Meaning::{Note, Refused, Used};
use crate::files::cursor::{Field, Fields, Table};
use crate::files::problem::Problems;
use crate::files::units::{self, Bounds};
use crate::files::{draft, gpu};

const RESOURCES: Table = &[
    ("cpu", Used),
    ("memory", Used),
    ("gpu", Used),
    ("disk", Used),
    (
        "shm_size",
        Note("containers on machines share the host's memory; others keep the network's default"),
    ),
];
const GPU: Table = &[
    ("vendor", Used),
    ("name", Used),
    ("count", Used),
    ("memory", Used),
    ("compute_capability", Used),
    (
        "total_memory",
        Refused(
            "memory over all GPUs is not a filter",
            "use `memory` and `count`",
        ),
    ),
];
const CPU: Table = &[("arch", Used), ("count", Used)];
const DISK: Table = &[("size", Used)];
const RANGE: Table = &[
    ("min", Used),
    ("max", Note("only the lower end is asked for")),
];
const VENDORS: [&str; 8] = [
    "nvidia",
    "amd",
    "google",
    "tpu",
    "intel",
    "habana",
    "tenstorrent",
    "furiosa",
];

/// What was said about GPUs, before it becomes a need.
#[derive(Default)]
struct Spec<'a> {
    vendor: Option<String>,
    names: Vec<(String, Field<'a>)>,
    memory: Option<(Bounds, String)>,
    count: Option<u16>,
    capability: Option<(u8, u8)>,
}

/// Reads `resources`.
pub(super) fn read(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    fields.check(RESOURCES, p);
    if let Some(f) = fields.get("cpu") {
        w.resources.cpus_min = cpus(&f, p);
    }
    if let Some(f) = fields.get("memory") {
        w.resources.memory_gb_min = size(&f, p);
    }
    if let Some(f) = fields.get("disk") {
        let inner = if f.is_map() {
            f.map(p).and_then(|disk| {
                disk.check(DISK, p);
                disk.get("size")
            })
        } else {
            Some(f)
        };
        w.resources.disk_gb_min = inner.and_then(|f| size(&f, p));
    }
    if let Some(f) = fields.get("gpu") {
        let spec = if f.is_map() {
            from_map(&f, p)
        } else {
            from_text(&f, p)
        };
        need(spec, &f, w, p);
    }
}

/// A size or a range of sizes, also as a mapping with `min` and `max`.
fn size(field: &Field<'_>, p: &mut Problems) -> Option<u32> {
    if field.is_map() {
        let range = range(field, p)?;
        return range.get("min").and_then(|f| draft::size_min(&f, p));
    }
    draft::size_min(field, p)
}

/// A mapping with `min` and `max`, of which the lower end counts.
fn range<'a>(field: &Field<'a>, p: &mut Problems) -> Option<Fields<'a>> {
    let fields = field.map(p)?;
    fields.check(RANGE, p);
    Some(fields)
}

/// `8`, `8..`, `x86:8..` or a mapping.
fn cpus(field: &Field<'_>, p: &mut Problems) -> Option<u16> {
    let mut arch = None;
    let mut inner = Some(field.clone());
    if field.is_map() {
        let fields = field.map(p)?;
        let table = if fields.get("min").or(fields.get("max")).is_some() {
            RANGE
        } else {
            CPU
        };
        fields.check(table, p);
        arch = fields
            .get("arch")
            .and_then(|f| f.text(p).map(str::to_owned));
        inner = fields.get("count").or_else(|| fields.get("min"));
        if let Some(f) = inner.as_ref().filter(|f| f.is_map()) {
            inner = range(f, p)?.get("min");
        }
    }
    let inner = inner?;
    let text = inner.text(p)?;
    let count = match text.split_once(':') {
        Some((named, count)) => {
            arch = Some(named.to_owned());
            count
        }
        None => text,
    };
    if arch.is_some_and(|a| a.eq_ignore_ascii_case("arm")) {
        p.unsupported(
            field,
            "hosts are x86 on these networks",
            "use images for x86",
        );
    }
    match units::bounds(count, units::count) {
        Some(bounds) => bounds.min.and_then(|n| u16::try_from(n).ok()),
        None => {
            p.invalid(
                field,
                format!("`{}` is not a number of CPUs", inner.shown()),
            );
            None
        }
    }
}

fn is_vendor(token: &str) -> bool {
    VENDORS.iter().any(|v| v.eq_ignore_ascii_case(token))
}

/// Tokens joined by colons, in any order: vendor, names, memory, count.
fn from_text<'a>(field: &Field<'a>, p: &mut Problems) -> Spec<'a> {
    let mut spec = Spec::default();
    let text = field.text(p).unwrap_or_default().replace(' ', "");
    for token in text.split(':') {
        let first = token.chars().next().unwrap_or(' ');
        if token.is_empty() {
            p.invalid(field, format!("`{}` has an empty part", field.shown()));
        } else if is_vendor(token) {
            spec.vendor = Some(token.to_ascii_lowercase());
        } else if first.is_ascii_alphabetic() {
            let names = token.split(',').map(|n| (n.to_owned(), field.clone()));
            spec.names.extend(names);
        } else if token.chars().any(|c| c.is_ascii_alphabetic()) {
            memory(token, field, &mut spec, p);
        } else {
            spec.count = gpu::gpus_of_range(token, field, p);
        }
    }
    spec
}

fn memory(text: &str, field: &Field<'_>, spec: &mut Spec<'_>, p: &mut Problems) {
    match units::bounds(text, units::size_gb) {
        Some(bounds) => spec.memory = Some((bounds, text.to_owned())),
        None => p.invalid(
            field,
            format!("`{text}` is not a GPU memory such as 24GB or 24GB..80GB"),
        ),
    }
}

fn from_map<'a>(field: &Field<'a>, p: &mut Problems) -> Spec<'a> {
    let mut spec = Spec::default();
    let Some(fields) = field.map(p) else {
        return spec;
    };
    fields.check(GPU, p);
    spec.vendor = fields
        .get("vendor")
        .and_then(|f| f.text(p).map(str::to_ascii_lowercase));
    for f in fields
        .get("name")
        .map(|f| f.list_or_one(p))
        .unwrap_or_default()
    {
        let names = f.text(p).unwrap_or_default().split(',');
        spec.names
            .extend(names.map(|n| (n.trim().to_owned(), f.clone())));
    }
    if let Some(f) = fields.get("memory") {
        if f.is_map() {
            spec.memory = memory_range(&f, p);
        } else if let Some(text) = f.text(p) {
            memory(text, &f, &mut spec, p);
        }
    }
    if let Some(f) = fields.get("count") {
        spec.count = if f.is_map() {
            let range = range(&f, p);
            range
                .and_then(|m| m.get("min"))
                .and_then(|f| gpu::gpus(f.text(p)?, &f, p))
        } else {
            f.text(p).and_then(|text| gpu::gpus_of_range(text, &f, p))
        };
    }
    if let Some(f) = fields.get("compute_capability") {
        spec.capability = f.text(p).and_then(capability);
        if spec.capability.is_none() {
            p.invalid(
                &f,
                format!("`{}` is not a compute capability such as 8.0", f.shown()),
            );
        }
    }
    spec
}

/// `min` and `max` of a card's memory; both ends count.
fn memory_range(field: &Field<'_>, p: &mut Problems) -> Option<(Bounds, String)> {
    let fields = field.map(p)?;
    fields.check(&[("min", Used), ("max", Used)], p);
    let end = |name: &str, p: &mut Problems| {
        let f = fields.get(name)?;
        draft::size_min(&f, p)
    };
    let (min, max) = (end("min", p), end("max", p));
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        p.invalid(field, "`min` is greater than `max`");
        return None;
    }
    Some((Bounds { min, max }, "memory".into()))
}

fn capability(text: &str) -> Option<(u8, u8)> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn need(spec: Spec<'_>, field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let count = spec.count.unwrap_or(1);
    w.resources.gpus_per_node = count;
    if count == 0 {
        return;
    }
    let bounds = spec.memory.as_ref().map(|(bounds, _)| *bounds);
    if spec.vendor.as_deref().is_some_and(|v| v != "nvidia") {
        p.note(
            field,
            "both networks rent NVIDIA cards only, so no offer can match",
        );
        let name = spec
            .names
            .first()
            .map_or_else(|| field.shown(), |(n, _)| n.clone());
        w.resources.gpu = GpuNeed::Named {
            choices: vec![GpuChoice {
                name,
                models: Vec::new(),
            }],
        };
        return;
    }
    w.resources.gpu = if spec.names.is_empty() {
        match &spec.memory {
            Some((bounds, written)) => gpu::any_in_range(*bounds, written),
            None => GpuNeed::AnyWithVram { vram_gb_min: 0 },
        }
    } else {
        let named = spec
            .names
            .iter()
            .filter_map(|(name, f)| gpu::choice(name, bounds, f, p));
        GpuNeed::Named {
            choices: named.collect(),
        }
    };
    if let Some(least) = spec.capability {
        keep_capable(&mut w.resources.gpu, least);
    }
}

/// Narrows a need to cards of at least this compute capability.
fn keep_capable(need: &mut GpuNeed, least: (u8, u8)) {
    let fits = |m: &GpuModel| m.facts().compute_capability >= least;
    match need {
        GpuNeed::None => {}
        GpuNeed::AnyWithVram { vram_gb_min } => {
            let least_vram = *vram_gb_min;
            let models = GpuModel::all().filter(|m| fits(m) && m.facts().vram_gb >= least_vram);
            *need = GpuNeed::Named {
                choices: vec![GpuChoice {
                    name: format!("compute capability {}.{}", least.0, least.1),
                    models: models.collect(),
                }],
            };
        }
        GpuNeed::Named { choices } => {
            for choice in choices {
                choice.models.retain(fits);
            }
        }
    }
}
