//! How brokers share the work: one row a broker says until when it lives, and a job's row says
//! who holds it.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use tandem_model::id::JobId;
use tandem_model::time::WorldTime;

use super::live;
use super::rows::{EFFECT, JOB, PLACEMENT, array, bytes, effect, job, placement};
use crate::store::{BrokerId, Claim, Claimed};

/// Renews a broker and takes up to `limit` free jobs, the one due first before the others.
pub(super) fn claim(
    connection: &Connection,
    owner: BrokerId,
    (now, until): (WorldTime, WorldTime),
    limit: u32,
) -> rusqlite::Result<Vec<Claimed>> {
    // A row that ran out says the same as none.
    connection
        .prepare_cached("DELETE FROM brokers WHERE alive_until_us <= ?1")?
        .execute(params![now.micros()])?;
    connection
        .prepare_cached(
            "INSERT INTO brokers (id, alive_until_us) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET alive_until_us = excluded.alive_until_us",
        )?
        .execute(params![bytes(owner.0), until.micros()])?;
    if limit == 0 {
        return Ok(Vec::new());
    }
    let taken = array(free(connection, limit)?);
    connection
        .prepare_cached(
            "UPDATE jobs SET claim_owner = ?1, claim_generation = claim_generation + 1
             WHERE rowid IN (SELECT value FROM json_each(?2))",
        )?
        .execute(params![bytes(owner.0), taken])?;
    claimed(connection, owner, &taken)
}

/// Nobody, and the holders of open jobs that do not live. It steps from owner to owner in the index, so that its
/// cost does not grow with what is held.
const OWNERS: &str = "
    WITH RECURSIVE owners (id) AS (
        SELECT x''
        UNION ALL
        SELECT (SELECT min(claim_owner) FROM jobs WHERE open = 1 AND claim_owner > owners.id)
        FROM owners WHERE owners.id IS NOT NULL)
    SELECT id FROM owners
    WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM brokers)";

/// Open jobs of one holder, the one due first before the others.
const OPEN: &str = "
    SELECT ifnull(wake_at_us, 9223372036854775807) AS due, id, rowid FROM jobs
    WHERE open = 1 AND claim_owner = ?1 ORDER BY due, id LIMIT ?2";

/// A condition on `job`: one of the rows of `jobs` that are given.
const TAKEN: &str = "job IN (SELECT id FROM jobs WHERE rowid IN (SELECT value FROM json_each(?1)))";

/// Rows of the open jobs that no living broker holds, the one due first before the others.
fn free(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(OWNERS)?;
    let owners = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    let mut all: Vec<(i64, Vec<u8>, i64)> = Vec::new();
    for owner in owners {
        let mut statement = connection.prepare_cached(OPEN)?;
        let rows = statement.query_map(params![owner?, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        for row in rows {
            all.push(row?);
        }
    }
    all.sort_unstable();
    Ok(all
        .into_iter()
        .take(limit as usize)
        .map(|(_, _, row)| row)
        .collect())
}

/// The taken jobs with all that belongs to them, read with one statement a table.
fn claimed(
    connection: &Connection,
    owner: BrokerId,
    taken: &str,
) -> rusqlite::Result<Vec<Claimed>> {
    let mut placements = group(
        connection,
        &format!("SELECT {PLACEMENT} FROM placements WHERE {TAKEN} ORDER BY epoch"),
        taken,
        |row| placement(row).map(|placement| (placement.job, placement)),
    )?;
    let mut outbox = group(
        connection,
        &format!("SELECT {EFFECT} FROM outbox WHERE settled = 0 AND {TAKEN} ORDER BY key"),
        taken,
        |row| effect(row).map(|effect| (effect.job, effect)),
    )?;
    let mut liveness = group(connection, &live::newest(TAKEN), taken, |row| {
        live::row(row).map(|beat| (beat.job, beat))
    })?;
    let sql = format!(
        "SELECT {JOB}, jobs.claim_generation
         FROM json_each(?1) AS taken JOIN jobs ON jobs.rowid = taken.value
              JOIN specs ON specs.job = jobs.id
         ORDER BY taken.key"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![taken], |row| {
        let job = job(row)?;
        let generation = row.get(8)?;
        Ok(Claimed {
            claim: Claim { owner, generation },
            placements: placements.remove(&job.id).unwrap_or_default(),
            liveness: liveness.remove(&job.id).unwrap_or_default(),
            outbox: outbox.remove(&job.id).unwrap_or_default(),
            job,
        })
    })?;
    rows.collect()
}

/// Rows of a table by job, in the order of the statement.
fn group<T>(
    connection: &Connection,
    sql: &str,
    taken: &str,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<(JobId, T)>,
) -> rusqlite::Result<BTreeMap<JobId, Vec<T>>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut groups: BTreeMap<JobId, Vec<T>> = BTreeMap::new();
    for row in statement.query_map(params![taken], map)? {
        let (job, value) = row?;
        groups.entry(job).or_default().push(value);
    }
    Ok(groups)
}

/// Gives every open job of a broker back and forgets the broker. A closed one needs no holder.
pub(super) fn release(connection: &Connection, owner: BrokerId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE jobs SET claim_owner = x'' WHERE open = 1 AND claim_owner = ?1")?
        .execute(params![bytes(owner.0)])?;
    connection
        .prepare_cached("DELETE FROM brokers WHERE id = ?1")?
        .execute(params![bytes(owner.0)])
        .map(|_| ())
}

/// Forgets every broker: what they hold is free from now on.
pub(super) fn forget_brokers(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM brokers", []).map(|_| ())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn neither_claims_nor_heartbeats_walk_through_a_whole_table() {
        let mut connection = Connection::open_in_memory().expect("memory");
        schema::migrate(&mut connection).expect("an empty database");
        let newest = [live::newest(TAKEN), live::newest("job = ?1")];
        for sql in newest.iter().map(String::as_str).chain([OWNERS, OPEN]) {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let mut statement = connection.prepare(&explain).expect("a statement");
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().expect("a plan") {
                let step: String = row.get(3).expect("text");
                let walks = ["SCAN jobs", "SCAN liveness", "SCAN l"];
                assert!(
                    !walks.iter().any(|walk| step.starts_with(walk)),
                    "{step}: {sql}"
                );
                assert!(
                    sql != OPEN || !step.contains("TEMP B-TREE"),
                    "{step}: {sql}"
                );
            }
        }
    }
}
