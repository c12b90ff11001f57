//! Probes inside running work: ordered by the answer to a heartbeat, judged like the one at the start,
//! remembered with the attempt. Nothing is barred meanwhile; a fail leaves the placement. Pure.
//!
//! Nobody is told of a moment before its order lies on the disk, and from then on every answer to a
//! heartbeat says it, until the moment has come.
//!
//! What could not run says nothing and leaves nobody. But a node that lets [`MISSED_MAX`] moments in a
//! row pass without an answer, or gives up once it knows what it must open, fails: to ignore the
//! question must not pay.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gpu_probe::protocol::{HeartbeatRequest, MomentId, Phase, Problem, SpotOrder};
use gpu_probe::report::DeviceUuid;
use gpu_probe::session::Standing;
use gpu_probe::verdict::{ReasonCode, VerdictOutcome};
use serde::{Deserialize, Serialize};
use tandem_model::job::JobState;
use tandem_model::time::WorldTime;
use tandem_pricing::quote::gpus_rented;

use super::intake::{happened, kept, reply};
use super::moments::{self, SETTLE};
use super::{NodeVerdict, OPENINGS_MAX, ProbeOpens, ProbeTerms, Probed, note_speed, record};
use crate::engine::job::{Attempt, Job};
use crate::engine::message::AgentReply;
use crate::engine::planted::Planted;
use crate::store::Changes;

/// Moments in a row without an answer after which a node fails.
pub const MISSED_MAX: u32 = 3;
/// Answers that are kept of a node.
const ANSWERED_MAX: usize = 4;

/// A moment for which a node was given the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// The moment.
    pub moment: MomentId,
    /// When it is.
    pub at: WorldTime,
    /// How often the node began its probe.
    #[serde(default)]
    pub openings: u32,
    /// A broker started again while it was open: the order, or what the node said of it, may be lost
    /// with the broker before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outlived_broker: bool,
}

/// What came of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The moment.
    pub moment: MomentId,
    /// The first verdict of it.
    pub probed: Probed,
}

/// The probes of one node while its work runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningProbes {
    /// The moment that is ordered and has no answer yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<Ordered>,
    /// Up to four answers, oldest first: the newest ones, and the first that showed devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<Answered>,
    /// Moments that passed without an answer, in all.
    #[serde(default)]
    pub missed: u32,
    /// The same since the last answer.
    #[serde(default)]
    pub missed_in_a_row: u32,
}

impl RunningProbes {
    fn answer(&self, moment: MomentId) -> Option<&Probed> {
        let answered = self.answered.iter().find(|a| a.moment == moment);
        answered.map(|answered| &answered.probed)
    }

    /// A broker took it over from one that died, or lost its claim.
    pub(in crate::engine) fn adopt(&mut self) {
        if let Some(ordered) = &mut self.ordered {
            ordered.outlived_broker = !Planted::RestartIsSilence.is_here();
        }
    }

    fn misses(&mut self) {
        self.ordered = None;
        self.missed += 1;
        self.missed_in_a_row += 1;
    }

    fn take(&mut self, moment: MomentId, probed: Probed) {
        match is_withheld(&probed) {
            true => self.misses(),
            false => {
                self.ordered = None;
                self.missed_in_a_row = 0;
            }
        }
        self.answered.push(Answered { moment, probed });
        if self.answered.len() > ANSWERED_MAX {
            // The devices that were shown first are what later ones must be.
            let shows_first = self.answered.first().is_some_and(shows_devices);
            self.answered.remove(usize::from(shows_first));
        }
    }

    /// Whether a node may go on after an answer: not where it leaves the placement, as the third
    /// moment in a row without one does, though none of them fails by itself.
    fn goes_on(&self, rank: u16, is_granting: bool) -> bool {
        is_granting && self.refused(rank).is_none()
    }

    /// The verdict of a moment that is judged, told once more.
    fn told_again(&self, moment: MomentId, (rank, is_granting): (u16, bool)) -> Option<AgentReply> {
        let probed = self.answer(moment)?;
        Some(reply(probed, self.goes_on(rank, is_granting), false))
    }

    /// Why its placement is to be left.
    pub(in crate::engine) fn refused(&self, rank: u16) -> Option<String> {
        let failed = self.answered.iter().find(|a| !a.probed.accepted);
        if let Some(failed) = failed {
            let words = failed.probed.in_words();
            return Some(format!("while its work ran, node {rank} {words}"));
        }
        let missed = self.missed_in_a_row;
        (missed >= MISSED_MAX).then(|| {
            format!(
                "node {rank} left {missed} probes of its running work in a row without an answer"
            )
        })
    }
}

fn shows_devices(answered: &Answered) -> bool {
    !answered.probed.devices.is_empty()
}

