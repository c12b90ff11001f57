//! Devices: one row a UUID, which counts verdicts; banned after too many failures or by an operator,
//! until an operator lifts it.

use gpu_probe::hex::HexBytes;
use gpu_probe::report::DeviceUuid;
use gpu_probe::verdict::VerdictOutcome;
use rusqlite::{Connection, Row, params};
use tandem_model::id::JobId;
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use super::history;
use super::rows::{array, bytes, count, hex, id, time, word};
use crate::store::{
    BanChange, DEVICE_BANS_MAX, DEVICE_HISTORY_MAX, DEVICES_MAX, DeviceBan, DeviceEntry,
    DeviceFilter, DeviceRecord, DeviceSeen, PAGE_MAX, StoreError,
};

/// Takes verdicts on devices in; forgets those that were not seen for longest, past the limit.
pub(super) fn see(connection: &Connection, seen: &[DeviceSeen]) -> Result<(), StoreError> {
    if seen.is_empty() {
        return Ok(());
    }
    for device in seen {
        count_verdict(connection, device)?;
        if device.verdict.outcome != VerdictOutcome::Fail {
            note_use(connection, device)?;
        }
        let verdict = DeviceEntry::Verdict(device.verdict.clone());
        let latency = device.latency.as_ref();
        history::add(connection, device.uuid, device.at, &verdict, latency)?;
        if device.verdict.outcome == VerdictOutcome::Fail {
            ban_for_failures(connection, device)?;
        }
    }
    forget(connection, DEVICES_MAX)?;
    history::forget_verdicts(connection, DEVICE_HISTORY_MAX)?;
    Ok(())
}

fn count_verdict(connection: &Connection, device: &DeviceSeen) -> rusqlite::Result<()> {
    const SQL: &str = "
        INSERT INTO devices (uuid, model, network, first_seen_us, last_seen_us, passed,
                             could_not_run, failed, failed_since_lifted, spotless_since_us)
        VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?7, ?4)
        ON CONFLICT (uuid) DO UPDATE SET
            model = ifnull(excluded.model, model), network = excluded.network,
            first_seen_us = ifnull(first_seen_us, excluded.first_seen_us),
            last_seen_us = max(last_seen_us, excluded.last_seen_us),
            passed = passed + excluded.passed,
            could_not_run = could_not_run + excluded.could_not_run,
            failed = failed + excluded.failed,
            failed_since_lifted = failed_since_lifted + excluded.failed,
            spotless_since_us = max(
                ifnull(spotless_since_us, excluded.spotless_since_us),
                iif(excluded.failed, excluded.spotless_since_us, 0))";
    let verdict = &device.verdict;
    let is = |outcome| i64::from(verdict.outcome == outcome);
    connection.prepare_cached(SQL)?.execute(params![
        device.uuid.0,
        verdict.model,
        verdict.network.as_str(),
        device.at.micros(),
        is(VerdictOutcome::Pass),
        is(VerdictOutcome::CouldNotRun),
        is(VerdictOutcome::Fail),
    ])?;
    Ok(())
}

/// Notes which node uses a device, unless a live one does: who showed it first keeps it. A node whose
/// verdict failed the device is left and uses nothing; one that could not run works on it.
fn note_use(connection: &Connection, device: &DeviceSeen) -> rusqlite::Result<()> {
    let verdict = &device.verdict;
    connection
        .prepare_cached(&format!(
            "UPDATE devices SET job = ?2, epoch = ?3, rank = ?4 WHERE uuid = ?1 AND NOT {IN_USE}"
        ))?
        .execute(params![
            device.uuid.0,
            bytes(verdict.job.uuid()),
            verdict.epoch.0,
            verdict.rank,
        ])?;
    Ok(())
}

