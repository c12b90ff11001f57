//! Values into columns and out of them, and one statement over many rows.

use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, Type, ValueRef};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tandem_model::id::{AccountId, JobId, ParseIdError, PlacementId};
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use uuid::Uuid;

use crate::store::{JobRecord, OutboxRecord, PlacementRecord, Rule, StoreError};

impl From<rusqlite::Error> for StoreError {
    /// A broken rule of the schema, or a failure of the database.
    fn from(error: rusqlite::Error) -> Self {
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Refused {
                rule: rule(&detail),
                detail,
            },
            _ => Self::Database(detail),
        }
    }
}

/// The rule behind a constraint, by the columns that SQLite names.
fn rule(message: &str) -> Rule {
    let columns = message.rsplit(": ").next().unwrap_or_default();
    match columns {
        "quotes_taken.quote" => Rule::QuoteTaken,
        "placements.job" => Rule::OneLivePlacement,
        "outbox.key" => Rule::OutboxKey,
        "ledger_transactions.key" => Rule::LedgerKey,
        _ => Rule::Other,
    }
}

/// A change that a rule refuses.
pub(super) fn refused(rule: Rule, detail: impl Into<String>) -> StoreError {
    StoreError::Refused {
        rule,
        detail: detail.into(),
    }
}

/// Bytes as lower-case hexadecimal, which `unhex` turns into the blob.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An id as hexadecimal.
pub(super) fn hex_id(id: Uuid) -> String {
    id.simple().to_string()
}

/// A counter that an untrusted sender may set to anything: what no column holds stays at the end.
pub(super) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Rows as the one parameter of a statement: JSON, each row an array in the order of the columns.
pub(super) fn array<T: Serialize>(rows: impl IntoIterator<Item = T>) -> String {
    let value = |row| serde_json::to_value(row).expect("numbers and text always make JSON");
    Value::Array(rows.into_iter().map(value).collect()).to_string()
}

/// Runs one statement over all rows; none costs nothing. The statement reads them with
/// `jsonb_each`, which parses each row once, not once a column.
pub(super) fn over<T: Serialize>(
    connection: &Connection,
    sql: &str,
    rows: impl IntoIterator<Item = T>,
) -> Result<(), StoreError> {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_some() {
        connection
            .prepare_cached(sql)?
            .execute(params![array(rows)])?;
    }
    Ok(())
}

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
pub(super) fn id<T: FromStr<Err = ParseIdError>>(
    row: &Row<'_>,
    column: usize,
    prefix: &str,
) -> rusqlite::Result<T> {
    let uuid = row.get::<_, Id>(column)?.0;
    format!("{prefix}_{}", uuid.simple())
        .parse()
        .map_err(|e: ParseIdError| {
            rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(e))
        })
}

/// A value from the text that is its JSON string.
pub(super) fn word<T: DeserializeOwned>(column: usize, text: String) -> rusqlite::Result<T> {
    serde_json::from_value(Value::String(text))
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

/// A moment.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<WorldTime> {
    row.get(column).map(WorldTime::from_micros)
}

/// An id as the blob it is stored as.
pub(super) fn bytes(id: Uuid) -> [u8; 16] {
    *id.as_bytes()
}

/// Columns of a job, in the order of [`job`].
pub(super) const JOB: &str = "jobs.id, jobs.account, jobs.version, jobs.state, jobs.open, \
     jobs.wake_at_us, specs.spec, jobs.document";

/// A job from [`JOB`].
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    Ok(JobRecord {
        id: id(row, 0, JobId::PREFIX)?,
        account: id(row, 1, AccountId::PREFIX)?,
        version: row.get(2)?,
        state: word(3, row.get(3)?)?,
        open: row.get(4)?,
        wake_at: row.get::<_, Option<i64>>(5)?.map(WorldTime::from_micros),
        spec: row.get(6)?,
        document: row.get(7)?,
    })
}

/// Columns of an attempt, in the order of [`placement`].
pub(super) const PLACEMENT: &str = "id, job, epoch, network, tag, live, document";

/// An attempt from [`PLACEMENT`].
pub(super) fn placement(row: &Row<'_>) -> rusqlite::Result<PlacementRecord> {
    Ok(PlacementRecord {
        id: id(row, 0, PlacementId::PREFIX)?,
        job: id(row, 1, JobId::PREFIX)?,
        epoch: Epoch(row.get(2)?),
        network: word::<NetworkId>(3, row.get(3)?)?,
        tag: row.get(4)?,
        live: row.get(5)?,
        document: row.get(6)?,
    })
}

/// Columns of an effect, in the order of [`effect`].
pub(super) const EFFECT: &str = "key, job, due_at_us, document";

/// An effect from [`EFFECT`].
pub(super) fn effect(row: &Row<'_>) -> rusqlite::Result<OutboxRecord> {
    Ok(OutboxRecord {
        key: row.get(0)?,
        job: id(row, 1, JobId::PREFIX)?,
        due_at: time(row, 2)?,
        document: row.get(3)?,
    })
}
