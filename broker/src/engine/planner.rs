//! The next offer for a job, from the market as it is now: fit and cost by `pricing`, what was seen
//! to fail by `sla`. Nothing is remembered from the acceptance but the rates of the quote.

use std::collections::BTreeMap;

use tandem_model::money::RatePerGpuHour;
use tandem_model::network::{Country, NetworkId, Product};
use tandem_model::offer::{Offer, OfferId};
use tandem_model::time::WorldTime;
use tandem_model::workload::Tier;
use tandem_pricing::book::{Aisle, AislePrice, Ask, Hit};
use tandem_pricing::jurisdiction::Digester;
use tandem_pricing::launch;
use tandem_pricing::policy::Live;
use tandem_pricing::quote::{Effort, Refusal, Supply};
use tandem_sla::failover::{self, PassedOver, Plan};
use tandem_sla::incident::Health;

use super::attempt::Attempt;
use super::job::Job;
use super::market::Market;
use super::message::JobSpec;
use super::terms::Terms;

/// Everything that a choice is made from.
#[derive(Debug, Clone, Copy)]
pub struct Planner<'a> {
    /// This installation.
    pub terms: &'a Terms,
    /// The pricing policy in force.
    pub policy: &'a Live,
    /// The market as last read.
    pub market: &'a Market,
    /// How each network stands.
    pub health: &'a BTreeMap<NetworkId, Health>,
    /// Nodes taken of each offer since the market was read.
    pub taken: &'a BTreeMap<OfferId, u32>,
}

impl<'a> Planner<'a> {
    /// How a network stands; calm when nothing is known.
    pub fn health_of(&self, network: &NetworkId) -> Health {
        self.health.get(network).copied().unwrap_or_default()
    }

    /// Why a job is not placed on an offer now: what was seen of it, how its network stands, what
    /// others took of it since the market was read, and what it costs.
    fn passes_over(&self, job: &Job, offer: &Offer, hit: &Hit) -> Option<PassedOver> {
        let seen = job.doc.situation.passes_over(offer);
        if seen == Some(PassedOver::FailedBefore) {
            return seen;
        }
        if !self.health_of(&offer.network).may_enter() {
            return Some(PassedOver::NetworkAvoided);
        }
        let full = || {
            let taken = self.taken.get(&offer.id).copied().unwrap_or(0);
            let left = offer.nodes_available.saturating_sub(taken);
            (left < u32::from(job.nodes())).then_some(PassedOver::NoRoom)
        };
        let most = job.replacement_rate_max();
        let dear = || is_too_dear(&job.spec, most, offer, hit).then_some(PassedOver::TooDear);
        seen.or_else(full).or_else(dear)
    }

    /// Chooses the next offer of a job, with the report of what was considered.
    ///
    /// A job of the `assured` tier starts on hardware that is not enterprise while such fits. Once
    /// it ran and was left because its machine failed, it goes to enterprise hardware first.
    pub fn plan(&self, job: &Job) -> Plan<'a> {
        let ask = ask(&job.spec, job.replacement_rate_max(), &self.terms.places);
        if job.spec.quote.tier != Tier::Assured {
            return self.plan_on(job, &ask, Hardware::Any);
        }
        let has_failed = job.attempts.iter().any(Attempt::has_failed);
        let backstop = || self.plan_on(job, &ask.clone().backstop(), Hardware::Any);
        let first = || self.plan_on(job, &ask, Hardware::NotEnterprise);
        let plan = if has_failed { backstop() } else { first() };
        match plan.choice {
            Some(_) => plan,
            None if has_failed => first(),
            None => backstop(),
        }
    }

    fn plan_on(&self, job: &Job, ask: &Ask, hardware: Hardware) -> Plan<'a> {
        let (products, market) = (&self.terms.products, self.market);
        let price = cost_prices(&job.spec, products, &market.supply, hardware);
        // Offers that grew old were taken out when their network was last not read.
        let ranking = market.book.rank(ask, price, WorldTime::default());
        let fitting = ranking.fitting();
        let ranked = ranking.filter_map(|hit| {
            let offer = market.offer(&market.book.view(hit.row))?;
            Some((offer, self.passes_over(job, offer, &hit)))
        });
        failover::plan(ranked, fitting)
    }
}

/// What a job asks of the market on its tier, within what was agreed for a replacement.
pub fn ask(spec: &JobSpec, most: RatePerGpuHour, places: &Digester) -> Ask {
    let limit = Some(most.price());
    let digest = places.digest(spec.terms.customer_country, spec.workload.limits.data);
    let (workload, found) = (&spec.workload, &spec.classification);
    Ask::of(spec.quote.tier, workload, found, limit).under(&digest)
}

/// Whether all that is rented on an offer, whole nodes included, costs us more than was agreed for a
/// replacement, for the part of it that is charged.
pub fn is_too_dear(spec: &JobSpec, most: RatePerGpuHour, offer: &Offer, hit: &Hit) -> bool {
    let charged = i64::from(spec.gpus_charged(offer));
    hit.hour_micro_usd.get() > most.price().get().saturating_mul(charged)
}

/// On what a job may be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardware {
    /// Whatever fits.
    Any,
    /// What cannot be sold as enterprise.
    NotEnterprise,
}

/// What the machines on which a job can start cost us.
pub fn cost_prices<'a>(
    spec: &JobSpec,
    products: &'a [Product],
    supply: &'a Supply,
    hardware: Hardware,
) -> impl Fn(&Aisle, Option<Country>) -> AislePrice + use<'a> {
    let class = spec.classification.class;
    let effort = Effort::of(&spec.workload, class, spec.quote.term_seconds);
    let startable: Vec<_> = products
        .iter()
        .filter(|product| launch::obstacles(&spec.workload, product).is_empty())
        .map(|product| (&product.network, product.name))
        .collect();
    move |aisle, _| {
        if !startable.contains(&(&aisle.network, &*aisle.product)) {
            AislePrice::NotSold(Refusal::CannotStart)
        } else if hardware == Hardware::NotEnterprise && aisle.is_enterprise() {
            AislePrice::NotSold(Refusal::IsBackstop)
        } else {
            supply.cost_price(&effort, aisle)
        }
    }
}
