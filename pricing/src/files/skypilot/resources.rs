//! The `resources` section of a SkyPilot task, with its many spellings of accelerators.

use tandem_model::workload::{GpuChoice, Workload};

use crate::files::cursor::Meaning::{Note, Refused, Used};
use crate::files::cursor::{Field, Fields, Table};
use crate::files::problem::Problems;
use crate::files::tree::Node;
use crate::files::{draft, gpu, units};

const TIER: &str = "disks of these networks have no tiers";
const PLACE: &str =
    "Tandem chooses the network and the place; limit countries in a file of our own form";

const RESOURCES: Table = &[
    ("accelerators", Used),
    ("any_of", Used),
    ("ordered", Used),
    ("use_spot", Used),
    ("cpus", Used),
    ("memory", Used),
    ("disk_size", Used),
    ("ephemeral_storage", Used),
    ("ports", Used),
    ("network_tier", Used),
    ("image_id", Used),
    ("max_hourly_cost", Used),
    ("instance_type", Used),
    ("cloud", Note(PLACE)),
    ("region", Note(PLACE)),
    ("zone", Note(PLACE)),
    ("infra", Note(PLACE)),
    ("disk_tier", Note(TIER)),
    ("local_disk", Note(TIER)),
    ("labels", Note("labels are not passed to the networks")),
    (
        "autostop",
        Note("a job ends with its command, and a service when it is stopped"),
    ),
    (
        "job_recovery",
        Note("Tandem recovers jobs by its own rules"),
    ),
    (
        "spot_recovery",
        Note("Tandem recovers jobs by its own rules"),
    ),
    ("priority", Note("jobs are not ordered by priority")),
    ("priority_class", Note("jobs are not ordered by priority")),
    (
        "accelerator_args",
        Refused("neither network rents TPUs", ""),
    ),
    (
        "volumes",
        Refused(
            "network volumes do not exist on these networks",
            "write checkpoints to TANDEM_CHECKPOINT_DIR",
        ),
    ),
    (
        "_no_missing_accel_warnings",
        Note("SkyPilot's own bookkeeping"),
    ),
    (
        "_docker_login_config",
        Refused(
            "credentials do not belong in a file",
            "give registry credentials at submission",
        ),
    ),
    ("_is_image_managed", Note("SkyPilot's own bookkeeping")),
    ("_requires_fuse", Note("SkyPilot's own bookkeeping")),
    (
        "_cluster_config_overrides",
        Note("SkyPilot's own bookkeeping"),
    ),
];

/// Fields of an alternative that change what is rented or run: there is one workload, so every
/// alternative must agree on them.
const SHARED: [&str; 7] = [
    "cpus",
    "memory",
    "disk_size",
    "ephemeral_storage",
    "network_tier",
    "ports",
    "image_id",
];

