//! What was seen of the supply in all jobs: the counts from which prices learn.

use std::collections::BTreeMap;

use tandem_model::network::NetworkId;

use crate::failures::Seen;
use crate::probes::{KINDS_MAX, ProbedKind, ProbesSeen, Shown};

/// What was seen of the supply, by kind of machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenByKind {
    /// Failures and running time by network and by whether the machines can be sold as enterprise.
    pub machines: BTreeMap<(NetworkId, bool), Seen>,
    /// What probes showed, of up to [`KINDS_MAX`] kinds.
    pub probes: BTreeMap<ProbedKind, ProbesSeen>,
}

impl SeenByKind {
    /// Nothing seen.
    pub const fn new() -> Self {
        Self {
            machines: BTreeMap::new(),
            probes: BTreeMap::new(),
        }
    }

    /// Counts what came of a probe; not of a new kind where there are too many.
    pub fn count_probe(&mut self, kind: ProbedKind, shown: Shown) {
        if self.probes.len() < KINDS_MAX || self.probes.contains_key(&kind) {
            self.probes.entry(kind).or_default().add(shown);
        }
    }

    /// Lets old verdicts count less, where there are many.
    pub fn fade(&mut self) {
        for seen in self.probes.values_mut() {
            *seen = seen.faded();
        }
    }
}
