//! From an offer to what it costs us, and from there, by the policy, to what the customer pays.

use tandem_model::id::QuoteId;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::offer::Offer;
use tandem_model::quote::{Quote, QuoteLine};
use tandem_model::workload::{Tier, Workload, WorkloadClass};

use super::{Fit, Pricing, Refusal};
use crate::policy::{Priced, Subject, Terms, price};

/// Highest price per GPU-hour that is believed: 1,000 dollars.
pub const PRICE_MAX: RatePerGpuHour = RatePerGpuHour::new(MicroUsd::from_cents(100_000));

/// Ten thousand basis points are the whole.
const BASIS_POINTS: i64 = 10_000;

const HOUR_SECONDS: u64 = 3_600;

/// Whether a network's price can be believed.
pub(super) fn is_sane(price: RatePerGpuHour) -> bool {
    price.price() > MicroUsd::ZERO && price <= PRICE_MAX
}

/// What the network keeps of a payment, per GPU-hour, rounded up; the price is positive.
fn network_fee(offer: &Offer) -> Option<MicroUsd> {
    let product = offer
        .price
        .price()
        .get()
        .checked_mul(i64::from(offer.fee_basis_points))?;
    Some(MicroUsd::new(
        product.checked_add(BASIS_POINTS - 1)? / BASIS_POINTS,
    ))
}

/// What an offer costs us per GPU-hour: its price and the network's fee, rounded up. None when its
/// price cannot be believed.
pub fn cost_of(offer: &Offer) -> Option<MicroUsd> {
    let cost = offer.price.price().plus(network_fee(offer)?).ok()?;
    is_sane(offer.price).then_some(cost)
}

/// The offer as we would pay for it; none when an amount leaves its range.
pub(super) fn fit(offer: &Offer, gpus: u32) -> Option<Fit<'_>> {
    let cost = cost_of(offer)?;
    Some(Fit {
        offer,
        cost: RatePerGpuHour::new(cost),
        gpus,
        hour_micro_usd: of_all(cost, gpus)?,
    })
}

fn of_all(rate: MicroUsd, gpus: u32) -> Option<MicroUsd> {
    rate.get().checked_mul(i64::from(gpus)).map(MicroUsd::new)
}

/// What is sold to whom: what the policy is asked about an offer.
pub(super) struct Sale<'a> {
    pub(super) tier: Tier,
    pub(super) class: WorkloadClass,
    pub(super) workload: &'a Workload,
    pub(super) pricing: &'a Pricing<'a>,
}

/// An offer with what the customer pays for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sold<'a> {
    pub(super) fit: Fit<'a>,
    pub(super) rate: RatePerGpuHour,
    pub(super) hour_micro_usd: MicroUsd,
}

impl Sale<'_> {
    /// What the policy's rules are matched against.
    pub(super) fn subject<'b>(&'b self, fit: &Fit<'b>) -> Subject<'b> {
        let offer = fit.offer;
        let term_seconds = self
            .workload
            .limits
            .max_duration_seconds
            .unwrap_or(self.pricing.policy.defaults().term_seconds);
        Subject {
            class: self.class,
            tier: self.tier,
            grade: offer.grade,
            account: self.pricing.account,
            gpu: offer.gpu,
            network: &offer.network,
            country: offer.country,
            gpu_hours: (u64::from(fit.gpus) * u64::from(term_seconds)).div_ceil(HOUR_SECONDS),
            term_seconds,
            utilisation_permille: (self.pricing.utilisation)(&offer.network, offer.gpu),
        }
    }

    fn priced(&self, fit: &Fit<'_>) -> Option<(Terms, Priced)> {
        let pricing = self.pricing;
        let terms = pricing.policy.terms(&self.subject(fit), pricing.now);
        Some((terms, price(fit.cost.price(), &terms).ok()?))
    }

    /// The offer as the customer would pay for it, or why that cannot be.
    pub(super) fn sell<'b>(&self, fit: Fit<'b>) -> Result<Sold<'b>, Refusal> {
        let (_, priced) = self.priced(&fit).ok_or(Refusal::NotSold)?;
        let limit = self.workload.limits.max_price_micro_usd;
        if limit.is_some_and(|limit| priced.price > limit) {
            return Err(Refusal::AbovePriceLimit);
        }
        Ok(Sold {
            fit,
            rate: RatePerGpuHour::new(priced.price),
            hour_micro_usd: of_all(priced.price, fit.gpus).ok_or(Refusal::NotSold)?,
        })
    }

    /// The firm price of an offer; none when an amount leaves its range.
    pub(super) fn quote_on(
        &self,
        best: &Fit<'_>,
        fresh_id: &mut impl FnMut() -> QuoteId,
    ) -> Option<Quote> {
        let (terms, priced) = self.priced(best)?;
        let rate = RatePerGpuHour::new(priced.price);
        let gpu_microseconds = u64::from(best.gpus) * u64::from(terms.term_seconds) * 1_000_000;
        let valid = std::time::Duration::from_secs(u64::from(terms.valid_seconds));
        Some(Quote {
            id: fresh_id(),
            tier: self.tier,
            offer: best.offer.id.clone(),
            rate,
            gpus: best.gpus,
            term_seconds: terms.term_seconds,
            replacement_rate_max: self.replacement_rate_max(rate)?,
            not_to_exceed: rate.charge_for(gpu_microseconds).ok()?,
            lines: lines(best.offer, &priced)?,
            expires_at: self.pricing.now.after(valid),
        })
    }

    fn replacement_rate_max(&self, rate: RatePerGpuHour) -> Option<RatePerGpuHour> {
        let share = self
            .pricing
            .policy
            .defaults()
            .replacement_rate_max_basis_points;
        let most = i128::from(rate.price().get()) * i128::from(share) / i128::from(BASIS_POINTS);
        let most = i64::try_from(most).ok()?;
        Some(RatePerGpuHour::new(MicroUsd::new(most)))
    }
}

/// The cost by what it is paid for, and every other line of the price that is not zero.
fn lines(offer: &Offer, priced: &Priced) -> Option<Vec<QuoteLine>> {
    let [(_, _), rest @ ..] = priced.lines();
    let cost = [
        ("compute", offer.price.price()),
        ("network_fee", network_fee(offer)?),
    ];
    let rest = rest
        .into_iter()
        .filter(|(_, amount)| *amount != MicroUsd::ZERO);
    let line = |(kind, amount): (&str, MicroUsd)| QuoteLine {
        kind: kind.to_owned(),
        micro_usd_per_gpu_hour: amount,
    };
    Some(cost.into_iter().chain(rest).map(line).collect())
}
