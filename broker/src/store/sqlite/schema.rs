//! Tables of the embedded store, as numbered steps that are applied once and never changed.

use rusqlite::{Connection, TransactionBehavior};

/// Each step brings the schema one version further.
///
/// What never changes of a job stands in `specs`, because SQLite writes a changed row whole. A job
/// that nobody holds has an empty owner, so that one index finds the free ones of any holder. In
/// `jobs_open`, a job without a time to wake comes after all that have one.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    account BLOB NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    open INTEGER NOT NULL,
    wake_at_us INTEGER,
    claim_owner BLOB NOT NULL,
    claim_generation INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX jobs_by_account ON jobs (account, id);
CREATE INDEX jobs_open
    ON jobs (claim_owner, ifnull(wake_at_us, 9223372036854775807), id) WHERE open = 1;
CREATE INDEX jobs_queued ON jobs (id) WHERE state = 'queued';

CREATE TABLE specs (
    job BLOB NOT NULL PRIMARY KEY REFERENCES jobs (id),
    spec TEXT NOT NULL
) STRICT;

CREATE TABLE brokers (
    id BLOB NOT NULL PRIMARY KEY,
    alive_until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE placements (
    id BLOB NOT NULL PRIMARY KEY,
    job BLOB NOT NULL REFERENCES jobs (id),
    epoch INTEGER NOT NULL,
    network TEXT NOT NULL,
    tag TEXT NOT NULL UNIQUE,
    live INTEGER NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (job, epoch)
) STRICT;
CREATE UNIQUE INDEX placements_one_live ON placements (job) WHERE live = 1;

CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    job BLOB NOT NULL REFERENCES jobs (id),
    at_us INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_job ON events (job, sequence);

CREATE TABLE outbox (
    key TEXT NOT NULL PRIMARY KEY,
    job BLOB NOT NULL REFERENCES jobs (id),
    due_at_us INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at_us, key) WHERE settled = 0;
CREATE INDEX outbox_owed ON outbox (job) WHERE settled = 0;

CREATE TABLE liveness (
    job BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    last_seen_us INTEGER NOT NULL,
    lease_until_us INTEGER NOT NULL,
    proved_us INTEGER NOT NULL,
    PRIMARY KEY (job, epoch, rank)
) STRICT, WITHOUT ROWID;

CREATE TABLE logs (
    job BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (job, epoch, rank, sequence)
) STRICT;
CREATE INDEX logs_by_age ON logs (job, epoch, at_us, sequence, rank);
CREATE TABLE log_sizes (
    job BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (job, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE charges (
    job BLOB NOT NULL REFERENCES jobs (id),
    epoch INTEGER NOT NULL,
    gpu_us INTEGER NOT NULL,
    amount_micro_usd INTEGER NOT NULL CHECK (amount_micro_usd >= 0),
    PRIMARY KEY (job, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE quotes_taken (
    quote BLOB NOT NULL PRIMARY KEY,
    job BLOB NOT NULL REFERENCES jobs (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_transactions (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    at_us INTEGER NOT NULL
) STRICT;
CREATE TABLE ledger_postings (
    transaction_id INTEGER NOT NULL REFERENCES ledger_transactions (id),
    line INTEGER NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    debit BLOB NOT NULL CHECK (length(debit) = 16),
    credit BLOB NOT NULL CHECK (length(credit) = 16),
    PRIMARY KEY (transaction_id, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_balances (
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    debit BLOB NOT NULL CHECK (length(debit) = 16),
    credit BLOB NOT NULL CHECK (length(credit) = 16),
    PRIMARY KEY (account, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    created_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id BLOB NOT NULL PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    scopes TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    expires_at_us INTEGER,
    revoked_at_us INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_account ON api_keys (account, id);

CREATE TABLE replies (
    account BLOB NOT NULL,
    key TEXT NOT NULL,
    route TEXT NOT NULL,
    body_sha256 BLOB NOT NULL CHECK (length(body_sha256) = 32),
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (account, key, route)
) STRICT;
CREATE INDEX replies_by_age ON replies (at_us);

CREATE TABLE policies (
    number INTEGER PRIMARY KEY,
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    author TEXT NOT NULL,
    applied_at_us INTEGER NOT NULL,
    note TEXT NOT NULL,
    rolls_back_to INTEGER REFERENCES policies (number),
    revokes_quotes INTEGER NOT NULL,
    waived_because TEXT,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX policies_revoking ON policies (number) WHERE revokes_quotes = 1;

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE accounts ADD COLUMN country TEXT CHECK (length(country) = 2);
",
    "
CREATE TABLE denials (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    account BLOB NOT NULL REFERENCES accounts (id),
    day INTEGER NOT NULL,
    rule TEXT NOT NULL,
    party TEXT NOT NULL,
    about TEXT NOT NULL,
    reason TEXT NOT NULL,
    change TEXT NOT NULL,
    lists_dated TEXT NOT NULL,
    workload_sha256 TEXT NOT NULL
        CHECK (length(workload_sha256) = 64 AND workload_sha256 NOT GLOB '*[^0-9a-f]*'),
    offers INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_at_us INTEGER NOT NULL,
    last_at_us INTEGER NOT NULL,
    UNIQUE (account, day, rule, party, about)
) STRICT;
CREATE INDEX denials_by_account ON denials (account, sequence);
CREATE INDEX denials_by_day ON denials (day);
",
    "
CREATE TABLE promotions_given (
    promotion TEXT NOT NULL PRIMARY KEY,
    micro_usd INTEGER NOT NULL CHECK (micro_usd >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE quote_log (
    policy_version INTEGER NOT NULL,
    class TEXT NOT NULL,
    tier TEXT NOT NULL,
    ratio_permille_from INTEGER NOT NULL,
    quoted INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    PRIMARY KEY (policy_version, class, tier, ratio_permille_from)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE devices (
    uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
    model TEXT,
    network TEXT NOT NULL,
    first_seen_us INTEGER NOT NULL,
    last_seen_us INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    could_not_run INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    banned INTEGER NOT NULL,
    job BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    rank INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_age ON devices (banned, last_seen_us);
",
    "
CREATE TABLE devices_seen (
    uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
    model TEXT,
    network TEXT,
    first_seen_us INTEGER,
    last_seen_us INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    could_not_run INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    failed_since_lifted INTEGER NOT NULL,
    banned_at_us INTEGER,
    ban_reason TEXT CHECK ((ban_reason IS NULL) = (banned_at_us IS NULL)),
    banned_by TEXT,
    job BLOB,
    epoch INTEGER,
    rank INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO devices_seen
    SELECT uuid, model, network, first_seen_us, last_seen_us, passed, could_not_run, failed, failed,
           iif(banned, last_seen_us, NULL), iif(banned, failed || ' verdicts failed it', NULL),
           NULL, job, epoch, rank
    FROM devices;
DROP TABLE devices;
ALTER TABLE devices_seen RENAME TO devices;
CREATE INDEX devices_by_age ON devices (banned_at_us IS NOT NULL, last_seen_us);

CREATE TABLE device_history (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL CHECK (length(uuid) = 16),
    at_us INTEGER NOT NULL,
    by_operator INTEGER NOT NULL,
    document TEXT NOT NULL,
    latency TEXT
) STRICT;
CREATE INDEX device_history_by_device ON device_history (uuid, sequence);
CREATE INDEX device_history_by_age ON device_history (by_operator, sequence);

CREATE TABLE probes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    job BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX probes_by_job ON probes (job, sequence);
",
    "
ALTER TABLE devices ADD COLUMN spotless_since_us INTEGER;
UPDATE devices SET spotless_since_us = max(first_seen_us, ifnull(
    (SELECT max(at_us) FROM device_history AS h WHERE h.uuid = devices.uuid
         AND (document ->> '$.verdict.outcome' = 'fail' OR document -> '$.lifted' IS NOT NULL)),
    iif(failed > 0, last_seen_us, first_seen_us)));
",
];

/// Settings of every connection: a write-ahead log that gives space back which one large commit
/// took (16 MiB stay), and a commit that is on the disk when it returns.
const PRAGMAS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA journal_size_limit = 16777216;
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

#[cfg(test)]
mod tests;
