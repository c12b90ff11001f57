//! Which GPUs and how many nodes a document asks for, also in formats that cannot be submitted.

use tandem_model::gpu::GpuModel;
use tandem_model::workload::GpuNeed;

use super::facts::{Facts, Zone};
use super::pods;
use crate::files::Document;

/// What is asked for; the need may be less.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    /// Names as written.
    pub(super) names: Vec<String>,
    /// The cards they can mean.
    pub(super) models: Vec<GpuModel>,
    /// Least memory in GB, when asked without a name.
    pub(super) vram_gb_min: u16,
    /// GPUs of a node, where stated.
    pub(super) gpus_per_node: Option<u16>,
    /// Nodes of one run.
    pub(super) nodes: u16,
    /// Accelerators that are not NVIDIA's.
    pub(super) other_vendor: bool,
}

impl Ask {
    pub(super) fn of(document: &Document, facts: &Facts) -> Self {
        let mut ask = Self {
            nodes: 1,
            ..Self::default()
        };
        match &document.draft {
            Some(w) => {
                ask.nodes = w.resources.nodes;
                ask.gpus_per_node = Some(w.resources.gpus_per_node);
                match &w.resources.gpu {
                    GpuNeed::None => {}
                    GpuNeed::AnyWithVram { vram_gb_min } => ask.vram_gb_min = *vram_gb_min,
                    GpuNeed::Named { choices } => {
                        for choice in choices {
                            ask.names.push(choice.name.clone());
                            ask.models.extend(&choice.models);
                        }
                    }
                }
            }
            None => {
                ask.read(facts);
                ask.nodes = pods::together(document);
            }
        }
        if ask.gpus_per_node == Some(0) {
            ask.add_groups(facts);
        }
        let of_amd = |n: &String| {
            let upper = n.to_ascii_uppercase();
            upper.starts_with("MI") && upper[2..].starts_with(|c: char| c.is_ascii_digit())
                || upper.contains("AMD")
                || upper.contains("GAUDI")
                || upper.contains("TPU")
                || upper.contains("LITEPOD")
        };
        ask.other_vendor = ask.names.iter().any(of_amd)
            || facts.says(&[Zone::Image], "rocm*")
            || facts.says(&[Zone::Image], "habana*")
            || facts.says(&[Zone::Image], "tpu");
        ask
    }

    /// GPUs of a format without a draft.
    fn read(&mut self, facts: &Facts) {
        for fact in facts.iter().filter(|f| f.zone == Zone::Gpu) {
            let text = fact.text.trim();
            if let Ok(count) = text.parse::<u16>() {
                self.gpus_per_node = Some(self.gpus_per_node.unwrap_or(0).max(count));
                continue;
            }
            let name = fact.lower.replace("tesla", "");
            let models = GpuModel::matching(&name);
            if !models.is_empty() {
                self.names.push(text.to_owned());
                self.models.extend(models);
            }
        }
    }

    /// GPUs that a refused file names in groups of replicas.
    fn add_groups(&mut self, facts: &Facts) {
        for fact in facts.iter().filter(|f| f.path == "replicas.resources.gpu") {
            let name = fact.text.split(':').next().unwrap_or_default();
            self.names.push(name.to_owned());
            self.models.extend(GpuModel::matching(name));
            self.gpus_per_node = Some(1);
        }
    }

    /// GPUs over all nodes, at least one.
    pub(super) fn gpus_total(&self) -> u32 {
        (u32::from(self.gpus_per_node.unwrap_or(1)) * u32::from(self.nodes)).max(1)
    }

    /// Whether every card asked for by name is an A100 or better.
    pub(super) fn only_enterprise(&self) -> bool {
        !self.models.is_empty() && self.models.iter().all(|m| m.is_a100_or_better())
    }
}
