//! What must hold of probes inside running work: orders are of moments that the key draws, for work
//! that agreed, and in the store before they are told; the first verdict of a moment stands and is the
//! verifier's; silence is counted as it was, and never against a node that was not heard, not asked,
//! or whose broker died; who failed earns, publishes and ends nothing any more.

use std::collections::{BTreeMap, BTreeSet};

use gpu_probe::hex::HexBytes;
use gpu_probe::protocol::MomentId;
use gpu_probe::report::DeviceUuid;
use gpu_probe::session::Outcome;
use gpu_probe::verdict::{ProofLevel, ReasonCode, Verdict, VerdictOutcome};
use tandem::engine::attempt::Attempt;
use tandem::engine::probe::Probed;
use tandem::engine::probe::moments::{LEAD_MAX, LEAD_MIN, of_day};
use tandem::engine::probe::running::{MISSED_MAX, Ordered, RunningProbes};
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use crate::sim::{Done, broken};
use crate::witness::{Seen, Witness};

/// The node of an attempt.
type Node = (JobId, Epoch, u16);
/// A moment of a node.
pub(crate) type Asked = (JobId, Epoch, u16, MomentId);

/// What was seen of moments.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    /// Length of the days for which moments are drawn.
    pub(crate) day_us: i64,
    /// Verdicts that are in the store, however many of them the attempt still names.
    pub(crate) kept: BTreeMap<Asked, Probed>,
    /// Verdicts that the verifier gave to the engine.
    found: BTreeMap<Asked, Vec<Verdict>>,
    /// Verdicts as agents were told them, and whether their work might go on.
    pub(crate) told: BTreeMap<Asked, (Probed, bool)>,
    /// Orders that are or were in the store, each with how often a broker had started by then.
    ordered: BTreeMap<Asked, usize>,
    /// Of each node its moments without an answer since the last one: whether something was done to it
    /// that explains it.
    silences: BTreeMap<Node, Vec<bool>>,
    missed: BTreeMap<Node, u32>,
    /// Nodes that failed while their work ran, and since when.
    failed: BTreeMap<Node, WorldTime>,
}

impl Moments {
    /// How many orders there were.
    pub(crate) fn orders(&self) -> u64 {
        self.ordered.len() as u64
    }

    /// Verdicts on a node of an attempt, in no order of time.
    pub(crate) fn verdicts_on(&self, (job, epoch, rank): Node) -> impl Iterator<Item = &Probed> {
        let first = (job, epoch, rank, HexBytes([0; 16]));
        let of_it = self.kept.range(first..);
        let of_it = of_it.take_while(move |((j, e, r, _), _)| (*j, *e, *r) == (job, epoch, rank));
        of_it.map(|(_, probed)| probed)
    }

    /// Whether a node failed before a time.
    pub(crate) fn had_failed(&self, node: Node, at: WorldTime) -> bool {
        self.failed.get(&node).is_some_and(|since| *since < at)
    }

    /// Whether a node of an attempt failed.
    pub(crate) fn has_failed(&self, job: JobId, epoch: Epoch) -> bool {
        let nodes = (job, epoch, 0)..=(job, epoch, u16::MAX);
        self.failed.range(nodes).next().is_some()
    }
}

/// Whether a prover gave up once it knew what it must open.
fn is_withheld(probed: &Probed) -> bool {
    let withheld = |code| code == ReasonCode::OpeningsMissing;
    probed.outcome == VerdictOutcome::CouldNotRun && probed.reasons.iter().any(|r| withheld(r.code))
}

/// Cards that a verdict names.
pub(crate) fn uuids(probed: &Probed) -> BTreeSet<DeviceUuid> {
    probed.devices.iter().map(|device| device.uuid).collect()
}

/// Whether what is kept is what was found: the verifier's verdict, but that a card which another node
/// showed at its start fails.
fn is_of(probed: &Probed, found: &Verdict, attempt: &Attempt, rank: u16) -> bool {
    let shown: BTreeSet<_> = found.evidence.iter().map(|seen| seen.uuid).collect();
    let mut others = attempt.probes.iter().filter(|(other, _)| **other != rank);
    let is_twin = others.any(|(_, other)| !uuids(other).is_disjoint(&shown));
    let (outcome, level) = match is_twin {
        true => (VerdictOutcome::Fail, ProofLevel::Claimed),
        false => (found.outcome, found.proof_level),
    };
    (probed.outcome, probed.proof_level) == (outcome, level)
        && probed.accepted == (outcome != VerdictOutcome::Fail)
        && probed.speed_permille == found.speed_permille
        && uuids(probed) == shown
}

