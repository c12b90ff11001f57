//! What agents say once a second: heartbeats, and what their workloads printed.
//!
//! Both come from outside, thousands in one call. One that names an unknown job changes nothing
//! and spoils nothing for the others.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;

use super::rows::{array, bytes, count, hex, hex_id, id, over, time};
use crate::store::{LOG_EPOCH_BYTES_MAX, Liveness, LogChunk, StoreError};

/// Writes heartbeats; only a higher sequence changes a row.
pub(super) fn beats(connection: &Connection, beats: &[Liveness]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO liveness (job, epoch, rank, sequence, last_seen_us, lease_until_us, proved_us)
        SELECT jobs.id, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
               value ->> 6
        FROM jsonb_each(?1) CROSS JOIN jobs ON jobs.id = unhex(value ->> 0) WHERE TRUE
        ON CONFLICT (job, epoch, rank) DO UPDATE SET
            sequence = excluded.sequence,
            last_seen_us = max(last_seen_us, excluded.last_seen_us),
            lease_until_us = max(lease_until_us, excluded.lease_until_us),
            proved_us = max(proved_us, excluded.proved_us)
        WHERE excluded.sequence > liveness.sequence";
    let rows = beats.iter().map(|b| {
        let (job, sequence, proved) = (hex_id(b.job.uuid()), count(b.sequence), count(b.proved_us));
        let (seen, lease) = (b.last_seen, b.lease_until);
        (job, b.epoch, b.rank, sequence, seen, lease, proved)
    });
    over(connection, SQL, rows)
}

/// The statement that reads heartbeats of the newest epoch of each job that fits a condition on
/// `job`, by rank, for [`row`].
pub(super) fn newest(of: &str) -> String {
    format!(
        "SELECT l.job, l.epoch, rank, sequence, last_seen_us, lease_until_us, proved_us
         FROM (SELECT job, max(epoch) AS epoch FROM liveness WHERE {of} GROUP BY job) AS newest
              CROSS JOIN liveness AS l ON l.job = newest.job AND l.epoch = newest.epoch
         ORDER BY rank"
    )
}

/// A heartbeat from [`newest`].
pub(super) fn row(row: &Row<'_>) -> rusqlite::Result<Liveness> {
    Ok(Liveness {
        job: id(row, 0, JobId::PREFIX)?,
        epoch: Epoch(row.get(1)?),
        rank: row.get(2)?,
        sequence: row.get(3)?,
        last_seen: time(row, 4)?,
        lease_until: time(row, 5)?,
        proved_us: row.get(6)?,
    })
}

/// Heartbeats of the newest epoch of one job.
pub(super) fn of_job(connection: &Connection, job: JobId) -> rusqlite::Result<Vec<Liveness>> {
    connection
        .prepare_cached(&newest("job = ?1"))?
        .query_map(params![bytes(job.uuid())], row)?
        .collect()
}

/// Writes what workloads printed, then cuts the epochs that became too long.
pub(super) fn write_logs(connection: &Connection, chunks: &[LogChunk]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO logs (job, epoch, rank, sequence, at_us, bytes, text)
        SELECT jobs.id, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
               value ->> 6
        FROM jsonb_each(?1) CROSS JOIN jobs ON jobs.id = unhex(value ->> 0) WHERE TRUE
        ON CONFLICT (job, epoch, rank, sequence) DO NOTHING
        RETURNING job, epoch, bytes";
    if chunks.is_empty() {
        return Ok(());
    }
    let rows = chunks.iter().map(|c| {
        let (job, sequence) = (hex_id(c.job.uuid()), count(c.sequence));
        (job, c.epoch, c.rank, sequence, c.at, c.text.len(), &c.text)
    });
    let mut added: BTreeMap<(Vec<u8>, u32), u64> = BTreeMap::new();
    let mut statement = connection.prepare_cached(SQL)?;
    let mut rows = statement.query(params![array(rows)])?;
    while let Some(row) = rows.next()? {
        *added.entry((row.get(0)?, row.get(1)?)).or_default() += row.get::<_, u64>(2)?;
    }
    for (job, epoch, bytes) in grow(connection, &added)? {
        if bytes > LOG_EPOCH_BYTES_MAX {
            cut(connection, (&job, epoch), bytes - LOG_EPOCH_BYTES_MAX)?;
        }
    }
    Ok(())
}

/// Adds to the sizes of epochs; what they are now.
fn grow(
    connection: &Connection,
    added: &BTreeMap<(Vec<u8>, u32), u64>,
) -> rusqlite::Result<Vec<(Vec<u8>, u32, u64)>> {
    const SQL: &str = "
        INSERT INTO log_sizes (job, epoch, bytes)
        SELECT unhex(value ->> 0), value ->> 1, value ->> 2
        FROM jsonb_each(?1) WHERE TRUE
        ON CONFLICT (job, epoch) DO UPDATE SET bytes = bytes + excluded.bytes
        RETURNING job, epoch, bytes";
    let rows = added
        .iter()
        .map(|((job, epoch), bytes)| (hex(job), epoch, bytes));
    connection
        .prepare_cached(SQL)?
        .query_map(params![array(rows)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect()
}

/// Removes the oldest chunks of an epoch until `excess` bytes are gone.
fn cut(connection: &Connection, (job, epoch): (&[u8], u32), excess: u64) -> rusqlite::Result<()> {
    let mut oldest = connection.prepare_cached(
        "SELECT rowid, bytes FROM logs WHERE job = ?1 AND epoch = ?2
         ORDER BY at_us, sequence, rank",
    )?;
    let mut rows = oldest.query(params![job, epoch])?;
    let (mut gone, mut removed) = (0, Vec::new());
    while gone < excess
        && let Some(row) = rows.next()?
    {
        removed.push(row.get::<_, i64>(0)?);
        gone += row.get::<_, u64>(1)?;
    }
    connection
        .prepare_cached("DELETE FROM logs WHERE rowid IN (SELECT value FROM json_each(?1))")?
        .execute(params![array(removed)])?;
    connection
        .prepare_cached("UPDATE log_sizes SET bytes = bytes - ?3 WHERE job = ?1 AND epoch = ?2")?
        .execute(params![job, epoch, gone])
        .map(|_| ())
}

/// Log of a job after a given chunk.
pub(super) fn read_logs(
    connection: &Connection,
    job: JobId,
    after: Option<(Epoch, u16, u64)>,
    limit: u32,
) -> rusqlite::Result<Vec<LogChunk>> {
    let row = |row: &Row<'_>| {
        Ok(LogChunk {
            job,
            epoch: Epoch(row.get(0)?),
            rank: row.get(1)?,
            sequence: row.get(2)?,
            at: time(row, 3)?,
            text: row.get(4)?,
        })
    };
    let (epoch, rank, sequence) = after.map_or((-1, 0, 0), |(epoch, rank, sequence)| {
        (i64::from(epoch.0), rank, count(sequence))
    });
    connection
        .prepare_cached(
            "SELECT epoch, rank, sequence, at_us, text FROM logs
             WHERE job = ?1 AND (epoch, rank, sequence) > (?2, ?3, ?4)
             ORDER BY epoch, rank, sequence LIMIT ?5",
        )?
        .query_map(
            params![bytes(job.uuid()), epoch, rank, sequence, limit],
            row,
        )?
        .collect()
}
