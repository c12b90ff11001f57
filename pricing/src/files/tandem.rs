//! Our own workload file; `docs/workload-file.md` describes every field.

use tandem_model::workload::{
    BucketMount, Checkpoints, CodeSource, GpuNeed, NODES_MAX, SourceFormat, Tier, Workload,
    WorkloadClass, WorkloadKind,
};

use super::cursor::Meaning::Used;
use super::cursor::{Field, Fields, Table};
use super::draft;
use super::gpu;
use super::limits;
use super::problem::Problems;
use super::units::{Bounds, size_gb};

const FILE: Table = &[
    ("tandem", Used),
    ("name", Used),
    ("kind", Used),
    ("class", Used),
    ("tier", Used),
    ("image", Used),
    ("setup", Used),
    ("run", Used),
    ("env", Used),
    ("secrets", Used),
    ("secrets_on_consumer", Used),
    ("resources", Used),
    ("port", Used),
    ("replicas", Used),
    ("readiness_path", Used),
    ("working_dir", Used),
    ("code", Used),
    ("buckets", Used),
    ("checkpoints", Used),
    ("preemptible", Used),
    ("exclusive", Used),
    ("probe_while_running", Used),
    ("limits", Used),
];
const RESOURCES: Table = &[
    ("gpu", Used),
    ("gpus_per_node", Used),
    ("nodes", Used),
    ("cpus_min", Used),
    ("memory_gb_min", Used),
    ("disk_gb_min", Used),
    ("fast_interconnect", Used),
];
const CODE: Table = &[("path", Used), ("from", Used), ("git", Used)];
const BUCKET: Table = &[("path", Used), ("source", Used), ("writable", Used)];
const CHECKPOINTS: Table = &[("interval_seconds", Used)];
/// Most replicas of a service.
const REPLICAS_MAX: u64 = 100;
/// Shortest and longest time between two checkpoint uploads, in seconds.
const CHECKPOINT_SECONDS: (u64, u64) = (10, 86_400);
/// Version of the format.
const VERSION: u64 = 1;

/// Reads our own format.
pub(super) fn read(root: &Field<'_>, p: &mut Problems) -> Option<Workload> {
    let file = root.map(p)?;
    file.check(FILE, p);
    let mut w = draft::empty(SourceFormat::Tandem, "workload");
    if let Some(f) = file.get("tandem") {
        f.integer(VERSION, VERSION, p);
    }
    match file.get("name") {
        Some(f) => w.name = draft::name(&f, true, p).unwrap_or_default(),
        None => p.missing(root, "name", "a workload needs a name"),
    }
    what_it_is(&file, &mut w, p);
    what_runs(&file, &mut w, p);
    if let Some(f) = file.get("resources") {
        resources(&f, &mut w, p);
    }
    where_data_lies(&file, &mut w, p);
    if let Some(f) = file.get("limits") {
        w.limits = limits::read(&f, p);
    }
    draft::close(&w, root, p);
    Some(w)
}

fn what_it_is(file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    if let Some(f) = file.get("kind") {
        w.kind = match f.word(&["job", "service"], p) {
            Some("service") => WorkloadKind::Service,
            _ => WorkloadKind::Job,
        };
    }
    if let Some(f) = file.get("class") {
        let names = WorkloadClass::ALL.map(WorkloadClass::as_str);
        w.class = f.word(&names, p).and_then(WorkloadClass::parse);
    }
    if let Some(f) = file.get("tier") {
        w.tier = f
            .word(&Tier::ALL.map(Tier::as_str), p)
            .and_then(Tier::parse);
    }
    let flag = |name: &str, p: &mut Problems| file.get(name).and_then(|f| f.boolean(p));
    w.preemptible = flag("preemptible", p).unwrap_or(false);
    w.exclusive = flag("exclusive", p).unwrap_or(false);
    w.probe_while_running = flag("probe_while_running", p).unwrap_or(false);
    w.secrets_on_consumer = flag("secrets_on_consumer", p).unwrap_or(false);
    if let Some(f) = file.get("checkpoints") {
        w.checkpoints = checkpoints(&f, p);
    }
    w.exclusive |= w.checkpoints == Checkpoints::Customer;
}

fn checkpoints(field: &Field<'_>, p: &mut Problems) -> Checkpoints {
    if !field.is_map() {
        return match field.word(&["none", "customer"], p) {
            Some("customer") => Checkpoints::Customer,
            _ => Checkpoints::None,
        };
    }
    let (min, max) = CHECKPOINT_SECONDS;
    let interval = field.map(p).and_then(|fields| {
        fields.check(CHECKPOINTS, p);
        let given = fields.get("interval_seconds");
        if given.is_none() {
            p.missing(field, "interval_seconds", "10 to 86400 seconds belong here");
        }
        given?.integer(min, max, p)
    });
    Checkpoints::Agent {
        interval_seconds: interval.and_then(|n| u32::try_from(n).ok()).unwrap_or(600),
    }
}

