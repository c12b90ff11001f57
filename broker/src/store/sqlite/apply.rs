//! Each change as one statement a table over all rows of the commit, bound as one JSON array.

use std::collections::BTreeSet;

use rusqlite::{Savepoint, params};
use serde_json::{Value, json};
use tandem_model::time::WorldTime;

use crate::store::{
    Changes, EventRecord, Expected, JobWrite, Liveness, OutboxRecord, PlacementRecord, StoreError,
};

/// A 16-byte id as lower-case hexadecimal, which `unhex` turns into the blob.
fn hex(id: uuid::Uuid) -> String {
    id.simple().to_string()
}

fn us(time: WorldTime) -> i64 {
    time.micros()
}

/// A rule of the schema, or a failure of the database.
pub(super) fn database(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::Refused(error.to_string()),
        _ => StoreError::Database(error.to_string()),
    }
}

/// Runs one statement over all rows.
fn over(
    savepoint: &Savepoint<'_>,
    sql: &str,
    rows: impl Iterator<Item = Value>,
) -> Result<(), StoreError> {
    let rows = Value::Array(rows.collect()).to_string();
    let mut statement = savepoint.prepare_cached(sql).map_err(database)?;
    statement
        .execute(params![rows])
        .map_err(database)
        .map(|_| ())
}

/// Writes everything of a commit.
pub(super) fn changes(savepoint: &Savepoint<'_>, changes: &Changes) -> Result<(), StoreError> {
    insert_jobs(savepoint, &changes.jobs)?;
    update_jobs(savepoint, &changes.jobs)?;
    placements(savepoint, &changes.placements)?;
    events(savepoint, &changes.events)?;
    outbox(savepoint, &changes.outbox)?;
    settle(savepoint, &changes.outbox_settled)
}

fn row(write: &JobWrite) -> Value {
    let job = &write.job;
    let (expected, claim) = match write.expected {
        Expected::New => (0, None),
        Expected::Version { version, claim } => (version, claim),
    };
    json!({
        "id": hex(job.id.uuid()),
        "account": hex(job.account.uuid()),
        "version": job.version,
        "state": job.state,
        "open": i64::from(!job.state.is_terminal()),
        "wake": job.wake_at.map(us),
        "document": job.document,
        "expected": expected,
        "owner": claim.map(|c| hex(c.owner.0)),
        "generation": claim.map(|c| c.generation),
    })
}

fn insert_jobs(savepoint: &Savepoint<'_>, writes: &[JobWrite]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO jobs (id, account, version, state, open, wake_at_us, document)
        SELECT unhex(value ->> 'id'), unhex(value ->> 'account'), value ->> 'version',
               value ->> 'state', value ->> 'open', value ->> 'wake', value ->> 'document'
        FROM json_each(?1)";
    let new = || writes.iter().filter(|w| w.expected == Expected::New);
    if let Some(wrong) = new().find(|w| w.job.version != 1) {
        return Err(StoreError::Conflict(wrong.job.id));
    }
    if new().next().is_some() {
        return over(savepoint, SQL, new().map(row));
    }
    Ok(())
}

/// Updates every job that still is what the writer read; one that is not fails the commit.
fn update_jobs(savepoint: &Savepoint<'_>, writes: &[JobWrite]) -> Result<(), StoreError> {
    const SQL: &str = "
        UPDATE jobs SET
            version = w.value ->> 'version', state = w.value ->> 'state',
            open = w.value ->> 'open', wake_at_us = w.value ->> 'wake',
            document = w.value ->> 'document'
        FROM json_each(?1) AS w
        WHERE jobs.id = unhex(w.value ->> 'id')
          AND jobs.account = unhex(w.value ->> 'account')
          AND jobs.version = w.value ->> 'expected'
          AND w.value ->> 'version' = (w.value ->> 'expected') + 1
          AND (w.value ->> 'owner' IS NULL
               OR (jobs.claim_owner = unhex(w.value ->> 'owner')
                   AND jobs.claim_generation = w.value ->> 'generation'))
        RETURNING jobs.id";
    let old: Vec<&JobWrite> = writes
        .iter()
        .filter(|w| w.expected != Expected::New)
        .collect();
    if old.is_empty() {
        return Ok(());
    }
    let rows = Value::Array(old.iter().map(|w| row(w)).collect()).to_string();
    let mut statement = savepoint.prepare_cached(SQL).map_err(database)?;
    let updated = statement.query_map(params![rows], |row| row.get::<_, Vec<u8>>(0));
    let updated: BTreeSet<Vec<u8>> = updated.and_then(Iterator::collect).map_err(database)?;
    match old
        .iter()
        .find(|write| !updated.contains(&write.job.id.uuid().as_bytes()[..]))
    {
        Some(conflict) => Err(StoreError::Conflict(conflict.job.id)),
        None => Ok(()),
    }
}

