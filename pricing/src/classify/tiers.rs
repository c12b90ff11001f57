//! Which tiers fit the need, and whether it needs a fast link.

use tandem_model::gpu::GpuModel;
use tandem_model::workload::WorkloadClass;

use super::ask::Ask;
use super::facts::{Facts, Zone};
use super::sizes::Size;
use super::vram::{self, Estimate};
use super::{Evidence, Needs, TierFit};
use crate::files::Document;

/// Memory of the largest common consumer card in GB.
const CONSUMER_VRAM_GB: u32 = 24;
/// Memory of the largest data-centre card in GB.
const ENTERPRISE_VRAM_GB: u32 = 180;
/// From this size on, training over nodes needs a fast link, in millions of parameters.
const LINKED_PARAMS_MILLIONS: u64 = 7_000;
const LINK_WORDS: &[&str] = &[
    "infiniband",
    "rdma",
    "nccl_ib_hca",
    "mlx5*",
    "nixl",
    "all_reduce_perf",
    "nvlink",
    "roce",
    "ucx_net_devices",
];

/// Why a fast link is needed; none when it is not.
pub(super) fn fast_interconnect(
    class: WorkloadClass,
    size: Option<&Size>,
    facts: &Facts,
    ask: &Ask,
    document: &Document,
) -> Option<Evidence> {
    let because = |line: u32, text: &str| {
        Some(Evidence {
            line,
            source: "link".into(),
            text: text.to_owned(),
            points_to: "needs.fast_interconnect".into(),
        })
    };
    let line_of = |fields: &[&str]| {
        fields
            .iter()
            .find_map(|f| document.lines.get(*f))
            .copied()
            .unwrap_or(1)
    };
    if document
        .draft
        .as_ref()
        .is_some_and(|w| w.resources.fast_interconnect)
    {
        let asked = ["resources.network_tier", "resources.fast_interconnect"];
        return because(line_of(&asked), "the file asks for the fastest network");
    }
    if let Some((fact, at)) = facts.first(&[Zone::Run, Zone::Env], LINK_WORDS) {
        return because(fact.line_at(at), "RDMA or NVLink is used by name");
    }
    let big = size.map(|s| s.params_millions >= LINKED_PARAMS_MILLIONS);
    let full_nodes = ask.gpus_per_node.is_some_and(|n| n >= 8);
    if class == WorkloadClass::DistributedTraining && big.unwrap_or(full_nodes) {
        return because(
            ask.nodes_line.unwrap_or(1),
            "a large model is trained over several nodes",
        );
    }
    let card_gb = ask
        .models
        .iter()
        .map(|m| u64::from(m.facts().vram_gb))
        .min()
        .unwrap_or(0);
    let shared = ask.only_enterprise() && ask.gpus_per_node.is_some_and(|n| n >= 4);
    if shared && size.is_some_and(|s| vram::state_gb(class, s, facts) > card_gb) {
        return because(
            ask.gpu_line.unwrap_or(1),
            "the model is shared out over GPUs that it does not fit singly",
        );
    }
    if class == WorkloadClass::OnlineInference && ask.nodes > 1 {
        return because(
            ask.nodes_line.unwrap_or(1),
            "one model answers from several nodes",
        );
    }
    None
}

/// Video or graphics units that A100 and H100 lack
/// (developer.nvidia.com/video-encode-and-decode-gpu-support-matrix).
fn needs_graphics(class: WorkloadClass, facts: &Facts) -> bool {
    class == WorkloadClass::Rendering
        && ["nvenc", "hevc_nvenc", "h264_nvenc", "av1_nvenc", "unreal*"]
            .iter()
            .any(|w| facts.says(&[Zone::Run, Zone::Image, Zone::Name], w))
}

