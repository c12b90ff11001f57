//! Tables of the embedded store, as numbered steps that are applied once and never changed.

use rusqlite::{Connection, TransactionBehavior};

/// Each step brings the schema one version further.
const MIGRATIONS: &[&str] = &["
CREATE TABLE jobs (
    id BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    open INTEGER NOT NULL,
    wake_at_us INTEGER,
    claim_owner BLOB,
    claim_generation INTEGER NOT NULL DEFAULT 0,
    claim_until_us INTEGER,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_account ON jobs (account, id);
CREATE INDEX jobs_due ON jobs (wake_at_us, id) WHERE open = 1;
CREATE INDEX jobs_claimed ON jobs (claim_owner) WHERE claim_owner IS NOT NULL;

CREATE TABLE placements (
    id BLOB PRIMARY KEY,
    job BLOB NOT NULL REFERENCES jobs (id),
    epoch INTEGER NOT NULL,
    network TEXT NOT NULL,
    tag TEXT NOT NULL UNIQUE,
    live INTEGER NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (job, epoch)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX placements_one_live ON placements (job) WHERE live = 1;

CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    job BLOB NOT NULL REFERENCES jobs (id),
    at_us INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_job ON events (job, sequence);

CREATE TABLE outbox (
    key TEXT PRIMARY KEY,
    job BLOB NOT NULL REFERENCES jobs (id),
    due_at_us INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (due_at_us, key) WHERE settled = 0;

CREATE TABLE liveness (
    job BLOB NOT NULL REFERENCES jobs (id),
    epoch INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    last_seen_us INTEGER NOT NULL,
    lease_until_us INTEGER NOT NULL,
    PRIMARY KEY (job, epoch, rank)
) STRICT, WITHOUT ROWID;
"];

/// Settings of every connection: a write-ahead log, and a commit that is on the disk when it
/// returns.
const PRAGMAS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA busy_timeout = 5000;
PRAGMA cache_size = -16384;
";

/// Sets a connection up.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(PRAGMAS)
}

/// Brings the schema to the newest version, in one transaction a step.
///
/// A database that is newer than this program is refused: it was written by a later release.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), String> {
    let have: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|e| e.to_string())?;
    if have > MIGRATIONS.len() {
        return Err(format!(
            "the database has schema version {have}, this program knows {}: start a newer release",
            MIGRATIONS.len()
        ));
    }
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(have) {
        let apply = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "user_version", step + 1)?;
            transaction.commit()
        };
        apply(connection).map_err(|e| format!("schema step {}: {e}", step + 1))?;
    }
    Ok(())
}