fn placements(savepoint: &Savepoint<'_>, rows: &[PlacementRecord]) -> Result<(), StoreError> {
    // What ends is written before what begins, so that a move needs no order of the caller.
    const SQL: &str = "
        INSERT INTO placements (id, job, epoch, network, tag, live, document)
        SELECT unhex(value ->> 'id'), unhex(value ->> 'job'), value ->> 'epoch',
               value ->> 'network', value ->> 'tag', value ->> 'live', value ->> 'document'
        FROM json_each(?1) WHERE TRUE ORDER BY value ->> 'live'
        ON CONFLICT (id) DO UPDATE SET live = excluded.live, document = excluded.document";
    if rows.is_empty() {
        return Ok(());
    }
    let row = |p: &PlacementRecord| {
        json!({
            "id": hex(p.id.uuid()), "job": hex(p.job.uuid()), "epoch": p.epoch,
            "network": p.network, "tag": p.tag, "live": i64::from(p.live), "document": p.document,
        })
    };
    over(savepoint, SQL, rows.iter().map(row))
}

fn events(savepoint: &Savepoint<'_>, rows: &[EventRecord]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO events (job, at_us, document)
        SELECT unhex(value ->> 'job'), value ->> 'at', value ->> 'document'
        FROM json_each(?1) ORDER BY key";
    if rows.is_empty() {
        return Ok(());
    }
    let row = |e: &EventRecord| json!({ "job": hex(e.job.uuid()), "at": us(e.at), "document": e.document });
    over(savepoint, SQL, rows.iter().map(row))
}

fn outbox(savepoint: &Savepoint<'_>, rows: &[OutboxRecord]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO outbox (key, job, due_at_us, document)
        SELECT value ->> 'key', unhex(value ->> 'job'), value ->> 'due', value ->> 'document'
        FROM json_each(?1)";
    if rows.is_empty() {
        return Ok(());
    }
    let row = |o: &OutboxRecord| json!({ "key": o.key, "job": hex(o.job.uuid()), "due": us(o.due_at), "document": o.document });
    over(savepoint, SQL, rows.iter().map(row))
}

fn settle(savepoint: &Savepoint<'_>, keys: &[String]) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE outbox SET settled = 1 WHERE key IN (SELECT value FROM json_each(?1))";
    if keys.is_empty() {
        return Ok(());
    }
    over(savepoint, SQL, keys.iter().map(|key| json!(key)))
}

/// Writes heartbeats; only a higher sequence changes a row.
pub(super) fn liveness(savepoint: &Savepoint<'_>, beats: &[Liveness]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO liveness (job, epoch, rank, sequence, last_seen_us, lease_until_us)
        SELECT unhex(value ->> 'job'), value ->> 'epoch', value ->> 'rank', value ->> 'sequence',
               value ->> 'seen', value ->> 'lease'
        FROM json_each(?1) WHERE TRUE
        ON CONFLICT (job, epoch, rank) DO UPDATE SET
            sequence = excluded.sequence,
            last_seen_us = max(last_seen_us, excluded.last_seen_us),
            lease_until_us = max(lease_until_us, excluded.lease_until_us)
        WHERE excluded.sequence > liveness.sequence";
    let row = |b: &Liveness| {
        json!({
            "job": hex(b.job.uuid()), "epoch": b.epoch, "rank": b.rank, "sequence": b.sequence,
            "seen": us(b.last_seen), "lease": us(b.lease_until),
        })
    };
    over(savepoint, SQL, beats.iter().map(row))
}