/// Whether a prover gave up once it knew what it must open.
fn is_withheld(probed: &Probed) -> bool {
    let withheld = |r: &super::ProbeReason| r.code == ReasonCode::OpeningsMissing;
    probed.outcome == VerdictOutcome::CouldNotRun && probed.reasons.iter().any(withheld)
}

/// The live attempt of a node whose work runs, when this is the newest heartbeat of it.
fn heard_running<'a>(job: &'a Job, beat: &HeartbeatRequest) -> Option<&'a Attempt> {
    let runs = job.doc.state == JobState::Running && beat.phase == Phase::Running;
    let session = &job.doc.session;
    let is_live = session.standing() == Some(Standing::Granting) && session.is_news(beat);
    let attempt = job.last().filter(|a| a.placement.epoch == beat.epoch);
    attempt.filter(|_| runs && is_live)
}

/// What a running node is to be told at its heartbeat, if anything: a moment of its card lies so far
/// ahead that the order arrives, the work agreed to it, and no other moment is open.
pub(in crate::engine) fn to_order(
    job: &Job,
    beat: &HeartbeatRequest,
    terms: &ProbeTerms,
    now: WorldTime,
) -> Option<Ordered> {
    let workload = &job.spec.workload;
    let has_gpus = workload.resources.gpus_per_node > 0;
    let agreed = workload.probe_while_running && has_gpus && terms.while_running_per_day > 0;
    let attempt = heard_running(job, beat).filter(|_| agreed)?;
    let probes = attempt.running_probes.get(&beat.rank);
    if probes.is_some_and(|probes| probes.ordered.is_some()) {
        return None;
    }
    let model = attempt.offer.gpu.id();
    let next = moments::to_order(&terms.moments, model, terms.while_running_per_day, now)?;
    let is_answered = probes.is_some_and(|probes| probes.answer(next.id).is_some());
    (!is_answered).then_some(Ordered {
        moment: next.id,
        at: next.at,
        openings: 0,
        outlived_broker: false,
    })
}

/// Remembers an order, and words it for the answer to the heartbeat that is given now.
pub(in crate::engine) fn order(
    job: &mut Job,
    beat: &HeartbeatRequest,
    ordered: Ordered,
    now: WorldTime,
) -> Option<SpotOrder> {
    let attempt = job.attempt_mut(beat.epoch)?;
    let probes = attempt.running_probes.entry(beat.rank).or_default();
    probes.ordered = Some(ordered);
    Some(worded(&ordered, now))
}

fn worded(ordered: &Ordered, now: WorldTime) -> SpotOrder {
    // Rounded up: an agent that comes before its moment is turned away.
    let in_ms = ordered.at.since(now).as_micros().div_ceil(1_000);
    SpotOrder {
        moment: ordered.moment,
        in_ms: u64::try_from(in_ms).unwrap_or(u64::MAX),
    }
}

/// The order that a running node was given, while its moment lies ahead: the answer that told it may
/// be lost, or never given by a broker that died, so each one until then says it.
pub(in crate::engine) fn again(
    job: &Job,
    beat: &HeartbeatRequest,
    now: WorldTime,
) -> Option<SpotOrder> {
    let probes = heard_running(job, beat)?.running_probes.get(&beat.rank)?;
    let ahead = probes.ordered.filter(|ordered| now < ordered.at)?;
    Some(worded(&ahead, now))
}

/// What the verifier is told of a node whose running work is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotTerms {
    /// Catalogue id of the card that was rented.
    pub sold_as: String,
    /// How many of them the node was sold with.
    pub gpus: u32,
    /// The devices that it showed first: they must still be the same.
    pub expected: Option<BTreeSet<DeviceUuid>>,
    /// When the challenge is given to all of the cohort.
    pub challenge_at: WorldTime,
}

/// The attempt and the moment of the bound instance that speaks.
fn told<'a>(
    job: &'a mut Job,
    said: &ProbeOpens,
    moment: MomentId,
) -> Result<(&'a mut Attempt, bool), Problem> {
    let (epoch, rank) = (said.epoch, said.rank);
    job.doc.session.instance(epoch, rank, said.boot_id)?;
    let (id, live) = (job.id, job.doc.session.live_epoch());
    let attempt = job.attempt_mut(epoch);
    let known = attempt.and_then(|attempt| {
        let probes = attempt.running_probes.get(&rank)?;
        let is_open = probes.ordered.is_some_and(|o| o.moment == moment);
        (is_open || probes.answer(moment).is_some()).then_some((attempt, is_open))
    });
    known.ok_or_else(|| {
        let why =
            format!("epoch {epoch} of {id}: no probe of this moment was ordered of node {rank}");
        Problem::fenced(why, live)
    })
}

