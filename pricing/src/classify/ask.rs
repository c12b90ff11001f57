//! Which GPUs and how many nodes a document asks for, also in formats that cannot be submitted.

use tandem_model::gpu::GpuModel;
use tandem_model::workload::{GPUS_PER_NODE_MAX, GpuNeed, NODES_MAX, Workload};

use super::facts::{Fact, Facts, Zone};
use super::pods;
use super::settings;
use crate::files::tree::Node;
use crate::files::{Document, DocumentFormat};

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
    /// Line of the GPUs, where they are asked.
    pub(super) gpu_line: Option<u32>,
    /// Nodes of one run.
    pub(super) nodes: u16,
    /// Line of the nodes, where they are stated.
    pub(super) nodes_line: Option<u32>,
    /// Line of accelerators that are not NVIDIA's, where such are asked for or needed.
    pub(super) other_vendor: Option<u32>,
}

/// Words that state the nodes of one run: of launchers, batch systems and their variables.
const NODES: [&str; 6] = [
    "nodes",
    "nnodes",
    "num-nodes",
    "num-machines",
    "numnodes",
    "slurm-nnodes",
];
/// Words that state the GPUs of a node.
const GPUS: [&str; 8] = [
    "gpus-per-node",
    "gpus-per-task",
    "nproc-per-node",
    "num-gpus",
    "ngpus",
    "gpu-count",
    "requestgpu",
    "gpus",
];

/// How directives of batch systems begin, in lower case.
const BATCH_SYSTEMS: [&str; 4] = ["#sbatch ", "#pbs ", "#flux: ", "#bsub "];
/// Those whose `-N` is a number of nodes; that of PBS is the job's name.
const COUNT_NODES_BY_N: [&str; 2] = ["#sbatch ", "#flux: "];

impl Ask {
    pub(super) fn of(document: &Document, facts: &Facts) -> Self {
        let mut ask = Self {
            nodes: 1,
            ..Self::default()
        };
        match &document.draft {
            Some(w) => {
                ask.of_workload(w);
                if alone(document, facts) {
                    ask.nodes = 1;
                }
            }
            None => {
                ask.read(facts);
                ask.count(document, facts);
            }
        }
        if ask.gpus_per_node == Some(0) {
            ask.add_groups(facts);
        }
        ask.lines(document, facts);
        ask.other_vendor = ask.line_of_other_vendor(facts);
        ask
    }

    /// Where accelerators of another vendor are named, mounted or needed by an image.
    fn line_of_other_vendor(&self, facts: &Facts) -> Option<u32> {
        let named = self.names.iter().any(|n| of_other_vendor(n));
        let mounted = facts
            .iter()
            .find(|f| f.zone == Zone::Other && is_other_device(f));
        let images = ["rocm*", "habana*", "tpu", "neuron*"];
        named
            .then(|| self.gpu_line.unwrap_or(1))
            .or_else(|| mounted.map(|f| f.line))
            .or_else(|| {
                let image = facts.first(&[Zone::Image], &images);
                image.map(|(f, at)| f.line_at(at))
            })
    }

    fn of_workload(&mut self, w: &Workload) {
        self.nodes = w.resources.nodes;
        self.gpus_per_node = Some(w.resources.gpus_per_node);
        match &w.resources.gpu {
            GpuNeed::None => {}
            GpuNeed::AnyWithVram { vram_gb_min } => self.vram_gb_min = *vram_gb_min,
            GpuNeed::Named { choices } => {
                for choice in choices {
                    self.names.push(choice.name.clone());
                    self.models.extend(&choice.models);
                }
            }
        }
    }

    /// GPUs of a format without a draft.
    fn read(&mut self, facts: &Facts) {
        for fact in facts.iter() {
            let count = match fact.path.ends_with("devices.count") {
                true => fact.text.parse::<u16>().unwrap_or(1),
                false if fact.path.ends_with("devices.capabilities") && fact.lower == "gpu" => 1,
                false => continue,
            };
            self.gpu_line = self.gpu_line.or(Some(fact.line));
            self.gpus_per_node = Some(self.gpus_per_node.unwrap_or(0).max(count));
        }
        for fact in facts.iter().filter(|f| f.zone == Zone::Gpu) {
            let text = fact.text.trim();
            if let Ok(count) = text.parse::<u16>() {
                self.gpu_line = self.gpu_line.or(Some(fact.line));
                self.gpus_per_node = Some(self.gpus_per_node.unwrap_or(0).max(count));
                continue;
            }
            let name = fact.lower.replace("tesla", "");
            let (name, count) = name.rsplit_once(':').unwrap_or((&name, ""));
            let models = GpuModel::matching(name);
            if !models.is_empty() {
                self.gpu_line = self.gpu_line.or(Some(fact.line));
                self.names.push(text.to_owned());
                self.models.extend(models);
                if let Ok(count) = count.parse::<u16>() {
                    self.gpus_per_node = Some(count);
                }
            }
        }
    }

