//! Speed that was promised and not measured: a performance breach. It is recorded with its attempt,
//! once a node, for whoever owes a credit for it.

use std::collections::btree_map::Entry;

use gpu_probe::verdict::ProofLevel;
use serde::{Deserialize, Serialize};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use super::Probed;
use super::intake::happened;
use crate::engine::job::Job;
use crate::store::Changes;

/// A node that was slower than promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerformanceBreach {
    /// Least speed that was promised, in thousandths of a good card of the model.
    pub promised_permille: u32,
    /// The speed that was measured.
    pub measured_permille: u32,
    /// How much was shown.
    pub proof_level: ProofLevel,
    /// When.
    pub at: WorldTime,
}

impl PerformanceBreach {
    /// What an accepted verdict says against a promise; none where it was kept, or nothing timed.
    pub fn of(promised_permille: Option<u32>, probed: &Probed) -> Option<Self> {
        let promised_permille = promised_permille?;
        let measured_permille = probed.speed_permille.filter(|_| probed.accepted)?;
        (measured_permille < promised_permille).then_some(Self {
            promised_permille,
            measured_permille,
            proof_level: probed.proof_level,
            at: probed.at,
        })
    }
}

/// Records what a verdict on a node of an attempt says against the promise of the job's quote, with
/// an event, once an attempt and node: the first breach stands, whatever later probes say.
pub(in crate::engine) fn note_speed(
    job: &mut Job,
    (epoch, rank): (Epoch, u16),
    probed: &Probed,
    changes: &mut Changes,
) {
    let objectives = job.spec.quote.objectives;
    let promised = objectives.and_then(|objectives| objectives.speed_permille_min);
    let Some(breach) = PerformanceBreach::of(promised, probed) else {
        return;
    };
    let (id, state) = (job.id, job.doc.state);
    let attempt = job.attempt_mut(epoch);
    let Some(Entry::Vacant(place)) = attempt.map(|a| a.performance_breaches.entry(rank)) else {
        return;
    };
    place.insert(breach);
    let what = format!(
        "node {rank} is slower than promised: {} of 1000 measured, {} promised, proof level {}",
        breach.measured_permille,
        breach.promised_permille,
        breach.proof_level.number()
    );
    changes
        .events
        .push(happened(id, state, epoch, what, breach.at));
}