/// Bans a device that failed too often since a ban of it was lifted.
fn ban_for_failures(connection: &Connection, device: &DeviceSeen) -> Result<(), StoreError> {
    let known = of(connection, &[device.uuid])?;
    let failed = known.first().map_or(0, |known| known.failed_since_lifted);
    if failed < u64::from(device.ban_after_fails) {
        return Ok(());
    }
    let ban = DeviceBan {
        reason: format!("{failed} verdicts failed it"),
        by: None,
        at: device.at,
    };
    if put_ban(connection, device.uuid, &ban)? {
        let DeviceBan { reason, by, at } = ban;
        let banned = DeviceEntry::Banned { reason, by };
        history::add(connection, device.uuid, at, &banned, None)?;
    }
    Ok(())
}

/// Bans a device that is not banned; false where it is, or is not known.
fn put_ban(connection: &Connection, uuid: DeviceUuid, ban: &DeviceBan) -> rusqlite::Result<bool> {
    const SQL: &str = "
        UPDATE devices SET banned_at_us = ?2, ban_reason = ?3, banned_by = ?4
        WHERE uuid = ?1 AND banned_at_us IS NULL";
    let changed = connection.prepare_cached(SQL)?.execute(params![
        uuid.0,
        ban.at.micros(),
        ban.reason,
        ban.by
    ])?;
    Ok(changed == 1)
}

/// Does what an operator asks; what is so already stays as it is.
pub(super) fn change_ban(
    connection: &Connection,
    asked: &BanChange,
) -> Result<Option<DeviceRecord>, StoreError> {
    const NAME: &str = "
        INSERT INTO devices (uuid, last_seen_us, passed, could_not_run, failed, failed_since_lifted)
        VALUES (?1, ?2, 0, 0, 0, 0) ON CONFLICT (uuid) DO NOTHING";
    const LIFT: &str = "
        UPDATE devices SET banned_at_us = NULL, ban_reason = NULL, banned_by = NULL,
                           failed_since_lifted = 0,
                           spotless_since_us = max(spotless_since_us, ?2)
        WHERE uuid = ?1 AND banned_at_us IS NOT NULL";
    let (uuid, reason, by) = (asked.uuid, asked.reason.clone(), Some(asked.by.clone()));
    let (is_changed, entry) = if asked.banned {
        let named = params![uuid.0, asked.at.micros()];
        connection.prepare_cached(NAME)?.execute(named)?;
        let ban = DeviceBan {
            reason: reason.clone(),
            by: by.clone(),
            at: asked.at,
        };
        let is_changed = put_ban(connection, uuid, &ban)?;
        (is_changed, DeviceEntry::Banned { reason, by })
    } else {
        let lifted = params![uuid.0, asked.at.micros()];
        let lifted = connection.prepare_cached(LIFT)?.execute(lifted)?;
        (lifted == 1, DeviceEntry::Lifted { reason, by })
    };
    if is_changed {
        history::add(connection, uuid, asked.at, &entry, None)?;
        forget(connection, DEVICES_MAX)?;
        history::forget_bans(connection, DEVICE_BANS_MAX)?;
    }
    Ok(of(connection, &[uuid])?.pop())
}

/// Forgets what is beyond a number of devices; banned ones go last.
fn forget(connection: &Connection, most: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM devices WHERE uuid IN (
                 SELECT uuid FROM devices ORDER BY banned_at_us IS NOT NULL, last_seen_us
                 LIMIT max(0, (SELECT count(*) FROM devices) - ?1))",
        )?
        .execute(params![count(most)])
}

/// Whether the attempt that is noted with a device is live.
const IN_USE: &str = "EXISTS (SELECT 1 FROM placements AS p
            WHERE p.job = devices.job AND p.epoch = devices.epoch AND p.live = 1)";

/// Columns of a device, in the order of [`record`], but for [`IN_USE`], which comes last.
const DEVICE: &str = "uuid, model, network, first_seen_us, last_seen_us, passed, could_not_run,
    failed, failed_since_lifted, ban_reason, banned_by, banned_at_us, job, epoch, rank,
    spotless_since_us";

