//! Versions of the pricing policy: only ever added, each number once and without a gap.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tandem_model::time::WallTime;
use tandem_pricing::policy::{PolicyDigest, Version};

use super::rows::refused;
use crate::store::{PAGE_MAX, Rule, StoreError};

const COLUMNS: &str = "number, digest, author, applied_at_us, note, rolls_back_to, revokes_quotes, \
                       waived_because";

pub(super) fn add(connection: &Connection, version: &Version) -> Result<(), StoreError> {
    let last: u32 = connection
        .prepare_cached("SELECT ifnull(max(number), 0) FROM policies")?
        .query_row([], |row| row.get(0))?;
    if last.checked_add(1) != Some(version.number) {
        let detail = format!("policy version {} does not follow {last}", version.number);
        return Err(refused(Rule::PolicyNumber, detail));
    }
    connection
        .prepare_cached(&format!(
            "INSERT INTO policies ({COLUMNS}, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        ))?
        .execute(params![
            version.number,
            version.digest.to_string(),
            version.author,
            version.applied_at.micros(),
            version.note,
            version.rolls_back_to,
            version.revokes_quotes,
            version.waived_because,
            version.text,
        ])?;
    Ok(())
}

fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    let digest: String = row.get(1)?;
    let digest = PolicyDigest::parse(&digest).ok_or_else(|| {
        let why = format!("`{digest}` is no SHA-256");
        rusqlite::Error::FromSqlConversionFailure(1, Type::Text, why.into())
    })?;
    Ok(Version {
        number: row.get(0)?,
        digest,
        author: row.get(2)?,
        applied_at: WallTime::from_micros(row.get(3)?),
        note: row.get(4)?,
        rolls_back_to: row.get(5)?,
        revokes_quotes: row.get(6)?,
        waived_because: row.get(7)?,
        text: row.get(8)?,
    })
}

pub(super) fn list(
    connection: &Connection,
    below: Option<u32>,
    limit: u32,
) -> rusqlite::Result<Vec<Version>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, '' FROM policies WHERE number < ?1 ORDER BY number DESC LIMIT ?2"
        ))?
        .query_map(
            params![below.map_or(i64::MAX, i64::from), limit.min(PAGE_MAX)],
            version,
        )?
        .collect()
}

pub(super) fn one(
    connection: &Connection,
    number: Option<u32>,
) -> rusqlite::Result<Option<Version>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, text FROM policies
             WHERE number = ifnull(?1, (SELECT max(number) FROM policies))"
        ))?
        .query_row(params![number], version)
        .optional()
}

/// A rollback undoes what lies between its target and itself.
pub(super) fn is_revoked(connection: &Connection, number: u32) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM policies
             WHERE revokes_quotes = 1 AND number > ?1 AND rolls_back_to < ?1)",
        )?
        .query_row(params![number], |row| row.get(0))
}
