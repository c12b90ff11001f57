//! From a cost and the terms to a price, line by line, in whole micro-dollars.
//!
//! Surcharge, premium, margin and discount are taken one after the other; after each the total is
//! the cost times a ratio, rounded up, and the line is the difference of two totals: so lines add up
//! exactly, and the price is a plain curve of the cost ([`Slope`]), which an index over sorted costs
//! can invert. Then the bounds: a price below the floor or, unless the terms allow it, below the
//! cost is raised, one above the ceiling is lowered, and the line `adjustment` says by how much and
//! why. A ceiling below the cost is no price at all.

use serde::Serialize;
use tandem_model::money::MicroUsd;

use super::terms::Terms;
use crate::cost::Step;

/// Ten thousand basis points are the whole.
pub(super) const BASIS_POINTS: u64 = 10_000;

/// Why a price was moved after everything was added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// Raised to the floor.
    Floor,
    /// Lowered to the ceiling.
    Ceiling,
    /// Raised to the cost: the discount was larger than what lies above the cost.
    Cost,
}

/// A price per GPU-hour and its lines, which add up to it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Priced {
    /// What it costs us.
    pub cost: MicroUsd,
    /// Surcharge for utilisation.
    pub surge: MicroUsd,
    /// Premium for the movement of token rates.
    pub rate_risk: MicroUsd,
    /// Margin.
    pub margin: MicroUsd,
    /// Discount; never positive.
    pub discount: MicroUsd,
    /// What the bounds moved the price by; negative when it was lowered.
    pub adjustment: MicroUsd,
    /// Why it was moved.
    pub adjusted_to: Option<Adjustment>,
    /// The price per GPU-hour.
    pub price: MicroUsd,
}

impl Priced {
    /// The lines by name; their amounts add up to the price.
    pub const fn lines(&self) -> [(&'static str, MicroUsd); 6] {
        [
            ("cost", self.cost),
            ("surge", self.surge),
            ("rate_risk", self.rate_risk),
            ("margin", self.margin),
            ("discount", self.discount),
            ("adjustment", self.adjustment),
        ]
    }
}

/// Why something cannot be sold under a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum NotSold {
    /// There is no cost to start from.
    #[error("a cost of {cost} per GPU-hour is no cost")]
    CostNotPositive {
        /// The cost.
        cost: MicroUsd,
    },
    /// The ceiling lies below the cost and no rule allows that.
    #[error("the ceiling of {ceiling} per GPU-hour lies below the cost of {cost}")]
    CeilingBelowCost {
        /// The ceiling.
        ceiling: MicroUsd,
        /// The cost.
        cost: MicroUsd,
    },
    /// Floor and ceiling, of different rules, leave no price between them.
    #[error("the floor of {floor} per GPU-hour lies above the ceiling of {ceiling}")]
    FloorAboveCeiling {
        /// The floor.
        floor: MicroUsd,
        /// The ceiling.
        ceiling: MicroUsd,
    },
    /// An amount left its range.
    #[error("the price leaves the range of amounts")]
    OutOfRange,
}

/// Cost as a share of it in basis points, rounded up; the cost is positive.
fn total(cost: MicroUsd, numerator: u64, denominator: u64) -> i128 {
    let product = i128::from(cost.get()) * i128::from(numerator);
    (product + i128::from(denominator) - 1) / i128::from(denominator)
}

fn amount(value: i128) -> Result<MicroUsd, NotSold> {
    let value = i64::try_from(value).map_err(|_| NotSold::OutOfRange)?;
    Ok(MicroUsd::new(value))
}

