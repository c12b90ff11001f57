//! What a workload is, what it needs, and which tiers fit the need, with evidence line by line.
//!
//! Rules are small tables, a file for each kind of evidence. Each rule counts once, adds a weight
//! to one activity and leaves the line that made it fire. They read what a file says (commands,
//! images, variables, structure), so they work on any YAML or JSON; a class that the customer
//! states wins over all of them.

mod ask;
mod catalogue;
mod collect;
mod evidence;
mod facts;
mod pods;
mod rules;
mod settings;
mod sizes;
mod tiers;
mod vram;
mod words;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tandem_model::gpu::GpuModel;
use tandem_model::workload::{WorkloadClass, WorkloadKind};

use crate::files::Document;

use ask::Ask;
use facts::Facts;
use rules::{Activity, Finding};

/// Most lines of evidence that are kept, strongest first.
pub const EVIDENCE_MAX: usize = 24;
/// Confidence of a class that the customer stated, in percent.
const STATED_PERCENT: u8 = 100;
/// Bounds of the confidence of a class that rules found, in percent.
const FOUND_PERCENT: (i32, i32) = (20, 98);
/// Confidence when no rule fired, in percent.
const GUESSED_PERCENT: u8 = 10;
/// Taken from the confidence for files that cannot become a workload, in percentage points.
const FOREIGN_POINTS: i32 = 10;

/// What a workload is and needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classification {
    /// What it is.
    pub class: WorkloadClass,
    /// How sure, in percent.
    pub confidence: u8,
    /// What it needs.
    pub needs: Needs,
    /// Which tiers fit the need; a GPU asked by name binds placement, not this.
    pub tiers: TierFit,
    /// Why, strongest first.
    pub evidence: Vec<Evidence>,
}

/// What a workload needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Cards of the catalogue that fit the need, by id; where the need is unknown, those asked
    /// for. Empty when no GPU is needed or none of the catalogue fits.
    pub gpu_models: Vec<GpuModel>,
    /// GPUs asked for, as written, in order of preference; empty when none is named.
    pub gpus_asked: Vec<String>,
    /// GPUs of a node, where stated.
    pub gpus_per_node: Option<u16>,
    /// Nodes of one run.
    pub nodes: u16,
    /// Estimated need of memory per GPU in GB; none when it cannot be derived.
    pub vram_gb_per_gpu: Option<u32>,
    /// Whether nodes, or GPUs of the node, must be linked by RDMA or NVLink.
    pub fast_interconnect: bool,
    /// Port that users reach.
    pub port: Option<u16>,
    /// Whether it survives being stopped at any time.
    pub preemption_tolerant: bool,
    /// Whether it saves its state on the way.
    pub checkpointing: bool,
}

/// Which tiers fit the need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierFit {
    /// Cards of any grade.
    pub consumer: bool,
    /// Consumer cards with an enterprise backstop.
    pub assured: bool,
    /// Data-centre cards, A100 or better.
    pub enterprise: bool,
}

/// One line that speaks for a class or a need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Line of the file, from 1.
    pub line: u32,
    /// What kind of place it is: `command`, `image`, `name`, `structure`, …
    pub source: Cow<'static, str>,
    /// The words found and what they mean.
    pub text: String,
    /// The class, or `needs.…` and `tiers.…`, that it speaks for.
    pub points_to: String,
}

/// Classifies a document of any format.
pub fn classify(document: &Document) -> Classification {
    let facts = Facts::of(document);
    let ask = Ask::of(document, &facts);
    let size = sizes::of(&facts);
    let findings = rules::all(document, &facts, size.is_some() || ask.wants_gpus());
    let (activity, mut confidence) = decide(document, &findings);
    let stated = document.draft.as_ref().and_then(|w| w.class);
    let class = stated.unwrap_or_else(|| activity.class(ask.nodes));
    if stated.is_some() {
        confidence = STATED_PERCENT;
    }
    let memory =
        vram::stated(&facts).or_else(|| vram::estimate(class, size.as_ref(), &facts, &ask));
    let vram_gb_per_gpu = memory.as_ref().and_then(|m| m.gb);
    let fast = tiers::fast_interconnect(class, size.as_ref(), &facts, &ask, document);
    let saves = evidence::checkpointing(document, &facts, class);
    let stops = evidence::preemption(document, saves.as_ref());
    let port = evidence::port(document, &facts);
    let needs = Needs {
        gpu_models: tiers::models(class, memory.as_ref(), &ask, &facts),
        gpus_asked: ask.names.clone(),
        gpus_per_node: ask.gpus_per_node,
        nodes: ask.nodes,
        vram_gb_per_gpu,
        fast_interconnect: fast.is_some(),
        port: port.as_ref().map(|(port, _)| *port),
        preemption_tolerant: stops.is_some(),
        checkpointing: saves.is_some(),
    };
    let (tiers, reason) = tiers::fit(class, &needs, memory.as_ref(), &ask, &facts);
    let mut evidence = evidence::of_class(document, &findings, ask.nodes, class);
    evidence.truncate(EVIDENCE_MAX);
    evidence.extend(size.map(sizes::Size::into_evidence));
    evidence.extend(memory.map(|m| m.evidence));
    evidence.extend(evidence::of_ask(&ask));
    evidence.extend(port.map(|(_, evidence)| evidence));
    evidence.extend([fast, saves, stops].into_iter().flatten());
    evidence.push(reason);
    Classification {
        class,
        confidence,
        needs,
        tiers,
        evidence,
    }
}

/// The activity with the greatest weight, and how far it leads.
fn decide(document: &Document, findings: &[Finding]) -> (Activity, u8) {
    let total = |a: Activity| {
        findings
            .iter()
            .filter(|f| f.activity == a)
            .map(|f| f.weight)
            .sum()
    };
    let mut totals: Vec<(i32, Activity)> =
        Activity::ALL.into_iter().map(|a| (total(a), a)).collect();
    totals.sort_by_key(|(weight, _)| -*weight);
    let (first, activity) = totals[0];
    if first <= 0 {
        let service = document
            .draft
            .as_ref()
            .is_some_and(|w| w.kind == WorkloadKind::Service);
        let guess = if service {
            Activity::Serve
        } else {
            Activity::Evaluate
        };
        return (guess, GUESSED_PERCENT);
    }
    let lead = first - totals[1].0.max(0);
    let mut percent = 50 + 50 * lead / (first + 20);
    if !document.format.can_be_submitted() {
        percent -= FOREIGN_POINTS;
    }
    let percent = percent.clamp(FOUND_PERCENT.0, FOUND_PERCENT.1);
    (activity, u8::try_from(percent).unwrap_or(GUESSED_PERCENT))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_files;
#[cfg(test)]
mod tests_memory;
