//! What a hyperscaler asks for the same card: a dated reference beside every price of ours.
//!
//! The table is compiled in from `prices.csv`, which says how each figure came about. It holds the
//! lowest list price over all regions, so that a comparison never flatters us, and it grows old:
//! whoever shows it shows its date.

mod date;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use tandem_model::gpu::GpuModel;
use tandem_model::money::{MicroUsd, RatePerGpuHour};

pub use date::Date;

/// A hyperscaler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Google Cloud.
    Gcp,
    /// Microsoft Azure.
    Azure,
}

/// Lowest list prices of one card at one hyperscaler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The card.
    pub gpu: GpuModel,
    /// Who asks it.
    pub provider: Provider,
    /// The machine type of the on-demand price.
    pub machine: String,
    /// On-demand, per GPU-hour with its share of the host.
    #[serde(rename = "on_demand_micro_usd_per_gpu_hour")]
    pub on_demand: MicroUsd,
    /// Region of that price.
    pub on_demand_region: String,
    /// Spot, where it is offered below on-demand.
    #[serde(rename = "spot_micro_usd_per_gpu_hour")]
    pub spot: Option<MicroUsd>,
    /// Region of that price.
    pub spot_region: Option<String>,
    /// The day of the list.
    pub dated: Date,
    /// Whose list.
    pub source: String,
}

/// How a rate of ours stands against a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The hyperscaler's on-demand price is lower.
    pub on_demand_is_cheaper: bool,
    /// Its spot price is lower; false where there is none.
    pub spot_is_cheaper: bool,
}

/// Every row of the table, in its order.
pub fn all() -> &'static [Reference] {
    static ROWS: LazyLock<Vec<Reference>> = LazyLock::new(|| {
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .from_reader(include_bytes!("prices.csv").as_slice());
        let rows: Result<Vec<_>, _> = reader.deserialize().collect();
        rows.expect("a test reads the table that is compiled in")
    });
    &ROWS
}

/// The reference of a card: the hyperscaler whose on-demand price is lowest; none when no
/// hyperscaler of the table sells the card.
pub fn for_gpu(gpu: GpuModel) -> Option<&'static Reference> {
    let rows = all().iter().filter(|row| row.gpu == gpu);
    rows.min_by_key(|row| row.on_demand)
}

impl Reference {
    /// How a rate of ours stands against it. Equal is not cheaper.
    pub fn against(&self, rate: RatePerGpuHour) -> Standing {
        Standing {
            on_demand_is_cheaper: self.on_demand < rate.price(),
            spot_is_cheaper: self.spot.is_some_and(|spot| spot < rate.price()),
        }
    }

    /// Whole days from the list's day to `today`; 0 when the list is newer.
    pub fn age_days(&self, today: Date) -> u32 {
        today.days_since(self.dated)
    }
}

#[cfg(test)]
mod tests;
