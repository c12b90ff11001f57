//! What stands in a file beside the workload: settings that it reads, ports that point to it, and
//! objects of a cluster that are noted or refused by name.

use crate::files::cursor::{Field, Fields};
use crate::files::problem::Problems;
use crate::files::tree::Node;

use super::{is_workload, kind_of};

/// Objects that a cluster needs and we do not.
const WITHOUT_EFFECT: [&str; 22] = [
    "Namespace",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "Ingress",
    "Gateway",
    "HTTPRoute",
    "InferencePool",
    "NetworkPolicy",
    "PodMonitoring",
    "ServiceMonitor",
    "PodMonitor",
    "PriorityClass",
    "ResourceQuota",
    "LimitRange",
    "LocalQueue",
    "StorageClass",
    "RuntimeClass",
];
const VOLUMES: [&str; 2] = ["PersistentVolumeClaim", "PersistentVolume"];

/// Whether a kind is understood beside a workload, or refused there by name.
pub(super) fn is_known(kind: &str) -> bool {
    matches!(kind, "Service" | "ConfigMap" | "Secret")
        || VOLUMES.contains(&kind)
        || WITHOUT_EFFECT.contains(&kind)
}

/// The documents that the workload refers to.
pub(super) struct Beside<'a> {
    maps: Vec<(&'a str, Field<'a>)>,
    /// Ports, by number or name, that Services lead to.
    pub(super) target_ports: Vec<&'a str>,
}

impl<'a> Beside<'a> {
    /// Looks through all documents but the workload's own.
    pub(super) fn read(roots: &'a [Node], main: usize, p: &mut Problems) -> Self {
        let mut found = Self {
            maps: Vec::new(),
            target_ports: Vec::new(),
        };
        for (i, node) in roots.iter().enumerate().filter(|(i, _)| *i != main) {
            let mut root = Field::root(node);
            root.path = format!("documents[{i}]");
            let name = node.get("metadata").and_then(|m| m.get("name"));
            let name = name.and_then(Node::text).unwrap_or_default();
            match kind_of(node) {
                "ConfigMap" => found.maps.push((name, root)),
                "Service" => found.service(node),
                "Secret" => p.note(
                    &root,
                    "secrets are given at submission; the values here are not read",
                ),
                kind if VOLUMES.contains(&kind) => p.unsupported(
                    &root,
                    "network volumes do not exist on these networks",
                    "write checkpoints to TANDEM_CHECKPOINT_DIR, or fetch data in the command",
                ),
                kind if WITHOUT_EFFECT.contains(&kind) => {
                    p.note(&root, format!("a cluster's {kind} has no effect here"));
                }
                _ if is_workload(node) => p.unsupported(
                    &root,
                    "one workload is submitted at a time",
                    "put each into a file of its own",
                ),
                kind => {
                    let kind: String = kind.chars().take(64).collect();
                    p.unsupported(
                        &root,
                        &format!(
                            "objects of kind `{}` cannot be carried",
                            kind.escape_debug()
                        ),
                        "remove the document",
                    );
                }
            }
        }
        found
    }

    fn service(&mut self, node: &'a Node) {
        let ports = node.get("spec").and_then(|s| s.get("ports"));
        let Some(crate::files::tree::Body::List(items)) = ports.map(|n| &n.body) else {
            return;
        };
        for item in items {
            let target = item.get("targetPort").or_else(|| item.get("port"));
            self.target_ports.extend(target.and_then(Node::text));
        }
    }

    /// The entries of a ConfigMap of the file.
    pub(super) fn map(&self, name: &str, p: &mut Problems) -> Option<Fields<'a>> {
        let (_, root) = self.maps.iter().find(|(known, _)| *known == name)?;
        root.map(p)?.get("data")?.map(p)
    }
}
