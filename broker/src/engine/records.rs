//! Between a job in memory and its rows in the store.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tandem_model::id::{InstallationId, JobId};
use tandem_model::time::WorldTime;

use super::attempt::Attempt;
use super::job::{EventDocument, Job, JobDocument};
use super::message::JobSpec;
use super::step::{Decided, Order};
use crate::store::{
    Changes, Claimed, EventRecord, Expected, JobRecord, JobWrite, LogChunk, OutboxRecord,
    PlacementRecord,
};

/// A stored document cannot be read: it was written by a later release, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("the stored {what} of {job} cannot be read: {cause}")]
pub struct Unreadable {
    job: JobId,
    what: &'static str,
    cause: serde_json::Error,
}

/// Reads a stored document.
pub fn read<T: DeserializeOwned>(
    job: JobId,
    what: &'static str,
    text: &str,
) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|cause| Unreadable { job, what, cause })
}

/// A document as it is stored.
pub fn write(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("our own documents have string keys and finite numbers")
}

/// The job of its rows.
pub fn job(installation: InstallationId, claimed: &Claimed) -> Result<Job, Unreadable> {
    let id = claimed.job.id;
    let spec: JobSpec = read(id, "specification", &claimed.job.spec)?;
    let doc: JobDocument = read(id, "job", &claimed.job.document)?;
    let attempts = claimed
        .placements
        .iter()
        .map(|p| read::<Attempt>(id, "attempt", &p.document))
        .collect::<Result<_, _>>()?;
    Ok(Job {
        id,
        installation,
        spec: Arc::new(spec),
        doc,
        attempts,
    })
}

/// Adds what a decision changed to a commit. `before` is the job as it was read or last written;
/// none for a new one.
pub fn add(
    changes: &mut Changes,
    before: Option<&Job>,
    after: &Job,
    (version, expected): (u64, Expected),
    decided: &mut Decided,
    now: WorldTime,
) {
    let is_new = before.is_none();
    changes.jobs.push(JobWrite {
        job: JobRecord {
            id: after.id,
            account: after.spec.account,
            version,
            state: after.doc.state,
            open: !after.is_settled(),
            wake_at: decided.wake,
            spec: if is_new {
                write(&*after.spec)
            } else {
                String::new()
            },
            document: write(&after.doc),
        },
        expected,
    });
    for attempt in &after.attempts {
        let epoch = attempt.placement.epoch;
        let live = after.is_live(epoch);
        let same = before.is_some_and(|b| {
            b.is_live(epoch) == live && b.attempt(epoch).is_some_and(|old| old == attempt)
        });
        if !same {
            changes.placements.push(placement(after, attempt, live));
        }
    }
    for told in &decided.told {
        let document = write(&EventDocument {
            state: told.state,
            what: told.what.clone(),
            epoch: told.epoch,
        });
        changes.events.push(EventRecord {
            sequence: 0,
            job: after.id,
            at: now,
            document,
        });
    }
    changes.outbox.extend(
        decided
            .owed
            .drain(..)
            .map(|(key, order)| owed(after.id, key, order, now)),
    );
    changes.outbox_settled.append(&mut decided.settled);
    changes.charges.append(&mut decided.charges);
    changes.ledger.append(&mut decided.postings);
}

fn owed(job: JobId, key: String, order: Order, now: WorldTime) -> OutboxRecord {
    OutboxRecord {
        key,
        job,
        due_at: now,
        document: write(&order),
    }
}

fn placement(job: &Job, attempt: &Attempt, live: bool) -> PlacementRecord {
    let intended = &attempt.placement;
    PlacementRecord {
        id: intended.id,
        job: job.id,
        epoch: intended.epoch,
        network: intended.network.clone(),
        tag: intended.tag.to_string(),
        live,
        document: write(attempt),
    }
}

/// What a heartbeat brought of the workload's output.
pub fn log_chunk(beat: &gpu_probe::protocol::HeartbeatRequest, now: WorldTime) -> Option<LogChunk> {
    if beat.log_tail.is_empty() {
        return None;
    }
    let mut text = beat.log_tail.join("\n");
    text.push('\n');
    Some(LogChunk {
        job: beat.job,
        epoch: beat.epoch,
        rank: beat.rank,
        sequence: beat.sequence,
        at: now,
        text,
    })
}