impl Witness {
    /// The verifier gives a verdict on a moment to the engine.
    pub(crate) fn moment_is_judged(&mut self, asked: Asked, found: &Verdict) {
        self.moments
            .found
            .entry(asked)
            .or_default()
            .push(found.clone());
    }

    /// What must hold of the running probes of a job that was just written.
    pub(crate) fn moments_hold(&mut self, id: JobId, seen: &Seen, now: WorldTime) -> Done {
        self.failed_ones_do_nothing(id, seen)?;
        for (n, attempt) in seen.attempts.iter().enumerate() {
            let before = self.jobs.get(&id).and_then(|seen| seen.attempts.get(n));
            let before = before.map(|a| a.running_probes.clone()).unwrap_or_default();
            if !before
                .keys()
                .all(|r| attempt.running_probes.contains_key(r))
            {
                return broken(format!("{id}: the moments of a node are forgotten"));
            }
            for (rank, probes) in &attempt.running_probes {
                let was = before.get(rank).cloned().unwrap_or_default();
                if was != *probes {
                    self.node_moved((id, seen, attempt), *rank, (&was, probes), now)?;
                }
            }
        }
        Ok(())
    }

    /// Who failed proves, publishes and ends nothing any more.
    fn failed_ones_do_nothing(&self, id: JobId, seen: &Seen) -> Done {
        let Some(before) = self.jobs.get(&id) else {
            return Ok(());
        };
        let step = |seen: &Seen, epoch| {
            let pointer = seen.document.session.pointer();
            pointer.filter(|at| at.epoch == epoch).map(|at| at.step)
        };
        let outcome = |seen: &Seen| match seen.document.session.outcome() {
            Some(Outcome::Succeeded(report) | Outcome::Failed(report)) => {
                Some((report.epoch, report.rank))
            }
            None => None,
        };
        let failed = (id, Epoch(0), 0)..=(id, Epoch(u32::MAX), u16::MAX);
        for (node, _) in self.moments.failed.range(failed) {
            let (_, epoch, rank) = *node;
            let who = format!("{id} e{epoch} node {rank} failed while its work ran, and");
            let of = |seen: &Seen| {
                let mut attempts = seen.attempts.iter();
                attempts.find(|a| a.placement.epoch == epoch).cloned()
            };
            let alone = self
                .ordered
                .get(&id)
                .is_some_and(|s| s.workload.resources.nodes == 1);
            if let (Some(old), Some(new)) = (of(before), of(seen))
                && alone
                && new.proved > old.proved
            {
                return broken(format!("{who} later work of it is proved"));
            }
            if rank == 0 && step(seen, epoch) > step(before, epoch) {
                return broken(format!("{who} published"));
            }
            if outcome(before).is_none() && outcome(seen) == Some((epoch, rank)) {
                return broken(format!("{who} ended the job"));
            }
        }
        Ok(())
    }

    /// What changed of a node's moments is what happened.
    fn node_moved(
        &mut self,
        (id, seen, attempt): (JobId, &Seen, &Attempt),
        rank: u16,
        (was, probes): (&RunningProbes, &RunningProbes),
        now: WorldTime,
    ) -> Done {
        let epoch = attempt.placement.epoch;
        let node = (id, epoch, rank);
        let who = format!("{id} e{epoch} node {rank}");
        for answered in &probes.answered {
            let asked = (id, epoch, rank, answered.moment);
            match self.moments.kept.get(&asked) {
                Some(first) if *first == answered.probed => {}
                Some(_) => return broken(format!("{who}: the verdict of a moment changed")),
                None => {
                    let was_open = was.ordered.is_some_and(|o| o.moment == answered.moment);
                    let mut found = self.moments.found.get(&asked).into_iter().flatten();
                    let is_found = found.any(|v| is_of(&answered.probed, v, attempt, rank));
                    if !was_open || !is_found || answered.probed.at != now {
                        let probed = &answered.probed;
                        return broken(format!("{who}: nobody found {probed:?}, or not now"));
                    }
                    self.moments.kept.insert(asked, answered.probed.clone());
                }
            }
        }
        let is = |one: &Option<Ordered>, other: &Ordered| {
            one.is_some_and(|one| one.moment == other.moment)
        };
        if let Some(closed) = was.ordered.filter(|was| !is(&probes.ordered, was)) {
            self.moment_is_over((id, seen, attempt), rank, closed, now)?;
        }
        if let Some(new) = probes.ordered.filter(|new| !is(&was.ordered, new)) {
            self.moment_is_ordered((id, attempt), rank, new, now)?;
        }
        let silences = self.moments.silences.get(&node).map_or(0, Vec::len);
        let missed = self.moments.missed.get(&node).copied().unwrap_or(0);
        let counted = (u32::try_from(silences).unwrap_or(u32::MAX), missed);
        if counted != (probes.missed_in_a_row, probes.missed) {
            return broken(format!(
                "{who} missed {counted:?} moments in a row and in all, and the store has {probes:?}"
            ));
        }
        let is_refused = self.moments.verdicts_on(node).any(|p| !p.accepted);
        if silences >= MISSED_MAX as usize || is_refused {
            self.moments.failed.entry(node).or_insert(now);
        }
        Ok(())
    }

