//! Which cards and how many: `resources` of a container and labels that select machines.

use tandem_model::workload::{GpuChoice, GpuNeed, Workload};

use crate::files::cursor::Meaning::{Note, Used};
use crate::files::cursor::{Field, Fields, Table};
use crate::files::problem::Problems;
use crate::files::{gpu, quantity};

const RESOURCES: Table = &[
    ("limits", Used),
    ("requests", Used),
    ("claims", Note("claims of devices have no meaning here")),
];

/// Labels whose value names a card: of GKE, NVIDIA's operator, EKS and CoreWeave.
const LABELS: [&str; 7] = [
    "cloud.google.com/gke-accelerator",
    "nvidia.com/gpu.product",
    "k8s.amazonaws.com/accelerator",
    "gpu.nvidia.com/model",
    "gpu.nvidia.com/class",
    "accelerator",
    "nvidia.com/gpu.family",
];
/// Labels that ask for capacity that may be taken away.
const SPOT: [&str; 3] = [
    "cloud.google.com/gke-spot",
    "cloud.google.com/gke-preemptible",
    "karpenter.sh/capacity-type",
];
/// Labels that choose a place or repeat what holds anyway.
const WITHOUT_EFFECT: [&str; 10] = [
    "kubernetes.io/os",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "cloud.google.com/gke-gpu-driver-version",
    "cloud.google.com/gke-ephemeral-storage-local-ssd",
    "cloud.google.com/compute-class",
    "cloud.google.com/machine-family",
    "cloud.google.com/gke-accelerator-count",
    "nvidia.com/gpu.present",
    "nvidia.com/gpu",
];
/// Resources that stand for a fast link between nodes.
const LINKS: [&str; 4] = [
    "rdma/",
    "vpc.amazonaws.com/efa",
    "hugepages-2Mi-rdma",
    "nvidia.com/hostdev",
];

/// Reads `resources` of a container.
pub(super) fn resources(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    fields.check(RESOURCES, p);
    // What is requested is the least; a limit stands in where nothing is requested.
    for name in ["limits", "requests"] {
        if let Some(f) = fields.get(name).and_then(|f| f.map(p)) {
            amounts(&f, w, p);
        }
    }
    if w.resources.gpus_per_node > 0 && w.resources.gpu == GpuNeed::None {
        w.resources.gpu = GpuNeed::AnyWithVram { vram_gb_min: 0 };
    }
}

fn amounts(fields: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    for (name, f) in fields.iter().filter(|(_, f)| !f.node.is_null()) {
        match name {
            "cpu" => w.resources.cpus_min = quantity::cpus(&f, p),
            "memory" => w.resources.memory_gb_min = quantity::gigabytes(&f, p),
            "ephemeral-storage" => w.resources.disk_gb_min = quantity::gigabytes(&f, p),
            "nvidia.com/gpu" => {
                let count = f.text(p).and_then(|t| gpu::gpus(t, &f, p));
                w.resources.gpus_per_node = count.unwrap_or(1);
            }
            _ if LINKS.iter().any(|l| name.starts_with(l)) => {
                w.resources.fast_interconnect |= f.node.text() != Some("0");
            }
            _ if name.starts_with("hugepages-") => {
                p.note(&f, "memory pages are those of the machine");
            }
            _ if name.contains("mig-") || name.contains("gpumem") => {
                p.unsupported(
                    &f,
                    "parts of a GPU are not rented",
                    "ask for nvidia.com/gpu",
                );
            }
            _ => p.unsupported(
                &f,
                "neither network rents such devices",
                "ask for nvidia.com/gpu",
            ),
        }
    }
}

/// Reads `nodeSelector`; labels that nobody else knows are refused.
pub(super) fn selector(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    for (label, f) in fields.iter() {
        if LABELS.contains(&label) {
            if label == "accelerator" && f.node.text().is_some_and(|t| t == "nvidia") {
                continue;
            }
            name(gpu::choice_of_label(&f, p), w);
        } else if SPOT.contains(&label) {
            w.preemptible |= matches!(f.text(p), Some("true" | "spot"));
        } else if WITHOUT_EFFECT.contains(&label) {
            p.note(&f, "Tandem chooses the machine");
        } else if label.ends_with("/arch") && f.node.text() == Some("amd64") {
            p.note(&f, "machines are x86-64");
        } else {
            p.unsupported(
                &f,
                "a label of another cluster cannot be honoured",
                "remove it; name the GPU by a label such as nvidia.com/gpu.product",
            );
        }
    }
}

/// Narrows a need of any card to one by name.
fn name(choice: Option<GpuChoice>, w: &mut Workload) {
    let Some(choice) = choice else { return };
    if w.resources.gpus_per_node > 0 {
        w.resources.gpu = GpuNeed::Named {
            choices: vec![choice],
        };
    }
}
