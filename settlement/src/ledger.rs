//! The double-entry ledger: transactions whose debits and credits agree, and balances.
//!
//! Amounts are unsigned 128-bit numbers in the currency's smallest unit (micro-dollars, or a
//! token's base units), so that no posting is ever negative; a correction is a transaction the
//! other way round. A transaction that does not balance cannot be made, nor read from JSON. There,
//! amounts are texts of decimal digits, because most readers of JSON lose digits of long numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_model::time::WorldTime;

/// Most lines of one transaction.
pub const LINES_MAX: usize = 64;
/// Longest key, and longest name of a ledger account, in bytes.
pub const NAME_BYTES_MAX: usize = 200;

/// What amounts are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Currency {
    /// Micro-dollars.
    MicroUsd,
    /// Base units of IO (8 decimals).
    Io,
    /// Base units of ATH (18 decimals).
    Ath,
}

/// One side of a transaction on one ledger account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posting {
    /// Ledger account, words joined by `:` (`receivable:acc_…`, `revenue:compute`, `loss:orphans`).
    pub account: String,
    /// Of what.
    pub currency: Currency,
    /// Debit; exactly one of the two is not zero.
    #[serde(with = "decimal")]
    pub debit: u128,
    /// Credit.
    #[serde(with = "decimal")]
    pub credit: u128,
}

/// Postings that belong together and agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Transaction {
    key: String,
    at: WorldTime,
    postings: Vec<Posting>,
}

/// A transaction as it is read, before anything about it is believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    key: String,
    at: WorldTime,
    postings: Vec<Posting>,
}

impl TryFrom<Unchecked> for Transaction {
    type Error = LedgerRefused;

    fn try_from(read: Unchecked) -> Result<Self, LedgerRefused> {
        Self::new(read.key, read.at, read.postings)
    }
}

/// What was posted to a ledger account in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Ledger account.
    pub account: String,
    /// Of what.
    pub currency: Currency,
    /// All debits.
    #[serde(with = "decimal")]
    pub debit: u128,
    /// All credits.
    #[serde(with = "decimal")]
    pub credit: u128,
}

/// Why postings make no transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerRefused {
    /// A posting with both sides, or none.
    #[error("posting {0} must have either a debit or a credit")]
    OneSide(usize),
    /// Debits and credits of a currency differ.
    #[error("debits of {0:?} are not equal to its credits")]
    Unbalanced(Currency),
    /// None, or more than [`LINES_MAX`].
    #[error("{0} postings; a transaction has 2 to {LINES_MAX}")]
    Count(usize),
    /// A key or a ledger account without a name, or with one over [`NAME_BYTES_MAX`].
    #[error("a key or ledger account has {0} bytes; it has 1 to {NAME_BYTES_MAX}")]
    Name(usize),
    /// A sum over 128 bits.
    #[error("a sum of {0:?} is too large")]
    TooLarge(Currency),
}

impl Transaction {
    /// Joins postings under a key that is used once for ever.
    pub fn new(
        key: impl Into<String>,
        at: WorldTime,
        postings: Vec<Posting>,
    ) -> Result<Self, LedgerRefused> {
        let key = key.into();
        if !(2..=LINES_MAX).contains(&postings.len()) {
            return Err(LedgerRefused::Count(postings.len()));
        }
        let accounts = postings.iter().map(|posting| posting.account.len());
        for bytes in std::iter::once(key.len()).chain(accounts) {
            if !(1..=NAME_BYTES_MAX).contains(&bytes) {
                return Err(LedgerRefused::Name(bytes));
            }
        }
        let mut sums: BTreeMap<Currency, (u128, u128)> = BTreeMap::new();
        for (index, posting) in postings.iter().enumerate() {
            if (posting.debit == 0) == (posting.credit == 0) {
                return Err(LedgerRefused::OneSide(index));
            }
            let sum = sums.entry(posting.currency).or_default();
            let add = |a: u128, b| {
                a.checked_add(b)
                    .ok_or(LedgerRefused::TooLarge(posting.currency))
            };
            *sum = (add(sum.0, posting.debit)?, add(sum.1, posting.credit)?);
        }
        if let Some((currency, _)) = sums.iter().find(|(_, (debit, credit))| debit != credit) {
            return Err(LedgerRefused::Unbalanced(*currency));
        }
        Ok(Self { key, at, postings })
    }

    /// An amount that moves from one account (credited) to another (debited).
    pub fn transfer(
        key: impl Into<String>,
        at: WorldTime,
        (debited, credited): (String, String),
        currency: Currency,
        amount: u128,
    ) -> Result<Self, LedgerRefused> {
        let posting = |account, debit, credit| Posting {
            account,
            currency,
            debit,
            credit,
        };
        let postings = vec![posting(debited, amount, 0), posting(credited, 0, amount)];
        Self::new(key, at, postings)
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// When it happened.
    pub fn at(&self) -> WorldTime {
        self.at
    }

    /// Its lines.
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }
}

/// A number as a JSON text of decimal digits.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(amount: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(amount)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        // The parser alone would take a sign.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(D::Error::custom("an amount is a text of decimal digits"));
        }
        text.parse()
            .map_err(|_| D::Error::custom("an amount is a number of at most 128 bits"))
    }
}

#[cfg(test)]
mod tests;
