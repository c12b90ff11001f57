//! What stands beside a price: what is promised, what the network is paid, what others ask, and
//! what one change of the request would save.

use serde::{Deserialize, Serialize};
use tandem_model::gpu::GpuModel;
use tandem_model::money::Token;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::NetworkId;
use tandem_model::quote::Objectives;
use tandem_model::token::TokenLeg;
use tandem_pricing::book::{Change, Counterfactual};
use tandem_pricing::reference::{self, Reference};
use utoipa::ToSchema;

use super::Moment;

/// What is promised with a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObjectivesView {
    /// Longest time from acceptance to the start of the work, in seconds.
    pub start_seconds: u32,
    /// Longest time from a failure to certainty that it can publish nothing, in seconds.
    pub detection_seconds: u32,
    /// Longest time from a failure to work going on elsewhere, in seconds.
    pub recovery_seconds: u32,
    /// Most work that a failure undoes, in seconds; none where the agent keeps no checkpoints.
    pub work_lost_seconds: Option<u32>,
    /// When the work must have ended, in seconds after acceptance, where the file says so.
    pub finish_by_seconds: Option<u32>,
    /// Least measured speed of every node in thousandths of a good card of its model; none where no
    /// speed is promised.
    #[serde(default)]
    pub speed_permille_min: Option<u32>,
}

/// What a network is paid in its token for the term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenLegView {
    /// The network.
    #[schema(value_type = String)]
    pub network: NetworkId,
    /// `io` or `ath`.
    #[schema(value_type = String, example = "io")]
    pub token: Token,
    /// Decimals of the base unit.
    pub decimals: u32,
    /// Base units for the whole term, as text.
    pub base_units: String,
    /// The locked price of one token in billionths of a dollar.
    pub nano_usd_per_token: u64,
    /// When the price was taken (wall time).
    pub rate_at: Moment,
}

/// What a hyperscaler asks for the same card, by its price list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceView {
    /// `gcp` or `azure`: the one whose on-demand price is lowest.
    #[schema(value_type = String, example = "gcp")]
    pub provider: reference::Provider,
    /// Its machine type.
    pub machine: String,
    /// On-demand, for one GPU and hour with its share of the machine.
    #[schema(value_type = i64)]
    pub on_demand_micro_usd_per_gpu_hour: MicroUsd,
    /// Spot, where it is offered below on-demand.
    #[schema(value_type = Option<i64>)]
    pub spot_micro_usd_per_gpu_hour: Option<MicroUsd>,
    /// The day of the price list.
    pub dated: String,
    /// Whose list.
    pub source: String,
    /// Its on-demand price is lower than this quote's rate.
    pub on_demand_is_cheaper: bool,
    /// Its spot price is lower than this quote's rate.
    pub spot_is_cheaper: bool,
}

/// What one change of the request would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CounterfactualView {
    /// `gpu`, `country` or `no_fast_link`.
    pub change: String,
    /// The card or the country.
    pub to: Option<String>,
    /// How much less a useful hour would cost, in thousandths; none where nothing fits as asked.
    pub saves_permille: Option<u16>,
    /// The rate after the change.
    #[schema(value_type = i64)]
    pub rate_micro_usd_per_gpu_hour: RatePerGpuHour,
    /// In words.
    pub text: String,
}

impl From<&Objectives> for ObjectivesView {
    fn from(o: &Objectives) -> Self {
        Self {
            start_seconds: o.start_seconds,
            detection_seconds: o.detection_seconds,
            recovery_seconds: o.recovery_seconds,
            work_lost_seconds: o.work_lost_seconds,
            finish_by_seconds: o.finish_by_seconds,
            speed_permille_min: o.speed_permille_min,
        }
    }
}

impl From<&TokenLeg> for TokenLegView {
    fn from(leg: &TokenLeg) -> Self {
        Self {
            network: leg.network.clone(),
            token: leg.rate.token,
            decimals: leg.rate.token.decimals(),
            base_units: leg.base_units.to_string(),
            nano_usd_per_token: leg.rate.nano_usd_per_token,
            rate_at: leg.rate.at.into(),
        }
    }
}

impl ReferenceView {
    /// What a hyperscaler asks for a card, beside a rate of ours; none when none sells it.
    pub fn beside(gpu: GpuModel, rate: RatePerGpuHour) -> Option<Self> {
        let found: &Reference = reference::for_gpu(gpu)?;
        let standing = found.against(rate);
        Some(Self {
            provider: found.provider,
            machine: found.machine.clone(),
            on_demand_micro_usd_per_gpu_hour: found.on_demand,
            spot_micro_usd_per_gpu_hour: found.spot,
            dated: found.dated.to_string(),
            source: found.source.clone(),
            on_demand_is_cheaper: standing.on_demand_is_cheaper,
            spot_is_cheaper: standing.spot_is_cheaper,
        })
    }
}

impl From<&Counterfactual> for CounterfactualView {
    fn from(found: &Counterfactual) -> Self {
        let (change, to, text) = match found.change {
            Change::Gpu(gpu) => (
                "gpu",
                Some(gpu.id().to_owned()),
                format!("with {}", gpu.facts().name),
            ),
            Change::Country(country) => (
                "country",
                Some(country.to_string()),
                format!("if {country} too"),
            ),
            Change::NoFastLink => ("no_fast_link", None, "without a fast link".to_owned()),
        };
        let saves = found.saves_permille;
        let rate = found.rate.price();
        let text = match saves {
            Some(permille) => format!("{} % less {text}", permille / 10),
            None => format!("{rate} per GPU-hour {text}, where nothing fits as asked"),
        };
        Self {
            change: change.to_owned(),
            to,
            saves_permille: saves,
            rate_micro_usd_per_gpu_hour: found.rate,
            text,
        }
    }
}
