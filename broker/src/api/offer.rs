//! `GET /v1/offers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_model::money::RatePerGpuHour;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use utoipa::ToSchema;

use super::Moment;

/// Capacity that a network sells now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferView {
    /// Its name within this reading of the market.
    #[schema(value_type = String)]
    pub id: OfferId,
    /// Who sells it.
    #[schema(value_type = String)]
    pub network: NetworkId,
    /// Which of the network's products.
    pub product: String,
    /// The card's id in the catalogue.
    pub gpu: String,
    /// The card's name.
    pub gpu_name: String,
    /// The card's memory in GB.
    pub vram_gb: u16,
    /// Grade of the hardware: `consumer` or `datacenter`.
    #[schema(value_type = String)]
    pub grade: Grade,
    /// GPUs in each node.
    pub gpus_per_node: u16,
    /// Whether fewer GPUs of a node can be rented.
    pub divisible: bool,
    /// Nodes free now.
    pub nodes_available: u32,
    /// Where it stands, ISO 3166-1 alpha-2.
    #[schema(value_type = String)]
    pub country: Country,
    /// The network's price of one GPU for an hour, before its fees and ours.
    #[schema(value_type = i64)]
    pub price_micro_usd_per_gpu_hour: RatePerGpuHour,
    /// The network's fee in hundredths of a percent of the price.
    pub fee_basis_points: u16,
    /// Link between the GPUs of a node.
    #[schema(value_type = String)]
    pub node_link: NodeLink,
    /// Link between nodes.
    #[schema(value_type = String)]
    pub fabric: Fabric,
    /// When the network said so (world time).
    pub observed_at: Moment,
}

/// One page of the market, and how fresh it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferPage {
    /// Offers by their ids.
    pub items: Vec<OfferView>,
    /// Give this as `after` to go on; none at the end.
    #[serde(default)]
    pub next: Option<String>,
    /// Every network, by name.
    pub networks: Vec<NetworkView>,
}

/// How one network stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkView {
    /// The network.
    #[schema(value_type = String)]
    pub network: NetworkId,
    /// Its offers in this reading.
    pub offers: usize,
    /// When they were read (world time); none before the first time.
    pub read_at: Option<Moment>,
    /// How old that is, in world milliseconds.
    pub age_ms: Option<u64>,
    /// Why the last reading failed, when it did.
    pub failed: Option<String>,
    /// Offers that could not be read.
    pub unreadable: usize,
    /// Offers that were read and refused, by the code of the reason (`docs/offer-gate.md`).
    #[serde(default)]
    pub refused: BTreeMap<String, usize>,
    /// Kinds of its offers that are taken as consumer grade although it says data centre, because so
    /// many of their probes failed.
    #[serde(default)]
    pub grade_lost: Vec<GradeLostView>,
    /// What its nodes and its API together say of it: `calm`, `confirming` (much of it is silent,
    /// watched for one more window), `incident` (nothing is placed there, what lost its lease
    /// there moves), `recovering`, or `own_fault` (the silence is the broker's own).
    #[serde(default)]
    pub health: String,
}

/// Offers of one product and card that are taken as consumer grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GradeLostView {
    /// The network's product.
    pub product: String,
    /// The card's id in the catalogue.
    pub gpu: String,
    /// How many offers.
    pub offers: usize,
    /// Verdicts of probes that passed or failed, as far as they still count.
    pub verdicts: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Expected share of starts that fail, in thousandths.
    pub failed_permille: u32,
}

impl From<&Offer> for OfferView {
    fn from(offer: &Offer) -> Self {
        let facts = offer.gpu.facts();
        Self {
            id: offer.id.clone(),
            network: offer.network.clone(),
            product: offer.product.clone(),
            gpu: facts.id.to_string(),
            gpu_name: facts.name.to_string(),
            vram_gb: facts.vram_gb,
            grade: offer.grade,
            gpus_per_node: offer.gpus_per_node,
            divisible: offer.divisible,
            nodes_available: offer.nodes_available,
            country: offer.country,
            price_micro_usd_per_gpu_hour: offer.price,
            fee_basis_points: offer.fee_basis_points,
            node_link: offer.node_link,
            fabric: offer.fabric,
            observed_at: offer.observed_at.into(),
        }
    }
}
