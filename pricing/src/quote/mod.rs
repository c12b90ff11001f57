//! Prices: which offers fit, cheapest first, and what one of them costs the customer per tier.
//!
//! First form. The rate is the network's price, its fee and our margin, each rounded up to a
//! micro-dollar, so a quote is never below its cost and its lines add up exactly.

mod considered;
mod fit;
mod price;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tandem_model::error::ErrorCode;
use tandem_model::id::QuoteId;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::offer::Offer;
use tandem_model::quote::Quote;
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, Workload};

use crate::classify::Classification;

pub use considered::{Considered, Considering};
pub use fit::{Refusal, gpus_rented};
pub use price::PRICE_MAX;

/// Most offers that a report names for a tier.
pub const RANKED_MAX: usize = 20;

/// The operator's pricing rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Its version, written into accepted quotes.
    pub version: u32,
    /// Our margin in hundredths of a percent of cost, 0 to 100,000.
    pub margin_basis_points: u32,
    /// How long a rate is firm, in seconds.
    pub term_seconds: u32,
    /// How long a quote can be accepted, in seconds.
    pub valid_seconds: u32,
}

impl Default for Policy {
    /// A margin of 12 %, a term of a day, two minutes to accept.
    fn default() -> Self {
        Self {
            version: 1,
            margin_basis_points: 1_200,
            term_seconds: 86_400,
            valid_seconds: 120,
        }
    }
}

/// An offer that fits a tier, with what it costs the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The offer.
    pub offer: Offer,
    /// Price per GPU-hour.
    pub rate: RatePerGpuHour,
    /// GPUs that are rented over all nodes; whole nodes where they cannot be split.
    pub gpus: u32,
    /// Price of all of them for an hour.
    pub hour_micro_usd: MicroUsd,
}

/// An offer that fits, not yet copied out of the market: rankings are made for every placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit<'a> {
    /// The offer.
    pub offer: &'a Offer,
    /// Price per GPU-hour.
    pub rate: RatePerGpuHour,
    /// GPUs that are rented over all nodes; whole nodes where they cannot be split.
    pub gpus: u32,
    /// Price of all of them for an hour.
    pub hour_micro_usd: MicroUsd,
}

impl Fit<'_> {
    fn to_candidate(self) -> Candidate {
        Candidate {
            offer: self.offer.clone(),
            rate: self.rate,
            gpus: self.gpus,
            hour_micro_usd: self.hour_micro_usd,
        }
    }
}

/// What was considered for one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierReport {
    /// The tier.
    pub tier: Tier,
    /// The quote, on the first of `ranked`.
    pub quote: Option<Quote>,
    /// Why there is none.
    pub no_quote: Option<NoQuote>,
    /// Offers that fit, cheapest first; at most [`RANKED_MAX`].
    pub ranked: Vec<Candidate>,
    /// How many offers fit.
    pub fitting: usize,
    /// How many were refused, by the first reason that held.
    pub refused: BTreeMap<Refusal, usize>,
}

/// Why a tier has no quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoQuote {
    /// Its code, where it is an error.
    pub code: Option<ErrorCode>,
    /// In words.
    pub text: String,
}

/// What was considered for a workload, and the quotes that came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuoteReport {
    /// How many offers were looked at.
    pub offers: usize,
    /// Version of the policy.
    pub policy_version: u32,
    /// Every tier, cheapest promise first.
    pub tiers: Vec<TierReport>,
}

impl QuoteReport {
    /// Quotes with the report of their tier.
    pub fn quoted(&self) -> impl Iterator<Item = (&Quote, &TierReport)> {
        self.tiers
            .iter()
            .filter_map(|t| Some((t.quote.as_ref()?, t)))
    }
}

/// Quotes a workload on the consumer and the enterprise tier.
///
/// `offers` should already be those of products on which the workload can start. The same input
/// gives the same report, whatever the order of the offers. `fresh_id` is called once a quote.
pub fn quote(
    workload: &Workload,
    classification: &Classification,
    offers: &[Offer],
    policy: &Policy,
    now: WallTime,
    mut fresh_id: impl FnMut() -> QuoteId,
) -> QuoteReport {
    let tiers = Tier::ALL
        .into_iter()
        .map(|tier| {
            of_tier(
                tier,
                workload,
                classification,
                offers,
                policy,
                now,
                &mut fresh_id,
            )
        })
        .collect();
    QuoteReport {
        offers: offers.len(),
        policy_version: policy.version,
        tiers,
    }
}

fn of_tier(
    tier: Tier,
    workload: &Workload,
    classification: &Classification,
    offers: &[Offer],
    policy: &Policy,
    now: WallTime,
    fresh_id: &mut impl FnMut() -> QuoteId,
) -> TierReport {
    let mut report = TierReport {
        tier,
        quote: None,
        no_quote: None,
        ranked: Vec::new(),
        fitting: 0,
        refused: BTreeMap::new(),
    };
    let none = |code, text: &str| {
        Some(NoQuote {
            code,
            text: text.to_owned(),
        })
    };
    if workload.tier.is_some_and(|wanted| wanted != tier) {
        report.no_quote = none(None, "another tier is asked for");
        return report;
    }
    if tier == Tier::Assured {
        report.no_quote = none(
            None,
            "not sold yet: the backstop's capacity is not reserved, so the promise could not be kept",
        );
        return report;
    }
    let limit = workload.limits.max_price_micro_usd;
    let ranking = rank(tier, workload, classification, offers, policy, limit);
    report.fitting = ranking.fitting.len();
    report.refused = ranking.refused;
    let named = ranking.fitting.iter().take(RANKED_MAX);
    report.ranked = named.map(|fit| fit.to_candidate()).collect();
    let expires_at = now.after(Duration::from_secs(u64::from(policy.valid_seconds)));
    report.quote = ranking
        .fitting
        .first()
        .and_then(|best| price::quote_on(best, tier, policy, expires_at, fresh_id));
    if report.quote.is_none() {
        report.no_quote = none(
            Some(ErrorCode::NO_OFFER_FITS),
            ErrorCode::NO_OFFER_FITS.title(),
        );
    }
    report
}

/// Every offer that fits a tier, and why the others do not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranking<'a> {
    /// Offers that fit, cheapest first; ties in the order of their ids.
    pub fitting: Vec<Fit<'a>>,
    /// How many offers were refused, by the first reason that held.
    pub refused: BTreeMap<Refusal, usize>,
}

/// Ranks offers for a tier: the list from which a placement and its replacements are taken. None
/// dearer than `price_limit` per GPU-hour fits: the customer's own limit for a quote, our exposure
/// for a replacement.
pub fn rank<'a>(
    tier: Tier,
    workload: &Workload,
    classification: &Classification,
    offers: &'a [Offer],
    policy: &Policy,
    price_limit: Option<MicroUsd>,
) -> Ranking<'a> {
    let mut ranking = Ranking::default();
    for offer in offers {
        match fit::assess(tier, workload, classification, offer, policy, price_limit) {
            Ok(fit) => ranking.fitting.push(fit),
            Err(refusal) => *ranking.refused.entry(refusal).or_default() += 1,
        }
    }
    ranking.fitting.sort_by(|a, b| {
        let key = |fit: &Fit<'_>| (fit.hour_micro_usd, fit.rate);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.offer.id.cmp(&b.offer.id))
    });
    ranking
}

#[cfg(test)]
mod tests;
