//! A pod: one container with its volumes and the machine that it is meant for.

use tandem_model::workload::Workload;

use crate::files::cursor::{Field, Fields};
use crate::files::problem::Problems;
use crate::files::tree::{Body, Node};

use super::beside::Beside;
use super::tables::{POD, TEMPLATE};
use super::{accelerator, container, volume};

/// Most seconds that a limit of time can give: one year.
pub(super) const SECONDS_MAX: u64 = 31_536_000;

/// Reads a template of pods; gives its container.
pub(super) fn template<'a>(
    field: &Field<'a>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) -> Option<Fields<'a>> {
    let fields = field.map(p)?;
    fields.check(TEMPLATE, p);
    let spec = fields.get("spec");
    if spec.is_none() {
        p.missing(field, "spec", "the pod belongs here");
    }
    read(&spec?, beside, w, p)
}

/// Reads `spec` of a pod; gives its container.
pub(super) fn read<'a>(
    field: &Field<'a>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) -> Option<Fields<'a>> {
    let fields = field.map(p)?;
    fields.check(POD, p);
    let containers = fields
        .get("containers")
        .map(|f| f.list(p))
        .unwrap_or_default();
    let Some(main) = containers
        .iter()
        .find(|c| asks_gpu(c.node))
        .or(containers.first())
    else {
        p.missing(field, "containers", "a container belongs here");
        return None;
    };
    for other in containers.iter().filter(|c| c.path != main.path) {
        p.unsupported(
            other,
            "one container runs in a node",
            "put what it does into the image, or submit it by itself",
        );
    }
    let own = main.map(p);
    if let Some(own) = &own {
        container::read(main, own, beside, w, p);
    }
    let mounts = own.as_ref().and_then(|c| c.get("volumeMounts"));
    volume::read(&fields, mounts.as_ref(), beside, w, p);
    if let Some(f) = fields.get("nodeSelector") {
        accelerator::selector(&f, w, p);
    }
    if let Some(f) = fields.get("activeDeadlineSeconds") {
        deadline(&f, w, p);
    }
    place(&fields, p);
    own
}

/// A limit on the time that the work runs.
pub(super) fn deadline(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let seconds = field.integer(1, SECONDS_MAX, p);
    w.limits.max_duration_seconds = seconds.and_then(|n| u32::try_from(n).ok());
}

/// What would tie the pod to a machine.
fn place(fields: &Fields<'_>, p: &mut Problems) {
    for name in ["hostNetwork", "hostPID"] {
        if let Some(f) = fields.get(name)
            && f.boolean(p) == Some(true)
        {
            p.unsupported(
                &f,
                "a container does not share its machine's network or processes",
                "",
            );
        }
    }
    let Some(affinity) = fields.get("affinity").and_then(|f| f.map(p)) else {
        return;
    };
    for (name, f) in affinity.iter().filter(|(_, f)| !f.node.is_null()) {
        if name == "nodeAffinity" {
            p.unsupported(
                &f,
                "labels of another cluster's machines cannot be honoured",
                "name the GPU under `nodeSelector`, by a label such as nvidia.com/gpu.product",
            );
        } else {
            p.note(&f, "Tandem chooses the machine");
        }
    }
}

/// Whether a container asks for a GPU.
fn asks_gpu(container: &Node) -> bool {
    let resources = container.get("resources");
    ["limits", "requests"].iter().any(|part| {
        let asked = resources
            .and_then(|r| r.get(part))
            .and_then(|r| r.get("nvidia.com/gpu"));
        asked.and_then(Node::text).is_some_and(|n| n != "0")
    })
}

/// Whether a GPU of NVIDIA's is asked for anywhere below.
pub(super) fn mentions_gpu(node: &Node) -> bool {
    match &node.body {
        Body::Scalar(_) => false,
        Body::List(items) => items.iter().any(mentions_gpu),
        Body::Map(entries) => entries.iter().any(|(key, value)| {
            key.text == "nvidia.com/gpu" && value.text() != Some("0") || mentions_gpu(value)
        }),
    }
}
