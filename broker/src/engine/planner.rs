//! The next offer for a job, from the market as it is now: fit and cost by `pricing`, what was seen
//! to fail by `sla`. Nothing is remembered from the acceptance but the rates of the quote.

use std::collections::BTreeMap;

use tandem_model::network::NetworkId;
use tandem_model::offer::{Offer, OfferId};
use tandem_pricing::launch;
use tandem_pricing::quote::{self, Fit};
use tandem_sla::failover::{self, PassedOver, Plan};
use tandem_sla::incident::Health;

use super::job::Job;
use super::message::Market;
use super::terms::Terms;

/// Everything that a choice is made from.
#[derive(Debug, Clone, Copy)]
pub struct Planner<'a> {
    /// This installation.
    pub terms: &'a Terms,
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

    /// Whether all that is rented on an offer, whole nodes included, costs us no more than was
    /// agreed for a replacement, for the part of it that is charged.
    fn is_covered(job: &Job, fit: &Fit<'_>) -> bool {
        let charged = i64::from(job.spec.gpus_charged(fit.offer));
        let dearest = job.spec.quote.replacement_rate_max.price().get();
        fit.hour_micro_usd.get() <= dearest.saturating_mul(charged)
    }

    /// Why a job is not placed on an offer now: what was seen of it, how its network stands, and
    /// what others took of it since the market was read.
    fn passes_over(&self, job: &Job, offer: &Offer) -> Option<PassedOver> {
        let seen = job.doc.situation.passes_over(offer);
        if seen == Some(PassedOver::FailedBefore) {
            return seen;
        }
        if !self.health_of(&offer.network).may_enter() {
            return Some(PassedOver::NetworkAvoided);
        }
        seen.or_else(|| {
            let taken = self.taken.get(&offer.id).copied().unwrap_or(0);
            let left = offer.nodes_available.saturating_sub(taken);
            (left < u32::from(job.nodes())).then_some(PassedOver::NoRoom)
        })
    }

    /// Chooses the next offer of a job, with the report of what was considered.
    pub fn plan(&self, job: &Job) -> Plan<'a> {
        let spec = &job.spec;
        let ranking = quote::rank(
            spec.quote.tier,
            &spec.workload,
            &spec.classification,
            &self.market.offers,
            Some(spec.quote.replacement_rate_max),
        );
        let startable = self.startable(job);
        let ranked = ranking
            .fitting
            .iter()
            .filter(|fit| Self::is_covered(job, fit))
            .map(|fit| fit.offer)
            .filter(|offer| startable.contains(&(&offer.network, offer.product.as_str())));
        failover::plan(ranked, |offer| self.passes_over(job, offer))
    }

    /// The products on which a job can start.
    fn startable(&self, job: &Job) -> Vec<(&NetworkId, &'static str)> {
        let products = self.terms.products.iter();
        products
            .filter(|product| launch::obstacles(&job.spec.workload, product).is_empty())
            .map(|product| (&product.network, product.name))
            .collect()
    }
}
