//! A commit: each change as one statement a table over all its rows, bound as one JSON array.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use serde::Serialize;
use tandem_model::time::WorldTime;

use super::rows::{array, hex_id, over, refused};
use super::{devices, money, policies, probes, sales, tenants};
use crate::store::{
    Changes, EventRecord, Expected, JobWrite, OutboxRecord, PlacementRecord, QuoteTaken, Rule,
    StoreError,
};

/// Writes everything of a commit, in the order in which [`Rule`] tells what is broken.
pub(super) fn changes(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    tenants::keep_replies(connection, &changes.replies)?;
    jobs(connection, &changes.jobs)?;
    quotes(connection, &changes.quotes_taken)?;
    sales::give(connection, &changes.promotions_given)?;
    placements(connection, &changes.placements)?;
    events(connection, &changes.events)?;
    outbox(connection, &changes.outbox)?;
    settle(connection, &changes.outbox_settled)?;
    money::charges(connection, &changes.charges)?;
    money::post(connection, &changes.ledger)?;
    probes::keep(connection, &changes.probes)?;
    devices::see(connection, &changes.devices)
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

/// A job's columns, then what must hold: owner, generation, version.
fn row(write: &JobWrite) -> impl Serialize {
    let job = &write.job;
    let (expected, owner, generation) = match write.expected {
        Expected::New { owner } => (0, owner, u64::from(owner.is_some())),
        Expected::Version { version, claim } => (
            version,
            claim.map(|claim| claim.owner),
            claim.map_or(0, |claim| claim.generation),
        ),
    };
    (
        hex_id(job.id.uuid()),
        hex_id(job.account.uuid()),
        job.version,
        job.state,
        u8::from(job.open),
        job.wake_at.map(WorldTime::micros),
        &job.document,
        owner.map(|owner| hex_id(owner.0)),
        generation,
        expected,
    )
}

fn insert_jobs(connection: &Connection, new: &[&JobWrite]) -> Result<(), StoreError> {
    const JOBS: &str = "
        INSERT INTO jobs (id, account, version, state, open, wake_at_us, document,
                          claim_owner, claim_generation)
        SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
               value ->> 5, value ->> 6, unhex(ifnull(value ->> 7, '')), value ->> 8
        FROM jsonb_each(?1)";
    const SPECS: &str = "
        INSERT INTO specs (job, spec)
        SELECT unhex(value ->> 0), value ->> 1 FROM jsonb_each(?1)";
    if let Some(wrong) = new.iter().find(|write| write.job.version != 1) {
        return Err(StoreError::Conflict(wrong.job.id));
    }
    over(connection, JOBS, new.iter().map(|write| row(write)))?;
    let specs = new
        .iter()
        .map(|write| (hex_id(write.job.id.uuid()), &write.job.spec));
    over(connection, SPECS, specs)
}

/// Updates every job that still is what the writer read; one that is not fails the commit.
fn update_jobs(connection: &Connection, old: &[&JobWrite]) -> Result<(), StoreError> {
    const SQL: &str = "
        UPDATE jobs SET
            version = w.value ->> 2, state = w.value ->> 3, open = w.value ->> 4,
            wake_at_us = w.value ->> 5, document = w.value ->> 6
        FROM jsonb_each(?1) AS w
        WHERE jobs.id = unhex(w.value ->> 0)
          AND jobs.account = unhex(w.value ->> 1)
          AND jobs.version = w.value ->> 9
          AND w.value ->> 2 = (w.value ->> 9) + 1
          AND (w.value ->> 7 IS NULL
               OR (jobs.claim_owner = unhex(w.value ->> 7)
                   AND jobs.claim_generation = w.value ->> 8))
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
        SELECT unhex(value ->> 0), unhex(value ->> 1) FROM jsonb_each(?1)";
    let versions: BTreeSet<u32> = rows.iter().map(|taken| taken.policy_version).collect();
    for version in versions {
        if policies::is_revoked(connection, version)? {
            let detail = format!("quotes of version {version} of the pricing policy were revoked");
            return Err(refused(Rule::QuoteRevoked, detail));
        }
    }
    let rows = rows
        .iter()
        .map(|taken| (hex_id(taken.quote.uuid()), hex_id(taken.job.uuid())));
    over(connection, SQL, rows)
}

fn placements(connection: &Connection, rows: &[PlacementRecord]) -> Result<(), StoreError> {
    // What ends is written before what begins, so that a move needs no order of the caller.
    const SQL: &str = "
        INSERT INTO placements (id, job, epoch, network, tag, live, document)
        SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
               value ->> 5, value ->> 6
        FROM jsonb_each(?1) WHERE TRUE ORDER BY value ->> 5
        ON CONFLICT (id) DO UPDATE SET live = excluded.live, document = excluded.document";
    let rows = rows.iter().map(|p| {
        let (id, job) = (hex_id(p.id.uuid()), hex_id(p.job.uuid()));
        let live = u8::from(p.live);
        (id, job, p.epoch, &p.network, &p.tag, live, &p.document)
    });
    over(connection, SQL, rows)
}

fn events(connection: &Connection, rows: &[EventRecord]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO events (job, at_us, document)
        SELECT unhex(value ->> 0), value ->> 1, value ->> 2 FROM jsonb_each(?1) ORDER BY key";
    let rows = rows
        .iter()
        .map(|event| (hex_id(event.job.uuid()), event.at, &event.document));
    over(connection, SQL, rows)
}

fn outbox(connection: &Connection, rows: &[OutboxRecord]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO outbox (key, job, due_at_us, document)
        SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3 FROM jsonb_each(?1)";
    let rows = rows.iter().map(|effect| {
        let job = hex_id(effect.job.uuid());
        (&effect.key, job, effect.due_at, &effect.document)
    });
    over(connection, SQL, rows)
}

fn settle(connection: &Connection, keys: &[String]) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE outbox SET settled = 1 WHERE key IN (SELECT value FROM json_each(?1))";
    over(connection, SQL, keys)
}
