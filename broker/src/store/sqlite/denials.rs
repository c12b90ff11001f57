//! Denials: one row an account, day, rule, party and subject, which only grows in its count, and no
//! more rows of an account and day than the limit.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use tandem_model::id::AccountId;
use tandem_model::time::WallTime;
use tandem_pricing::jurisdiction::Denial;

use super::rows::{bytes, count, id, refused, word};
use crate::store::tenants::{DENIAL_TEXT_BYTES_MAX, DENIALS_PER_DAY_MAX, DenialRecord};
use crate::store::{PAGE_MAX, Rule, StoreError};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Days since 1970-01-01 UTC.
fn day(at: WallTime) -> i64 {
    at.micros().div_euclid(DAY_US)
}

fn short_enough(denial: &Denial) -> Result<(), StoreError> {
    let Denial {
        rule,
        party,
        about,
        reason,
        change,
        lists_dated,
    } = denial;
    let texts = [about, reason, change, lists_dated];
    let Some(long) = texts.iter().find(|t| t.len() > DENIAL_TEXT_BYTES_MAX) else {
        return Ok(());
    };
    let detail = format!(
        "a denial by {} ({}) has a text of {} bytes; the limit is {DENIAL_TEXT_BYTES_MAX}",
        rule.as_str(),
        party.as_str(),
        long.len()
    );
    Err(refused(Rule::Other, detail))
}

/// Whether there is a row that a denial joins.
fn has_row(connection: &Connection, r: &DenialRecord) -> Result<bool, StoreError> {
    let has = connection
        .prepare_cached(
            "SELECT 1 FROM denials
             WHERE account = ?1 AND day = ?2 AND rule = ?3 AND party = ?4 AND about = ?5",
        )?
        .exists(params![
            bytes(r.account.uuid()),
            day(r.first_at),
            r.denial.rule.as_str(),
            r.denial.party.as_str(),
            r.denial.about,
        ])?;
    Ok(has)
}

/// Adds a denial, or joins it to the row that is there.
fn put(connection: &Connection, r: &DenialRecord) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO denials (account, day, rule, party, about, reason, change, lists_dated,
                                  workload_sha256, offers, count, first_at_us, last_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (account, day, rule, party, about) DO UPDATE SET
                 reason = excluded.reason, change = excluded.change,
                 lists_dated = excluded.lists_dated,
                 workload_sha256 = excluded.workload_sha256, offers = excluded.offers,
                 count = count + excluded.count,
                 last_at_us = max(last_at_us, excluded.last_at_us)",
        )?
        .execute(params![
            bytes(r.account.uuid()),
            day(r.first_at),
            r.denial.rule.as_str(),
            r.denial.party.as_str(),
            r.denial.about,
            r.denial.reason,
            r.denial.change,
            r.denial.lists_dated,
            r.workload_sha256,
            count(r.offers),
            count(r.count),
            r.first_at.micros(),
            r.last_at.micros(),
        ])?;
    Ok(())
}

/// How many more rows an account may have on a day.
fn room(connection: &Connection, account: AccountId, day: i64) -> Result<u32, StoreError> {
    let rows: u32 = connection
        .prepare_cached("SELECT count(*) FROM denials WHERE account = ?1 AND day = ?2")?
        .query_row(params![bytes(account.uuid()), day], |row| row.get(0))?;
    Ok(DENIALS_PER_DAY_MAX.saturating_sub(rows))
}

/// Keeps denials; how many found no room.
pub(super) fn add(connection: &Connection, denials: &[DenialRecord]) -> Result<u64, StoreError> {
    let mut rooms = BTreeMap::new();
    let mut left_out = 0;
    for record in denials {
        short_enough(&record.denial)?;
        if has_row(connection, record)? {
            put(connection, record)?;
            continue;
        }
        let whose = (record.account, day(record.first_at));
        let left = match rooms.get(&whose) {
            Some(left) => *left,
            None => room(connection, whose.0, whose.1)?,
        };
        if left == 0 {
            left_out += 1;
        } else {
            put(connection, record)?;
        }
        rooms.insert(whose, left.saturating_sub(1));
    }
    Ok(left_out)
}

fn record(row: &Row<'_>) -> rusqlite::Result<DenialRecord> {
    Ok(DenialRecord {
        sequence: row.get(0)?,
        account: id(row, 1, AccountId::PREFIX)?,
        denial: Denial {
            rule: word(2, row.get(2)?)?,
            party: word(3, row.get(3)?)?,
            about: row.get(4)?,
            reason: row.get(5)?,
            change: row.get(6)?,
            lists_dated: row.get(7)?,
        },
        workload_sha256: row.get(8)?,
        offers: row.get(9)?,
        count: row.get(10)?,
        first_at: row.get(11).map(WallTime::from_micros)?,
        last_at: row.get(12).map(WallTime::from_micros)?,
    })
}

const COLUMNS: &str = "sequence, account, rule, party, about, reason, change, lists_dated, \
                       workload_sha256, offers, count, first_at_us, last_at_us";

pub(super) fn list(
    connection: &Connection,
    account: Option<AccountId>,
    below: Option<u64>,
    limit: u32,
) -> rusqlite::Result<Vec<DenialRecord>> {
    let below = below.map_or(i64::MAX, count);
    let limit = limit.min(PAGE_MAX);
    let page = |whose: &str| {
        format!(
            "SELECT {COLUMNS} FROM denials WHERE {whose} sequence < ?1 ORDER BY sequence DESC LIMIT ?2"
        )
    };
    match account {
        Some(account) => connection
            .prepare_cached(&page("account = ?3 AND"))?
            .query_map(params![below, limit, bytes(account.uuid())], record)?
            .collect(),
        None => connection
            .prepare_cached(&page(""))?
            .query_map(params![below, limit], record)?
            .collect(),
    }
}

/// Removes denials of days before a moment's.
pub(super) fn forget(connection: &Connection, before: WallTime) -> Result<u64, StoreError> {
    let forgotten = connection
        .prepare_cached(
            "DELETE FROM denials WHERE sequence IN (
                 SELECT sequence FROM denials WHERE day < ?1 ORDER BY day LIMIT ?2)",
        )?
        .execute(params![day(before), PAGE_MAX])?;
    Ok(forgotten as u64)
}
