//! What agents say around a probe, taken into the job: the order at binding, what counts of a node
//! that is not judged yet, and the verdict itself.

use std::sync::Arc;

use gpu_probe::protocol::{HeartbeatRequest, Phase, Problem, ResultReport};
use gpu_probe::report::Kind;
use gpu_probe::session::Standing;
use tandem_model::id::{BootId, JobId};
use tandem_model::job::JobState;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_pricing::quote::gpus_rented;

use super::{
    NodeVerdict, OPENINGS_MAX, ProbeOpens, ProbeTerms, Probed, note_speed, record, running,
};
use crate::engine::job::{Attempt, EventDocument, Job};
use crate::engine::message::AgentReply;
use crate::engine::planted::Planted;
use crate::engine::records;
use crate::store::{Changes, EventRecord};

/// What a node that was just bound is told to probe; remembers that it was told.
pub(in crate::engine) fn order(
    job: &mut Job,
    rank: u16,
    terms: &ProbeTerms,
    now: WorldTime,
) -> Option<Kind> {
    let attempt = job.last_mut()?;
    if attempt.probes.contains_key(&rank) {
        return None;
    }
    if terms.at_start {
        attempt.probe_ordered.entry(rank).or_insert(now);
    }
    // What was ordered once stays ordered, whatever is configured since.
    let is_ordered = attempt.probe_ordered.contains_key(&rank);
    is_ordered.then_some(Kind::Quick)
}

/// Whether a node was told to probe and its verdict is not there, or was not accepted; or failed
/// while its work ran.
pub(in crate::engine) fn is_barred(job: &Job, epoch: Epoch, rank: u16) -> bool {
    job.attempt(epoch).is_some_and(|attempt| {
        let accepted = attempt.probes.get(&rank).map(|probed| probed.accepted);
        let running = attempt.running_probes.get(&rank);
        let has_failed = running.is_some_and(|probes| probes.refused(rank).is_some());
        has_failed || attempt.probe_ordered.contains_key(&rank) && accepted != Some(true)
    })
}

/// Notes that the bound instance of a barred node began its work all the same.
fn note_skipped(job: &mut Job, (epoch, rank): (Epoch, u16), boot_id: BootId) {
    let session = &job.doc.session;
    let is_bound = session.bound(rank).is_some_and(|b| b.boot_id == boot_id);
    let is_mine = is_bound && session.live_epoch() == Some(epoch);
    if let Some(attempt) = job.attempt_mut(epoch).filter(|_| is_mine) {
        attempt.probe_skipped.get_or_insert(rank);
    }
}

/// A heartbeat as it counts: of a barred node without work. Whether the node works all the same,
/// which is noted.
pub(in crate::engine) fn hear(job: &mut Job, beat: &HeartbeatRequest) -> (HeartbeatRequest, bool) {
    let mut heard = beat.clone();
    if !is_barred(job, beat.epoch, beat.rank) {
        return (heard, false);
    }
    heard.worked_ms = 0;
    let works = beat.worked_ms > 0 || matches!(beat.phase, Phase::Running | Phase::Checkpointing);
    if works {
        note_skipped(job, (beat.epoch, beat.rank), beat.boot_id);
    }
    (heard, works)
}

/// Refuses a checkpoint of a barred node.
pub(in crate::engine) fn may_publish(
    job: &mut Job,
    (epoch, rank): (Epoch, u16),
    boot_id: BootId,
) -> Result<(), Problem> {
    if !is_barred(job, epoch, rank) {
        return Ok(());
    }
    note_skipped(job, (epoch, rank), boot_id);
    let why = format!("epoch {epoch}: the probe of node {rank}'s GPUs comes before its work");
    Err(Problem::fenced(why, job.doc.session.live_epoch()))
}

/// A result as it counts: of a barred node only that the agent ended, and no work.
pub(in crate::engine) fn ends(
    job: &mut Job,
    report: &ResultReport,
) -> Result<ResultReport, Problem> {
    if report.cause.is_outcome() {
        may_publish(job, (report.epoch, report.rank), report.boot_id)?;
    }
    let mut counted = report.clone();
    if is_barred(job, report.epoch, report.rank) {
        counted.worked_ms = 0;
    }
    Ok(counted)
}

