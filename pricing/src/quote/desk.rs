//! One request for prices: what it asks of the book on each tier, of whom, and for what work.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use tandem_model::network::Country;
use tandem_model::quote::START_SECONDS;
use tandem_model::workload::{Tier, Workload, WorkloadClass};

use super::tiers::Drafts;
use super::{Effort, Pricing, Refusal};
use crate::book::{Aisle, Ask, Book, Rooms, Work};
use crate::classify::Classification;
use crate::cost::CostModel;
use crate::policy::{Buyer, PriceBounds, Subject};

const HOUR_SECONDS: u64 = 3_600;
/// From acceptance to the start of the work: what is promised.
const START: Duration = Duration::from_secs(START_SECONDS as u64);

/// One request for prices.
#[derive(Debug)]
pub struct Desk<'a> {
    pub(super) workload: &'a Workload,
    pub(super) classification: &'a Classification,
    pub(super) book: &'a Book,
    pub(super) pricing: Pricing<'a>,
    pub(super) effort: Effort,
    pub(super) term_seconds: u32,
    /// Stands for every country that is not priced apart.
    pub(super) elsewhere: Country,
    /// What is asked of the book, but for the tier.
    pub(super) ask: Ask,
    /// The cost at each seller, once it was asked for.
    costs: Vec<OnceCell<Result<CostModel, Refusal>>>,
    /// Counts that the searches of every tier share.
    pub(super) rooms: OnceCell<Rooms>,
    /// What was found for every tier, once it was asked for.
    pub(super) drafts: OnceCell<Arc<Drafts>>,
}

impl<'a> Desk<'a> {
    /// A request for prices of a workload from a book.
    pub fn new(
        workload: &'a Workload,
        classification: &'a Classification,
        book: &'a Book,
        pricing: Pricing<'a>,
    ) -> Self {
        let term = pricing.policy.defaults().term_seconds;
        let term_seconds = workload.limits.max_duration_seconds.unwrap_or(term);
        let effort = Effort::of(workload, classification.class, term);
        let limit = workload.limits.max_price_micro_usd;
        let ask = Ask::of(Tier::Consumer, workload, classification, limit);
        let ask = Ask {
            priced_apart: pricing.policy.countries_apart(),
            age_max: pricing.age_max,
            work: work(workload, &effort, &pricing),
            ..ask.under(pricing.places)
        };
        Self {
            effort,
            workload,
            classification,
            book,
            pricing,
            term_seconds,
            elsewhere: pricing.policy.country_elsewhere(),
            ask,
            costs: vec![OnceCell::new(); pricing.supply.sellers()],
            rooms: OnceCell::new(),
            drafts: OnceCell::new(),
        }
    }

    pub(super) fn class(&self) -> WorkloadClass {
        self.classification.class
    }

    /// What is asked of the book for a tier. Prices of `assured` are those of the GPUs that are
    /// needed, so nodes of which more must be rented are out.
    pub fn ask(&self, tier: Tier) -> Ask {
        Ask {
            tier,
            exact_nodes: tier == Tier::Assured,
            ..self.ask.clone()
        }
    }

    /// What the policy's rules are matched against.
    pub(super) fn subject<'b>(
        &'b self,
        tier: Tier,
        aisle: &'b Aisle,
        country: Country,
    ) -> Subject<'b> {
        Subject {
            class: self.class(),
            tier,
            grade: aisle.grade,
            account: self.pricing.account,
            gpu: aisle.gpu,
            network: &aisle.network,
            country,
            gpu_hours: self.gpu_hours(),
            term_seconds: self.term_seconds,
            utilisation_permille: self.pricing.supply.utilisation_permille(aisle),
        }
    }

    /// Whether the workload can start on a product, by its place in the supply.
    pub(super) fn starts_on(&self, product: usize) -> bool {
        let (network, name) = &self.pricing.supply.products()[product];
        (self.pricing.can_start)(network, name)
    }

    /// The cost of the workload at a seller, whatever the price.
    pub(super) fn model(&self, seller: usize) -> Result<CostModel, Refusal> {
        *self.costs[seller].get_or_init(|| {
            if !self.starts_on(self.pricing.supply.machines(seller).product) {
                return Err(Refusal::CannotStart);
            }
            let model = self.pricing.supply.model(&self.effort, seller);
            model.map_err(|_| Refusal::WouldNotEnd)
        })
    }

    /// Bounds of the policy's prices on a tier.
    pub(super) fn bounds(&self, tier: Tier) -> Option<PriceBounds> {
        let pricing = &self.pricing;
        let buyer = Buyer {
            class: self.class(),
            tier,
            account: pricing.account,
            gpu_hours: self.gpu_hours(),
            term_seconds: self.term_seconds,
        };
        pricing
            .policy
            .bounds(&buyer, pricing.now, pricing.exhausted)
    }

    /// GPU-hours of the term, rounded up.
    fn gpu_hours(&self) -> u64 {
        let gpu_seconds = u64::from(self.effort.gpus()) * u64::from(self.term_seconds);
        gpu_seconds.div_ceil(HOUR_SECONDS)
    }
}

/// The work as deadline and budget look at it; none where there is neither.
fn work(workload: &Workload, effort: &Effort, pricing: &Pricing<'_>) -> Option<Work> {
    let limits = &workload.limits;
    let now = pricing.world_now;
    let by = limits.finish_by_seconds;
    (by.is_some() || limits.budget_micro_usd.is_some()).then(|| Work {
        useful_seconds: effort.billed_seconds(),
        starts_at: now.after(START),
        finish_by: by.map(|seconds| now.after(Duration::from_secs(u64::from(seconds)))),
        budget: limits.budget_micro_usd,
    })
}
