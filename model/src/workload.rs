//! What the customer wants to run, whatever file it came from.
//!
//! `pricing` reads files into this type and refuses what it cannot express; nothing here names a
//! network. Every list is bounded by a limit that the reader of the file enforces.

mod limits;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::gpu::GpuModel;

pub use limits::{DataClass, Limits, Near};

/// Longest name of a workload.
pub const NAME_LEN_MAX: usize = 63;
/// Most nodes of one workload.
pub const NODES_MAX: u16 = 64;
/// Most GPUs of one node.
pub const GPUS_PER_NODE_MAX: u16 = 16;

/// A finite job or a service that answers requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// Ends by itself.
    Job,
    /// Answers requests on its port until it is stopped.
    Service,
}

/// What the work is; the classes of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadClass {
    /// Training over several nodes.
    DistributedTraining,
    /// Training on one node.
    SingleNodeTraining,
    /// A model that answers requests.
    OnlineInference,
    /// A model run over a finite input.
    BatchInference,
    /// Frames or video made or transcoded.
    Rendering,
    /// A person works in it.
    Interactive,
    /// Benchmarks, data preparation, conversion, simulation.
    EvaluationOrData,
}

impl WorkloadClass {
    /// Every class, in the order of the vocabulary.
    pub const ALL: [Self; 7] = [
        Self::DistributedTraining,
        Self::SingleNodeTraining,
        Self::OnlineInference,
        Self::BatchInference,
        Self::Rendering,
        Self::Interactive,
        Self::EvaluationOrData,
    ];

    /// The name in JSON, columns and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DistributedTraining => "distributed_training",
            Self::SingleNodeTraining => "single_node_training",
            Self::OnlineInference => "online_inference",
            Self::BatchInference => "batch_inference",
            Self::Rendering => "rendering",
            Self::Interactive => "interactive",
            Self::EvaluationOrData => "evaluation_or_data",
        }
    }

    /// The class with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

/// What the customer buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Any grade.
    Consumer,
    /// Starts on consumer, enterprise backstop at no extra charge.
    Assured,
    /// Data-centre grade, A100 or better, of either network.
    Enterprise,
}

impl Tier {
    /// Every tier, cheapest promise first.
    pub const ALL: [Self; 3] = [Self::Consumer, Self::Assured, Self::Enterprise];

    /// The name in JSON, columns and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Assured => "assured",
            Self::Enterprise => "enterprise",
        }
    }

    /// The tier with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == name)
    }
}

/// The file format that a workload came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceFormat {
    /// Our own YAML or JSON.
    Tandem,
    /// A SkyPilot task.
    Skypilot,
    /// A dstack configuration.
    Dstack,
    /// An Akash deployment (SDL).
    Akash,
    /// An io.net recipe.
    IonetRecipe,
    /// Kubernetes objects.
    Kubernetes,
}

/// One acceptable choice of GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuChoice {
    /// The name as written in the file.
    pub name: String,
    /// The cards that the name can mean; empty when the catalogue does not know it.
    pub models: Vec<GpuModel>,
}

/// Which GPUs a node needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuNeed {
    /// No GPU.
    None,
    /// Any card with at least this much nominal memory in GB (0 = any).
    AnyWithVram {
        /// Nominal memory in GB.
        vram_gb_min: u16,
    },
    /// One of these, in the customer's order of preference.
    Named {
        /// At least one.
        choices: Vec<GpuChoice>,
    },
}

impl GpuNeed {
    /// Whether a card satisfies the need.
    pub fn accepts(&self, model: GpuModel) -> bool {
        match self {
            Self::None => true,
            Self::AnyWithVram { vram_gb_min } => model.facts().vram_gb >= *vram_gb_min,
            Self::Named { choices } => choices.iter().any(|c| c.models.contains(&model)),
        }
    }
}

/// The hardware one node needs, and how many nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Which GPUs.
    pub gpu: GpuNeed,
    /// GPUs in each node, 0 to [`GPUS_PER_NODE_MAX`]; 0 exactly when `gpu` is `None`.
    pub gpus_per_node: u16,
    /// Nodes that must run at the same time, 1 to [`NODES_MAX`].
    pub nodes: u16,
    /// Least virtual CPUs per node.
    pub cpus_min: Option<u16>,
    /// Least host memory per node in GB.
    pub memory_gb_min: Option<u32>,
    /// Least disk per node in GB.
    pub disk_gb_min: Option<u32>,
    /// The file asks for RDMA, InfiniBand or the best network.
    pub fast_interconnect: bool,
}

