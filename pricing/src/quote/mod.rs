//! Prices: which offers fit, what they cost us, and what the customer pays for them per tier.
//!
//! [`rank`] orders offers by our cost alone, the network's price and its fee: placements and their
//! replacements are chosen by it, and no policy is asked. [`quote`] asks the policy for the price of
//! every offer that fits and takes the one that is cheapest for the customer.

mod considered;
mod fit;
mod price;

use std::collections::BTreeMap;

use serde::Serialize;
use tandem_model::error::ErrorCode;
use tandem_model::gpu::GpuModel;
use tandem_model::id::{AccountId, QuoteId};
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::NetworkId;
use tandem_model::offer::Offer;
use tandem_model::quote::Quote;
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, Workload};

use crate::classify::Classification;
use crate::policy::{Policy, SubjectRecord};

pub use considered::{Considered, Considering};
pub use fit::{Refusal, gpus_rented};
pub use price::{PRICE_MAX, cost_of};

use price::{Sale, Sold};

/// Most offers that a report names for a tier.
pub const RANKED_MAX: usize = 20;

/// By which prices are made, for whom, and when.
#[derive(Clone, Copy)]
pub struct Pricing<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// Its version, written into accepted quotes.
    pub policy_version: u32,
    /// Who asks; none when nobody is known yet.
    pub account: Option<&'a AccountId>,
    /// How much of a card's capacity on a network is taken, 0 to 1,000 permille.
    pub utilisation: &'a dyn Fn(&NetworkId, GpuModel) -> u16,
    /// The moment.
    pub now: WallTime,
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
    /// What it costs us per GPU-hour: the network's price and its fee, rounded up.
    pub cost: RatePerGpuHour,
    /// GPUs that are rented over all nodes; whole nodes where they cannot be split.
    pub gpus: u32,
    /// What all of them cost us for an hour.
    pub hour_micro_usd: MicroUsd,
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
    /// What the policy was asked for the first of `ranked`, or for the offer that costs us least
    /// where the policy sells none.
    pub basis: Option<Basis>,
    /// Offers that fit, cheapest first; at most [`RANKED_MAX`].
    pub ranked: Vec<Candidate>,
    /// How many offers fit.
    pub fitting: usize,
    /// How many were refused, by the first reason that held.
    pub refused: BTreeMap<Refusal, usize>,
}

/// What a policy is asked about: another policy can be asked the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// What is sold to whom.
    pub subject: SubjectRecord,
    /// What it costs us per GPU-hour.
    pub cost: MicroUsd,
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
    pricing: &Pricing<'_>,
    mut fresh_id: impl FnMut() -> QuoteId,
) -> QuoteReport {
    let tiers = Tier::ALL.map(|tier| {
        let sale = Sale {
            tier,
            class: classification.class,
            workload,
            pricing,
        };
        of_tier(&sale, classification, offers, &mut fresh_id)
    });
    QuoteReport {
        offers: offers.len(),
        policy_version: pricing.policy_version,
        tiers: tiers.into(),
    }
}

fn of_tier(
    sale: &Sale<'_>,
    classification: &Classification,
    offers: &[Offer],
    fresh_id: &mut impl FnMut() -> QuoteId,
) -> TierReport {
    let mut report = TierReport {
        tier: sale.tier,
        quote: None,
        no_quote: None,
        basis: None,
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
    if sale.workload.tier.is_some_and(|wanted| wanted != sale.tier) {
        report.no_quote = none(None, "another tier is asked for");
        return report;
    }
    if sale.tier == Tier::Assured {
        report.no_quote = none(
            None,
            "not sold yet: the backstop's capacity is not reserved, so the promise could not be kept",
        );
        return report;
    }
    let ranking = rank(sale.tier, sale.workload, classification, offers, None);
    report.refused = ranking.refused;
    let mut sold = Vec::with_capacity(ranking.fitting.len());
    for fit in &ranking.fitting {
        match sale.sell(*fit) {
            Ok(one) => sold.push(one),
            Err(refusal) => *report.refused.entry(refusal).or_default() += 1,
        }
    }
    by_price(&mut sold);
    report.fitting = sold.len();
    report.ranked = sold.iter().take(RANKED_MAX).map(Sold::candidate).collect();
    let best = sold.first().map(|sold| &sold.fit);
    report.basis = best.or(ranking.fitting.first()).map(|fit| Basis {
        subject: sale.subject(fit).to_record(),
        cost: fit.cost.price(),
    });
    report.quote = best.and_then(|best| sale.quote_on(best, fresh_id));
    if report.quote.is_none() {
        report.no_quote = none(
            Some(ErrorCode::NO_OFFER_FITS),
            ErrorCode::NO_OFFER_FITS.title(),
        );
    }
    report
}

/// Cheapest for the customer first; ties in the order of their ids.
fn by_price(sold: &mut [Sold<'_>]) {
    let key = |sold: &Sold<'_>| (sold.hour_micro_usd, sold.rate);
    sold.sort_by(|a, b| {
        let ids = || a.fit.offer.id.cmp(&b.fit.offer.id);
        key(a).cmp(&key(b)).then_with(ids)
    });
}

impl Sold<'_> {
    fn candidate(&self) -> Candidate {
        Candidate {
            offer: self.fit.offer.clone(),
            rate: self.rate,
            gpus: self.fit.gpus,
            hour_micro_usd: self.hour_micro_usd,
        }
    }
}

/// Every offer that fits a tier, and why the others do not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranking<'a> {
    /// Offers that fit, those that cost us least first; ties in the order of their ids.
    pub fitting: Vec<Fit<'a>>,
    /// How many offers were refused, by the first reason that held.
    pub refused: BTreeMap<Refusal, usize>,
}

/// Ranks offers for a tier by what they cost us: the list from which a placement and its
/// replacements are taken. None that costs us more than `cost_limit` per GPU-hour fits.
pub fn rank<'a>(
    tier: Tier,
    workload: &Workload,
    classification: &Classification,
    offers: &'a [Offer],
    cost_limit: Option<RatePerGpuHour>,
) -> Ranking<'a> {
    let mut ranking = Ranking::default();
    for offer in offers {
        let fit = fit::assess(tier, workload, classification, offer).and_then(|fit| {
            let too_dear = cost_limit.is_some_and(|limit| fit.cost > limit);
            if too_dear {
                Err(Refusal::AbovePriceLimit)
            } else {
                Ok(fit)
            }
        });
        match fit {
            Ok(fit) => ranking.fitting.push(fit),
            Err(refusal) => *ranking.refused.entry(refusal).or_default() += 1,
        }
    }
    ranking.fitting.sort_by(|a, b| {
        let key = |fit: &Fit<'_>| (fit.hour_micro_usd, fit.cost);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.offer.id.cmp(&b.offer.id))
    });
    ranking
}

#[cfg(test)]
mod tests;