/// Reads `resources`, with its `any_of` and `ordered` alternatives.
pub(super) fn read(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(base) = field.map(p) else { return };
    let mut cards = Vec::new();
    one(&base, w, &mut cards, p);
    let mut cards_at = base.get("accelerators");
    let lists: Vec<_> = ["any_of", "ordered"]
        .iter()
        .filter_map(|n| base.get(n))
        .collect();
    if let [_, second] = lists.as_slice() {
        p.unsupported(
            second,
            "`any_of` and `ordered` do not go together",
            "keep one of them",
        );
    }
    if let Some(list) = lists.first() {
        let of_base = std::mem::take(&mut cards);
        let items = list.list(p);
        agree(&items, p);
        for item in items {
            let Some(alternative) = item.map(p) else {
                continue;
            };
            one(&alternative, w, &mut cards, p);
            cards_at = alternative.get("accelerators").or(cards_at);
            if alternative.get("accelerators").is_none() {
                cards.extend(
                    of_base
                        .iter()
                        .filter(|card| !cards.contains(card))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
            }
            nested(&alternative, p);
        }
    }
    if let Some(f) = cards_at
        && let Some((need, count)) = gpu::join(cards, &f, p)
    {
        w.resources.gpu = need;
        w.resources.gpus_per_node = count;
    }
    max_cost(&base, w, p);
}

/// Refuses alternatives that differ in what one workload can have only once.
fn agree(items: &[Field<'_>], p: &mut Problems) {
    for name in SHARED {
        let written: Vec<_> = items.iter().map(|item| item.node.get(name)).collect();
        let text = |node: Option<&Node>| node.map(|n| format!("{:?}", n.text()));
        let differs = written
            .iter()
            .position(|node| text(*node) != text(written[0]));
        if let Some(item) = differs.and_then(|at| items.get(at))
            && let Some(fields) = item.map(p)
        {
            let field = fields.get(name).unwrap_or_else(|| item.clone());
            p.unsupported(
                &field,
                &format!("alternatives that differ in `{name}` cannot be quoted as one workload"),
                "write it once, beside the list, or submit one file per alternative",
            );
        }
    }
}

/// Refuses what means something only beside the list of alternatives.
fn nested(alternative: &Fields<'_>, p: &mut Problems) {
    for name in ["any_of", "ordered", "max_hourly_cost"] {
        if let Some(f) = alternative.get(name) {
            p.unsupported(
                &f,
                "this is not understood inside an alternative",
                "write it beside the list",
            );
        }
    }
}

/// Reads one mapping: the base, or an alternative that overrides it.
fn one(fields: &Fields<'_>, w: &mut Workload, cards: &mut Vec<(GpuChoice, u16)>, p: &mut Problems) {
    fields.check(RESOURCES, p);
    if let Some(f) = fields.get("accelerators") {
        accelerators(&f, cards, p);
    }
    if let Some(f) = fields.get("use_spot") {
        w.preemptible |= f.boolean(p).unwrap_or(false);
    }
    if let Some(f) = fields.get("cpus") {
        let least = draft::count_min(&f, 1_024, p).and_then(|n| u16::try_from(n).ok());
        w.resources.cpus_min = least.or(w.resources.cpus_min);
    }
    if let Some(f) = fields.get("memory") {
        if f.text(p).is_some_and(|t| t.ends_with('x')) {
            p.unsupported(
                &f,
                "memory as a multiple of CPUs is not understood",
                "give GB, such as 32+",
            );
        } else {
            w.resources.memory_gb_min = draft::size_min(&f, p).or(w.resources.memory_gb_min);
        }
    }
    for name in ["disk_size", "ephemeral_storage"] {
        if let Some(f) = fields.get(name) {
            w.resources.disk_gb_min = draft::size_min(&f, p).or(w.resources.disk_gb_min);
        }
    }
    if let Some(f) = fields.get("network_tier") {
        w.resources.fast_interconnect |= f.word(&["standard", "best"], p) == Some("best");
    }
    if let Some(f) = fields.get("ports") {
        ports(&f, w, p);
    }
    if let Some(f) = fields.get("image_id") {
        image_id(&f, w, p);
    }
    match fields.get("instance_type") {
        Some(f) if fields.get("accelerators").is_some() => p.note(
            &f,
            "machine types of other clouds do not exist here; the accelerators decide",
        ),
        Some(f) => p.unsupported(
            &f,
            "machine types of other clouds do not exist here",
            "name the GPUs under `accelerators`",
        ),
        None => {}
    }
}

/// `A100:8`, `{A100: 8, H100: 8}`, `{L4, A10G}`, `[A100:8, H100:8]`, the text `{A100:1, L4:1}`, or
/// a memory such as `24GB+:2`.
fn accelerators(field: &Field<'_>, cards: &mut Vec<(GpuChoice, u16)>, p: &mut Problems) {
    if field.is_map() {
        let Some(fields) = field.map(p) else { return };
        for (name, f) in fields.iter() {
            let (name, in_key) = name.split_once(':').unwrap_or((name, "1"));
            let count = if f.node.is_null() {
                Some(in_key)
            } else {
                f.text(p)
            };
            add(name, count.unwrap_or("1"), &f, cards, p);
        }
        return;
    }
    for f in field.list_or_one(p) {
        let Some(text) = f.text(p) else { continue };
        let inner = text
            .trim()
            .trim_start_matches(['{', '['])
            .trim_end_matches(['}', ']']);
        for part in inner.split(',') {
            let part = part.trim().trim_matches(['\'', '"']);
            let (name, count) = match part.split_once(':') {
                Some((vendor, rest)) if vendor.eq_ignore_ascii_case("nvidia") => {
                    rest.split_once(':').unwrap_or((rest, "1"))
                }
                Some(pair) => pair,
                None => (part, "1"),
            };
            add(name, count, &f, cards, p);
        }
    }
}

fn add(
    name: &str,
    count: &str,
    f: &Field<'_>,
    cards: &mut Vec<(GpuChoice, u16)>,
    p: &mut Problems,
) {
    let count = gpu::gpus(count, f, p);
    if count == Some(0) {
        p.invalid(
            f,
            "at least one GPU belongs here; leave `accelerators` out for none",
        );
        return;
    }
    let by_memory = name.starts_with(|c: char| c.is_ascii_digit());
    let choice = match units::bounds(name, units::size_gb) {
        Some(bounds) if by_memory => Some(gpu::choice_in_range(bounds, name)),
        _ => gpu::choice(name, None, f, p),
    };
    if let (Some(choice), Some(count)) = (choice, count) {
        cards.push((choice, count));
    }
}

/// One port: `8080`, `"8080"` or `[8080]`.
fn ports(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let items = field.list_or_one(p);
    if let Some(second) = items.get(1) {
        p.unsupported(
            second,
            "one port is published",
            "keep the port that users reach",
        );
    }
    if let Some(f) = items.first() {
        if f.text(p)
            .is_some_and(|t| t.contains('-') && !t.starts_with('-'))
        {
            p.unsupported(
                f,
                "a range of ports cannot be published",
                "keep the port that users reach",
            );
            return;
        }
        w.port = draft::port(f, p);
    }
}

/// Container images only; machine images belong to clouds.
fn image_id(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    if field.is_map() {
        p.unsupported(
            field,
            "machine images of a cloud do not exist here",
            "use image_id: docker:IMAGE",
        );
        return;
    }
    let Some(text) = field.text(p) else { return };
    match text.strip_prefix("docker:") {
        Some(reference) => {
            let body = crate::files::tree::Body::Scalar(crate::files::tree::Scalar {
                text: reference.to_owned(),
                plain: true,
                block: false,
            });
            let node = Node {
                place: field.place,
                body,
            };
            let inner = Field {
                node: &node,
                path: field.path.clone(),
                place: field.place,
            };
            w.image = draft::image(&inner, p);
        }
        None => p.unsupported(
            field,
            "machine images of a cloud do not exist here",
            "use image_id: docker:IMAGE",
        ),
    }
}

fn max_cost(fields: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    if let Some(f) = fields.get("max_hourly_cost")
        && let Some(amount) = draft::usd(&f, p)
    {
        let nodes = i64::from(w.resources.nodes.max(1));
        let per_node = tandem_model::money::MicroUsd::new(amount.get() / nodes);
        w.limits.max_price_micro_usd =
            Some(draft::price_per_gpu(per_node, w.resources.gpus_per_node));
    }
}