    /// A moment has its verdict, or passed without one.
    fn moment_is_over(
        &mut self,
        (id, seen, attempt): (JobId, &Seen, &Attempt),
        rank: u16,
        closed: Ordered,
        now: WorldTime,
    ) -> Done {
        let epoch = attempt.placement.epoch;
        let asked = (id, epoch, rank, closed.moment);
        let node = (id, epoch, rank);
        let is_missed = match self.moments.kept.get(&asked) {
            Some(probed) if is_withheld(probed) => true,
            Some(_) => {
                self.moments.silences.remove(&node);
                return Ok(());
            }
            None => {
                if now <= closed.at.after(self.verdicts.terms.within) {
                    return broken(format!(
                        "{id} e{epoch} node {rank}: its moment is forgotten"
                    ));
                }
                let session = &seen.document.session;
                let bound = session
                    .bound(rank)
                    .filter(|_| session.live_epoch() == Some(epoch));
                let was_heard = bound.is_some_and(|bound| bound.heard_at >= closed.at);
                let starts = self.moments.ordered.get(&asked).copied();
                was_heard && starts == Some(self.blame.away.len())
            }
        };
        if !is_missed {
            return Ok(());
        }
        let network = &attempt.placement.network;
        let before = LEAD_MAX + LEAD_MIN;
        let from = WorldTime::from_micros(
            closed.at.micros() - i64::try_from(before.as_micros()).unwrap_or(0),
        );
        let is_explained = self.blame.explains((id, epoch), network, (from, now));
        *self.moments.missed.entry(node).or_default() += 1;
        let silences = self.moments.silences.entry(node).or_default();
        silences.push(is_explained);
        if silences.len() >= MISSED_MAX as usize && !silences.iter().all(|explained| *explained) {
            return broken(format!(
                "{id} e{epoch} node {rank} fails for its silence, and nothing was done to it"
            ));
        }
        Ok(())
    }

    /// An order is of a moment that the key draws for the card, in time, once, and agreed to.
    fn moment_is_ordered(
        &mut self,
        (id, attempt): (JobId, &Attempt),
        rank: u16,
        new: Ordered,
        now: WorldTime,
    ) -> Done {
        let terms = &self.verdicts.terms;
        let who = format!("{id} e{} node {rank}", attempt.placement.epoch);
        let day = new.at.micros().div_euclid(self.moments.day_us.max(1));
        let model = attempt.offer.gpu.id();
        let drawn = of_day(&terms.moments, model, day, terms.while_running_per_day);
        let is_drawn = drawn.iter().any(|m| (m.id, m.at) == (new.moment, new.at));
        let agreed = self.ordered.get(&id);
        let agreed = agreed.is_some_and(|spec| spec.workload.probe_while_running);
        if !is_drawn || !agreed {
            return broken(format!(
                "{who} agreed: {agreed}, drawn: {is_drawn}: {new:?}"
            ));
        }
        if new.at < now.after(LEAD_MIN) || new.at > now.after(LEAD_MAX) {
            return broken(format!("{who} is ordered {new:?} at {now:?}"));
        }
        let asked = (id, attempt.placement.epoch, rank, new.moment);
        let starts = self.blame.away.len();
        match self.moments.ordered.insert(asked, starts) {
            None => Ok(()),
            Some(_) => broken(format!("{who} is ordered one moment twice")),
        }
    }
}
