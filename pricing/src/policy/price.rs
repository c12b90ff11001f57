//! From a cost and the terms to a price, line by line, in whole micro-dollars.
//!
//! Surcharge, premium and margin are shares of the cost, each rounded up; the discount is a share of
//! their sum with the cost, rounded down. Then the bounds: a price below the floor or, unless the
//! terms allow it, below the cost is raised, one above the ceiling is lowered, and the line
//! `adjustment` says by how much and why. A ceiling below the cost is no price at all.

use serde::Serialize;
use tandem_model::money::MicroUsd;

use super::terms::Terms;

/// Ten thousand basis points are the whole.
const BASIS_POINTS: i64 = 10_000;

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

/// A share in basis points, rounded up or down; the amount is positive. Whole parts of ten thousand
/// and the rest are taken apart, so that nothing overflows and no wide division is needed.
fn share(amount: i64, basis_points: u32, up: bool) -> i128 {
    let basis_points = i64::from(basis_points);
    let whole = i128::from(amount / BASIS_POINTS) * i128::from(basis_points);
    let rest = amount % BASIS_POINTS * basis_points;
    whole + i128::from((rest + if up { BASIS_POINTS - 1 } else { 0 }) / BASIS_POINTS)
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
    if let (Some(floor), Some(ceiling)) = (terms.floor, terms.ceiling)
        && floor > ceiling
    {
        return Err(NotSold::FloorAboveCeiling { floor, ceiling });
    }
    if let Some(ceiling) = terms.ceiling
        && ceiling < cost
        && !terms.may_go_below_cost
    {
        return Err(NotSold::CeilingBelowCost { ceiling, cost });
    }
    let part = |basis_points| share(cost.get(), basis_points, true);
    let surge = part(terms.surge_basis_points);
    let rate_risk = part(terms.rate_risk_basis_points);
    let margin = part(terms.margin_basis_points);
    let listed = amount(i128::from(cost.get()) + surge + rate_risk + margin)?;
    let discount = share(listed.get(), terms.discount_basis_points, false);
    let listed = i128::from(listed.get());
    let (bounded, adjusted_to) = bound(listed - discount, cost, terms);
    Ok(Priced {
        cost,
        surge: amount(surge)?,
        rate_risk: amount(rate_risk)?,
        margin: amount(margin)?,
        discount: amount(-discount)?,
        adjustment: amount(bounded - (listed - discount))?,
        adjusted_to,
        price: amount(bounded)?,
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
