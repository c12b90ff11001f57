//! Groups of Ray nodes as nodes of one run. Every node of ours is alike, so a head without GPUs
//! shares the first machine with a worker, and groups that ask for different machines are refused.

use tandem_model::workload::{GpuNeed, NODES_MAX, Workload};

use crate::files::cursor::{Field, Fields};
use crate::files::problem::Problems;

use super::beside::Beside;
use super::pod;
use super::tables::RAY_GROUP;

/// A group that was read, and how many nodes it has.
struct Group {
    pod: Workload,
    nodes: u64,
}

/// Reads the head and the workers of a cluster into one workload.
pub(super) fn read(
    cluster: &Field<'_>,
    fields: &Fields<'_>,
    beside: &Beside<'_>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let Some(head_field) = fields.get("headGroupSpec") else {
        p.missing(
            cluster,
            "headGroupSpec",
            "the head of the cluster belongs here",
        );
        return;
    };
    let base = w.clone();
    let Some(head) = group(&head_field, &base, beside, p) else {
        return;
    };
    let mut workers: Vec<(Field<'_>, Group)> = Vec::new();
    let listed = fields.get("workerGroupSpecs").map(|f| f.list(p));
    for f in listed.unwrap_or_default() {
        if let Some(group) = group(&f, &base, beside, p) {
            workers.push((f, group));
        }
    }
    let with_gpus = |g: &Group| g.pod.resources.gpu != GpuNeed::None;
    let any_gpus = with_gpus(&head) || workers.iter().any(|(_, g)| with_gpus(g));
    let mut nodes = if any_gpus && !with_gpus(&head) { 0 } else { 1 };
    let mut main: Option<Workload> = (nodes == 1).then(|| head.pod.clone());
    for (f, group) in workers.iter().filter(|(_, g)| g.nodes > 0) {
        if any_gpus && !with_gpus(group) {
            p.note(
                f,
                "nodes without GPUs are left out: Ray finds the CPUs of the other nodes",
            );
            continue;
        }
        nodes += group.nodes;
        match &main {
            Some(first) if !alike(first, &group.pod) => p.unsupported(
                f,
                "nodes of different hardware or images are not rented as one run",
                "give every group the same image and GPUs",
            ),
            Some(_) => {}
            None => main = Some(group.pod.clone()),
        }
    }
    let mut found = main.unwrap_or_else(|| head.pod.clone());
    for (name, value) in head.pod.env {
        found.env.entry(name).or_insert(value);
    }
    found.secrets.extend(head.pod.secrets);
    found.secrets.sort();
    found.secrets.dedup();
    found.secrets.retain(|s| !found.env.contains_key(s));
    if nodes > u64::from(NODES_MAX) {
        p.too_large(cluster, format!("more than {NODES_MAX} nodes"));
    }
    found.resources.nodes = u16::try_from(nodes)
        .unwrap_or(NODES_MAX)
        .clamp(1, NODES_MAX);
    (found.run, found.image_args) = (String::new(), Vec::new());
    *w = found;
}

/// Ray starts itself in every container, so commands are no difference.
fn alike(a: &Workload, b: &Workload) -> bool {
    a.image == b.image
        && a.resources.gpu == b.resources.gpu
        && a.resources.gpus_per_node == b.resources.gpus_per_node
}

fn group(
    field: &Field<'_>,
    base: &Workload,
    beside: &Beside<'_>,
    p: &mut Problems,
) -> Option<Group> {
    let fields = field.map(p)?;
    fields.check(RAY_GROUP, p);
    let mut pod = base.clone();
    match fields.get("template") {
        Some(f) => {
            pod::template(&f, beside, &mut pod, p);
        }
        None => p.missing(field, "template", "the pod belongs here"),
    }
    let count = |name: &str, least: u64, p: &mut Problems| {
        let f = fields.get(name)?;
        f.integer(least, u64::from(NODES_MAX), p)
    };
    let nodes = count("replicas", 0, p).unwrap_or(1) * count("numOfHosts", 1, p).unwrap_or(1);
    if let Some(params) = fields.get("rayStartParams").and_then(|f| f.map(p)) {
        for (_, f) in params.iter() {
            p.note(&f, "Ray is started with the settings that the nodes need");
        }
    }
    Some(Group { pod, nodes })
}
