//! `POST /v1/quotes`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_model::id::QuoteId;
use tandem_model::launch::AgentMode;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, NetworkId};
use tandem_model::offer::OfferId;
use tandem_model::quote::{Quote, QuoteLine};
use tandem_model::workload::Tier;
use tandem_pricing::book::{Book, Hit};
use tandem_pricing::launch::Obstacle;
use tandem_pricing::quote::NoQuote;
use utoipa::ToSchema;

use super::described::{TierWord, WorkloadText};
use super::quote_detail::{CounterfactualView, ObjectivesView, ReferenceView, TokenLegView};
use super::{ClassificationReply, Moment, OfferView};

/// Asks for firm prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// Text of a file that can be submitted.
    #[schema(value_type = WorkloadText)]
    pub workload: String,
    /// Only this tier; every tier when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TierWord>)]
    pub tier: Option<Tier>,
}

/// Prices of every tier, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuoteReply {
    /// Name of the workload.
    pub name: String,
    /// What was found of the file.
    pub classification: ClassificationReply,
    /// Names of the secrets whose values must come with the job.
    pub secrets: Vec<String>,
    /// How the agent arrives: `image`, `wrapped` or `none`.
    #[schema(value_type = String)]
    pub agent: AgentMode,
    /// Whether a lost instance can still write where the customer manages the checkpoints: then
    /// only one instance may ever compute, and moving waits for that.
    pub unfenced: bool,
    /// Whether the customer agrees that the work is paused now and then for a probe of its GPUs.
    #[serde(default)]
    pub probe_while_running: bool,
    /// Offers that were looked at.
    pub offers: usize,
    /// Version of the pricing policy.
    pub policy_version: u32,
    /// Tiers, cheapest promise first.
    pub tiers: Vec<TierView>,
    /// Where it could start, and what stands in the way elsewhere.
    pub products: Vec<ProductView>,
}

/// What was considered for one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TierView {
    /// The tier.
    #[schema(value_type = String)]
    pub tier: Tier,
    /// The price, on the first of `ranked`.
    pub quote: Option<QuoteView>,
    /// Why there is none.
    pub no_quote: Option<NoQuoteView>,
    /// How many offers fit.
    pub fitting: usize,
    /// How many were refused, by the first reason that held.
    pub refused: BTreeMap<String, usize>,
    /// Offers that fit, cheapest useful hour first; at most 20.
    pub ranked: Vec<CandidateView>,
    /// What one change of the request would save, the greatest saving first.
    #[serde(default)]
    pub counterfactuals: Vec<CounterfactualView>,
}

/// A firm price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuoteView {
    /// Its id.
    #[schema(value_type = String, example = "qt_0198c1c2f0b47d3e8a1b2c3d4e5f6071")]
    pub id: QuoteId,
    /// The tier sold.
    #[schema(value_type = String)]
    pub tier: Tier,
    /// The offer it was made from.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Price of one GPU for an hour, firm for `term_seconds`.
    #[schema(value_type = i64)]
    pub rate_micro_usd_per_gpu_hour: RatePerGpuHour,
    /// GPUs over all nodes.
    pub gpus: u32,
    /// How long the rate is firm, in seconds.
    pub term_seconds: u32,
    /// The dearest rate at which a replacement within the term may cost the broker; you pay the rate.
    #[schema(value_type = i64)]
    pub replacement_rate_max_micro_usd_per_gpu_hour: RatePerGpuHour,
    /// The dearest rate of later terms, to which work goes on that has no limit of time; you are told
    /// beforehand. None where it ends with the term.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    pub renewal_rate_max_micro_usd_per_gpu_hour: Option<RatePerGpuHour>,
    /// The most that the whole term can cost.
    #[schema(value_type = i64)]
    pub not_to_exceed_micro_usd: MicroUsd,
    /// What the rate is made of; the lines add up to it.
    pub lines: Vec<QuoteLineView>,
    /// What the network is paid in its token; empty while no rate of it is known.
    #[serde(default)]
    pub token_legs: Vec<TokenLegView>,
    /// The country whose tax rules hold; amounts are net of tax. None when the account has none.
    #[schema(value_type = Option<String>, example = "DE")]
    pub tax_country: Option<Country>,
    /// What is promised; none in quotes made before anything was.
    pub objectives: Option<ObjectivesView>,
    /// What a hyperscaler asks for the same card. Only in the answer to the request for a quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceView>,
    /// Not accepted after this moment (wall time).
    pub expires_at: Moment,
    /// Give this, with the same workload text, to run it at this price. Only in the answer to the
    /// request for a quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_token: Option<String>,
}

