//! Reads of jobs and of what belongs to them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use tandem_model::id::{AccountId, JobId, QuoteId};
use tandem_model::time::WorldTime;

use super::rows::{
    EFFECT, JOB, PLACEMENT, array, bytes, effect, hex_id, id, job as job_row, placement, time,
};
use crate::store::{EventRecord, JobRecord, OutboxRecord, PlacementRecord};

/// How many rows each table has.
pub(super) fn rows(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut tables = connection.prepare_cached(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )?;
    let names = tables.query_map([], |row| row.get(0))?;
    let mut rows = BTreeMap::new();
    for name in names {
        let name: String = name?;
        let count = format!("SELECT count(*) FROM {name}");
        let count = connection
            .prepare_cached(&count)?
            .query_row([], |row| row.get(0))?;
        rows.insert(name, count);
    }
    Ok(rows)
}

/// One job of an account.
pub(super) fn job(
    connection: &Connection,
    account: AccountId,
    id: JobId,
) -> rusqlite::Result<Option<JobRecord>> {
    connection
        .prepare_cached(&format!(
            "SELECT {JOB} FROM jobs JOIN specs ON specs.job = jobs.id
             WHERE jobs.id = ?1 AND jobs.account = ?2"
        ))?
        .query_row(params![bytes(id.uuid()), bytes(account.uuid())], job_row)
        .optional()
}

/// Jobs of an account after an id.
pub(super) fn jobs(
    connection: &Connection,
    account: AccountId,
    after: Option<JobId>,
    limit: u32,
) -> rusqlite::Result<Vec<JobRecord>> {
    let after = after.map_or([0; 16], |id| bytes(id.uuid()));
    connection
        .prepare_cached(&format!(
            "SELECT {JOB} FROM jobs JOIN specs ON specs.job = jobs.id
             WHERE jobs.account = ?1 AND jobs.id > ?2 ORDER BY jobs.id LIMIT ?3"
        ))?
        .query_map(params![bytes(account.uuid()), after, limit], job_row)?
        .collect()
}

/// All attempts of a job.
pub(super) fn placements(
    connection: &Connection,
    job: JobId,
) -> rusqlite::Result<Vec<PlacementRecord>> {
    connection
        .prepare_cached(&format!(
            "SELECT {PLACEMENT} FROM placements WHERE job = ?1 ORDER BY epoch"
        ))?
        .query_map(params![bytes(job.uuid())], placement)?
        .collect()
}

/// Those of `jobs` that are not open jobs, in their order.
pub(super) fn not_open(connection: &Connection, jobs: &[JobId]) -> rusqlite::Result<Vec<JobId>> {
    let ids = array(jobs.iter().map(|job| hex_id(job.uuid())));
    connection
        .prepare_cached(
            "SELECT key FROM json_each(?1) AS asked
             WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = unhex(asked.value) AND open = 1)
             ORDER BY key",
        )?
        .query_map(params![ids], |row| Ok(jobs[row.get::<_, usize>(0)?]))?
        .collect()
}

/// The job that a quote of an account became.
pub(super) fn job_of_quote(
    connection: &Connection,
    account: AccountId,
    quote: QuoteId,
) -> rusqlite::Result<Option<JobId>> {
    const SQL: &str = "
        SELECT jobs.id FROM quotes_taken JOIN jobs ON jobs.id = quotes_taken.job
        WHERE quotes_taken.quote = ?1 AND jobs.account = ?2";
    let (quote, account) = (bytes(quote.uuid()), bytes(account.uuid()));
    connection
        .prepare_cached(SQL)?
        .query_row(params![quote, account], |row| id(row, 0, JobId::PREFIX))
        .optional()
}

/// Queued jobs with a smaller id.
pub(super) fn queued_before(connection: &Connection, job: JobId) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM jobs WHERE state = 'queued' AND id < ?1")?
        .query_row(params![bytes(job.uuid())], |row| row.get(0))
}

/// Events of a job after a number.
pub(super) fn events(
    connection: &Connection,
    job: JobId,
    after: u64,
    limit: u32,
) -> rusqlite::Result<Vec<EventRecord>> {
    let row = |row: &Row<'_>| {
        Ok(EventRecord {
            sequence: row.get(0)?,
            job,
            at: time(row, 1)?,
            document: row.get(2)?,
        })
    };
    connection
        .prepare_cached(
            "SELECT sequence, at_us, document FROM events
             WHERE job = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
        )?
        .query_map(
            params![bytes(job.uuid()), super::rows::count(after), limit],
            row,
        )?
        .collect()
}

/// Effects that are owed and due.
pub(super) fn outbox_due(
    connection: &Connection,
    now: WorldTime,
    limit: u32,
) -> rusqlite::Result<Vec<OutboxRecord>> {
    connection
        .prepare_cached(&format!(
            "SELECT {EFFECT} FROM outbox
             WHERE settled = 0 AND due_at_us <= ?1 ORDER BY due_at_us, key LIMIT ?2"
        ))?
        .query_map(params![now.micros(), limit], effect)?
        .collect()
}
