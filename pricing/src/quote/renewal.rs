//! What another term costs work that runs already, and whether it goes on at a rate that was agreed.

use tandem_model::id::QuoteId;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::offer::Offer;
use tandem_model::workload::Tier;

use super::desk::Desk;
use crate::book::Aisle;
use crate::policy::{Policy, price};

/// Ten thousand basis points are the whole.
const BASIS_POINTS: i128 = 10_000;

/// What a GPU-hour of another term costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermPrice {
    /// By the policy.
    pub rate: RatePerGpuHour,
    /// To us.
    pub cost: MicroUsd,
    /// The dearest rate at which a replacement may cost us.
    pub replacement_rate_max: RatePerGpuHour,
}

/// What the work would cost is beyond what the customer agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it would cost {price} a GPU-hour, and {most} was agreed to")]
pub struct TooDear {
    /// The price by the policy.
    pub price: MicroUsd,
    /// The most that the customer pays.
    pub most: MicroUsd,
}

/// The rate of the next term: the price, lowered to `most`, to which the customer agreed with his
/// quote.
///
/// # Errors
/// It would be lowered to less than the policy's smallest margin on cost.
pub fn renewed(
    policy: &Policy,
    most: RatePerGpuHour,
    now: &TermPrice,
) -> Result<RatePerGpuHour, TooDear> {
    if now.rate <= most {
        return Ok(now.rate);
    }
    if i128::from(most.price().get()) * BASIS_POINTS < least(policy, now.cost) {
        let (price, most) = (now.rate.price(), most.price());
        return Err(TooDear { price, most });
    }
    Ok(most)
}

/// Cost and the policy's smallest margin on it, in hundredths of a percent of a micro-dollar.
fn least(policy: &Policy, cost: MicroUsd) -> i128 {
    let margin = i128::from(policy.guard_rails().margin_min_basis_points);
    i128::from(cost.get()) * (BASIS_POINTS + margin)
}

impl Desk<'_> {
    /// What a GPU-hour of a machine costs that is rented already, at what its network asks for it now;
    /// on `assured`, what that tier costs anew, for its price holds wherever the work runs. None where
    /// nothing says: no such machine is on the market, or the tier is not sold.
    pub fn term_price(&self, tier: Tier, held: &Offer) -> Option<TermPrice> {
        if tier == Tier::Assured {
            return self.assured_anew();
        }
        let is_alike = |aisle: &&Aisle| {
            let same_product = aisle.network == held.network && *aisle.product == *held.product;
            same_product && aisle.gpu == held.gpu && aisle.grade == held.grade
        };
        let listed = self.book.find(&held.id);
        let listed = listed.filter(|view| is_alike(&view.aisle()));
        let (aisle, asked) = match &listed {
            Some(view) => (view.aisle(), view.price()),
            None => (self.book.aisles().iter().find(is_alike)?, held.price),
        };
        let prices = self.list(tier, None);
        let cost = prices.cost_at_price(aisle, asked)?;
        // Where the policy would not sell it anew, no less than the smallest margin is asked.
        let rate = match price(cost, &prices.terms(aisle, held.country)) {
            Ok(priced) => priced.price,
            Err(_) => {
                let least = least(self.pricing.policy, cost);
                MicroUsd::new(i64::try_from((least + BASIS_POINTS - 1) / BASIS_POINTS).ok()?)
            }
        };
        let rate = RatePerGpuHour::new(rate);
        Some(TermPrice {
            rate,
            cost,
            replacement_rate_max: self.replacement_rate_max(rate, None)?,
        })
    }

    fn assured_anew(&self) -> Option<TermPrice> {
        let report = self.quote(|| QuoteId::from_parts(0, &[0; 10]));
        let mut tiers = report.tiers.into_iter();
        let assured = tiers.find(|found| found.tier == Tier::Assured)?;
        let quote = assured.quote?;
        Some(TermPrice {
            rate: quote.rate,
            cost: quote.cost(),
            replacement_rate_max: quote.replacement_rate_max,
        })
    }
}
