//! Which offers fit, decided offer by offer: what the book is held against.

use std::collections::BTreeMap;

use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::Grade;
use tandem_model::offer::{Fabric, Offer};
use tandem_model::workload::{GpuNeed, Tier, Workload};

use super::{Refusal, cost_of, gpus_rented};
use crate::classify::Classification;

/// An offer that fits, with its price and fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fit<'a> {
    pub(crate) offer: &'a Offer,
    pub(crate) cost: RatePerGpuHour,
    pub(crate) gpus: u32,
    pub(crate) hour_micro_usd: MicroUsd,
}

/// Offers that fit, the cheapest hour first, and why the others do not.
#[derive(Debug, Default)]
pub(crate) struct Ranking<'a> {
    pub(crate) fitting: Vec<Fit<'a>>,
    pub(crate) refused: BTreeMap<Refusal, usize>,
}

/// Ranks offers for a tier; none that costs more than `cost_limit` per GPU-hour fits.
pub(crate) fn rank<'a>(
    tier: Tier,
    workload: &Workload,
    classification: &Classification,
    offers: &'a [Offer],
    cost_limit: Option<RatePerGpuHour>,
) -> Ranking<'a> {
    let mut ranking = Ranking::default();
    for offer in offers {
        let fit = assess(tier, workload, classification, offer).and_then(|fit| {
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
    let key = |fit: &Fit<'_>| (fit.hour_micro_usd, fit.cost, fit.offer.id.clone());
    ranking.fitting.sort_by_key(key);
    ranking
}

/// The offer with what it costs us, or why it does not fit.
fn assess<'a>(
    tier: Tier,
    w: &Workload,
    classification: &Classification,
    offer: &'a Offer,
) -> Result<Fit<'a>, Refusal> {
    cost_of(offer).ok_or(Refusal::PriceInvalid)?;
    let datacenter = offer.grade == Grade::Datacenter;
    if tier == Tier::Enterprise && !(datacenter && offer.gpu.is_a100_or_better()) {
        return Err(Refusal::BelowTier);
    }
    card(w, classification, offer)?;
    if !datacenter && !classification.tiers.consumer {
        return Err(Refusal::NeedsDatacenter);
    }
    if !datacenter && !w.secrets.is_empty() && !w.secrets_on_consumer {
        return Err(Refusal::SecretsOnConsumer);
    }
    machines(w, classification, offer)?;
    let limits = &w.limits;
    let allowed = &limits.countries_allowed;
    if (!allowed.is_empty() && !allowed.contains(&offer.country))
        || limits.countries_denied.contains(&offer.country)
    {
        return Err(Refusal::CountryExcluded);
    }
    let gpus = u32::from(gpus_rented(offer, w)) * u32::from(w.resources.nodes);
    let cost = cost_of(offer).ok_or(Refusal::PriceInvalid)?;
    Ok(Fit {
        offer,
        cost: RatePerGpuHour::new(cost),
        gpus,
        hour_micro_usd: MicroUsd::new(cost.get() * i64::from(gpus)),
    })
}

fn card(w: &Workload, classification: &Classification, offer: &Offer) -> Result<(), Refusal> {
    let r = &w.resources;
    if !r.gpu.accepts(offer.gpu) {
        return Err(Refusal::OtherGpu);
    }
    let named = matches!(r.gpu, GpuNeed::Named { .. });
    let vram_gb = u32::from(offer.gpu.facts().vram_gb);
    if !named
        && classification
            .needs
            .vram_gb_per_gpu
            .is_some_and(|need| need > vram_gb)
    {
        return Err(Refusal::TooLittleVram);
    }
    Ok(())
}

fn machines(w: &Workload, classification: &Classification, offer: &Offer) -> Result<(), Refusal> {
    let r = &w.resources;
    if offer.gpus_per_node == 0 || offer.gpus_per_node < r.gpus_per_node {
        return Err(Refusal::TooFewGpus);
    }
    if offer.nodes_available < u32::from(r.nodes) {
        return Err(Refusal::TooFewNodes);
    }
    let linked = classification.needs.fast_interconnect || r.fast_interconnect;
    if r.nodes > 1 && linked && offer.fabric != Fabric::Rdma {
        return Err(Refusal::NoFastLink);
    }
    Ok(())
}
