//! Between what a policy's prices lie, before it is known which aisle is asked about: what lets a
//! search leave aisles unpriced that cannot have the next offer.

use tandem_model::id::AccountId;
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, WorkloadClass};

use super::price::{BASIS_POINTS, ratio_of};
use super::selector::Coordinates;
use super::{Exhausted, Policy};
use crate::cost::Step;

/// What of a subject is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buyer<'a> {
    pub(crate) class: WorkloadClass,
    pub(crate) tier: Tier,
    pub(crate) account: Option<&'a AccountId>,
    pub(crate) gpu_hours: u64,
    pub(crate) term_seconds: u32,
}

/// A step that no price of a buyer is below at any cost, and steps that none is above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PriceBounds {
    pub(crate) least: Step,
    pub(crate) most: [Step; 2],
}

/// The lowest and the highest of some numbers.
#[derive(Debug, Clone, Copy)]
struct Span {
    low: u32,
    high: u32,
}

impl Span {
    const fn of(one: u32) -> Self {
        Self {
            low: one,
            high: one,
        }
    }

    fn add(&mut self, other: Option<u32>) {
        if let Some(other) = other {
            self.low = self.low.min(other);
            self.high = self.high.max(other);
        }
    }
}

impl Policy {
    /// Bounds of every price of a buyer, whatever machine, place and utilisation; none where a
    /// ceiling may hold, because then some costs have no price.
    pub(crate) fn bounds(
        &self,
        buyer: &Buyer<'_>,
        now: WallTime,
        exhausted: Exhausted,
    ) -> Option<PriceBounds> {
        let at = Coordinates::of_buyer(buyer);
        let defaults = self.defaults();
        let mut margin = Span::of(defaults.margin_basis_points);
        let mut rate_risk = Span::of(defaults.rate_risk_basis_points);
        let mut surge = Span::of(0);
        let (mut floor_max, mut may_go_below_cost) = (0, false);
        for rule in self.rules.iter().filter(|r| r.selector.could_match(&at)) {
            let effects = &rule.effects;
            if effects.ceiling.is_some() {
                return None;
            }
            margin.add(effects.margin_basis_points);
            rate_risk.add(effects.rate_risk_basis_points);
            surge.add(effects.surge.as_ref().map(|surge| surge.most()));
            let floor = effects.floor.map_or(0, |floor| floor.get());
            floor_max = floor_max.max(u64::try_from(floor).unwrap_or(0));
            may_go_below_cost |= effects.allow_below_cost == Some(true);
        }
        let on = self.promotions_on(now, exhausted);
        let promotions = (0u32..).zip(&self.promotions);
        let promotions =
            promotions.filter(|(index, p)| on >> index & 1 == 1 && p.selector.could_match(&at));
        let discount = promotions.map(|(_, p)| p.discount_basis_points).max();
        let whole = BASIS_POINTS * BASIS_POINTS;
        let low = ratio_of(
            [surge.low, rate_risk.low, margin.low],
            discount.unwrap_or(0),
        );
        let high = ratio_of([surge.high, rate_risk.high, margin.high], 0);
        let low = if may_go_below_cost {
            low
        } else {
            low.max(whole)
        };
        let scale = |numerator: u64| Step::Scale {
            numerator: numerator.max(1),
            denominator: whole,
        };
        Some(PriceBounds {
            least: scale(low),
            most: [scale(high), Step::AtLeast(floor_max)],
        })
    }
}
