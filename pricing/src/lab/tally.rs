//! What came of tasks, added up in whole numbers.

use serde::Serialize;

use super::replay::{Refusal, Sale};

/// Results of a set of tasks. Amounts are micro-dollars; a run counts on the day it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sums {
    /// Tasks: `accepted` and all that were refused.
    pub tasks: u64,
    /// Tasks that were sold.
    pub accepted: u64,
    /// Refused by the customer, for the price.
    pub refused_price: u64,
    /// Everything that fits was taken.
    pub refused_capacity: u64,
    /// No lane ever had so many of that card at that moment.
    pub refused_not_stocked: u64,
    /// The policy has no price, or `assured` makes no sense since enterprise is cheaper.
    pub refused_not_offered: u64,
    /// The task asks for no GPU.
    pub refused_without_gpu: u64,
    /// GPU-seconds that were sold.
    pub gpu_seconds: u128,
    /// What customers pay, before credits.
    pub revenue_micro_usd: i128,
    /// What it costs us: compute and backstop.
    pub cost_micro_usd: i128,
    /// Revenue less cost.
    pub margin_micro_usd: i128,
    /// The lines of the revenue; they add up to it.
    pub lines: Lines,
    /// Expected number of breaches, in billionths.
    pub expected_breaches_ppb: u128,
    /// Expected credit.
    pub expected_credit_micro_usd: i128,
}

/// Where the revenue comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Lines {
    /// What the networks take.
    pub compute_micro_usd: i128,
    /// Expected cost of the backstop of `assured`.
    pub backstop_micro_usd: i128,
    /// Surcharge for utilisation.
    pub surge_micro_usd: i128,
    /// Premium for token rates.
    pub rate_risk_micro_usd: i128,
    /// The policy's margin.
    pub margin_micro_usd: i128,
    /// Discounts; never positive.
    pub discount_micro_usd: i128,
    /// What floors, ceilings and costs moved prices by.
    pub adjustment_micro_usd: i128,
}

impl Lines {
    /// The lines with their names.
    pub const fn named(&self) -> [(&'static str, i128); 7] {
        [
            ("compute", self.compute_micro_usd),
            ("backstop", self.backstop_micro_usd),
            ("surge", self.surge_micro_usd),
            ("rate_risk", self.rate_risk_micro_usd),
            ("margin", self.margin_micro_usd),
            ("discount", self.discount_micro_usd),
            ("adjustment", self.adjustment_micro_usd),
        ]
    }

    /// Their sum.
    pub fn total(&self) -> i128 {
        self.named().iter().map(|(_, amount)| amount).sum()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.compute_micro_usd += other.compute_micro_usd;
        self.backstop_micro_usd += other.backstop_micro_usd;
        self.surge_micro_usd += other.surge_micro_usd;
        self.rate_risk_micro_usd += other.rate_risk_micro_usd;
        self.margin_micro_usd += other.margin_micro_usd;
        self.discount_micro_usd += other.discount_micro_usd;
        self.adjustment_micro_usd += other.adjustment_micro_usd;
    }
}

/// GPU-seconds that there were and that were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Occupancy {
    /// There were; withdrawn GPUs count while work still runs on them.
    pub supply_gpu_seconds: u128,
    /// Taken.
    pub taken_gpu_seconds: u128,
}

impl Occupancy {
    pub(super) fn add(&mut self, other: &Self) {
        self.supply_gpu_seconds += other.supply_gpu_seconds;
        self.taken_gpu_seconds += other.taken_gpu_seconds;
    }
}

impl Sums {
    /// All that were refused.
    pub const fn refused(&self) -> u64 {
        self.refused_price
            + self.refused_capacity
            + self.refused_not_stocked
            + self.refused_not_offered
            + self.refused_without_gpu
    }

    pub(super) fn record(&mut self, result: &Result<Sale, Refusal>) {
        self.tasks += 1;
        match result {
            Ok(sale) => self.sold(sale),
            Err(Refusal::Price) => self.refused_price += 1,
            Err(Refusal::Capacity) => self.refused_capacity += 1,
            Err(Refusal::NotStocked) => self.refused_not_stocked += 1,
            Err(Refusal::NotOffered) => self.refused_not_offered += 1,
            Err(Refusal::WithoutGpu) => self.refused_without_gpu += 1,
        }
    }

    fn sold(&mut self, sale: &Sale) {
        let cost = sale.lines.compute_micro_usd + sale.lines.backstop_micro_usd;
        let revenue = sale.lines.total();
        self.accepted += 1;
        self.gpu_seconds += sale.gpu_seconds;
        self.revenue_micro_usd += revenue;
        self.cost_micro_usd += cost;
        self.margin_micro_usd += revenue - cost;
        self.lines.add(&sale.lines);
        self.expected_breaches_ppb += u128::from(sale.expected.breach_ppb);
        self.expected_credit_micro_usd += i128::from(sale.expected.credit.get());
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.accepted += other.accepted;
        self.refused_price += other.refused_price;
        self.refused_capacity += other.refused_capacity;
        self.refused_not_stocked += other.refused_not_stocked;
        self.refused_not_offered += other.refused_not_offered;
        self.refused_without_gpu += other.refused_without_gpu;
        self.gpu_seconds += other.gpu_seconds;
        self.revenue_micro_usd += other.revenue_micro_usd;
        self.cost_micro_usd += other.cost_micro_usd;
        self.margin_micro_usd += other.margin_micro_usd;
        self.lines.add(&other.lines);
        self.expected_breaches_ppb += other.expected_breaches_ppb;
        self.expected_credit_micro_usd += other.expected_credit_micro_usd;
    }
}