fn record(row: &Row<'_>) -> rusqlite::Result<DeviceRecord> {
    let is_live: bool = row.get(16)?;
    let by = match is_live {
        true => Some((
            id(row, 12, JobId::PREFIX)?,
            Epoch(row.get(13)?),
            row.get(14)?,
        )),
        false => None,
    };
    let ban = match row.get::<_, Option<String>>(9)? {
        Some(reason) => Some(DeviceBan {
            reason,
            by: row.get(10)?,
            at: time(row, 11)?,
        }),
        None => None,
    };
    let network: Option<String> = row.get(2)?;
    Ok(DeviceRecord {
        uuid: HexBytes(row.get(0)?),
        model: row.get(1)?,
        network: network.map(|name| word::<NetworkId>(2, name)).transpose()?,
        first_seen: row.get::<_, Option<i64>>(3)?.map(WorldTime::from_micros),
        last_seen: time(row, 4)?,
        spotless_since: row.get::<_, Option<i64>>(15)?.map(WorldTime::from_micros),
        passed: row.get(5)?,
        could_not_run: row.get(6)?,
        failed: row.get(7)?,
        failed_since_lifted: row.get(8)?,
        ban,
        in_use_by: by,
    })
}

/// What is known of some devices.
pub(super) fn of(
    connection: &Connection,
    uuids: &[DeviceUuid],
) -> rusqlite::Result<Vec<DeviceRecord>> {
    let uuids = array(uuids.iter().map(|uuid| hex(&uuid.0)));
    connection
        .prepare_cached(&format!(
            "SELECT {DEVICE}, {IN_USE} FROM devices
             WHERE uuid IN (SELECT unhex(value) FROM json_each(?1)) ORDER BY uuid"
        ))?
        .query_map(params![uuids], record)?
        .collect()
}

/// Devices after a UUID.
pub(super) fn page(
    connection: &Connection,
    filter: &DeviceFilter,
    after: Option<DeviceUuid>,
    limit: u32,
) -> rusqlite::Result<Vec<DeviceRecord>> {
    let network = filter.network.as_ref().map(NetworkId::as_str);
    let models = filter.models.as_ref().map(array);
    // Nothing comes before the empty blob.
    let after = after.map_or_else(Vec::new, |uuid| uuid.0.to_vec());
    connection
        .prepare_cached(&format!(
            "SELECT {DEVICE}, {IN_USE} FROM devices
             WHERE uuid > ?1
               AND (?2 IS NULL OR network = ?2)
               AND (?3 IS NULL OR model IN (SELECT value FROM json_each(?3)))
               AND (?4 IS NULL OR (banned_at_us IS NOT NULL) = ?4)
             ORDER BY uuid LIMIT ?5"
        ))?
        .query_map(
            params![after, network, models, filter.banned, limit.min(PAGE_MAX)],
            record,
        )?
        .collect()
}

/// How many are banned.
pub(super) fn banned(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM devices WHERE (banned_at_us IS NOT NULL) = 1")?
        .query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use tandem_model::id::ProbeId;

    use super::*;
    use crate::store::DeviceVerdict;
    use crate::store::sqlite::schema;

    #[test]
    fn past_the_limit_the_device_unseen_for_longest_goes_and_banned_ones_last() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let device = |n: u8, outcome| DeviceSeen {
            uuid: HexBytes([n; 16]),
            at: WorldTime::from_micros(n.into()),
            ban_after_fails: 1,
            latency: None,
            verdict: DeviceVerdict {
                probe: ProbeId::from_parts(n.into(), &[1; 10]),
                job: JobId::from_parts(1, &[1; 10]),
                epoch: Epoch(1),
                rank: 0,
                network: NetworkId::from_static("ionet"),
                model: None,
                outcome,
                proof_level: 0,
                speed_permille: None,
            },
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
        assert_eq!(banned(&connection).unwrap(), 1);
    }
}
