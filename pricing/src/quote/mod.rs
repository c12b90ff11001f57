//! Prices: what the customer pays on each tier, and why.
//!
//! A [`Desk`] asks the offer book for the offers that fit, best first, where the best is the one
//! whose useful GPU-hour costs the customer least under the policy. Consumer and enterprise stand
//! alone; `assured` is the consumer price and the expected cost of a backstop on enterprise
//! hardware. Placements and replacements are chosen by what they cost us instead:
//! [`Supply::cost_price`].

mod ahead;
mod alike;
mod considered;
mod denials;
mod desk;
mod draft;
mod effort;
mod firm;
mod inquiry;
mod list;
mod memo;
mod refusal;
mod renewal;
mod report;
mod search;
mod seen;
mod supply;
mod tiers;

use std::fmt;
use std::time::Duration;

use tandem_model::id::AccountId;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, NetworkId};
use tandem_model::offer::Offer;
use tandem_model::time::{WallTime, WorldTime};
use tandem_model::token::TokenRate;
use tandem_model::workload::Workload;

use crate::jurisdiction::Digest;
use crate::policy::{Exhausted, Policy};

pub use ahead::IDLE_READINGS_MAX;
pub use considered::{Considered, Considering};
pub use desk::Desk;
pub use effort::{Effort, PROBE_SECONDS, RESTART_SECONDS, SAVE_MS};
pub use list::PriceList;
pub use memo::ANSWERS_MAX;
pub use refusal::Refusal;
pub use renewal::{TermPrice, TooDear, renewed};
pub use report::{Basis, NoQuote, QuoteReport, TierReport};
pub use search::Conditions;
pub use seen::SeenByKind;
pub use supply::{Supply, Usage};

/// Most offers that a report names for a tier.
pub const RANKED_MAX: usize = 20;
/// Highest price per GPU-hour that is believed: 1,000 dollars.
pub const PRICE_MAX: RatePerGpuHour = RatePerGpuHour::new(MicroUsd::from_cents(100_000));

/// Ten thousand basis points are the whole.
const BASIS_POINTS: i64 = 10_000;

/// By which prices are made, for whom, and when.
#[derive(Clone, Copy)]
pub struct Pricing<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// Its version, written into accepted quotes.
    pub policy_version: u32,
    /// Its promotions that gave all that they may.
    pub exhausted: Exhausted,
    /// Who asks; none when nobody is known yet.
    pub account: Option<&'a AccountId>,
    /// What is known of the supply beside its offers.
    pub supply: &'a Supply,
    /// Where the customer is established.
    pub tax_country: Option<Country>,
    /// What tokens cost now, as far as that is known.
    pub token_rates: &'a [TokenRate],
    /// What the rules about places leave for the customer and the workload's data.
    pub places: &'a Digest,
    /// Whether the workload can start on a product of a network.
    pub can_start: &'a dyn Fn(&NetworkId, &str) -> bool,
    /// Oldest observation of an offer that is believed; none when any is.
    pub age_max: Option<Duration>,
    /// The moment for the customer.
    pub now: WallTime,
    /// The same moment for the market.
    pub world_now: WorldTime,
}

impl fmt::Debug for Pricing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pricing")
            .field("policy_version", &self.policy_version)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// What an offer costs us per GPU-hour before any risk: its price and the network's fee, rounded
/// up. None when its price cannot be believed.
pub fn cost_of(offer: &Offer) -> Option<MicroUsd> {
    let price = offer.price.price();
    let is_sane = price > MicroUsd::ZERO && offer.price <= PRICE_MAX;
    let fee = price.get().checked_mul(i64::from(offer.fee_basis_points));
    let fee = fee.filter(|_| is_sane)?.checked_add(BASIS_POINTS - 1)? / BASIS_POINTS;
    price.plus(MicroUsd::new(fee)).ok()
}

/// GPUs of a node that are rented: what is needed, or all where the node cannot be split.
pub fn gpus_rented(offer: &Offer, workload: &Workload) -> u16 {
    if offer.divisible {
        workload.resources.gpus_per_node.max(1)
    } else {
        offer.gpus_per_node
    }
}

#[cfg(test)]
pub(crate) mod plain;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_alike;
