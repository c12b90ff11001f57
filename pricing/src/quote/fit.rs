//! Whether an offer fits a workload on a tier, or the first reason why not. Nothing here knows what
//! the customer pays.

use serde::{Deserialize, Serialize};
use tandem_model::network::Grade;
use tandem_model::offer::{Fabric, Offer};
use tandem_model::workload::{GpuNeed, Tier, Workload};

use super::{Fit, price};
use crate::classify::Classification;

/// Why an offer does not fit, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Its price is zero, negative or absurdly high.
    PriceInvalid,
    /// The tier wants data-centre hardware, A100 or better.
    BelowTier,
    /// Another card is asked for.
    OtherGpu,
    /// The card has less memory than the work needs.
    TooLittleVram,
    /// The need does not fit machines of consumer grade.
    NeedsDatacenter,
    /// The work uses secrets that the machine's owner could read.
    SecretsOnConsumer,
    /// Fewer GPUs in a node.
    TooFewGpus,
    /// Fewer nodes are free.
    TooFewNodes,
    /// The nodes have no fast link.
    NoFastLink,
    /// A country where the operator's policy forbids this card.
    Jurisdiction,
    /// A country that the customer excludes.
    CountryExcluded,
    /// Too far from the regions that must be near, by the estimated round trip.
    TooFar,
    /// The workload cannot start on the network's product.
    CannotStart,
    /// The pricing policy leaves no price for it.
    NotSold,
    /// The work would end after its deadline.
    TooLate,
    /// The network said so too long ago. Asked late, so that it counts what would fit if it were
    /// read again.
    Stale,
    /// Dearer than the limit: the customer's own, or what was agreed for a replacement.
    AbovePriceLimit,
    /// The whole work would cost more than its budget.
    AboveBudget,
}

impl Refusal {
    /// Every reason, in the order in which they are asked.
    pub const ALL: [Self; 18] = [
        Self::PriceInvalid,
        Self::BelowTier,
        Self::OtherGpu,
        Self::TooLittleVram,
        Self::NeedsDatacenter,
        Self::SecretsOnConsumer,
        Self::TooFewGpus,
        Self::TooFewNodes,
        Self::NoFastLink,
        Self::Jurisdiction,
        Self::CountryExcluded,
        Self::TooFar,
        Self::CannotStart,
        Self::NotSold,
        Self::TooLate,
        Self::Stale,
        Self::AbovePriceLimit,
        Self::AboveBudget,
    ];
}

/// GPUs of a node that are rented: what is needed, or all where the node cannot be split.
pub fn gpus_rented(offer: &Offer, workload: &Workload) -> u16 {
    if offer.divisible {
        workload.resources.gpus_per_node.max(1)
    } else {
        offer.gpus_per_node
    }
}

/// The offer with what it costs us, or why it does not fit.
pub(super) fn assess<'a>(
    tier: Tier,
    w: &Workload,
    classification: &Classification,
    offer: &'a Offer,
) -> Result<Fit<'a>, Refusal> {
    if !price::is_sane(offer.price) {
        return Err(Refusal::PriceInvalid);
    }
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
    price::fit(offer, gpus).ok_or(Refusal::PriceInvalid)
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
