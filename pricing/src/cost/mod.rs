//! Effective cost: the price of a *useful* GPU-hour, with everything that a lower price may hide.
//!
//! Every part of it but egress and stake is a share of the price, so the whole is a ratio and a
//! constant: `ceil(price x ratio) + constant`. The ratio grows part by part in billionths, each
//! rounded up; a line is the difference of two totals, so lines add up exactly whatever is rounded.

mod checkpoint;
mod curve;
mod parts;

use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Product, RefundRule};

pub use checkpoint::{Interval, optimal_interval};
pub(crate) use curve::SMALL;
pub use curve::{CURVE_STEPS_MAX, Curve, CurveError, Line, Step};

use crate::quote::PRICE_MAX;

/// Parts of one that ratios are counted in.
const BILLION: u32 = 1_000_000_000;

/// What happens to work when its machines fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// It goes on from its last checkpoint.
    Checkpoints {
        /// How long the work stands still for each, in milliseconds.
        save_ms: u64,
        /// Useful time between two, in seconds; none when it may be chosen.
        interval_seconds: Option<u32>,
    },
    /// It starts again from nothing.
    FromStart,
    /// It loses nothing but the restart: a service.
    Stateless,
}

/// Time that is paid before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepaid {
    /// Shortest first purchase in hours.
    pub hours_min: u32,
    /// Step of an extension in hours; 0 counts as 1.
    pub step_hours: u32,
    /// What comes back after an early end.
    pub refund: RefundRule,
}

impl Prepaid {
    /// Time of a product whose terms nobody stated: by the second after the first hour.
    pub const UNKNOWN: Self = Self {
        hours_min: 0,
        step_hours: 1,
        refund: RefundRule::ProportionalAfterFirstHour,
    };

    /// The terms of a product.
    pub fn of(product: &Product) -> Self {
        Self {
            hours_min: product.prepaid_hours_min,
            step_hours: product.extension_step_hours,
            refund: product.refund,
        }
    }
}

/// Everything that the effective cost of a placement is computed from, but its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostFacts {
    /// The network's fee in hundredths of a percent of the price.
    pub fee_basis_points: u16,
    /// Measured speed in thousandths of the card's reference; not 0.
    pub speed_permille: u32,
    /// Nodes that fail together: one failure stops all; not 0.
    pub nodes: u16,
    /// GPUs rented over all nodes; not 0.
    pub gpus: u32,
    /// Failures of one node in a million hours.
    pub failures_per_million_node_hours: u32,
    /// Useful time at reference speed: the length of the work, or a service's term; in seconds,
    /// not 0.
    pub useful_seconds: u64,
    /// What a failure does to the work.
    pub recovery: Recovery,
    /// From a failure to work going on, on machines that are paid, in seconds.
    pub restart_seconds: u32,
    /// How time is bought.
    pub prepaid: Prepaid,
    /// Paid time of each start that is not billed to the customer, in seconds.
    pub probe_seconds: u32,
    /// Starts of one node that are expected to fail their probe before one passes, in billionths.
    pub starts_lost_ppb: u64,
    /// Data that leave the network over the whole work, in GB.
    pub egress_gb: u64,
    /// Price of each, not negative.
    pub egress_micro_usd_per_gb: MicroUsd,
    /// Credit that is due when the placement fails, not negative.
    pub stake_micro_usd: MicroUsd,
}

/// A named part of the effective cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostKind {
    /// The network's price.
    Compute,
    /// The network's fee.
    NetworkFee,
    /// More time on a slower card; negative on a faster one.
    Speed,
    /// Standing still for checkpoints.
    Checkpoints,
    /// Work done again after failures.
    LostWork,
    /// Waiting for work to go on after failures.
    Restart,
    /// Prepaid time that is neither used nor paid back, at the end, after failures, and by starts
    /// whose probe failed.
    StrandedPrepayment,
    /// Probes before every start.
    Probe,
    /// Data that leave.
    Egress,
    /// Expected credit to the customer.
    StakeAtRisk,
}