/// The attempt of the bound instance that speaks, when its node was told to probe.
fn told(
    job: &mut Job,
    (epoch, rank): (Epoch, u16),
    boot_id: BootId,
) -> Result<&mut Attempt, Problem> {
    job.doc.session.instance(epoch, rank, boot_id)?;
    let (id, live) = (job.id, job.doc.session.live_epoch());
    let attempt = job.attempt_mut(epoch);
    attempt
        .filter(|attempt| attempt.probe_ordered.contains_key(&rank))
        .ok_or_else(|| {
            let why = format!("epoch {epoch} of {id}: no probe was ordered of node {rank}");
            Problem::fenced(why, live)
        })
}

/// Whether an exchange may be opened: a few times, before the verdict. One that is judged is told
/// its verdict again.
pub(in crate::engine) fn open(
    job: &mut Job,
    said: &ProbeOpens,
    now: WorldTime,
) -> Result<AgentReply, Problem> {
    if let Some(moment) = said.moment {
        return running::open(job, said, moment, now);
    }
    let live = job.doc.session.live_epoch();
    let is_granting = job.doc.session.standing() == Some(Standing::Granting);
    let spec = Arc::clone(&job.spec);
    let attempt = told(job, (said.epoch, said.rank), said.boot_id)?;
    if let Some(probed) = attempt.probes.get(&said.rank) {
        return Ok(reply(probed, is_granting, false));
    }
    let openings = attempt.probe_openings.entry(said.rank).or_default();
    if *openings >= OPENINGS_MAX {
        let why = format!("the probe of node {} began {openings} times", said.rank);
        return Err(Problem::fenced(why, live));
    }
    *openings += 1;
    Ok(AgentReply::ProbeOpens {
        sold_as: attempt.offer.gpu.id().to_owned(),
        gpus: u32::from(gpus_rented(&attempt.offer, &spec.workload)),
    })
}

pub(super) fn reply(probed: &Probed, is_granting: bool, is_first: bool) -> AgentReply {
    AgentReply::Probed {
        may_start: probed.accepted && is_granting,
        is_first,
        probed: Box::new(probed.clone()),
    }
}

/// Takes a verdict in. The first one of a node, or of a moment, stands; only the bound instance of
/// the live epoch has one.
pub(in crate::engine) fn take(
    job: &mut Job,
    said: &NodeVerdict,
    terms: &ProbeTerms,
    now: WorldTime,
    changes: &mut Changes,
) -> Result<AgentReply, Problem> {
    if let Some(moment) = said.moment {
        return running::take(job, said, moment, terms, now, changes);
    }
    let (epoch, rank) = (said.epoch, said.rank);
    let is_granting = job.doc.session.standing() == Some(Standing::Granting);
    let (id, state, installation) = (job.id, job.doc.state, job.installation);
    let attempt = told(job, (epoch, rank), said.boot_id)?;
    let first = attempt.probes.get(&rank);
    if let Some(probed) = first.filter(|_| !Planted::LastVerdictStands.is_here()) {
        return Ok(reply(probed, is_granting, false));
    }
    let probed = kept(said, attempt, terms, now);
    record::keep(said, &probed, (installation, attempt), terms, changes);
    if probed.accepted {
        let what = format!("node {rank} {}", probed.in_words());
        changes.events.push(happened(id, state, epoch, what, now));
    }
    let (reply, is_accepted) = (reply(&probed, is_granting, true), probed.accepted);
    attempt.probes.insert(rank, probed.clone());
    note_speed(job, (epoch, rank), &probed, changes);
    if is_accepted && !Planted::ProbeTimeCounted.is_here() {
        job.doc.session.count_from(rank, now);
    }
    Ok(reply)
}

/// What is kept of a verdict on a node of an attempt.
pub(super) fn kept(
    said: &NodeVerdict,
    attempt: &Attempt,
    terms: &ProbeTerms,
    now: WorldTime,
) -> Probed {
    let mut probed = Probed::of(&said.verdict, terms, now);
    probed.refuse_twins(said.rank, &attempt.probes);
    probed
}

/// An event of a job.
pub(super) fn happened(
    job: JobId,
    state: JobState,
    epoch: Epoch,
    what: String,
    at: WorldTime,
) -> EventRecord {
    EventRecord {
        sequence: 0,
        job,
        at,
        document: records::write(&EventDocument { state, what, epoch }),
    }
}
