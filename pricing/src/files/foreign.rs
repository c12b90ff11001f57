//! Which format a tree is in, by the fields that only that format has.

use serde::Serialize;

use super::tree::{Body, Node};

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFormat {
    /// Our own.
    Tandem,
    /// A SkyPilot task.
    Skypilot,
    /// A dstack task, service or development environment.
    Dstack,
    /// A dstack fleet, gateway or volume.
    DstackResource,
    /// An Akash deployment (SDL).
    Akash,
    /// Kubernetes objects.
    Kubernetes,
    /// An io.net recipe.
    IonetRecipe,
    /// An Open Job Description template.
    OpenJobDescription,
    /// Batch Shipyard jobs.
    BatchShipyard,
    /// An Azure Batch job template.
    AzureBatch,
    /// A Compose file.
    Compose,
    /// A script of a shell, a batch system or Python.
    Script,
    /// None of these.
    Unrecognised,
}

impl DocumentFormat {
    /// The name that people use.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Tandem => "Tandem workload",
            Self::Skypilot => "SkyPilot task",
            Self::Dstack => "dstack configuration",
            Self::DstackResource => "dstack fleet, gateway or volume",
            Self::Akash => "Akash SDL",
            Self::Kubernetes => "Kubernetes object",
            Self::IonetRecipe => "io.net recipe",
            Self::OpenJobDescription => "Open Job Description template",
            Self::BatchShipyard => "Batch Shipyard job",
            Self::AzureBatch => "Azure Batch job template",
            Self::Compose => "Compose file",
            Self::Script => "script",
            Self::Unrecognised => "file of no known format",
        }
    }

    /// Whether a file of this format can become a workload.
    pub const fn can_be_submitted(self) -> bool {
        matches!(
            self,
            Self::Tandem
                | Self::Skypilot
                | Self::Dstack
                | Self::Akash
                | Self::IonetRecipe
                | Self::Kubernetes
        )
    }

    /// Whether the documents of one file belong together.
    pub(crate) const fn documents_belong_together(self) -> bool {
        matches!(self, Self::Kubernetes)
    }
}

const SKYPILOT_ONLY: &[&str] = &[
    "num_nodes",
    "envs",
    "file_mounts",
    "workdir",
    "run",
    "accelerators",
    "volume_mounts",
];

/// Recognises a document by its fields; our own needs its `tandem` field.
pub(super) fn recognise(root: &Node) -> DocumentFormat {
    let has = |name: &str| root.get(name).is_some();
    let value = |name: &str| root.get(name).and_then(Node::text).unwrap_or_default();
    match value("type") {
        "task" | "service" | "dev-environment" => return DocumentFormat::Dstack,
        "fleet" | "gateway" | "volume" => return DocumentFormat::DstackResource,
        _ => {}
    }
    let recipe = matches!(value("kind"), "serving" | "finetune" | "training" | "batch");
    if has("tandem") {
        DocumentFormat::Tandem
    } else if has("apiVersion") && has("kind") {
        DocumentFormat::Kubernetes
    } else if recipe && (has("model") || has("base_model")) {
        DocumentFormat::IonetRecipe
    } else if value("specificationVersion").starts_with("jobtemplate") {
        DocumentFormat::OpenJobDescription
    } else if has("job_specifications") {
        DocumentFormat::BatchShipyard
    } else if has("services") && has("profiles") && has("deployment") {
        DocumentFormat::Akash
    } else if has("services") {
        DocumentFormat::Compose
    } else if has("parameters") && (has("job") || has("pool")) {
        DocumentFormat::AzureBatch
    } else if looks_like_skypilot(root) {
        DocumentFormat::Skypilot
    } else {
        DocumentFormat::Unrecognised
    }
}

/// A mapping with a field that only SkyPilot has, or with `resources` and `setup`.
fn looks_like_skypilot(root: &Node) -> bool {
    let Body::Map(entries) = &root.body else {
        return false;
    };
    let has = |name: &str| entries.iter().any(|(k, _)| k.text == name);
    SKYPILOT_ONLY.iter().any(|name| has(name))
        || (has("resources") && (has("setup") || has("service")))
}