impl CostKind {
    /// Every part, in the order of the lines.
    pub const ALL: [Self; 10] = [
        Self::Compute,
        Self::NetworkFee,
        Self::Speed,
        Self::Checkpoints,
        Self::LostWork,
        Self::Restart,
        Self::StrandedPrepayment,
        Self::Probe,
        Self::Egress,
        Self::StakeAtRisk,
    ];

    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::NetworkFee => "network_fee",
            Self::Speed => "speed",
            Self::Checkpoints => "checkpoints",
            Self::LostWork => "lost_work",
            Self::Restart => "restart",
            Self::StrandedPrepayment => "stranded_prepayment",
            Self::Probe => "probe",
            Self::Egress => "egress",
            Self::StakeAtRisk => "stake_at_risk",
        }
    }
}

/// Why there is no effective cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// A fact that divides is zero, or an amount negative.
    #[error("{0} of the cost facts is zero or negative: measure it or leave the offer out")]
    NotPositive(&'static str),
    /// A failure is expected before the work gets on.
    #[error(
        "work advances slower than failures undo it: use fewer nodes, checkpoints or other machines"
    )]
    NoProgress,
    /// An amount left its range.
    #[error("the effective cost left the range of money: check the cost facts for a wrong unit")]
    OutOfRange,
    /// The price is not above zero, or above what is believed.
    #[error("a network price of {} per GPU-hour is not believed: refuse the offer", .0.price())]
    PriceInvalid(RatePerGpuHour),
}

/// One part of an effective cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostLine {
    /// Which.
    pub kind: CostKind,
    /// Micro-dollars per useful GPU-hour; only [`CostKind::Speed`] may be negative.
    pub micro_usd_per_gpu_hour: MicroUsd,
}

/// The price of a useful GPU-hour with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveCost {
    /// Every part, in the order of [`CostKind::ALL`].
    pub lines: [CostLine; CostKind::ALL.len()],
    /// Their sum.
    pub total: RatePerGpuHour,
}

/// The effective cost of a placement as a function of its network price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostModel {
    /// Total over price in billionths after each of the first eight parts.
    ratios: [u64; RATIOS],
    /// Micro-dollars per useful GPU-hour.
    egress: u64,
    stake: u64,
    interval: Option<Interval>,
    expected_seconds: u64,
}

/// Parts that are a share of the price.
const RATIOS: usize = 8;
/// The place of [`CostKind::Restart`] among them.
const RESTART: usize = 5;

/// `ceil(value x by / over)` of numbers that are not negative.
fn ceil_ratio(value: i128, by: i128, over: i128) -> Result<i128, CostError> {
    // Nearly every product fits a word, whose division is several times as quick.
    let word = |n: i128| u64::try_from(n).ok();
    if let (Some(value), Some(by), Some(over)) = (word(value), word(by), word(over))
        && let Some(product) = value.checked_mul(by)
    {
        return Ok(i128::from(product.div_ceil(over)));
    }
    let product = value.checked_mul(by).ok_or(CostError::OutOfRange)?;
    let up = product.checked_add(over - 1).ok_or(CostError::OutOfRange)?;
    Ok(up / over)
}

impl CostModel {
    /// Computes the parts of the cost from facts.
    ///
    /// Fails when a fact that divides is zero or an amount negative, when failures undo work
    /// faster than it advances, and when an amount leaves its range.
    pub fn of(facts: &CostFacts) -> Result<Self, CostError> {
        parts::model(facts)
    }