/// Whether an exchange may be opened for a moment. One that is judged is told its verdict again.
pub(super) fn open(
    job: &mut Job,
    said: &ProbeOpens,
    moment: MomentId,
    now: WorldTime,
) -> Result<AgentReply, Problem> {
    let live = job.doc.session.live_epoch();
    let is_granting = job.doc.session.standing() == Some(Standing::Granting);
    let spec = Arc::clone(&job.spec);
    let (attempt, _) = told(job, said, moment)?;
    let expected = first_shown(attempt, said.rank);
    let sold_as = attempt.offer.gpu.id().to_owned();
    let gpus = u32::from(gpus_rented(&attempt.offer, &spec.workload));
    let probes = attempt.running_probes.entry(said.rank).or_default();
    if let Some(again) = probes.told_again(moment, (said.rank, is_granting)) {
        return Ok(again);
    }
    let ordered = probes.ordered.as_mut();
    let refused = |why: &str| Problem::fenced(format!("node {}: {why}", said.rank), live);
    let ordered = ordered.ok_or_else(|| refused("its moment is over"))?;
    // Before its moment nobody is paused, and nothing can be shown together.
    if now < ordered.at {
        return Err(refused("its moment has not come"));
    }
    if ordered.openings >= OPENINGS_MAX {
        return Err(refused("the probe of this moment began too often"));
    }
    ordered.openings += 1;
    Ok(AgentReply::SpotOpens(SpotTerms {
        sold_as,
        gpus,
        expected,
        challenge_at: ordered.at.after(SETTLE),
    }))
}

/// The devices of the first probe in which a node of this attempt showed any.
fn first_shown(attempt: &Attempt, rank: u16) -> Option<BTreeSet<DeviceUuid>> {
    let running = attempt.running_probes.get(&rank);
    let later = running.into_iter().flat_map(|probes| &probes.answered);
    let all = attempt.probes.get(&rank).into_iter();
    let all = all.chain(later.map(|answered| &answered.probed));
    let mut shown = all.filter(|probed| !probed.devices.is_empty());
    let first = shown.next()?;
    Some(first.devices.iter().map(|device| device.uuid).collect())
}

/// Takes the verdict of a moment in; the first one stands.
pub(super) fn take(
    job: &mut Job,
    said: &NodeVerdict,
    moment: MomentId,
    terms: &ProbeTerms,
    now: WorldTime,
    changes: &mut Changes,
) -> Result<AgentReply, Problem> {
    let is_granting = job.doc.session.standing() == Some(Standing::Granting);
    let (id, state, rank) = (job.id, job.doc.state, said.rank);
    let installation = job.installation;
    let (attempt, is_open) = told(job, &said.opens(), moment)?;
    if !is_open {
        let probes = attempt.running_probes.get(&rank);
        let again = probes.and_then(|probes| probes.told_again(moment, (rank, is_granting)));
        if let Some(again) = again {
            return Ok(again);
        }
    }
    let mut probed = kept(said, attempt, terms, now);
    // What could not be shown while the work runs takes the work from nobody.
    probed.accepted = match Planted::RefusalLeaves.is_here() {
        true => probed.outcome == VerdictOutcome::Pass,
        false => probed.outcome != VerdictOutcome::Fail,
    };
    record::keep(said, &probed, (installation, attempt), terms, changes);
    if probed.accepted {
        let what = format!("while its work ran, node {rank} {}", probed.in_words());
        changes
            .events
            .push(happened(id, state, said.epoch, what, now));
    }
    let probes = attempt.running_probes.entry(rank).or_default();
    probes.take(moment, probed.clone());
    let answer = reply(&probed, probes.goes_on(rank, is_granting), true);
    note_speed(job, (said.epoch, rank), &probed, changes);
    Ok(answer)
}

/// Counts moments that passed without an answer while the node was heard; a node that was silent is
/// for the watch over silence, and one whose broker died meanwhile may never have heard the order, or
/// have answered the dead one. Whether anything changed, and when to look again.
pub(in crate::engine) fn lapse(
    job: &mut Job,
    within: Duration,
    now: WorldTime,
) -> (bool, Option<WorldTime>) {
    let (mut has_lapsed, mut next) = (false, None);
    let session = &job.doc.session;
    let Some(attempt) = job.attempts.last_mut() else {
        return (false, None);
    };
    for (rank, probes) in &mut attempt.running_probes {
        let Some(ordered) = probes.ordered else {
            continue;
        };
        let due = ordered.at.after(within);
        if now <= due {
            next = Some(next.map_or(due, |at: WorldTime| at.min(due)));
            continue;
        }
        has_lapsed = true;
        let was_heard = session
            .bound(*rank)
            .is_some_and(|b| b.heard_at >= ordered.at);
        match was_heard && !ordered.outlived_broker {
            true => probes.misses(),
            false => probes.ordered = None,
        }
    }
    (has_lapsed, next)
}

#[cfg(test)]
mod tests;