/// A bucket made visible under a path of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketMount {
    /// Absolute path inside.
    pub path: String,
    /// Bucket URL or name as written (`s3://bucket/prefix`).
    pub source: String,
    /// Whether writes must reach the bucket.
    pub writable: bool,
}

/// Code that is copied in before the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeSource {
    /// A folder or file on the customer's machine, uploaded at submission.
    LocalPath(String),
    /// A git repository.
    Git(String),
}

/// How checkpoints are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checkpoints {
    /// None: a moved job starts again.
    None,
    /// The workload writes to `TANDEM_CHECKPOINT_DIR`; the agent uploads and moves the pointer.
    Agent {
        /// Longest time between two uploads, in seconds.
        interval_seconds: u32,
    },
    /// The customer manages them alone; forces `exclusive`.
    Customer,
}

/// What the customer wants to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Name, 1 to [`NAME_LEN_MAX`] lower-case letters, digits and dashes.
    pub name: String,
    /// The format of the file.
    pub format: SourceFormat,
    /// Job or service.
    pub kind: WorkloadKind,
    /// The class, when the customer states it.
    pub class: Option<WorkloadClass>,
    /// The tier, when the customer states it.
    pub tier: Option<Tier>,
    /// Container image; the launch plan's default when absent.
    pub image: Option<String>,
    /// Shell text run once before `run`.
    pub setup: Option<String>,
    /// Shell text of the work itself; empty when the image's own command does it.
    pub run: String,
    /// Arguments in place of the image's own, for its own entrypoint; only where `run` is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_args: Vec<String>,
    /// Plain environment.
    pub env: BTreeMap<String, String>,
    /// Names of environment variables whose values are secrets given at submission.
    pub secrets: Vec<String>,
    /// Hardware.
    pub resources: Resources,
    /// Port that the service or the user interface listens on.
    pub port: Option<u16>,
    /// Identical replicas of a service.
    pub replicas: u16,
    /// Path that answers 200 when the service is ready.
    pub readiness_path: Option<String>,
    /// Directory that `setup` and `run` start in, relative to the work folder.
    pub working_dir: Option<String>,
    /// Code copied to the work folder.
    pub code: Vec<(String, CodeSource)>,
    /// Buckets.
    pub buckets: Vec<BucketMount>,
    /// Checkpoints.
    pub checkpoints: Checkpoints,
    /// Whether the work survives being stopped at any time (spot).
    pub preemptible: bool,
    /// Only one instance may ever compute at a time.
    pub exclusive: bool,
    /// The work may be paused for some seconds a few times a day, so that its GPUs are probed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probe_while_running: bool,
    /// Secrets may be given to hosts of consumer grade, which can read them.
    pub secrets_on_consumer: bool,
    /// Money and time.
    pub limits: Limits,
}

impl Workload {
    /// GPUs over all nodes.
    pub fn gpus_total(&self) -> u32 {
        u32::from(self.resources.gpus_per_node) * u32::from(self.resources.nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_classes_and_tiers_are_their_json() {
        for class in WorkloadClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
            assert_eq!(WorkloadClass::parse(class.as_str()), Some(class));
        }
        for tier in Tier::ALL {
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.as_str());
            assert_eq!(Tier::parse(tier.as_str()), Some(tier));
        }
    }

    #[test]
    fn a_named_gpu_accepts_only_its_cards() {
        let h100 = GpuNeed::Named {
            choices: vec![GpuChoice {
                name: "H100".into(),
                models: GpuModel::matching("H100"),
            }],
        };
        assert!(h100.accepts(GpuModel::by_id("h100-nvl-94gb").unwrap()));
        assert!(!h100.accepts(GpuModel::by_id("h200-sxm-141gb").unwrap()));
        let unknown = GpuNeed::Named {
            choices: vec![GpuChoice {
                name: "MI300X".into(),
                models: vec![],
            }],
        };
        assert!(GpuModel::all().all(|m| !unknown.accepts(m)));
        assert!(GpuNeed::AnyWithVram { vram_gb_min: 24 }.accepts(GpuModel::by_id("l4").unwrap()));
    }
}
