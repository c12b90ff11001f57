//! Pods, Jobs and Deployments.

use tandem_model::workload::{NODES_MAX, Workload, WorkloadKind};

use crate::files::cursor::{Field, Fields};
use crate::files::problem::Problems;

use super::beside::Beside;
use super::tables::{DEPLOYMENT, JOB};
use super::{container, pod};

/// Most replicas of a service.
const REPLICAS_MAX: u64 = 100;
/// Most pods of a Job that are counted.
const PODS_MAX: u64 = 100_000;

/// A single pod: a service when it opens a port and is started again whenever it ends.
pub(super) fn pod(spec: &Field<'_>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    if let Some(container) = pod::read(spec, beside, w, p) {
        container::reached(&container, beside, w, p);
    }
    let again = spec
        .map(p)
        .and_then(|f| f.get("restartPolicy"))
        .and_then(|f| f.word(&["Always", "OnFailure", "Never"], p))
        .unwrap_or("Always");
    if again == "Always" && w.port.is_some() {
        w.kind = WorkloadKind::Service;
    }
}

/// A Job: all of its pods at once become the nodes of one run.
pub(super) fn job(spec: &Field<'_>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = spec.map(p) else { return };
    fields.check(JOB, p);
    template(spec, &fields, beside, w, p);
    if let Some(f) = fields.get("activeDeadlineSeconds") {
        pod::deadline(&f, w, p);
    }
    let count = |name: &str, p: &mut Problems| {
        let f = fields.get(name)?;
        f.integer(1, PODS_MAX, p)
    };
    let (completions, parallel) = (
        count("completions", p),
        count("parallelism", p).unwrap_or(1),
    );
    let all = completions.unwrap_or(parallel);
    let blamed = || {
        fields
            .get("completions")
            .or_else(|| fields.get("parallelism"))
    };
    let Some(field) = blamed().filter(|_| all > 1) else {
        return;
    };
    if all > parallel {
        p.unsupported(
            &field,
            &format!("{all} runs of which {parallel} go at a time are not queued"),
            "submit one job per index with JOB_COMPLETION_INDEX under `env`, or set `parallelism` to `completions`",
        );
    } else if all > u64::from(NODES_MAX) {
        p.too_large(&field, format!("more than {NODES_MAX} nodes"));
    } else {
        p.note(
            &field,
            format!("{all} pods become {all} nodes that run at the same time"),
        );
        w.resources.nodes = u16::try_from(all).unwrap_or(NODES_MAX);
    }
}

/// A Deployment: a service with its replicas.
pub(super) fn deployment(
    spec: &Field<'_>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let Some(fields) = spec.map(p) else { return };
    fields.check(DEPLOYMENT, p);
    w.kind = WorkloadKind::Service;
    template(spec, &fields, beside, w, p);
    if let Some(n) = fields
        .get("replicas")
        .and_then(|f| f.integer(1, REPLICAS_MAX, p))
    {
        w.replicas = u16::try_from(n).unwrap_or(1);
    }
}

fn template(
    spec: &Field<'_>,
    fields: &Fields<'_>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let Some(f) = fields.get("template") else {
        p.missing(spec, "template", "the pod belongs here");
        return;
    };
    if let Some(container) = pod::template(&f, beside, w, p) {
        container::reached(&container, beside, w, p);
    }
}
