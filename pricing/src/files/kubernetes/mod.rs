//! Kubernetes manifests: one workload among the documents of a file, and what stands beside it.
//!
//! Pods, Jobs, Deployments, Ray's jobs and clusters, and Kubeflow's training jobs become workloads.
//! Fields follow the API reference of Kubernetes 1.33 (kubernetes.io/docs/reference/kubernetes-api),
//! KubeRay's `ray.io/v1` and Kubeflow's `kubeflow.org/v1` and `trainer.kubeflow.org/v1alpha1`.

mod accelerator;
mod beside;
mod container;
mod env;
mod kubeflow;
mod plain;
mod pod;
mod ray;
mod ray_groups;
mod tables;
mod volume;

use tandem_model::workload::{SourceFormat, Workload};

use super::cursor::{Field, Fields};
use super::draft;
use super::problem::Problems;
use super::tree::Node;
use beside::Beside;
use tables::{METADATA, OBJECT};

/// Kinds that become workloads, and how their `apiVersion` begins; what usually helps others first.
const KINDS: [(&str, &str); 7] = [
    ("Pod", "v1"),
    ("Deployment", "apps/"),
    ("Job", "batch/"),
    ("RayCluster", "ray.io/"),
    ("RayJob", "ray.io/"),
    ("PyTorchJob", "kubeflow.org/"),
    ("TrainJob", "trainer.kubeflow.org/"),
];

/// The name of an object's kind.
fn kind_of(node: &Node) -> &str {
    node.get("kind").and_then(Node::text).unwrap_or_default()
}

/// Whether an object is one of the kinds that become workloads.
fn is_workload(node: &Node) -> bool {
    let version = node.get("apiVersion").and_then(Node::text);
    let version = version.unwrap_or_default();
    KINDS
        .iter()
        .any(|(kind, group)| *kind == kind_of(node) && version.starts_with(group))
}

/// The document that a reader would call the workload of the file, as its position.
pub(super) fn main_document(roots: &[Node]) -> usize {
    let workloads = roots.iter().enumerate().filter(|(_, r)| is_workload(r));
    let rank = |node: &Node| {
        let kind = KINDS.iter().position(|(kind, _)| *kind == kind_of(node));
        (pod::mentions_gpu(node), kind)
    };
    // Of several, the one with GPUs; then the later in the list of kinds; then the first.
    let own = workloads
        .max_by_key(|(i, node)| (rank(node), std::cmp::Reverse(*i)))
        .map(|(i, _)| i);
    let other = || roots.iter().position(|r| !beside::is_known(kind_of(r)));
    own.or_else(other).unwrap_or(0)
}

/// Reads the workload of a file of Kubernetes objects.
pub(super) fn read(roots: &[Node], p: &mut Problems) -> Option<Workload> {
    let main = main_document(roots);
    let beside = Beside::read(roots, main, p);
    let node = roots.get(main)?;
    let root = Field::root(node);
    if !is_workload(node) {
        refuse_kind(&root, node, p);
        return None;
    }
    let object = root.map(p)?;
    object.check(OBJECT, p);
    let kind = kind_of(node);
    let mut w = draft::empty(SourceFormat::Kubernetes, &kind.to_ascii_lowercase());
    metadata(&object, &mut w, p);
    let Some(spec) = object.get("spec") else {
        p.missing(&root, "spec", "what runs belongs here");
        return None;
    };
    match kind {
        "Pod" => plain::pod(&spec, &beside, &mut w, p),
        "Job" => plain::job(&spec, &beside, &mut w, p),
        "Deployment" => plain::deployment(&spec, &beside, &mut w, p),
        "PyTorchJob" => kubeflow::pytorch_job(&spec, &beside, &mut w, p),
        "TrainJob" => kubeflow::train_job(&spec, &beside, &mut w, p),
        "RayJob" => ray::job(&spec, &beside, &mut w, p),
        _ => ray::cluster(&spec, &beside, &mut w, p),
    }
    draft::checkpoints_by_use(&mut w, &root, p);
    draft::close(&w, &root, p);
    Some(w)
}

fn refuse_kind(root: &Field<'_>, node: &Node, p: &mut Problems) {
    let kinds = KINDS.map(|(kind, _)| kind).join(", ");
    let mut unheard = Problems::default();
    let named = root.map(&mut unheard).and_then(|f| f.get("kind"));
    let kind: String = kind_of(node).chars().take(64).collect();
    p.unsupported(
        named.as_ref().unwrap_or(root),
        &format!(
            "objects of kind `{}` can be classified, but not submitted",
            kind.escape_debug()
        ),
        &format!("submit one of {kinds}"),
    );
}

fn metadata(object: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = object.get("metadata").and_then(|f| f.map(p)) else {
        return;
    };
    fields.check(METADATA, p);
    let name = fields.get("name").or_else(|| fields.get("generateName"));
    if let Some(name) = name.and_then(|f| f.text(p).and_then(draft::fitted_name)) {
        w.name = name;
    }
}