/// One line of a price per GPU-hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuoteLineView {
    /// What it is for: `compute`, `network_fee`, `failure_risk`, `prepayment_risk`, `egress`,
    /// `stake_at_risk`, `backstop`, `surge`, `rate_risk`, `margin`, `discount`, `adjustment`.
    pub kind: String,
    /// Share of the price per GPU-hour.
    #[schema(value_type = i64)]
    pub micro_usd_per_gpu_hour: MicroUsd,
}

/// Why a tier has no price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoQuoteView {
    /// Its code, where it is an error.
    pub code: Option<String>,
    /// In words.
    pub detail: String,
}

/// An offer that fits, with what it would cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CandidateView {
    /// The offer.
    pub offer: OfferView,
    /// Price of one GPU for an hour.
    #[schema(value_type = i64)]
    pub rate_micro_usd_per_gpu_hour: RatePerGpuHour,
    /// GPUs that are rented over all nodes.
    pub gpus: u32,
    /// Price of all of them for an hour.
    #[schema(value_type = i64)]
    pub hour_micro_usd: MicroUsd,
}

/// Whether a workload could start on a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductView {
    /// The network.
    #[schema(value_type = String)]
    pub network: NetworkId,
    /// The product.
    pub product: String,
    /// Whether nothing stands in the way.
    pub can_start: bool,
    /// What stands in the way.
    pub obstacles: Vec<ObstacleView>,
}

/// One thing that stands in the way of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObstacleView {
    /// Its code.
    pub code: String,
    /// The field of the workload file that asks for it.
    pub field: String,
    /// What is in the way.
    pub text: String,
    /// What would help.
    pub help: String,
}

impl From<&Quote> for QuoteView {
    fn from(quote: &Quote) -> Self {
        Self {
            id: quote.id,
            tier: quote.tier,
            offer: quote.offer.clone(),
            rate_micro_usd_per_gpu_hour: quote.rate,
            gpus: quote.gpus,
            term_seconds: quote.term_seconds,
            replacement_rate_max_micro_usd_per_gpu_hour: quote.replacement_rate_max,
            renewal_rate_max_micro_usd_per_gpu_hour: quote.renewal_rate_max,
            not_to_exceed_micro_usd: quote.not_to_exceed,
            lines: quote.lines.iter().map(QuoteLineView::from).collect(),
            token_legs: quote.token_legs.iter().map(TokenLegView::from).collect(),
            tax_country: quote.tax_country,
            objectives: quote.objectives.as_ref().map(ObjectivesView::from),
            reference: None,
            expires_at: quote.expires_at.into(),
            quote_token: None,
        }
    }
}

impl From<&QuoteLine> for QuoteLineView {
    fn from(line: &QuoteLine) -> Self {
        Self {
            kind: line.kind.to_string(),
            micro_usd_per_gpu_hour: line.micro_usd_per_gpu_hour,
        }
    }
}

impl From<&NoQuote> for NoQuoteView {
    fn from(none: &NoQuote) -> Self {
        Self {
            code: none.code.map(|code| code.to_string()),
            detail: none.text.clone(),
        }
    }
}

impl CandidateView {
    /// An offer of a book.
    pub fn of(book: &Book, hit: &Hit) -> Self {
        Self {
            offer: OfferView::from(&book.view(hit.row).to_offer()),
            rate_micro_usd_per_gpu_hour: hit.rate,
            gpus: hit.gpus,
            hour_micro_usd: hit.hour_micro_usd,
        }
    }
}

impl From<&Obstacle> for ObstacleView {
    fn from(obstacle: &Obstacle) -> Self {
        Self {
            code: obstacle.code.to_string(),
            field: obstacle.field.clone(),
            text: obstacle.text.clone(),
            help: obstacle.help.clone(),
        }
    }
}
