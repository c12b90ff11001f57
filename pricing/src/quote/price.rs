//! From an offer's price to the customer's: cost, fee and margin, each rounded up.

use tandem_model::id::QuoteId;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::offer::Offer;
use tandem_model::quote::{Quote, QuoteLine};
use tandem_model::time::WallTime;
use tandem_model::workload::Tier;

use super::{Fit, Policy};

/// Highest price per GPU-hour that is believed: 1,000 dollars.
pub const PRICE_MAX: RatePerGpuHour = RatePerGpuHour::new(MicroUsd::from_cents(100_000));

/// Ten thousand basis points are the whole.
const BASIS_POINTS: i64 = 10_000;

/// Whether a network's price can be believed.
pub(super) fn is_sane(price: RatePerGpuHour) -> bool {
    price.price() > MicroUsd::ZERO && price <= PRICE_MAX
}

/// A share in basis points, rounded up; the amount is not negative.
fn share(amount: MicroUsd, basis_points: u32) -> Option<MicroUsd> {
    let product = amount.get().checked_mul(i64::from(basis_points))?;
    Some(MicroUsd::new(
        product.checked_add(BASIS_POINTS - 1)? / BASIS_POINTS,
    ))
}

/// Network price, network fee and margin per GPU-hour; none when an amount leaves its range.
fn parts(offer: &Offer, policy: &Policy) -> Option<[(&'static str, MicroUsd); 3]> {
    let compute = offer.price.price();
    let fee = share(compute, u32::from(offer.fee_basis_points))?;
    let margin = share(compute.plus(fee).ok()?, policy.margin_basis_points)?;
    Some([
        ("compute", compute),
        ("network_fee", fee),
        ("margin", margin),
    ])
}

/// The offer as the customer would pay for it.
pub(super) fn fit<'a>(offer: &'a Offer, gpus: u32, policy: &Policy) -> Option<Fit<'a>> {
    let mut rate = MicroUsd::ZERO;
    for (_, part) in parts(offer, policy)? {
        rate = rate.plus(part).ok()?;
    }
    let hour = rate.get().checked_mul(i64::from(gpus))?;
    Some(Fit {
        offer,
        rate: RatePerGpuHour::new(rate),
        gpus,
        hour_micro_usd: MicroUsd::new(hour),
    })
}

/// A quote on a candidate; none when an amount leaves its range.
pub(super) fn quote_on(
    best: &Fit<'_>,
    tier: Tier,
    policy: &Policy,
    expires_at: WallTime,
    fresh_id: &mut impl FnMut() -> QuoteId,
) -> Option<Quote> {
    let gpu_microseconds = u64::from(best.gpus) * u64::from(policy.term_seconds) * 1_000_000;
    let not_to_exceed = best.rate.charge_for(gpu_microseconds).ok()?;
    let lines = parts(best.offer, policy)?.map(|(kind, amount)| QuoteLine {
        kind: kind.to_owned(),
        micro_usd_per_gpu_hour: amount,
    });
    Some(Quote {
        id: fresh_id(),
        tier,
        offer: best.offer.id.clone(),
        rate: best.rate,
        gpus: best.gpus,
        term_seconds: policy.term_seconds,
        not_to_exceed,
        lines: lines.to_vec(),
        expires_at,
    })
}
