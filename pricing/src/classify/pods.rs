//! How many pods with GPUs work together in one Kubernetes object.
//!
//! Kinds whose replicas form one run (Kubeflow's training jobs, Ray, Volcano, JobSet) count; the
//! replicas of a Deployment or an indexed Job work each for itself.

use tandem_model::workload::NODES_MAX;

use crate::files::tree::{Body, Node};
use crate::files::{Document, DocumentFormat};

/// Kinds whose pods form one run.
const TOGETHER: [&str; 9] = [
    "pytorchjob",
    "mpijob",
    "tfjob",
    "jaxjob",
    "paddlejob",
    "rayjob",
    "raycluster",
    "jobset",
    "leaderworkerset",
];

/// Pods that are assumed where a template leaves the number open.
const PODS_OPEN: u64 = 2;

/// Pods with GPUs of the first such object; 1 when there is none.
pub(super) fn together(document: &Document) -> u16 {
    if document.format != DocumentFormat::Kubernetes {
        return 1;
    }
    let counts = document
        .roots
        .iter()
        .filter(|root| is_one_run(root))
        .map(pods);
    let most = counts.max().unwrap_or(1);
    u16::try_from(most).unwrap_or(NODES_MAX).clamp(1, NODES_MAX)
}

fn is_one_run(root: &Node) -> bool {
    let of = |name: &str| root.get(name).and_then(Node::text).unwrap_or_default();
    let volcano = of("apiVersion").starts_with("batch.volcano.sh/") && of("kind") == "Job";
    let kind = of("kind").to_ascii_lowercase();
    volcano || TOGETHER.iter().any(|known| kind.ends_with(known))
}

/// Pods below a node: a group with a template of pods counts as often as it is repeated.
fn pods(node: &Node) -> u64 {
    let below = match &node.body {
        Body::Scalar(_) => return 0,
        Body::List(items) => items.iter().map(pods).sum(),
        Body::Map(entries) if node.get("containers").is_none() => {
            entries.iter().map(|(_, value)| pods(value)).sum()
        }
        Body::Map(_) => u64::from(asks_gpu(node)),
    };
    let times = ["replicas", "numOfHosts", "parallelism", "size"]
        .iter()
        .filter_map(|name| {
            let text = node.get(name)?.text()?;
            let open = text.starts_with(['$', '{', '<']);
            text.parse().ok().or(open.then_some(PODS_OPEN))
        })
        .fold(1, u64::saturating_mul);
    below.saturating_mul(times)
}

fn asks_gpu(node: &Node) -> bool {
    match &node.body {
        Body::Scalar(_) => false,
        Body::List(items) => items.iter().any(asks_gpu),
        Body::Map(entries) => entries.iter().any(|(key, value)| {
            key.text.ends_with("/gpu") && value.text() != Some("0") || asks_gpu(value)
        }),
    }
}
