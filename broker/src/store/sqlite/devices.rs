//! Devices: one row a UUID, which counts verdicts and is banned for good after too many failures.

use gpu_probe::hex::HexBytes;
use gpu_probe::report::DeviceUuid;
use gpu_probe::verdict::VerdictOutcome;
use rusqlite::{Connection, Row, params};
use tandem_model::id::JobId;
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;

use super::rows::{array, bytes, count, hex, id, time, word};
use crate::store::{DEVICES_MAX, DeviceRecord, DeviceSeen, StoreError};

/// Takes verdicts on devices in; forgets those that were not seen for longest, past the limit.
pub(super) fn see(connection: &Connection, seen: &[DeviceSeen]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO devices (uuid, model, network, first_seen_us, last_seen_us, passed,
                             could_not_run, failed, banned, job, epoch, rank)
        VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?7 >= ?8, ?9, ?10, ?11)
        ON CONFLICT (uuid) DO UPDATE SET
            model = ifnull(excluded.model, model), network = excluded.network,
            last_seen_us = max(last_seen_us, excluded.last_seen_us),
            passed = passed + excluded.passed,
            could_not_run = could_not_run + excluded.could_not_run,
            failed = failed + excluded.failed,
            banned = max(banned, failed + excluded.failed >= ?8),
            job = excluded.job, epoch = excluded.epoch, rank = excluded.rank";
    if seen.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(SQL)?;
    for device in seen {
        let is = |outcome| i64::from(device.outcome == outcome);
        statement.execute(params![
            device.uuid.0,
            device.model,
            device.network.as_str(),
            device.at.micros(),
            is(VerdictOutcome::Pass),
            is(VerdictOutcome::CouldNotRun),
            is(VerdictOutcome::Fail),
            device.ban_after_fails,
            bytes(device.job.uuid()),
            device.epoch.0,
            device.rank,
        ])?;
    }
    forget(connection, DEVICES_MAX)?;
    Ok(())
}

/// Forgets what is beyond a number of devices; banned ones go last.
fn forget(connection: &Connection, most: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM devices WHERE uuid IN (
                 SELECT uuid FROM devices ORDER BY banned, last_seen_us
                 LIMIT max(0, (SELECT count(*) FROM devices) - ?1))",
        )?
        .execute(params![count(most)])
}

fn record(row: &Row<'_>) -> rusqlite::Result<DeviceRecord> {
    let is_live: bool = row.get(12)?;
    let by = (
        id(row, 9, JobId::PREFIX)?,
        Epoch(row.get(10)?),
        row.get(11)?,
    );
    Ok(DeviceRecord {
        uuid: HexBytes(row.get(0)?),
        model: row.get(1)?,
        network: word::<NetworkId>(2, row.get(2)?)?,
        first_seen: time(row, 3)?,
        last_seen: time(row, 4)?,
        passed: row.get(5)?,
        could_not_run: row.get(6)?,
        failed: row.get(7)?,
        banned: row.get(8)?,
        in_use_by: is_live.then_some(by),
    })
}

/// What is known of some devices.
pub(super) fn of(
    connection: &Connection,
    uuids: &[DeviceUuid],
) -> rusqlite::Result<Vec<DeviceRecord>> {
    const SQL: &str = "
        SELECT uuid, model, network, first_seen_us, last_seen_us, passed, could_not_run, failed,
               banned, job, epoch, rank,
               EXISTS (SELECT 1 FROM placements AS p
                       WHERE p.job = devices.job AND p.epoch = devices.epoch AND p.live = 1)
        FROM devices
        WHERE uuid IN (SELECT unhex(value) FROM json_each(?1)) ORDER BY uuid";
    let uuids = array(uuids.iter().map(|uuid| hex(&uuid.0)));
    connection
        .prepare_cached(SQL)?
        .query_map(params![uuids], record)?
        .collect()
}

#[cfg(test)]
mod tests {
    use tandem_model::time::WorldTime;

    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn past_the_limit_the_device_unseen_for_longest_goes_and_banned_ones_last() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let device = |n: u8, outcome| DeviceSeen {
            uuid: HexBytes([n; 16]),
            model: None,
            network: NetworkId::from_static("ionet"),
            outcome,
            ban_after_fails: 1,
            job: JobId::from_parts(1, &[1; 10]),
            epoch: Epoch(1),
            rank: 0,
            at: WorldTime::from_micros(n.into()),
        };
        let fails = device(1, VerdictOutcome::Fail);
        let passes = (2..=5).map(|n| device(n, VerdictOutcome::Pass));
        let all: Vec<_> = [fails].into_iter().chain(passes).collect();
        see(&connection, &all).unwrap();
        assert_eq!(forget(&connection, 3).unwrap(), 2);
        let uuids: Vec<_> = (1..=5).map(|n| HexBytes([n; 16])).collect();
        let left = of(&connection, &uuids).unwrap();
        let left: Vec<_> = left.iter().map(|d| d.uuid.0[0]).collect();
        assert_eq!(left, [1, 4, 5]);
        assert_eq!(forget(&connection, 3).unwrap(), 0);
    }
}
