//! How likely a price is accepted: by a table of what was accepted before, or by an elasticity.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use tandem_model::money::MicroUsd;

use super::csv::{Rows, head};
use super::parameters::{Parameters, REFERENCE_MARGIN_BASIS_POINTS};
use super::problem::LabError;
use crate::fixed::{MILLION, demand_ppm};

const HEADER: &str = "ratio_permille_from,quoted,accepted";
/// Most rows of a table.
pub const BUCKETS_MAX: usize = 1_000;
/// Most quotes of a row.
const QUOTED_MAX: u64 = 1_000_000_000_000;

/// Which share was accepted at which price, as a share of the reference price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversion {
    buckets: Vec<Bucket>,
}

/// From a ratio on, up to that of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Bucket {
    ratio_permille_from: u64,
    quoted: u64,
    accepted: u64,
    /// The share that is used, after rises were levelled.
    share_ppm: u64,
}

/// Width of a row of the counts that a broker keeps, in permille of the reference price.
pub const RATIO_STEP_PERMILLE: u32 = 25;
/// The last row of those counts.
pub const RATIO_PERMILLE_MAX: u32 = 10_000;

/// The row of a price beside the reference price of what costs so much: the reference is the cost
/// and the usual margin.
pub fn ratio_permille_from(price: MicroUsd, cost: MicroUsd) -> u32 {
    let reference =
        i128::from(cost.get().max(1)) * i128::from(10_000 + REFERENCE_MARGIN_BASIS_POINTS);
    let ratio = i128::from(price.get().max(0)) * 10_000 * 1_000 / reference;
    let ratio = u32::try_from(ratio)
        .unwrap_or(u32::MAX)
        .min(RATIO_PERMILLE_MAX);
    ratio / RATIO_STEP_PERMILLE * RATIO_STEP_PERMILLE
}

/// The name under which a broker's own counts stand among the inputs of a replay.
pub const CONVERSION_FILE: &str = "quotes counted by this broker";

/// The table that [`Conversion::parse`] reads, of counts: price over reference price in permille,
/// quotes made and taken. Rows of one price are summed, and a quote that was taken was made, even
/// where only the one was counted.
pub fn conversion_table(counts: impl IntoIterator<Item = (u32, u64, u64)>) -> String {
    let mut sums: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for (from, quoted, accepted) in counts {
        let sum = sums.entry(from).or_default();
        *sum = (sum.0 + quoted.max(accepted), sum.1 + accepted);
    }
    let mut text = format!("{HEADER}\n");
    for (from, (quoted, accepted)) in sums.into_iter().filter(|(_, sum)| sum.0 > 0) {
        let _ = writeln!(text, "{from},{quoted},{accepted}");
    }
    text
}

impl Conversion {
    /// Reads a table `ratio_permille_from,quoted,accepted`: of the quotes at a price from so many
    /// permille of the reference price on, how many there were and how many were accepted.
    ///
    /// Ratios must rise. Where a dearer row was accepted more than a cheaper one, both count as one
    /// (pool adjacent violators): noise of few quotes must not make a rise of price pay.
    pub fn parse(name: &str, text: &str) -> Result<Self, LabError> {
        if head(text) != HEADER {
            return Err(LabError::new(
                name,
                1,
                "",
                format!("the first line must be `{HEADER}`"),
            ));
        }
        let mut buckets: Vec<Bucket> = Vec::new();
        for row in Rows::new(name, HEADER, text).rows() {
            let row = row?;
            let ratio_permille_from = row.number("ratio_permille_from", 1_000_000)?;
            let last = buckets.last().map(|bucket| bucket.ratio_permille_from);
            if last.is_some_and(|last| last >= ratio_permille_from) {
                return Err(row.refuse("ratio_permille_from", "must rise from row to row"));
            }
            let quoted = row.number("quoted", QUOTED_MAX)?;
            if quoted == 0 {
                return Err(row.refuse("quoted", "must be at least 1"));
            }
            let accepted = row.number("accepted", quoted)?;
            if buckets.len() >= BUCKETS_MAX {
                return Err(row.refuse("", format!("more than {BUCKETS_MAX} rows")));
            }
            buckets.push(Bucket {
                ratio_permille_from,
                quoted,
                accepted,
                share_ppm: 0,
            });
        }
        if buckets.is_empty() {
            return Err(LabError::new(name, 1, "", "the table has no row"));
        }
        level(&mut buckets);
        Ok(Self { buckets })
    }

    /// The share at a price in millionths; below the first row it is that of the first.
    fn share_ppm(&self, price: u64, reference: u64) -> u64 {
        let ratio = u128::from(price) * 1_000 / u128::from(reference);
        let above = self
            .buckets
            .partition_point(|bucket| u128::from(bucket.ratio_permille_from) <= ratio);
        let bucket = self.buckets.get(above.saturating_sub(1));
        bucket.map_or(0, |bucket| bucket.share_ppm)
    }
}

/// Gives every row the share of the block that it falls into, blocks falling from row to row.
fn level(buckets: &mut [Bucket]) {
    // Accepted, quoted and number of rows of each block.
    let mut blocks: Vec<(u64, u64, usize)> = Vec::new();
    for bucket in buckets.iter() {
        let mut block = (bucket.accepted, bucket.quoted, 1);
        while let Some(last) = blocks.last().copied() {
            let rises =
                u128::from(block.0) * u128::from(last.1) > u128::from(last.0) * u128::from(block.1);
            if !rises {
                break;
            }
            blocks.pop();
            block = (last.0 + block.0, last.1 + block.1, last.2 + block.2);
        }
        blocks.push(block);
    }
    let shares = blocks.into_iter().flat_map(|(accepted, quoted, rows)| {
        let share = u128::from(accepted) * u128::from(MILLION) / u128::from(quoted.max(1));
        std::iter::repeat_n(u64::try_from(share).unwrap_or(MILLION), rows)
    });
    for (bucket, share_ppm) in buckets.iter_mut().zip(shares) {
        bucket.share_ppm = share_ppm;
    }
}

/// The probability in millionths that a price is accepted; 0 for one that is not positive.
pub(super) fn acceptance_ppm(
    price: i64,
    reference: i64,
    conversion: Option<&Conversion>,
    parameters: &Parameters,
) -> u64 {
    let positive = |amount: i64| u64::try_from(amount).ok().filter(|n| *n > 0);
    let (Some(price), Some(reference)) = (positive(price), positive(reference)) else {
        return 0;
    };
    match conversion {
        Some(table) => table.share_ppm(price, reference),
        None => demand_ppm(
            u64::from(parameters.base_acceptance_ppm),
            price,
            reference,
            parameters.elasticity_permille,
        ),
    }
}
