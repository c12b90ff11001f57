//! Charges, and the double-entry ledger with its balances.
//!
//! Amounts of the ledger are 128 bits, 16 bytes big-endian, and are added in Rust: SQLite's
//! numbers end at 64.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};
use tandem_model::id::JobId;
use tandem_model::money::MicroUsd;
use tandem_model::placement::Epoch;
use tandem_settlement::ledger::{Balance, Currency, Transaction};

use super::rows::{array, bytes, count, hex_id, over, refused, word};
use crate::store::{ChargeRecord, Rule, StoreError};

/// Writes charges; one that would shrink fails the commit.
pub(super) fn charges(connection: &Connection, rows: &[ChargeRecord]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO charges (job, epoch, gpu_us, amount_micro_usd)
        SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3
        FROM jsonb_each(?1) WHERE TRUE ORDER BY key
        ON CONFLICT (job, epoch) DO UPDATE SET
            gpu_us = excluded.gpu_us, amount_micro_usd = excluded.amount_micro_usd
        WHERE excluded.gpu_us >= charges.gpu_us
          AND excluded.amount_micro_usd >= charges.amount_micro_usd
        RETURNING 1";
    if rows.is_empty() {
        return Ok(());
    }
    let row = |c: &ChargeRecord| (hex_id(c.job.uuid()), c.epoch, count(c.gpu_us), c.amount);
    let mut statement = connection.prepare_cached(SQL)?;
    let written = statement.query_map(params![array(rows.iter().map(row))], |_| Ok(()))?;
    let written = written.collect::<Result<Vec<()>, _>>()?.len();
    if written == rows.len() {
        return Ok(());
    }
    let detail = format!(
        "{} of {} charges would shrink",
        rows.len() - written,
        rows.len()
    );
    Err(refused(Rule::ChargeShrinks, detail))
}

/// Charges of a job, by epoch.
pub(super) fn of_job(connection: &Connection, job: JobId) -> rusqlite::Result<Vec<ChargeRecord>> {
    let row = |row: &Row<'_>| {
        Ok(ChargeRecord {
            job,
            epoch: Epoch(row.get(0)?),
            gpu_us: row.get(1)?,
            amount: MicroUsd::new(row.get(2)?),
        })
    };
    connection
        .prepare_cached(
            "SELECT epoch, gpu_us, amount_micro_usd FROM charges WHERE job = ?1 ORDER BY epoch",
        )?
        .query_map(params![bytes(job.uuid())], row)?
        .collect()
}

/// Posts transactions and brings the balances of their accounts up to date.
pub(super) fn post(connection: &Connection, posted: &[Transaction]) -> Result<(), StoreError> {
    const TRANSACTIONS: &str = "
        INSERT INTO ledger_transactions (key, at_us)
        SELECT value ->> 0, value ->> 1 FROM jsonb_each(?1) ORDER BY jsonb_each.key";
    const POSTINGS: &str = "
        INSERT INTO ledger_postings (transaction_id, line, account, currency, debit, credit)
        SELECT t.id, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4),
               unhex(value ->> 5)
        FROM jsonb_each(?1) AS p JOIN ledger_transactions AS t ON t.key = p.value ->> 0";
    if posted.is_empty() {
        return Ok(());
    }
    let transactions = posted.iter().map(|t| (t.key(), t.at()));
    over(connection, TRANSACTIONS, transactions)?;
    let lines = posted.iter().flat_map(|t| {
        t.postings().iter().enumerate().map(|(line, p)| {
            let (debit, credit) = (hex_amount(p.debit), hex_amount(p.credit));
            (t.key(), line, &p.account, p.currency, debit, credit)
        })
    });
    over(connection, POSTINGS, lines)?;
    add(connection, posted)
}

/// An amount as the hexadecimal text of its 16 bytes, the highest first.
fn hex_amount(amount: u128) -> String {
    format!("{amount:032x}")
}

/// Adds postings to the balances. A sum over 128 bits is refused.
fn add(connection: &Connection, posted: &[Transaction]) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO ledger_balances (account, currency, debit, credit)
        SELECT value ->> 0, value ->> 1, unhex(value ->> 2), unhex(value ->> 3)
        FROM jsonb_each(?1) WHERE TRUE
        ON CONFLICT (account, currency) DO UPDATE SET
            debit = excluded.debit, credit = excluded.credit";
    let postings = || posted.iter().flat_map(Transaction::postings);
    let accounts: BTreeSet<&str> = postings().map(|p| p.account.as_str()).collect();
    let mut sums: BTreeMap<(String, Currency), (u128, u128)> = balances_of(connection, &accounts)?
        .into_iter()
        .map(|b| ((b.account, b.currency), (b.debit, b.credit)))
        .collect();
    let mut touched = BTreeSet::new();
    for posting in postings() {
        let key = (posting.account.clone(), posting.currency);
        let sum = sums.entry(key.clone()).or_default();
        let (debit, credit) = (
            sum.0.checked_add(posting.debit),
            sum.1.checked_add(posting.credit),
        );
        *sum = debit.zip(credit).ok_or_else(|| {
            let detail = format!("the balance of {} leaves 128 bits", posting.account);
            refused(Rule::Other, detail)
        })?;
        touched.insert(key);
    }
    let rows = touched.iter().map(|key| {
        let (debit, credit) = sums[key];
        (&key.0, key.1, hex_amount(debit), hex_amount(credit))
    });
    over(connection, SQL, rows)
}

const BALANCE: &str = "SELECT account, currency, debit, credit FROM ledger_balances";

fn balance(row: &Row<'_>) -> rusqlite::Result<Balance> {
    Ok(Balance {
        account: row.get(0)?,
        currency: word(1, row.get(1)?)?,
        debit: u128::from_be_bytes(row.get(2)?),
        credit: u128::from_be_bytes(row.get(3)?),
    })
}

fn balances_of(
    connection: &Connection,
    accounts: &BTreeSet<&str>,
) -> rusqlite::Result<Vec<Balance>> {
    let accounts = array(accounts);
    connection
        .prepare_cached(&format!(
            "{BALANCE} WHERE account IN (SELECT value FROM json_each(?1))"
        ))?
        .query_map(params![accounts], balance)?
        .collect()
}

/// Every balance, by account and currency.
pub(super) fn balances(connection: &Connection) -> rusqlite::Result<Vec<Balance>> {
    connection
        .prepare_cached(&format!("{BALANCE} ORDER BY account, currency"))?
        .query_map([], balance)?
        .collect()
}