    /// Nodes and GPUs that commands, directives and fields state.
    fn count(&mut self, document: &Document, facts: &Facts) {
        self.directives(facts);
        if document.format == DocumentFormat::Kubernetes {
            self.nodes = pods::together(document);
            return;
        }
        let nodes = settings::number(facts, &NODES);
        if let Some(nodes) = nodes.filter(|n| (1..=u64::from(NODES_MAX)).contains(&n.value)) {
            self.nodes = self.nodes.max(u16::try_from(nodes.value).unwrap_or(1));
            self.nodes_line = Some(nodes.line);
        }
        if self.gpus_per_node.is_none()
            && let Some(gpus) = settings::number(facts, &GPUS)
            && gpus.value <= u64::from(GPUS_PER_NODE_MAX)
        {
            self.gpus_per_node = u16::try_from(gpus.value).ok();
            self.gpu_line = Some(gpus.line);
        }
    }

    /// What a script asks of its batch system: `#SBATCH --nodes=2`, `#SBATCH --gres=gpu:a100:4`.
    fn directives(&mut self, facts: &Facts) {
        for fact in facts.iter() {
            let system = BATCH_SYSTEMS.iter().find(|d| fact.lower.starts_with(*d));
            let Some(system) = system else { continue };
            // As written: `-N` counts nodes, and `-n` counts tasks.
            let words = fact
                .text
                .split(|c: char| c.is_whitespace() || c == '=' || c == ',');
            let mut words = words.skip(1).peekable();
            while let Some(word) = words.next() {
                let next = words.peek().copied().unwrap_or_default();
                match word {
                    "--nodes" => self.directed_nodes(next, fact.line),
                    "-N" if COUNT_NODES_BY_N.contains(system) => {
                        self.directed_nodes(next, fact.line);
                    }
                    "--gres" | "--gpus" | "--gpus-per-node" | "-g" | "-G" => {
                        self.gres(next, fact.line);
                    }
                    _ => {
                        let count = word.strip_prefix("-N");
                        if let Some(count) = count.filter(|_| COUNT_NODES_BY_N.contains(system)) {
                            self.directed_nodes(count, fact.line);
                        }
                    }
                }
            }
        }
    }

    /// `2`, or `2-4` of which the most counts.
    fn directed_nodes(&mut self, text: &str, line: u32) {
        let most = text.rsplit('-').next().unwrap_or(text);
        if let Ok(nodes) = most.parse::<u16>() {
            self.nodes = nodes.clamp(1, NODES_MAX);
            self.nodes_line = Some(line);
        }
    }

    /// `gpu:4`, `gpu:a100:4`, `a100:4` or `4`.
    fn gres(&mut self, text: &str, line: u32) {
        for part in text.split(':') {
            if let Ok(count) = part.parse::<u16>() {
                self.gpus_per_node = Some(count.min(GPUS_PER_NODE_MAX));
                self.gpu_line = Some(line);
            }
            let models = GpuModel::matching(part);
            if !models.is_empty() {
                self.names.push(part.to_owned());
                self.models.extend(models);
            }
        }
        if text.eq_ignore_ascii_case("gpu") && self.gpus_per_node.is_none() {
            self.gpus_per_node = Some(1);
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

    /// Where a format that was read says so.
    fn lines(&mut self, document: &Document, facts: &Facts) {
        let of_field =
            |fields: &[&str]| fields.iter().find_map(|f| document.lines.get(*f)).copied();
        let number = |names: &[&str]| {
            let named = |f: &&Fact| names.contains(&f.field()) && f.text.parse::<u16>().is_ok();
            facts.iter().find(named).map(|f| f.line)
        };
        self.nodes_line = self
            .nodes_line
            .or_else(|| of_field(&["num_nodes", "nodes", "resources.nodes"]))
            .or_else(|| number(&["numnodes", "replicas", "parallelism", "size"]))
            .filter(|_| self.nodes > 1);
        let gpus = [
            "resources.accelerators",
            "resources.gpu",
            "hardware",
            "gpus",
        ];
        self.gpu_line = self
            .gpu_line
            .or_else(|| of_field(&gpus))
            .or_else(|| facts.iter().find(|f| f.zone == Zone::Gpu).map(|f| f.line));
    }

    /// Whether any GPU is asked for.
    pub(super) fn wants_gpus(&self) -> bool {
        self.gpus_per_node.is_some_and(|n| n > 0) || !self.names.is_empty() || self.vram_gb_min > 0
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

/// Pods of a Job share out its input and work each for itself, unless a launcher joins them.
fn alone(document: &Document, facts: &Facts) -> bool {
    let kind = |root: &Node| root.get("kind").and_then(Node::text) == Some("Job");
    let joined = [
        "nnodes",
        "num-machines",
        "num_machines",
        "master_addr",
        "hostfile",
    ];
    document.format == DocumentFormat::Kubernetes
        && document.roots.iter().any(kind)
        && !joined
            .iter()
            .any(|w| facts.says(&[Zone::Run, Zone::Env], w))
}

fn of_other_vendor(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let instinct = upper
        .strip_prefix("MI")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    instinct
        || [
            "AMD",
            "GAUDI",
            "TPU",
            "LITEPOD",
            "TRAINIUM",
            "INFERENTIA",
            "N150",
            "N300",
        ]
        .iter()
        .any(|w| upper.contains(w))
}

/// `amd.com/gpu: 8` and its like among resources of containers.
fn is_other_device(fact: &Fact) -> bool {
    [
        "amd.com/gpu",
        "google.com/tpu",
        "habana.ai/gaudi",
        "aws.amazon.com/neuron",
    ]
    .iter()
    .any(|device| fact.path.contains(device))
        && fact.text != "0"
}
