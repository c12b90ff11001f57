//! Kubeflow's training jobs: PyTorchJob (`kubeflow.org/v1`) and TrainJob
//! (`trainer.kubeflow.org/v1alpha1`). Their pods are the nodes of one run, and each finds what the
//! operators set for PyTorch (`RANK`, `WORLD_SIZE`, `MASTER_ADDR`, `PET_…`).

use tandem_model::workload::{NODES_MAX, Workload};

use crate::files::cursor::Meaning::Used;
use crate::files::cursor::{Field, Table};
use crate::files::problem::Problems;
use crate::files::{argv, draft};

use super::beside::Beside;
use super::tables::{PYTORCH_JOB, REPLICA, RUN_POLICY, TRAIN_JOB, TRAINER};
use super::{accelerator, env, pod};

/// Processes of a node, in torchrun's own variable.
const PROCESSES: &str = "PET_NPROC_PER_NODE";
const RUNTIME: Table = &[("name", Used), ("kind", Used), ("apiGroup", Used)];
/// The runtime whose image and variables are known here.
const TORCH_RUNTIME: &str = "torch-distributed";
/// Nodes that are assumed for the classifier where the file leaves the number open.
const NODES_OPEN: u16 = 2;

/// Number of nodes; where it cannot be read the classifier still sees that there are several.
fn nodes(field: &Field<'_>, p: &mut Problems) -> u16 {
    match field.integer(1, u64::from(NODES_MAX), p) {
        Some(n) => u16::try_from(n).unwrap_or(NODES_MAX),
        None => NODES_OPEN,
    }
}

/// `auto`, `gpu`, `cpu` or a number of processes.
fn processes(field: Option<&Field<'_>>, w: &mut Workload, p: &mut Problems) {
    let text = field.and_then(|f| f.text(p)).unwrap_or("auto");
    match field {
        Some(f) if !matches!(text, "auto" | "gpu" | "cpu") => {
            f.integer(1, 1_024, p);
        }
        _ => {}
    }
    w.env
        .entry(PROCESSES.into())
        .or_insert_with(|| text.to_owned());
}

/// A PyTorchJob; Master and Worker must run the same.
pub(super) fn pytorch_job(
    spec: &Field<'_>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let Some(fields) = spec.map(p) else { return };
    fields.check(PYTORCH_JOB, p);
    let groups = fields.get("pytorchReplicaSpecs");
    let Some(groups) = groups.as_ref().and_then(|f| f.map(p)) else {
        p.missing(spec, "pytorchReplicaSpecs", "Master or Worker belongs here");
        return;
    };
    let base = w.clone();
    let mut read: Option<Workload> = None;
    let mut total = 0_u16;
    for (name, f) in groups.iter() {
        if !matches!(name, "Master" | "Worker") {
            p.unknown(&f, None);
            continue;
        }
        let Some(group) = f.map(p) else { continue };
        group.check(REPLICA, p);
        total += group.get("replicas").map_or(1, |f| nodes(&f, p));
        let mut own = base.clone();
        match group.get("template") {
            Some(template) => {
                pod::template(&template, beside, &mut own, p);
            }
            None => p.missing(&f, "template", "the pod belongs here"),
        }
        match &read {
            Some(first) if *first != own => p.unsupported(
                &f,
                "Master and Worker run different things, and every node runs the same",
                "give both the same image, command, variables and resources",
            ),
            _ => read = Some(own),
        }
    }
    *w = read.unwrap_or(base);
    w.resources.nodes = total.clamp(1, NODES_MAX);
    if total > NODES_MAX {
        p.too_large(spec, format!("more than {NODES_MAX} nodes"));
    }
    processes(fields.get("nprocPerNode").as_ref(), w, p);
    if let Some(policy) = fields.get("runPolicy").and_then(|f| f.map(p)) {
        policy.check(RUN_POLICY, p);
        if let Some(f) = policy.get("activeDeadlineSeconds") {
            pod::deadline(&f, w, p);
        }
    }
}

/// A TrainJob: its `trainer` over the image of a runtime.
pub(super) fn train_job(spec: &Field<'_>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = spec.map(p) else { return };
    fields.check(TRAIN_JOB, p);
    if let Some(f) = fields.get("activeDeadlineSeconds") {
        pod::deadline(&f, w, p);
    }
    let trainer = fields.get("trainer");
    let image = trainer.as_ref().and_then(|t| t.node.get("image"));
    runtime(fields.get("runtimeRef").as_ref(), image.is_some(), p);
    let Some(own) = trainer.as_ref().and_then(|f| f.map(p)) else {
        p.missing(
            spec,
            "trainer",
            "the image and command of the training belong here",
        );
        return;
    };
    own.check(TRAINER, p);
    w.image = own.get("image").and_then(|f| draft::image(&f, p));
    if let Some(f) = own.get("env") {
        env::read(&f, beside, w, p);
    }
    let (command, args) = (own.get("command"), own.get("args"));
    argv::entry(command.as_ref(), args.as_ref(), w, p);
    if let Some(f) = own.get("resourcesPerNode") {
        accelerator::resources(&f, w, p);
    }
    w.resources.nodes = own.get("numNodes").map_or(1, |f| nodes(&f, p));
    processes(own.get("numProcPerNode").as_ref(), w, p);
}

/// Only PyTorch's own runtime is known; others must name their image.
fn runtime(field: Option<&Field<'_>>, image: bool, p: &mut Problems) {
    let Some(field) = field else { return };
    let Some(fields) = field.map(p) else { return };
    fields.check(RUNTIME, p);
    let Some(f) = fields.get("name") else { return };
    let name = f.text(p).unwrap_or_default();
    if name == TORCH_RUNTIME {
        p.note(
            &f,
            "the variables of this runtime are set; its image is the default one here",
        );
    } else if image {
        p.note(
            &f,
            "of a runtime, only the variables of torch-distributed are set",
        );
    } else {
        p.unsupported(
            &f,
            "the image of this runtime is not known here",
            "name it under `trainer.image`",
        );
    }
}