/// The price per GPU-hour of something that costs `cost` per GPU-hour.
///
/// The price is positive, and not below the cost unless the terms allow it. Fails when there is no
/// such price, with the reason; nothing is moved in silence.
pub fn price(cost: MicroUsd, terms: &Terms) -> Result<Priced, NotSold> {
    if cost <= MicroUsd::ZERO {
        return Err(NotSold::CostNotPositive { cost });
    }
    crossed(terms)?;
    if let Some(ceiling) = terms.ceiling
        && ceiling < cost
        && !terms.may_go_below_cost
    {
        return Err(NotSold::CeilingBelowCost { ceiling, cost });
    }
    let surge = BASIS_POINTS + u64::from(terms.surge_basis_points);
    let rate_risk = surge + u64::from(terms.rate_risk_basis_points);
    let margin = rate_risk + u64::from(terms.margin_basis_points);
    let after = |ratio| total(cost, ratio, BASIS_POINTS);
    let listed = after(margin);
    let (numerator, denominator) = discounted(terms);
    let discounted = total(cost, numerator, denominator);
    let (bounded, adjusted_to) = bound(discounted, cost, terms);
    Ok(Priced {
        cost,
        surge: amount(after(surge) - i128::from(cost.get()))?,
        rate_risk: amount(after(rate_risk) - after(surge))?,
        margin: amount(listed - after(rate_risk))?,
        discount: amount(discounted - listed)?,
        adjustment: amount(bounded - discounted)?,
        adjusted_to,
        price: amount(bounded)?,
    })
}

/// Price over cost after the discount, before the bounds.
fn discounted(terms: &Terms) -> (u64, u64) {
    let added = [
        terms.surge_basis_points,
        terms.rate_risk_basis_points,
        terms.margin_basis_points,
    ];
    let ratio = ratio_of(added, terms.discount_basis_points);
    (ratio, BASIS_POINTS * BASIS_POINTS)
}

/// What is added to the cost, less a discount, as a ratio over the square of [`BASIS_POINTS`].
pub(super) fn ratio_of(added: [u32; 3], discount_basis_points: u32) -> u64 {
    let listed = BASIS_POINTS + added.map(u64::from).iter().sum::<u64>();
    listed * BASIS_POINTS.saturating_sub(u64::from(discount_basis_points))
}

fn crossed(terms: &Terms) -> Result<(), NotSold> {
    match (terms.floor, terms.ceiling) {
        (Some(floor), Some(ceiling)) if floor > ceiling => {
            Err(NotSold::FloorAboveCeiling { floor, ceiling })
        }
        _ => Ok(()),
    }
}

/// A price as a function of the cost: what [`price`] does, in a form that can be inverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slope {
    /// The ratio with the discount, the floor and the ceiling; steps that do nothing add nothing.
    pub steps: [Step; 3],
    /// The highest cost at which there is a price; none when there is no such bound.
    pub cost_max: Option<MicroUsd>,
}

/// The price under terms as a function of the cost.
///
/// Fails when no cost has a price, with the reason.
pub fn slope(terms: &Terms) -> Result<Slope, NotSold> {
    crossed(terms)?;
    let (ratio, whole) = discounted(terms);
    let numerator = if terms.may_go_below_cost {
        ratio
    } else {
        ratio.max(whole)
    };
    let bound = |limit: Option<MicroUsd>| limit.and_then(|limit| u64::try_from(limit.get()).ok());
    let ceiling = bound(terms.ceiling);
    Ok(Slope {
        steps: [
            Step::Scale {
                numerator: numerator.max(1),
                denominator: whole,
            },
            Step::AtLeast(bound(terms.floor).unwrap_or(0)),
            ceiling.map_or(Step::Add(0), |ceiling| Step::AtMost(ceiling.max(1))),
        ],
        cost_max: terms.ceiling.filter(|_| !terms.may_go_below_cost),
    })
}

/// The price within its bounds, which leave room for one, and which of them moved it.
fn bound(price: i128, cost: MicroUsd, terms: &Terms) -> (i128, Option<Adjustment>) {
    let of = |bound: MicroUsd| i128::from(bound.get());
    let cost = of(cost);
    let floor = terms.floor.map_or(0, of);
    if let Some(ceiling) = terms.ceiling.map(of)
        && price > ceiling
    {
        return (ceiling, Some(Adjustment::Ceiling));
    }
    let at_cost = !terms.may_go_below_cost && cost > floor;
    match (if at_cost { cost } else { floor }, at_cost) {
        (low, _) if price >= low => (price, None),
        (low, true) => (low, Some(Adjustment::Cost)),
        (low, false) => (low, Some(Adjustment::Floor)),
    }
}
