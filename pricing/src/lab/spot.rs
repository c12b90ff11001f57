//! Availability traces: how many nodes of a kind could be had at each step, as JSON
//! `{"metadata":{"gap_seconds":N},"data":[nodes, ...]}`. Prices in such a file are not read.
//!
//! A trace counts few nodes in one zone, so it is used as a share: a lane has its GPUs times the nodes
//! that were there, of the most that ever were.

use serde::Deserialize;
use tandem_model::gpu::GpuModel;

use super::cards;
use super::history::{STEPS_MAX, Step};
use super::problem::LabError;

/// Most steps of a trace.
pub const TRACE_STEPS_MAX: usize = 1_000_000;
/// Longest time between two steps: a day.
const GAP_SECONDS_MAX: u64 = 86_400;

#[derive(Deserialize)]
struct File {
    metadata: Metadata,
    data: Vec<u32>,
}

#[derive(Deserialize)]
struct Metadata {
    gap_seconds: u64,
}

/// A checked trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    name: String,
    /// The cards that it is about.
    pub gpus: Vec<GpuModel>,
    gap_s: u64,
    nodes: Vec<u32>,
    nodes_max: u32,
}

/// From a moment on, so many nodes are there.
pub(super) type Change = (u64, u32);

impl Availability {
    /// Reads a trace. The card stands in the name of the file, as `_v100_1.json`: a card and the
    /// GPUs of a node.
    ///
    /// Fails where the name has no card that we sell, the text is not such a trace, or no node was
    /// ever there.
    pub fn parse(name: &str, text: &str) -> Result<Self, LabError> {
        let refuse = |line, text: String| Err(LabError::new(name, line, "", text));
        let stem = name.strip_suffix(".json").unwrap_or(name);
        let mut parts = stem.rsplit('_');
        let gpus = match (parts.next(), parts.next()) {
            (Some(_), Some(card)) => cards::sold_as(&card.to_ascii_uppercase()),
            _ => Vec::new(),
        };
        if gpus.is_empty() {
            let text = "the file's name must end as `_v100_1.json`, with a card that we sell";
            return refuse(0, text.to_owned());
        }
        let file: File = match serde_json::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
                return refuse(line, format!("is no availability trace: {error}"));
            }
        };
        if !(1..=GAP_SECONDS_MAX).contains(&file.metadata.gap_seconds) {
            let text = format!("`metadata.gap_seconds` must be 1 to {GAP_SECONDS_MAX}");
            return refuse(0, text);
        }
        if file.data.len() > TRACE_STEPS_MAX {
            return refuse(0, format!("`data` has more than {TRACE_STEPS_MAX} steps"));
        }
        let nodes_max = file.data.iter().copied().max().unwrap_or(0);
        if nodes_max == 0 {
            return refuse(0, "`data` never has a node".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            gpus,
            gap_s: file.metadata.gap_seconds,
            nodes: file.data,
            nodes_max,
        })
    }

    pub(super) fn refuse(&self, text: String) -> LabError {
        LabError::new(&self.name, 0, "", text)
    }

    /// When the number of nodes changes, until a moment; the trace begins anew when it is over.
    pub(super) fn changes(&self, until_s: u64) -> Result<Vec<Change>, LabError> {
        let mut changes: Vec<Change> = Vec::new();
        let moments = (0..).map(|step: u64| step.saturating_mul(self.gap_s));
        let moments = moments.take_while(|at_s| *at_s <= until_s);
        for (at_s, nodes) in moments.zip(self.nodes.iter().copied().cycle()) {
            if changes.last().is_none_or(|last| last.1 != nodes) {
                if changes.len() >= STEPS_MAX {
                    return Err(self.refuse(format!("makes more than {STEPS_MAX} steps")));
                }
                changes.push((at_s, nodes));
            }
        }
        Ok(changes)
    }

    /// The steps of a lane, cut.
    pub(super) fn cut(&self, own: &[Step], changes: &[Change]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(own.len() + changes.len());
        let (mut own, mut changes) = (own.iter().peekable(), changes.iter().peekable());
        let mut now: Option<Step> = None;
        let mut nodes = self.nodes_max;
        loop {
            let next = (own.peek().map(|s| s.at_s), changes.peek().map(|c| c.0));
            let at_s = match next {
                (Some(a), Some(b)) => a.min(b),
                (Some(a), None) | (None, Some(a)) => a,
                (None, None) => return steps,
            };
            while let Some(step) = own.next_if(|step| step.at_s == at_s) {
                now = Some(*step);
            }
            while let Some(change) = changes.next_if(|change| change.0 == at_s) {
                nodes = change.1;
            }
            if let Some(step) = now {
                let gpus = u64::from(step.gpus) * u64::from(nodes) / u64::from(self.nodes_max);
                let gpus = u32::try_from(gpus).unwrap_or(step.gpus);
                steps.push(Step { at_s, gpus, ..step });
            }
        }
    }
}
