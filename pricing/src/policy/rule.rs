//! What a policy is made of once it is read: defaults, rules, promotions, guard rails.

use serde::Serialize;
use tandem_model::money::MicroUsd;
use tandem_model::time::WallTime;

use super::condition::Condition;
use super::problem::Position;
use super::selector::Selector;
use super::surge::Surge;

/// What holds where no rule says otherwise, and what is not for rules to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Defaults {
    /// Margin in basis points of cost.
    pub margin_basis_points: u32,
    /// Premium for the movement of token rates, in basis points of cost.
    pub rate_risk_basis_points: u32,
    /// How long a rate is firm, in seconds.
    pub term_seconds: u32,
    /// How long a quote can be accepted, in seconds.
    pub valid_seconds: u32,
    /// Share of the free enterprise GPUs that may back `assured`, in permille.
    pub assured_share_permille: u32,
    /// The dearest replacement inside a term, in basis points of the quoted rate: at 15,000 a
    /// replacement may cost 1.5 times the rate, and the difference is ours.
    pub replacement_rate_max_basis_points: u32,
}

/// What one application of a policy may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GuardRails {
    /// Largest rise or fall of any price, in permille of the price before.
    pub price_change_max_permille: u32,
    /// Smallest margin in basis points of cost, after discounts and ceilings.
    pub margin_min_basis_points: u32,
}

/// What a rule can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// `margin_basis_points`.
    Margin,
    /// `surge`.
    Surge,
    /// `rate_risk_basis_points`.
    RateRisk,
    /// `floor_micro_usd_per_gpu_hour`.
    Floor,
    /// `ceiling_micro_usd_per_gpu_hour`.
    Ceiling,
    /// `allow_below_cost`.
    BelowCost,
}

impl Effect {
    /// Every effect.
    pub const ALL: [Self; 6] = [
        Self::Margin,
        Self::Surge,
        Self::RateRisk,
        Self::Floor,
        Self::Ceiling,
        Self::BelowCost,
    ];

    /// Its name in a file.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Margin => "margin_basis_points",
            Self::Surge => "surge",
            Self::RateRisk => "rate_risk_basis_points",
            Self::Floor => "floor_micro_usd_per_gpu_hour",
            Self::Ceiling => "ceiling_micro_usd_per_gpu_hour",
            Self::BelowCost => "allow_below_cost",
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a rule sets; what is none is left to others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Effects {
    pub(super) margin_basis_points: Option<u32>,
    pub(super) surge: Option<Surge>,
    pub(super) rate_risk_basis_points: Option<u32>,
    pub(super) floor: Option<MicroUsd>,
    pub(super) ceiling: Option<MicroUsd>,
    pub(super) allow_below_cost: Option<bool>,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) priority: u32,
    pub(super) selector: Selector,
    pub(super) condition: Option<Condition>,
    pub(super) effects: Effects,
    /// The bits of what it sets.
    pub(super) sets: u8,
    /// Where the rule begins.
    pub(super) position: Position,
    /// Where it sets what, by effect.
    pub(super) set_at: [Option<Position>; Effect::ALL.len()],
}

/// A discount for a time.
#[derive(Debug)]
pub(super) struct Promotion {
    pub(super) id: String,
    pub(super) selector: Selector,
    pub(super) discount_basis_points: u32,
    /// The first moment.
    pub(super) from: WallTime,
    /// The first moment after it.
    pub(super) until: WallTime,
    pub(super) total_cap: Option<MicroUsd>,
}

impl Promotion {
    pub(super) fn is_on(&self, now: WallTime) -> bool {
        self.from <= now && now < self.until
    }
}
