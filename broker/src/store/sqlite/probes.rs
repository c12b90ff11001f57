//! Verdicts on nodes, with what their receipts say.

use rusqlite::{Connection, Row, params};
use tandem_model::id::{JobId, ProbeId};
use tandem_model::placement::Epoch;

use super::rows::{bytes, count, hex_id, id, over, time};
use crate::store::{PAGE_MAX, PROBES_MAX, PROBES_OF_JOB_MAX, ProbeRecord, StoreError};

/// Keeps verdicts; of one that is there already, the first stands. Forgets the oldest, past the
/// limits.
pub(super) fn keep(connection: &Connection, probes: &[ProbeRecord]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO probes (id, job, epoch, rank, at_us, document)
        SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
               value ->> 5
        FROM jsonb_each(?1) WHERE TRUE ORDER BY key
        ON CONFLICT (id) DO NOTHING";
    if probes.is_empty() {
        return Ok(());
    }
    let rows = probes.iter().map(|p| {
        let (id, job) = (hex_id(p.id.uuid()), hex_id(p.job.uuid()));
        (id, job, p.epoch, p.rank, p.at, &p.document)
    });
    over(connection, SQL, rows)?;
    for probe in probes {
        forget_of_job(connection, probe.job, PROBES_OF_JOB_MAX)?;
    }
    forget(connection, PROBES_MAX)?;
    Ok(())
}

/// Forgets all but the newest of one job.
fn forget_of_job(connection: &Connection, job: JobId, most: u64) -> rusqlite::Result<usize> {
    const SQL: &str = "
        DELETE FROM probes WHERE job = ?1 AND sequence <= (
            SELECT sequence FROM probes WHERE job = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)";
    connection
        .prepare_cached(SQL)?
        .execute(params![bytes(job.uuid()), count(most)])
}

/// Forgets what is older than the newest so many, but of open jobs.
fn forget(connection: &Connection, most: u64) -> rusqlite::Result<usize> {
    const SQL: &str = "
        DELETE FROM probes WHERE sequence <= (SELECT max(sequence) FROM probes) - ?1
            AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = probes.job AND jobs.open = 1)";
    connection
        .prepare_cached(SQL)?
        .execute(params![count(most)])
}

fn record(row: &Row<'_>) -> rusqlite::Result<ProbeRecord> {
    Ok(ProbeRecord {
        sequence: row.get(0)?,
        id: id(row, 1, ProbeId::PREFIX)?,
        job: id(row, 2, JobId::PREFIX)?,
        epoch: Epoch(row.get(3)?),
        rank: row.get(4)?,
        at: time(row, 5)?,
        document: row.get(6)?,
    })
}

/// Verdicts of a job after a number.
pub(super) fn of(
    connection: &Connection,
    job: JobId,
    after: u64,
    limit: u32,
) -> rusqlite::Result<Vec<ProbeRecord>> {
    connection
        .prepare_cached(
            "SELECT sequence, id, job, epoch, rank, at_us, document FROM probes
             WHERE job = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
        )?
        .query_map(
            params![bytes(job.uuid()), count(after), limit.min(PAGE_MAX)],
            record,
        )?
        .collect()
}

#[cfg(test)]
mod tests {
    use tandem_model::time::WorldTime;

    use super::*;
    use crate::store::sqlite::schema;

    fn job(n: u64) -> JobId {
        JobId::from_parts(n, &[1; 10])
    }

    fn probe(n: u64, of: u64) -> ProbeRecord {
        ProbeRecord {
            sequence: 0,
            id: ProbeId::from_parts(n, &[2; 10]),
            job: job(of),
            epoch: Epoch(1),
            rank: 0,
            at: WorldTime::from_micros(n.try_into().unwrap()),
            document: format!("{{\"n\":{n}}}"),
        }
    }

    #[test]
    fn past_the_limits_the_oldest_go_but_those_of_open_jobs() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        for (id, open) in [(1, 1), (2, 0)] {
            let insert = "INSERT INTO jobs VALUES (?1, x'01', 1, 'running', ?2, NULL, x'', 0, '')";
            let id = bytes(job(id).uuid());
            connection.execute(insert, params![id, open]).unwrap();
        }
        // The first two of an open job, then three of one that has ended, and of one unknown.
        let all = [
            probe(1, 1),
            probe(2, 1),
            probe(3, 2),
            probe(4, 2),
            probe(5, 2),
            probe(6, 3),
        ];
        keep(&connection, &all).unwrap();
        keep(&connection, &all[..1]).unwrap();
        let left = |of_job: u64| {
            let all = of(&connection, job(of_job), 0, 99).unwrap();
            all.iter().map(|p| p.at.micros()).collect::<Vec<_>>()
        };
        assert_eq!(
            (left(1), left(2), left(3)),
            (vec![1, 2], vec![3, 4, 5], vec![6])
        );
        assert_eq!(forget(&connection, 2).unwrap(), 2);
        assert_eq!((left(1), left(2), left(3)), (vec![1, 2], vec![5], vec![6]));
        assert_eq!(forget_of_job(&connection, job(1), 1).unwrap(), 1);
        assert_eq!(left(1), [2]);
        assert_eq!(forget_of_job(&connection, job(1), 1).unwrap(), 0);
    }
}
