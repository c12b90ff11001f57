//! A firm price: itemised, expiring, for one tier.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::QuoteId;
use crate::money::{MicroUsd, RatePerGpuHour};
use crate::network::Country;
use crate::offer::OfferId;
use crate::time::WallTime;
use crate::token::TokenLeg;
use crate::workload::Tier;

/// One line of the price per GPU-hour; lines add up to the rate exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLine {
    /// What it is for: `compute`, `network_fee`, `failure_risk` (work done again and restarts, which
    /// are not billed), `prepayment_risk` (prepaid time that is left or lost with
    /// starts whose probe fails, and probes), `egress`,
    /// `stake_at_risk`, `backstop`, `surge`, `rate_risk`, `margin`, `discount`, `adjustment`.
    pub kind: Cow<'static, str>,
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
    /// The dearest rate of later terms, to which work goes on that has no limit of time; none where it
    /// ends with the term, and in quotes made before there were later terms.
    #[serde(default)]
    pub renewal_rate_max: Option<RatePerGpuHour>,
    /// The most that the whole term can cost.
    pub not_to_exceed: MicroUsd,
    /// What the rate is made of.
    pub lines: Vec<QuoteLine>,
    /// What the network is paid for the term, in its token; empty while no rate is known.
    #[serde(default)]
    pub token_legs: Vec<TokenLeg>,
    /// Where the customer is established, whose tax rules hold; amounts are net of tax. None when
    /// the account has no country.
    #[serde(default)]
    pub tax_country: Option<Country>,
    /// The promotion that gave the line `discount`; none without one.
    #[serde(default)]
    pub promotion: Option<String>,
    /// What is promised; none in quotes made before anything was.
    #[serde(default)]
    pub objectives: Option<Objectives>,
    /// Not accepted after this moment.
    pub expires_at: WallTime,
}

/// From acceptance to the start of the work, and from the end of a lost placement to its next start:
/// the longest that is promised, in seconds. A choice of ours: neither network promises a time.
pub const START_SECONDS: u32 = 900;

/// Least speed that is promised where placements are probed, in thousandths of a good card of the
/// model: what passes a probe without remark by default.
pub const SPEED_PERMILLE_MIN: u32 = 850;

/// The lines of a price that are cost.
const COST_LINES: [&str; 7] = [
    "compute",
    "network_fee",
    "failure_risk",
    "prepayment_risk",
    "egress",
    "stake_at_risk",
    "backstop",
];

impl Quote {
    /// What a GPU-hour is expected to cost us: the sum of the lines that are cost.
    pub fn cost(&self) -> MicroUsd {
        let lines = self.lines.iter();
        let cost = lines.filter(|line| COST_LINES.contains(&&*line.kind));
        MicroUsd::new(cost.fold(0i64, |sum, line| {
            sum.saturating_add(line.micro_usd_per_gpu_hour.get())
        }))
    }

    /// The promotion with what it gives away over the whole term, rounded up; none without one.
    pub fn given(&self) -> Option<(&str, MicroUsd)> {
        let promotion = self.promotion.as_deref()?;
        let mut lines = self.lines.iter();
        let line = lines.find(|line| line.kind == "discount")?;
        let gpu_seconds = i128::from(self.gpus) * i128::from(self.term_seconds);
        let given = -i128::from(line.micro_usd_per_gpu_hour.get()) * gpu_seconds;
        let given = i64::try_from((given + 3_599) / 3_600).unwrap_or(i64::MAX);
        Some((promotion, MicroUsd::new(given)))
    }
}

/// What is promised with a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objectives {
    /// Longest time from acceptance to the start of the work, in seconds.
    pub start_seconds: u32,
    /// Longest time from a failure to certainty that it can publish nothing, in seconds.
    pub detection_seconds: u32,
    /// Longest time from a failure to work going on elsewhere, in seconds.
    pub recovery_seconds: u32,
    /// Most work that a failure undoes, in seconds; none where the agent keeps no checkpoints.
    pub work_lost_seconds: Option<u32>,
    /// When the work must have ended, in seconds after acceptance, where the customer said so.
    pub finish_by_seconds: Option<u32>,
    /// Least measured speed of every node in thousandths of a good card of its model; none where no
    /// speed is promised.
    #[serde(default)]
    pub speed_permille_min: Option<u32>,
}
