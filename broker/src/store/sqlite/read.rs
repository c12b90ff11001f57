//! Rows out of the tables, and the two statements that share work among brokers.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use tandem_model::id::{AccountId, JobId, PlacementId};
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use uuid::Uuid;

use crate::store::{
    BrokerId, Claim, Claimed, EventRecord, JobRecord, Liveness, OutboxRecord, PlacementRecord,
};

/// A UUID from a 16-byte blob.
struct Id(Uuid);

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?)
            .map(Self)
            .map_err(|e| FromSqlError::Other(Box::new(e)))
    }
}

/// A typed id from its blob: through its text form, so that no id is made from loose parts.
fn id<T: DeserializeOwned>(row: &Row<'_>, column: usize, prefix: &str) -> rusqlite::Result<T> {
    let uuid = row.get::<_, Id>(column)?.0;
    word(column, &format!("{prefix}_{}", uuid.simple()))
}

/// A value from the text that is its JSON string.
fn word<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<WorldTime> {
    row.get(column).map(WorldTime::from_micros)
}

fn bytes(id: Uuid) -> [u8; 16] {
    *id.as_bytes()
}

const JOB: &str = "id, account, version, state, wake_at_us, document";

fn job_row(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    Ok(JobRecord {
        id: id(row, 0, JobId::PREFIX)?,
        account: id(row, 1, AccountId::PREFIX)?,
        version: row.get(2)?,
        state: word(3, &row.get::<_, String>(3)?)?,
        wake_at: row.get::<_, Option<i64>>(4)?.map(WorldTime::from_micros),
        document: row.get(5)?,
    })
}

/// Takes or renews claims on jobs that are due, the longest waiting first.
pub(super) fn claim(
    connection: &Connection,
    owner: BrokerId,
    now: WorldTime,
    until: WorldTime,
    limit: u32,
) -> rusqlite::Result<Vec<Claimed>> {
    let sql = format!(
        "UPDATE jobs SET
             claim_generation = claim_generation + (claim_owner IS NOT ?1),
             claim_owner = ?1, claim_until_us = ?3
         WHERE id IN (
             SELECT id FROM jobs
             WHERE open = 1 AND wake_at_us <= ?2
               AND (claim_owner IS NULL OR claim_owner = ?1 OR claim_until_us <= ?2)
             ORDER BY wake_at_us, id LIMIT ?4)
         RETURNING {JOB}, claim_generation"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let parameters = params![bytes(owner.0), now.micros(), until.micros(), limit];
    let claimed = statement.query_map(parameters, |row| {
        Ok(Claimed {
            job: job_row(row)?,
            claim: Claim {
                owner,
                generation: row.get(6)?,
            },
        })
    })?;
    claimed.collect()
}

/// Gives every claim of a broker back.
pub(super) fn release(connection: &Connection, owner: BrokerId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE jobs SET claim_owner = NULL WHERE claim_owner = ?1")?
        .execute(params![bytes(owner.0)])
        .map(|_| ())
}

pub(super) fn job(
    connection: &Connection,
    account: AccountId,
    id: JobId,
) -> rusqlite::Result<Option<JobRecord>> {
    connection
        .prepare_cached(&format!(
            "SELECT {JOB} FROM jobs WHERE id = ?1 AND account = ?2"
        ))?
        .query_row(params![bytes(id.uuid()), bytes(account.uuid())], job_row)
        .optional()
}

pub(super) fn jobs(
    connection: &Connection,
    account: AccountId,
    after: Option<JobId>,
    limit: u32,
) -> rusqlite::Result<Vec<JobRecord>> {
    let after = after.map_or([0; 16], |id| bytes(id.uuid()));
    connection
        .prepare_cached(&format!(
            "SELECT {JOB} FROM jobs WHERE account = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        ))?
        .query_map(params![bytes(account.uuid()), after, limit], job_row)?
        .collect()
}

pub(super) fn live_placement(
    connection: &Connection,
    job: JobId,
) -> rusqlite::Result<Option<PlacementRecord>> {
    let row = |row: &Row<'_>| {
        Ok(PlacementRecord {
            id: id(row, 0, PlacementId::PREFIX)?,
            job,
            epoch: Epoch(row.get(1)?),
            network: word::<NetworkId>(2, &row.get::<_, String>(2)?)?,
            tag: row.get(3)?,
            live: row.get(4)?,
            document: row.get(5)?,
        })
    };
    connection
        .prepare_cached(
            "SELECT id, epoch, network, tag, live, document FROM placements
             WHERE job = ?1 AND live = 1",
        )?
        .query_row(params![bytes(job.uuid())], row)
        .optional()
}

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
        .query_map(params![bytes(job.uuid()), after, limit], row)?
        .collect()
}

pub(super) fn outbox_due(
    connection: &Connection,
    now: WorldTime,
    limit: u32,
) -> rusqlite::Result<Vec<OutboxRecord>> {
    let row = |row: &Row<'_>| {
        Ok(OutboxRecord {
            key: row.get(0)?,
            job: id(row, 1, JobId::PREFIX)?,
            due_at: time(row, 2)?,
            document: row.get(3)?,
        })
    };
    connection
        .prepare_cached(
            "SELECT key, job, due_at_us, document FROM outbox
             WHERE settled = 0 AND due_at_us <= ?1 ORDER BY due_at_us, key LIMIT ?2",
        )?
        .query_map(params![now.micros(), limit], row)?
        .collect()
}

pub(super) fn liveness(connection: &Connection, job: JobId) -> rusqlite::Result<Vec<Liveness>> {
    let row = |row: &Row<'_>| {
        Ok(Liveness {
            job,
            epoch: Epoch(row.get(0)?),
            rank: row.get(1)?,
            sequence: row.get(2)?,
            last_seen: time(row, 3)?,
            lease_until: time(row, 4)?,
        })
    };
    connection
        .prepare_cached(
            "SELECT epoch, rank, sequence, last_seen_us, lease_until_us FROM liveness
             WHERE job = ?1
               AND epoch = (SELECT max(epoch) FROM liveness WHERE job = ?1)
             ORDER BY rank",
        )?
        .query_map(params![bytes(job.uuid())], row)?
        .collect()
}
