//! What happened to devices, line by line: verdicts and bans. Two limits, so that no number of
//! verdicts pushes out what operators did.

use gpu_probe::report::{DeviceUuid, LatencySummary};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_model::time::WorldTime;

use super::rows::{count, time};
use crate::store::{DeviceEntry, DeviceHistory, PAGE_MAX};

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and text always make JSON")
}

fn read<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

/// Adds a line.
pub(super) fn add(
    connection: &Connection,
    uuid: DeviceUuid,
    at: WorldTime,
    entry: &DeviceEntry,
    latency: Option<&LatencySummary>,
) -> rusqlite::Result<()> {
    const SQL: &str = "
        INSERT INTO device_history (uuid, at_us, by_operator, document, latency)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let by_operator = match entry {
        DeviceEntry::Verdict(_) => false,
        DeviceEntry::Banned { by, .. } | DeviceEntry::Lifted { by, .. } => by.is_some(),
    };
    connection.prepare_cached(SQL)?.execute(params![
        uuid.0,
        at.micros(),
        by_operator,
        text(entry),
        latency.map(text)
    ])?;
    Ok(())
}

/// Forgets the oldest verdicts and their bans: what is so many numbers behind the newest line.
pub(super) fn forget_verdicts(connection: &Connection, most: u64) -> rusqlite::Result<usize> {
    const SQL: &str = "
        DELETE FROM device_history WHERE by_operator = 0
            AND sequence <= (SELECT max(sequence) FROM device_history) - ?1";
    connection
        .prepare_cached(SQL)?
        .execute(params![count(most)])
}

/// Forgets the oldest of what operators did, past a number of lines.
pub(super) fn forget_bans(connection: &Connection, most: u64) -> rusqlite::Result<usize> {
    const SQL: &str = "
        DELETE FROM device_history WHERE by_operator = 1 AND sequence <= (
            SELECT sequence FROM device_history WHERE by_operator = 1
            ORDER BY sequence DESC LIMIT 1 OFFSET ?1)";
    connection
        .prepare_cached(SQL)?
        .execute(params![count(most)])
}

fn record(row: &Row<'_>) -> rusqlite::Result<DeviceHistory> {
    let latency = |column: usize| {
        let text: Option<String> = row.get(column)?;
        text.map(|text| read(column, &text)).transpose()
    };
    Ok(DeviceHistory {
        sequence: row.get(0)?,
        at: time(row, 1)?,
        entry: read(2, &row.get::<_, String>(2)?)?,
        latency: latency(3)?,
        latency_before: latency(4)?,
    })
}

/// A device's lines below a number, the newest first.
pub(super) fn of(
    connection: &Connection,
    uuid: DeviceUuid,
    below: Option<u64>,
    limit: u32,
) -> rusqlite::Result<Vec<DeviceHistory>> {
    const SQL: &str = "
        SELECT sequence, at_us, document, latency,
               iif(latency IS NULL, NULL, (
                   SELECT b.latency FROM device_history AS b
                   WHERE b.uuid = h.uuid AND b.sequence < h.sequence AND b.latency IS NOT NULL
                   ORDER BY b.sequence DESC LIMIT 1))
        FROM device_history AS h
        WHERE uuid = ?1 AND sequence < ?2 ORDER BY sequence DESC LIMIT ?3";
    let below = below.map_or(i64::MAX, count);
    connection
        .prepare_cached(SQL)?
        .query_map(params![uuid.0, below, limit.min(PAGE_MAX)], record)?
        .collect()
}

#[cfg(test)]
mod tests {
    use gpu_probe::hex::HexBytes;

    use super::*;
    use crate::store::sqlite::schema;

    fn line(n: i64, by: Option<&str>) -> (WorldTime, DeviceEntry) {
        let banned = DeviceEntry::Banned {
            reason: format!("the {n}th"),
            by: by.map(str::to_owned),
        };
        (WorldTime::from_micros(n), banned)
    }

    #[test]
    fn past_each_limit_the_oldest_lines_of_that_kind_go_and_no_others() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let uuid = HexBytes([1; 16]);
        for n in 1..=9 {
            let (at, entry) = line(n, (n <= 3).then_some("somebody"));
            add(&connection, uuid, at, &entry, None).unwrap();
        }
        let left = || {
            let all = of(&connection, uuid, None, 99).unwrap();
            all.iter().map(|l| l.at.micros()).collect::<Vec<_>>()
        };
        forget_verdicts(&connection, 4).unwrap();
        assert_eq!(left(), [9, 8, 7, 6, 3, 2, 1]);
        forget_bans(&connection, 2).unwrap();
        assert_eq!(left(), [9, 8, 7, 6, 3, 2]);
        forget_bans(&connection, 2).unwrap();
        assert_eq!(left(), [9, 8, 7, 6, 3, 2]);
        let newest = of(&connection, uuid, Some(8), 1).unwrap();
        let [newest] = &newest[..] else {
            panic!("one line")
        };
        assert_eq!((newest.at, newest.entry.clone()), line(7, None));
    }
}
