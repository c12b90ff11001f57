//! What of a request its prices depend on, without a moment or a market: prices are worked out from
//! it and from nothing else of the request.
//!
//! Nothing in it is rounded. Of the customer it holds what the policy tells apart. What is not in it
//! (ids, expiry, tax country, token rates, which tier is wanted) is added to the answer for each
//! request.

use tandem_model::id::AccountId;
use tandem_model::quote::START_SECONDS;
use tandem_model::workload::{Tier, Workload, WorkloadClass};

use super::{Effort, Pricing};
use crate::book::{Ask, Work};
use crate::classify::Classification;

/// One request as its prices depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Inquiry {
    pub(super) class: WorkloadClass,
    /// Who asks, where the policy tells him from others.
    pub(super) account: Option<AccountId>,
    pub(super) effort: Effort,
    pub(super) term_seconds: u32,
    /// Whether the work can start, by product of the supply.
    pub(super) startable: Box<[bool]>,
    /// What is asked of the book, but for the tier and the oldest observation.
    pub(super) ask: Ask,
    /// Least memory of another card that is named beside it.
    pub(super) vram_gb_needed: Option<u32>,
}

impl Inquiry {
    pub(super) fn of(w: &Workload, found: &Classification, pricing: &Pricing<'_>) -> Self {
        // Every field is named, so that a new one does not compile before it was thought about.
        let Pricing {
            policy,
            policy_version: _,
            account,
            supply,
            tax_country: _,
            token_rates: _,
            places,
            can_start,
            // How prices stand at the moment.
            exhausted: _,
            age_max: _,
            now: _,
            world_now: _,
        } = *pricing;
        let term = policy.defaults().term_seconds;
        let effort = Effort::of(w, found.class, term);
        let limit = w.limits.max_price_micro_usd;
        let ask = Ask::of(Tier::Consumer, w, found, limit).under(places);
        let products = supply.products().iter();
        Self {
            class: found.class,
            account: policy.account_apart(account),
            effort,
            term_seconds: w.limits.max_duration_seconds.unwrap_or(term),
            startable: products.map(|(n, p)| can_start(n, p)).collect(),
            ask: Ask {
                priced_apart: policy.countries_apart(),
                work: work(w, &effort),
                ..ask
            },
            vram_gb_needed: found.needs.vram_gb_per_gpu,
        }
    }

    /// GPU-hours of the term, rounded up.
    pub(super) fn gpu_hours(&self) -> u64 {
        const HOUR_SECONDS: u64 = 3_600;
        let gpu_seconds = u64::from(self.effort.gpus()) * u64::from(self.term_seconds);
        gpu_seconds.div_ceil(HOUR_SECONDS)
    }
}

/// The work as deadline and budget look at it; none where there is neither. It starts when it is
/// promised to.
fn work(workload: &Workload, effort: &Effort) -> Option<Work> {
    let limits = &workload.limits;
    let by = limits.finish_by_seconds;
    (by.is_some() || limits.budget_micro_usd.is_some()).then(|| Work {
        useful_seconds: effort.billed_seconds(),
        seconds_max: by.map(|by| u64::from(by.saturating_sub(START_SECONDS))),
        budget: limits.budget_micro_usd,
    })
}
