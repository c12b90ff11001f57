//! One request for prices: what it asks of the book on each tier, and what each aisle of the book
//! costs the customer.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use tandem_model::money::MicroUsd;
use tandem_model::network::Country;
use tandem_model::quote::START_SECONDS;
use tandem_model::workload::{Tier, Workload, WorkloadClass};

use super::tiers::Drafts;
use super::{Effort, Pricing, Refusal};
use crate::backstop;
use crate::book::{Aisle, AislePrice, Ask, Book, Sale, Work};
use crate::classify::Classification;
use crate::cost::{CostModel, Curve};
use crate::policy::{NotSold, Subject, Terms, slope};

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
    elsewhere: Country,
    /// What is asked of the book, but for the tier.
    pub(super) ask: Ask,
    /// The cost at each seller, once it was asked for.
    costs: Vec<OnceCell<Result<CostModel, Refusal>>>,
    /// Prices on consumer and enterprise, which several searches ask for.
    known: [OnceCell<Known>; 2],
    /// What was found for every tier, once it was asked for.
    pub(super) drafts: OnceCell<Arc<Drafts>>,
}

/// Prices by the number of the aisle, each once it was asked for.
type Known = Box<[OnceCell<AislePrice>]>;

/// What one aisle costs, before any offer's price is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tariff {
    pub(super) model: CostModel,
    pub(super) terms: Terms,
    /// Expected speed in thousandths of a good card.
    speed_permille: u32,
    /// The cost on the backstop and its expected share of the run, on `assured`.
    pub(super) backstop: Option<(MicroUsd, u64)>,
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
            known: Default::default(),
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
        let gpu_seconds = u64::from(self.effort.gpus()) * u64::from(self.term_seconds);
        Subject {
            class: self.class(),
            tier,
            grade: aisle.grade,
            account: self.pricing.account,
            gpu: aisle.gpu,
            network: &aisle.network,
            country,
            gpu_hours: gpu_seconds.div_ceil(HOUR_SECONDS),
            term_seconds: self.term_seconds,
            utilisation_permille: self.pricing.supply.utilisation_permille(aisle),
        }
    }

    /// Whether the workload can start on what a seller sells.
    pub(super) fn starts_at(&self, seller: usize) -> bool {
        let (network, product) = self.pricing.supply.product(seller);
        (self.pricing.can_start)(network, product)
    }

    /// The cost of the workload at the seller of an aisle, whatever the price.
    fn model(&self, aisle: &Aisle) -> Result<CostModel, Refusal> {
        let supply = self.pricing.supply;
        let seller = supply.seller(aisle);
        *self.costs[seller].get_or_init(|| {
            if !self.starts_at(seller) {
                return Err(Refusal::CannotStart);
            }
            let model = supply.model(&self.effort, seller);
            model.map_err(|_| Refusal::WouldNotEnd)
        })
    }

    /// What an aisle costs on a tier in a country; none where nothing can be sold.
    pub(super) fn tariff(
        &self,
        (tier, backstop): (Tier, Option<MicroUsd>),
        aisle: &Aisle,
        country: Country,
    ) -> Result<Tariff, Refusal> {
        let model = self.model(aisle);
        if tier == Tier::Assured && aisle.is_enterprise() && model != Err(Refusal::CannotStart) {
            return Err(Refusal::IsBackstop);
        }
        let subject = self.subject(tier, aisle, country);
        let speed_permille = self.pricing.supply.speed_permille(aisle);
        Ok(Tariff {
            model: model?,
            speed_permille,
            terms: {
                let pricing = &self.pricing;
                pricing
                    .policy
                    .terms_without(&subject, pricing.now, pricing.exhausted)
            },
            backstop: backstop.map(|cost| {
                let failures = self.pricing.supply.failures(aisle);
                let gpu_seconds = self.effort.gpu_seconds(speed_permille);
                let share = backstop::share_ppb(gpu_seconds, failures, backstop::RUN_PERMILLE);
                (cost, share)
            }),
        })
    }

    /// The price function of the book for a tier; on `assured` with the cost of the backstop. What
    /// several searches ask for is worked out once.
    pub(super) fn price(
        &self,
        tier: (Tier, Option<MicroUsd>),
        aisle: &Aisle,
        apart: Option<Country>,
    ) -> AislePrice {
        let known = match (tier, apart) {
            ((Tier::Consumer, None), None) => &self.known[0],
            ((Tier::Enterprise, None), None) => &self.known[1],
            _ => return self.aisle_price(tier, aisle, apart),
        };
        let none = || self.book.aisles().iter().map(|_| OnceCell::new()).collect();
        let known = &known.get_or_init(none)[aisle.number()];
        *known.get_or_init(|| self.aisle_price(tier, aisle, None))
    }

    /// The same, worked out.
    pub fn aisle_price(
        &self,
        tier: (Tier, Option<MicroUsd>),
        aisle: &Aisle,
        apart: Option<Country>,
    ) -> AislePrice {
        let country = apart.unwrap_or(self.elsewhere);
        let tariff = self.tariff(tier, aisle, country);
        match tariff.and_then(|tariff| tariff.sale().map_err(|_| Refusal::NotSold)) {
            Ok(sale) => AislePrice::Sold(sale),
            Err(why) => AislePrice::NotSold(why),
        }
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

impl Tariff {
    /// What a GPU-hour costs us at a network price, with the backstop.
    pub(super) fn cost(&self) -> Curve {
        let own = self.model.billed();
        let curve = match self.backstop {
            None => Curve::new(&own),
            Some((cost, share)) => {
                let [scale, add] = backstop::steps(share, cost);
                Curve::new(&[own[0], own[1], scale, add])
            }
        };
        curve.expect("ratios and amounts were bounded when they were computed")
    }

    /// Prices of the aisle as functions of the network's price.
    ///
    /// Fails where no cost has a price.
    fn sale(&self) -> Result<Sale, NotSold> {
        let slope = slope(&self.terms)?;
        let cost = self.cost();
        let rate = cost.then(&slope.steps).map_err(|_| NotSold::OutOfRange)?;
        let useful = rate.then(&[self.model.waste()]);
        let below_ceiling = slope.cost_max.map(|most| cost.inverse(most.get()));
        let below_backstop = self.backstop.map(|(cost, _)| {
            let own = Curve::new(&self.model.billed()).ok()?;
            own.inverse(cost.get() - 1)
        });
        let bounds = [below_ceiling, below_backstop].into_iter().flatten();
        let price_max = bounds.map(|bound| bound.unwrap_or(0)).min();
        Ok(Sale {
            rate,
            useful: useful.map_err(|_| NotSold::OutOfRange)?,
            speed_permille: self.speed_permille,
            price_max: price_max.map(MicroUsd::new),
        })
    }
}