    /// The effective cost at a network price above zero and up to [`PRICE_MAX`].
    ///
    /// Fails on other prices and when the total leaves the range of money.
    pub fn at(&self, price: RatePerGpuHour) -> Result<EffectiveCost, CostError> {
        if price.price() <= MicroUsd::ZERO || price > PRICE_MAX {
            return Err(CostError::PriceInvalid(price));
        }
        let price = i128::from(price.price().get());
        let mut totals = [0i128; CostKind::ALL.len()];
        for (total, ratio) in totals.iter_mut().zip(self.ratios) {
            *total = ceil_ratio(price, i128::from(ratio), i128::from(BILLION))?;
        }
        totals[RATIOS] = totals[RATIOS - 1] + i128::from(self.egress);
        totals[RATIOS + 1] = totals[RATIOS] + i128::from(self.stake);
        let micro = |n: i128| {
            let n = i64::try_from(n).map_err(|_| CostError::OutOfRange)?;
            Ok(MicroUsd::new(n))
        };
        let mut before = 0;
        let mut lines = CostKind::ALL.map(|kind| CostLine {
            kind,
            micro_usd_per_gpu_hour: MicroUsd::ZERO,
        });
        for (line, total) in lines.iter_mut().zip(totals) {
            line.micro_usd_per_gpu_hour = micro(total - before)?;
            before = total;
        }
        Ok(EffectiveCost {
            lines,
            total: RatePerGpuHour::new(micro(before)?),
        })
    }

    /// The same total as a curve of the network's price with its fee, but for rounding: what an offer
    /// book ranks by.
    pub fn useful(&self) -> Curve {
        let [_, fee, ..] = self.ratios;
        let scale = Step::Scale {
            numerator: self.ratios[RATIOS - 1],
            denominator: fee,
        };
        let add = Step::Add(self.egress + self.stake);
        Curve::new(&[scale, add]).expect("ratio and constants were bounded when they were computed")
    }

    /// What a GPU-hour that is billed costs us, as steps from the network's price: fee, work that is
    /// done again, restarts, stranded prepayment and probes, none of which is billed; then egress
    /// and stake. Time lost to a slow card or to checkpoints is billed, and not in it.
    pub fn billed(&self) -> [Step; 2] {
        let scale = Step::Scale {
            numerator: self.billed_ratio(RATIOS - 1),
            denominator: u64::from(BILLION),
        };
        [scale, Step::Add(self.egress + self.stake)]
    }

    /// The share of the price after a part, in billionths, with what only the customer bears taken
    /// out.
    fn billed_ratio(&self, part: usize) -> u64 {
        let [_, fee, _, saves, ..] = self.ratios;
        let ratio = u128::from(fee) * u128::from(self.ratios[part]);
        u64::try_from(ratio.div_ceil(u128::from(saves))).unwrap_or(u64::MAX >> 1)
    }

    /// The parts of [`CostModel::billed`] at a network price, which add up to what it gives.
    ///
    /// Fails when an amount leaves the range of money.
    pub fn billed_lines(
        &self,
        price: MicroUsd,
    ) -> Result<[(&'static str, MicroUsd); 6], CostError> {
        let [_, fee, ..] = self.ratios;
        let after = |ratio: u64| {
            let total = ceil_ratio(
                i128::from(price.get()),
                i128::from(ratio),
                i128::from(BILLION),
            );
            i64::try_from(total?).map_err(|_| CostError::OutOfRange)
        };
        let [fee, failures, all] = [
            after(fee)?,
            after(self.billed_ratio(RESTART))?,
            after(self.billed_ratio(RATIOS - 1))?,
        ];
        let constant = |n: u64| i64::try_from(n).map_err(|_| CostError::OutOfRange);
        Ok([
            ("compute", price),
            ("network_fee", MicroUsd::new(fee - price.get())),
            ("failure_risk", MicroUsd::new(failures - fee)),
            ("prepayment_risk", MicroUsd::new(all - failures)),
            ("egress", MicroUsd::new(constant(self.egress)?)),
            ("stake_at_risk", MicroUsd::new(constant(self.stake)?)),
        ])
    }

    /// Billed time per useful time: what a slow card and checkpoints cost the customer.
    pub fn waste(&self) -> Step {
        let [_, fee, _, saves, ..] = self.ratios;
        Step::Scale {
            numerator: saves,
            denominator: fee,
        }
    }

    /// The checkpoint interval that was assumed; none when the work takes no checkpoints, or ends
    /// before the first.
    pub fn checkpoint_interval(&self) -> Option<Interval> {
        self.interval
    }

    /// Expected time from the first start to the end, in seconds, rounded up: useful time at the
    /// measured speed with checkpoints, lost work and restarts.
    pub fn expected_seconds(&self) -> u64 {
        self.expected_seconds
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_extremes;
