//! A commit: each change as one statement a table over all its rows, bound as one JSON array.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::rows::{array, hex_id, over, refused};
use super::{money, tenants};
use crate::store::{
    Changes, EventRecord, Expected, JobWrite, OutboxRecord, PlacementRecord, QuoteTaken, Rule,
    StoreError,
};

/// Writes everything of a commit, in the order in which [`Rule`] tells what is broken.
pub(super) fn changes(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    tenants::keep_replies(connection, &changes.replies)?;
    jobs(connection, &changes.jobs)?;
    quotes(connection, &changes.quotes_taken)?;
    placements(connection, &changes.placements)?;
    events(connection, &changes.events)?;
    outbox(connection, &changes.outbox)?;
    settle(connection, &changes.outbox_settled)?;
    money::charges(connection, &changes.charges)?;
    money::post(connection, &changes.ledger)
}

fn jobs(connection: &Connection, writes: &[JobWrite]) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = writes.iter().find(|write| !seen.insert(write.job.id)) {
        let detail = format!("{} stands twice in one commit", twice.job.id);
        return Err(refused(Rule::Other, detail));
    }
    let (new, old): (Vec<_>, Vec<_>) = writes
        .iter()
        .partition(|write| matches!(write.expected, Expected::New { .. }));
    insert_jobs(connection, &new)?;
    update_jobs(connection, &old)
}

fn row(write: &JobWrite) -> Value {
    let job = &write.job;
    let (expected, owner, generation) = match write.expected {
        Expected::New { owner } => (0, owner, u64::from(owner.is_some())),
        Expected::Version { version, claim } => (
            version,
            claim.map(|claim| claim.owner),
            claim.map_or(0, |claim| claim.generation),
        ),
    };
    json!({
        "id": hex_id(job.id.uuid()),
        "account": hex_id(job.account.uuid()),
        "version": job.version,
        "state": job.state,
        "open": i64::from(job.open),
        "wake": job.wake_at.map(|at| at.micros()),
        "document": job.document,
        "expected": expected,
        "owner": owner.map(|owner| hex_id(owner.0)),
        "generation": generation,
    })
}

fn insert_jobs(connection: &Connection, new: &[&JobWrite]) -> Result<(), StoreError> {
    const JOBS: &str = "
        INSERT INTO jobs (id, account, version, state, open, wake_at_us, claim_owner,
                          claim_generation, document)
        SELECT unhex(value ->> 'id'), unhex(value ->> 'account'), value ->> 'version',
               value ->> 'state', value ->> 'open', value ->> 'wake',
               unhex(ifnull(value ->> 'owner', '')), value ->> 'generation',
               value ->> 'document'
        FROM json_each(?1)";
    const SPECS: &str = "
        INSERT INTO specs (job, spec)
        SELECT unhex(value ->> 'job'), value ->> 'spec' FROM json_each(?1)";
    if let Some(wrong) = new.iter().find(|write| write.job.version != 1) {
        return Err(StoreError::Conflict(wrong.job.id));
    }
    over(connection, JOBS, new.iter().map(|write| row(write)))?;
    let spec =
        |write: &&JobWrite| json!({ "job": hex_id(write.job.id.uuid()), "spec": write.job.spec });
    over(connection, SPECS, new.iter().map(spec))
}

/// Updates every job that still is what the writer read; one that is not fails the commit.
fn update_jobs(connection: &Connection, old: &[&JobWrite]) -> Result<(), StoreError> {
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
    if old.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(SQL)?;
    let rows = array(old.iter().map(|write| row(write)));
    let updated = statement.query_map(params![rows], |row| row.get::<_, Vec<u8>>(0))?;
    let updated: BTreeSet<Vec<u8>> = updated.collect::<Result<_, _>>()?;
    match old
        .iter()
        .find(|write| !updated.contains(&write.job.id.uuid().as_bytes()[..]))
    {
        Some(conflict) => Err(StoreError::Conflict(conflict.job.id)),
        None => Ok(()),
    }
}

fn quotes(connection: &Connection, rows: &[QuoteTaken]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO quotes_taken (quote, job)
        SELECT unhex(value ->> 'quote'), unhex(value ->> 'job') FROM json_each(?1)";
    let row =
        |q: &QuoteTaken| json!({ "quote": hex_id(q.quote.uuid()), "job": hex_id(q.job.uuid()) });
    over(connection, SQL, rows.iter().map(row))
}

fn placements(connection: &Connection, rows: &[PlacementRecord]) -> Result<(), StoreError> {
    // What ends is written before what begins, so that a move needs no order of the caller.
    const SQL: &str = "
        INSERT INTO placements (id, job, epoch, network, tag, live, document)
        SELECT unhex(value ->> 'id'), unhex(value ->> 'job'), value ->> 'epoch',
               value ->> 'network', value ->> 'tag', value ->> 'live', value ->> 'document'
        FROM json_each(?1) WHERE TRUE ORDER BY value ->> 'live'
        ON CONFLICT (id) DO UPDATE SET live = excluded.live, document = excluded.document";
    let row = |p: &PlacementRecord| {
        json!({
            "id": hex_id(p.id.uuid()), "job": hex_id(p.job.uuid()), "epoch": p.epoch,
            "network": p.network, "tag": p.tag, "live": i64::from(p.live), "document": p.document,
        })
    };
    over(connection, SQL, rows.iter().map(row))
}

fn events(connection: &Connection, rows: &[EventRecord]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO events (job, at_us, document)
        SELECT unhex(value ->> 'job'), value ->> 'at', value ->> 'document'
        FROM json_each(?1) ORDER BY key";
    let row = |e: &EventRecord| json!({ "job": hex_id(e.job.uuid()), "at": e.at.micros(), "document": e.document });
    over(connection, SQL, rows.iter().map(row))
}

fn outbox(connection: &Connection, rows: &[OutboxRecord]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO outbox (key, job, due_at_us, document)
        SELECT value ->> 'key', unhex(value ->> 'job'), value ->> 'due', value ->> 'document'
        FROM json_each(?1)";
    let row = |o: &OutboxRecord| {
        json!({
            "key": o.key, "job": hex_id(o.job.uuid()), "due": o.due_at.micros(),
            "document": o.document,
        })
    };
    over(connection, SQL, rows.iter().map(row))
}

fn settle(connection: &Connection, keys: &[String]) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE outbox SET settled = 1 WHERE key IN (SELECT value FROM json_each(?1))";
    over(connection, SQL, keys.iter().map(|key| json!(key)))
}
