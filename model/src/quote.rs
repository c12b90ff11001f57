//! A firm price: itemised, expiring, for one tier.

use serde::{Deserialize, Serialize};

use crate::id::QuoteId;
use crate::money::{MicroUsd, RatePerGpuHour};
use crate::offer::OfferId;
use crate::time::WallTime;
use crate::workload::Tier;

/// One line of the price per GPU-hour; lines add up to the rate exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLine {
    /// What it is for: `compute`, `network_fee`, `surge`, `rate_risk`, `margin`, `discount`,
    /// `adjustment`.
    pub kind: String,
    /// Share of the price per GPU-hour.
    pub micro_usd_per_gpu_hour: MicroUsd,
}

/// A firm price for one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Its id.
    pub id: QuoteId,
    /// The tier sold.
    pub tier: Tier,
    /// The offer it was made from.
    pub offer: OfferId,
    /// Price per GPU-hour, firm for `term_seconds`.
    pub rate: RatePerGpuHour,
    /// GPUs over all nodes.
    pub gpus: u32,
    /// How long the rate is firm, in seconds.
    pub term_seconds: u32,
    /// The dearest rate at which a replacement within the term may cost us; what it costs beyond
    /// `rate` is ours.
    pub replacement_rate_max: RatePerGpuHour,
    /// The most that the whole term can cost.
    pub not_to_exceed: MicroUsd,
    /// What the rate is made of.
    pub lines: Vec<QuoteLine>,
    /// Not accepted after this moment.
    pub expires_at: WallTime,
}
