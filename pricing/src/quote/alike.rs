//! What of a request its answer depends on, on one supply: two requests that agree in it are
//! answered alike, so the second takes the answer of the first.
//!
//! Nothing in it is rounded. Of the moment it holds which promotions give and which offers are
//! stale, each exactly; of the customer what the policy tells apart. What is not in it (ids, expiry,
//! tax country, token rates, which tier is wanted) is added to the answer for each request.

use tandem_model::id::AccountId;
use tandem_model::time::WorldTime;
use tandem_model::workload::WorkloadClass;

use super::desk::Desk;
use super::{Effort, Pricing};
use crate::book::{Ask, Work};
use crate::policy::PolicyDigest;

/// Most products of a supply whose answers are kept: one bit each. Two networks have four.
const PRODUCTS_MAX: usize = 64;

/// All that the answer to a request depends on, beside the book and its supply.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Alike {
    policy: PolicyDigest,
    /// A bit for each of the policy's promotions.
    promotions_on: u64,
    /// Where the policy tells it from others.
    account: Option<AccountId>,
    class: WorkloadClass,
    effort: Effort,
    term_seconds: u32,
    /// A bit for each product.
    startable: u64,
    /// GPUs that may need the backstop already.
    promised: u64,
    /// Groups of the book's aisles that are stale.
    groups_stale: usize,
    /// What is asked, with its work counted from its start; without the age, which is above.
    ask: Ask,
    /// Least memory of another card that is named beside it.
    vram_gb_needed: Option<u32>,
}

/// The same work from the beginning of time: whether it is late depends on nothing else.
fn from_zero(work: Work) -> Option<Work> {
    let start = work.starts_at.micros();
    let slack = work.finish_by.map(|by| by.micros().checked_sub(start));
    Some(Work {
        starts_at: WorldTime::from_micros(0),
        finish_by: match slack {
            None => None,
            Some(slack) => Some(WorldTime::from_micros(slack?)),
        },
        ..work
    })
}

impl Desk<'_> {
    /// What of this request its answer depends on; none where that cannot be said in so few words:
    /// while some offers of an aisle are stale and others are not, on more than [`PRODUCTS_MAX`]
    /// products, and at the ends of time.
    pub(super) fn alike(&self) -> Option<Alike> {
        // Every field is named, so that a new one does not compile before it was thought about.
        let Pricing {
            policy,
            policy_version: _,
            exhausted,
            account,
            supply,
            tax_country: _,
            token_rates: _,
            // In what is asked; whoever may buy nothing asks nothing.
            places: _,
            can_start: _,
            age_max: _,
            now,
            world_now,
        } = self.pricing;
        let ask = &self.ask;
        let work = match ask.work {
            None => None,
            Some(work) => Some(from_zero(work)?),
        };
        Some(Alike {
            policy: policy.digest(),
            promotions_on: policy.promotions_on(now, exhausted),
            account: policy.account_apart(account),
            class: self.class(),
            effort: self.effort,
            term_seconds: self.term_seconds,
            startable: self.startable()?,
            promised: supply.usage().assured_gpus,
            groups_stale: self.book.groups_stale(ask.stale_before(world_now))?,
            ask: Ask {
                work,
                age_max: None,
                ..ask.clone()
            },
            vram_gb_needed: self.classification.needs.vram_gb_per_gpu,
        })
    }

    /// A bit for each product on which the work can start.
    fn startable(&self) -> Option<u64> {
        let products = self.pricing.supply.products().len();
        (products <= PRODUCTS_MAX).then(|| {
            let starts = (0..products).filter(|product| self.starts_on(*product));
            starts.fold(0, |all, product| all | 1 << product)
        })
    }
}