fn what_runs(file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    w.image = file.get("image").and_then(|f| draft::image(&f, p));
    w.setup = draft::script(file, "setup", p);
    w.run = draft::script(file, "run", p).unwrap_or_default();
    w.working_dir = file
        .get("working_dir")
        .and_then(|f| draft::reference(&f, p));
    w.port = file.get("port").and_then(|f| draft::port(&f, p));
    w.readiness_path = file
        .get("readiness_path")
        .and_then(|f| draft::readiness(&f, p));
    if let Some(f) = file.get("replicas") {
        let n = f.integer(1, REPLICAS_MAX, p).unwrap_or(1);
        w.replicas = u16::try_from(n).unwrap_or(1);
    }
    if let Some(env) = file.get("env").and_then(|f| f.map(p)) {
        for (name, f) in env.iter() {
            if let Some(value) = f.text(p) {
                draft::set_env(w, name, value, &f, p);
            }
        }
    }
    for f in file.get("secrets").map(|f| f.list(p)).unwrap_or_default() {
        if let Some(name) = f.text(p) {
            draft::add_secret(w, name, &f, p);
        }
    }
}

fn resources(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    fields.check(RESOURCES, p);
    let number = |name: &str, max: u64, p: &mut Problems| {
        fields.get(name).and_then(|f| f.integer(1, max, p))
    };
    let r = &mut w.resources;
    r.cpus_min = number("cpus_min", 1_024, p).and_then(|n| u16::try_from(n).ok());
    r.memory_gb_min = number("memory_gb_min", 65_536, p).and_then(|n| u32::try_from(n).ok());
    r.disk_gb_min = number("disk_gb_min", 1_000_000, p).and_then(|n| u32::try_from(n).ok());
    r.nodes = number("nodes", u64::from(NODES_MAX), p)
        .and_then(|n| u16::try_from(n).ok())
        .unwrap_or(1);
    r.fast_interconnect = fields
        .get("fast_interconnect")
        .and_then(|f| f.boolean(p))
        .unwrap_or(false);
    if let Some(f) = fields.get("gpu") {
        r.gpu = gpu_need(&f, p);
        r.gpus_per_node = u16::from(r.gpu != GpuNeed::None);
    }
    if let Some(f) = fields.get("gpus_per_node") {
        let count = f.text(p).and_then(|t| gpu::gpus(t, &f, p));
        if count.is_some_and(|n| (n == 0) != (r.gpu == GpuNeed::None)) {
            p.invalid(&f, "0 goes with `gpu: none`, anything else with a GPU");
        }
        r.gpus_per_node = count.unwrap_or(r.gpus_per_node);
    }
}

fn gpu_need(field: &Field<'_>, p: &mut Problems) -> GpuNeed {
    if !field.is_list() {
        match field.text(p).unwrap_or_default() {
            "none" => return GpuNeed::None,
            "any" => return GpuNeed::AnyWithVram { vram_gb_min: 0 },
            text => {
                if let Some(size) = text.strip_prefix("any:") {
                    let min = size_gb(size);
                    if min.is_none() {
                        p.invalid(field, "`any:` is followed by a size such as 24GB");
                    }
                    return gpu::any_in_range(Bounds { min, max: None }, text);
                }
            }
        }
    }
    let items = field.list_or_one(p);
    if items.is_empty() {
        p.invalid(field, "at least one GPU belongs here");
    }
    let choices = items
        .iter()
        .filter_map(|f| f.text(p).and_then(|name| gpu::choice(name, None, f, p)))
        .collect();
    GpuNeed::Named { choices }
}

fn where_data_lies(file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    for f in file.get("code").map(|f| f.list(p)).unwrap_or_default() {
        let Some(item) = f.map(p) else { continue };
        item.check(CODE, p);
        let path = item.get("path").and_then(|f| draft::reference(&f, p));
        let from = item.get("from").and_then(|f| draft::reference(&f, p));
        let git = item.get("git").and_then(|f| draft::reference(&f, p));
        let source = match (from, git) {
            (Some(from), None) => CodeSource::LocalPath(from),
            (None, Some(url)) => CodeSource::Git(url),
            _ => {
                p.invalid(&f, "exactly one of `from` and `git` belongs here");
                continue;
            }
        };
        w.code.push((path.unwrap_or_else(|| ".".into()), source));
    }
    for f in file.get("buckets").map(|f| f.list(p)).unwrap_or_default() {
        let Some(item) = f.map(p) else { continue };
        item.check(BUCKET, p);
        let path = item.get("path").and_then(|f| draft::reference(&f, p));
        let source = item.get("source").and_then(|f| draft::reference(&f, p));
        let writable = item
            .get("writable")
            .and_then(|f| f.boolean(p))
            .unwrap_or(false);
        match (path, source) {
            (Some(path), Some(source)) => w.buckets.push(BucketMount {
                path,
                source,
                writable,
            }),
            _ => p.invalid(&f, "`path` and `source` belong here"),
        }
    }
}
