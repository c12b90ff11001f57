//! What became of quotes: what promotions gave away, and how many quotes were taken at which price.

use rusqlite::{Connection, params};
use tandem_model::money::MicroUsd;

use super::rows::{count, word};
use crate::store::PromotionGiven;
use crate::store::tenants::{Conversion, ConversionKey};
use crate::store::{PAGE_MAX, StoreError};

/// Adds what accepted quotes are given by promotions.
pub(super) fn give(connection: &Connection, given: &[PromotionGiven]) -> Result<(), StoreError> {
    for one in given {
        connection
            .prepare_cached(
                "INSERT INTO promotions_given (promotion, micro_usd) VALUES (?1, ?2)
                 ON CONFLICT (promotion) DO UPDATE SET
                     micro_usd = min(micro_usd, 4611686018427387903)
                               + min(excluded.micro_usd, 4611686018427387903)",
            )?
            .execute(params![one.promotion, one.amount.get()])?;
    }
    Ok(())
}

/// What every promotion gave so far.
pub(super) fn given(connection: &Connection) -> rusqlite::Result<Vec<PromotionGiven>> {
    connection
        .prepare_cached("SELECT promotion, micro_usd FROM promotions_given")?
        .query_map([], |row| {
            Ok(PromotionGiven {
                promotion: row.get(0)?,
                amount: MicroUsd::new(row.get(1)?),
            })
        })?
        .collect()
}

/// Adds to the counts of quotes.
pub(super) fn log(
    connection: &Connection,
    counts: &[(ConversionKey, Conversion)],
) -> Result<(), StoreError> {
    for (key, more) in counts {
        connection
            .prepare_cached(
                "INSERT INTO quote_log
                     (policy_version, class, tier, ratio_permille_from, quoted, accepted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (policy_version, class, tier, ratio_permille_from) DO UPDATE SET
                     quoted = quoted + excluded.quoted, accepted = accepted + excluded.accepted",
            )?
            .execute(params![
                key.policy_version,
                key.class.as_str(),
                key.tier.as_str(),
                key.ratio_permille_from,
                count(more.quoted),
                count(more.accepted),
            ])?;
    }
    Ok(())
}

/// Counts of quotes in the order of their keys, after one of them; at most [`PAGE_MAX`].
pub(super) fn conversion(
    connection: &Connection,
    skip: u32,
    limit: u32,
) -> rusqlite::Result<Vec<(ConversionKey, Conversion)>> {
    connection
        .prepare_cached(
            "SELECT policy_version, class, tier, ratio_permille_from, quoted, accepted
             FROM quote_log ORDER BY 1, 2, 3, 4 LIMIT ?1 OFFSET ?2",
        )?
        .query_map(params![limit.min(PAGE_MAX), skip], |row| {
            let key = ConversionKey {
                policy_version: row.get(0)?,
                class: word(1, row.get(1)?)?,
                tier: word(2, row.get(2)?)?,
                ratio_permille_from: row.get(3)?,
            };
            let counts = Conversion {
                quoted: row.get::<_, i64>(4)?.unsigned_abs(),
                accepted: row.get::<_, i64>(5)?.unsigned_abs(),
            };
            Ok((key, counts))
        })?
        .collect()
}
