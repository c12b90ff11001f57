//! The fields of a dstack service: replicas and probes.

use tandem_model::workload::{Workload, WorkloadKind};

use crate::files::cursor::Meaning::{Note, Used};
use crate::files::cursor::{Field, Fields, Table};
use crate::files::draft;
use crate::files::problem::Problems;

const TIMING: &str = "the probe's timing is fixed";
const PROBE: Table = &[
    ("type", Used),
    ("url", Used),
    ("method", Used),
    ("body", Used),
    (
        "headers",
        Note("the readiness probe sends no headers of its own"),
    ),
    ("timeout", Note(TIMING)),
    ("interval", Note(TIMING)),
    ("ready_after", Note(TIMING)),
    ("until_ready", Note(TIMING)),
];

/// Most replicas of a service.
const REPLICAS_MAX: u32 = 100;

/// Reads what only services have.
pub(super) fn read(file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    w.kind = WorkloadKind::Service;
    if let Some(f) = file.get("replicas") {
        replicas(&f, w, p);
    }
    let probes = file.get("probes").map(|f| f.list(p)).unwrap_or_default();
    for (i, f) in probes.iter().enumerate() {
        if i > 0 {
            p.note(f, "one probe decides whether the service is ready");
        } else {
            probe(f, w, p);
        }
    }
}

fn replicas(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    if field.is_list() {
        p.unsupported(
            field,
            "groups of replicas with commands of their own cannot run as one service",
            "submit each group as a service of its own",
        );
        return;
    }
    let least = if field.is_map() {
        let range = field.map(p);
        if let Some(fields) = &range {
            fields.check(&[("min", Used), ("max", Used)], p);
        }
        range
            .and_then(|r| r.get("min"))
            .and_then(|f| draft::count_min(&f, REPLICAS_MAX, p))
    } else if field.text(p).is_some_and(|t| t.starts_with("0..")) {
        Some(1)
    } else {
        draft::count_min(field, REPLICAS_MAX, p)
    };
    w.replicas = least.and_then(|n| u16::try_from(n).ok()).unwrap_or(1);
    if field.is_map() || field.text(p).is_some_and(|t| t.contains("..")) {
        p.note(
            field,
            format!(
                "{} replicas run; the number is not changed by load",
                w.replicas
            ),
        );
    }
}

fn probe(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    fields.check(PROBE, p);
    if let Some(f) = fields.get("type") {
        f.word(&["http"], p);
    }
    let other_method = fields
        .get("method")
        .is_some_and(|f| f.text(p).is_some_and(|m| !m.eq_ignore_ascii_case("get")));
    if other_method || fields.get("body").is_some() {
        p.note(
            field,
            "only GET probes are sent; the service counts as ready when its port answers",
        );
        return;
    }
    w.readiness_path = match fields.get("url") {
        Some(f) => draft::readiness(&f, p),
        None => Some("/".into()),
    };
}