/// The cards of the catalogue that fit the need; where the need is unknown, those asked for.
pub(super) fn models(
    class: WorkloadClass,
    memory: Option<&Estimate>,
    ask: &Ask,
    facts: &Facts,
) -> Vec<GpuModel> {
    if ask.other_vendor.is_some() || ask.gpus_per_node == Some(0) {
        return Vec::new();
    }
    let graphics = needs_graphics(class, facts);
    let shared = is_shared(memory);
    let least = match memory.and_then(|m| m.gb) {
        Some(gb) => gb,
        None if !ask.models.is_empty() => {
            let mut asked = ask.models.clone();
            asked.sort();
            asked.dedup();
            return asked;
        }
        None => u32::from(ask.vram_gb_min),
    };
    GpuModel::all()
        .filter(|m| u32::from(m.facts().vram_gb) >= least)
        .filter(|m| !(graphics && m.is_a100_or_better()))
        .filter(|m| !shared || m.is_a100_or_better())
        .collect()
}

/// Whether the memory is shared out over GPUs whose number is not stated: more than a consumer
/// card has, and what each GPU needs of it is open.
fn is_shared(memory: Option<&Estimate>) -> bool {
    memory.is_some_and(|m| m.gb.is_none())
}

/// Which tiers fit, with the reason that decided for or against consumer cards.
pub(super) fn fit(
    class: WorkloadClass,
    needs: &Needs,
    memory: Option<&Estimate>,
    ask: &Ask,
    facts: &Facts,
) -> (TierFit, Evidence) {
    let against = against_consumer(needs, memory, ask, facts);
    let graphics = needs_graphics(class, facts);
    let too_large = needs
        .vram_gb_per_gpu
        .is_some_and(|gb| gb > ENTERPRISE_VRAM_GB);
    let consumer = against.is_none();
    let fit = TierFit {
        consumer,
        assured: consumer && !graphics,
        enterprise: !graphics && ask.other_vendor.is_none() && !too_large,
    };
    let text = match (&against, graphics) {
        (Some(reason), _) => (*reason).to_owned(),
        (None, true) => "needs video or graphics units that A100 and H100 lack".to_owned(),
        (None, false) => match needs.vram_gb_per_gpu {
            Some(gb) => format!("about {gb} GB per GPU fit cards of {CONSUMER_VRAM_GB} GB"),
            None => "nothing in the file needs more than a consumer card".to_owned(),
        },
    };
    let line = ask.other_vendor.or(match needs.nodes {
        2.. => ask.nodes_line,
        _ => memory.map(|m| m.evidence.line).or(ask.gpu_line),
    });
    let evidence = Evidence {
        line: line.unwrap_or(1),
        source: "tiers".into(),
        text,
        points_to: "tiers.consumer".into(),
    };
    (fit, evidence)
}

fn against_consumer(
    needs: &Needs,
    memory: Option<&Estimate>,
    ask: &Ask,
    facts: &Facts,
) -> Option<&'static str> {
    let engine = ["trtllm-build", "trtexec", "build_engine"]
        .iter()
        .any(|w| facts.says(&[Zone::Run], w));
    // First: such a file asks for no GPU that is sold here, and would pass for work without one.
    if ask.other_vendor.is_some() {
        return Some("the work needs accelerators of another vendor");
    }
    if needs.gpus_per_node == Some(0) && needs.nodes == 1 {
        return None;
    }
    if needs.nodes > 1 {
        return Some("consumer machines have no link between nodes");
    }
    if needs.fast_interconnect {
        return Some("consumer machines have no fast link");
    }
    if engine && ask.only_enterprise() {
        return Some("an engine runs only on the architecture that it is built on");
    }
    if is_shared(memory) {
        return Some("needs more memory than a consumer card has, over an unknown number of GPUs");
    }
    match needs.vram_gb_per_gpu {
        Some(gb) if gb > CONSUMER_VRAM_GB => {
            Some("needs more memory per GPU than consumer cards have")
        }
        Some(_) => None,
        None if ask.only_enterprise() => {
            Some("the need is unknown, and only A100 or better is asked")
        }
        None if u32::from(ask.vram_gb_min) > CONSUMER_VRAM_GB => {
            Some("asks for more memory than consumer cards have")
        }
        None => None,
    }
}
