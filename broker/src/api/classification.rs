//! `POST /v1/classifications`.

use serde::{Deserialize, Serialize};
use tandem_model::workload::WorkloadClass;
use tandem_pricing::classify::{Classification, Evidence, Needs, TierFit};
use tandem_pricing::files::{Document, Note};
use utoipa::ToSchema;

use super::FieldProblem;
use super::described::WorkloadText;

/// Asks what a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassificationRequest {
    /// Text of a file of any supported format.
    #[schema(value_type = WorkloadText)]
    pub workload: String,
}

/// What a file is and needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassificationReply {
    /// Its format (`tandem`, `skypilot`, `kubernetes`, …).
    pub format: String,
    /// What it is.
    #[schema(value_type = String)]
    pub class: WorkloadClass,
    /// How sure, in percent.
    pub confidence_percent: u8,
    /// What it needs.
    pub needs: NeedsView,
    /// Which tiers fit the need.
    pub tiers: TiersView,
    /// Why, strongest first.
    pub evidence: Vec<EvidenceView>,
    /// Fields that are accepted without their usual effect.
    pub notes: Vec<NoteView>,
    /// Why it cannot be submitted; empty when it can.
    pub problems: Vec<FieldProblem>,
}

/// What a workload needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NeedsView {
    /// Cards that fit the need, by id; where the need is unknown, those asked for.
    pub gpu_models: Vec<String>,
    /// GPUs asked for, as written, in order of preference.
    pub gpus_asked: Vec<String>,
    /// GPUs of a node, where stated.
    pub gpus_per_node: Option<u16>,
    /// Nodes of one run.
    pub nodes: u16,
    /// Estimated need of memory per GPU in GB.
    pub vram_gb_per_gpu: Option<u32>,
    /// Whether a fast link is needed.
    pub fast_interconnect: bool,
    /// Port that users reach.
    pub port: Option<u16>,
    /// Whether it survives being stopped at any time.
    pub preemption_tolerant: bool,
    /// Whether it saves its state on the way.
    pub checkpointing: bool,
}

/// Which tiers fit the need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TiersView {
    /// Cards of any grade.
    pub consumer: bool,
    /// Consumer cards with an enterprise backstop.
    pub assured: bool,
    /// Data-centre cards, A100 or better.
    pub enterprise: bool,
}

/// One line that speaks for a class or a need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceView {
    /// Line of the file, from 1.
    pub line: u32,
    /// What kind of place it is: `command`, `image`, `name`, …
    pub source: String,
    /// The words found and what they mean.
    pub text: String,
    /// The class, or `needs.…` and `tiers.…`, that it speaks for.
    pub points_to: String,
}

/// A field that is accepted without its usual effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoteView {
    /// Path of the field.
    pub field: String,
    /// Line of the file, from 1.
    pub line: u32,
    /// What happens instead.
    pub text: String,
}

impl ClassificationReply {
    /// What is said of a document.
    pub fn of(document: &Document, found: &Classification) -> Self {
        let problems = document.submittable().err();
        Self {
            format: serde_json::to_value(document.format)
                .ok()
                .and_then(|v| v.as_str().map(str::to_owned))
                .unwrap_or_default(),
            class: found.class,
            confidence_percent: found.confidence,
            needs: NeedsView::from(&found.needs),
            tiers: found.tiers.into(),
            evidence: found.evidence.iter().map(EvidenceView::from).collect(),
            notes: document.notes.iter().map(NoteView::from).collect(),
            problems: problems
                .map(|errors| errors.0.iter().map(FieldProblem::of_workload).collect())
                .unwrap_or_default(),
        }
    }
}

impl From<&Needs> for NeedsView {
    fn from(needs: &Needs) -> Self {
        Self {
            gpu_models: needs.gpu_models.iter().map(|m| m.id().into()).collect(),
            gpus_asked: needs.gpus_asked.clone(),
            gpus_per_node: needs.gpus_per_node,
            nodes: needs.nodes,
            vram_gb_per_gpu: needs.vram_gb_per_gpu,
            fast_interconnect: needs.fast_interconnect,
            port: needs.port,
            preemption_tolerant: needs.preemption_tolerant,
            checkpointing: needs.checkpointing,
        }
    }
}

impl From<TierFit> for TiersView {
    fn from(fit: TierFit) -> Self {
        Self {
            consumer: fit.consumer,
            assured: fit.assured,
            enterprise: fit.enterprise,
        }
    }
}

impl From<&Evidence> for EvidenceView {
    fn from(evidence: &Evidence) -> Self {
        Self {
            line: evidence.line,
            source: evidence.source.to_string(),
            text: evidence.text.clone(),
            points_to: evidence.points_to.clone(),
        }
    }
}

impl From<&Note> for NoteView {
    fn from(note: &Note) -> Self {
        Self {
            field: note.field.clone(),
            line: note.line,
            text: note.text.clone(),
        }
    }
}

impl FieldProblem {
    /// What is wrong inside the workload file of a body.
    pub fn of_workload(error: &tandem_pricing::files::FileError) -> Self {
        Self {
            field: "/workload".into(),
            path: Some(error.field.clone()).filter(|path| !path.is_empty()),
            code: Some(error.code.to_string()),
            detail: error.text.clone(),
            hint: error.hint.clone(),
            line: Some(error.line),
            column: Some(error.column),
        }
    }
}
