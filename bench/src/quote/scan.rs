//! The comparison: a plain loop over all offers that filters and takes the cheapest hour.

use tandem_model::network::Grade;
use tandem_model::offer::{Fabric, Offer};
use tandem_model::time::WorldTime;
use tandem_pricing::book::{AislePrice, Ask, Book, Sale};
use tandem_pricing::cost::{Curve, Step};
use tandem_pricing::quote::{Refusal, cost_of, gpus_rented};

use super::asks::Asked;

/// A budget is compared with a price of an hour.
const HOUR_SECONDS: i128 = 3_600;

/// Ten thousand basis points are the whole.
const BASIS_POINTS: u64 = 10_000;

/// The lowest price of an hour of all GPUs, with the network's fee, in micro-dollars; none when
/// nothing fits. What the consumer tier sells, one offer after the other.
pub(super) fn cheapest_hour(
    offers: &[Offer],
    asked: &Asked,
    ask: &Ask,
    now: WorldTime,
) -> Option<i64> {
    let hour = |offer: &Offer| {
        let gpus = i64::from(gpus_rented(offer, &asked.workload)) * i64::from(ask.nodes.max(1));
        cost_of(offer).map(|cost| cost.get() * gpus)
    };
    let budget = ask.work.and_then(|work| Some((work, work.budget?)));
    let is_in_budget = |hour: &i64| {
        budget.is_none_or(|(work, most)| {
            let spent = i128::from(*hour) * i128::from(work.useful_seconds);
            spent <= i128::from(most.get()) * HOUR_SECONDS
        })
    };
    let fitting = offers.iter().filter(|offer| fits(offer, asked, ask, now));
    fitting.filter_map(hour).filter(is_in_budget).min()
}

/// Whether an offer fits; what decides quickly is asked first.
fn fits(offer: &Offer, asked: &Asked, ask: &Ask, now: WorldTime) -> bool {
    let age_max = ask.age_max.map_or(i64::MAX, |age| {
        i64::try_from(age.as_micros()).unwrap_or(i64::MAX)
    });
    let is_datacenter = offer.grade == Grade::Datacenter;
    let vram_gb = u32::from(offer.gpu.facts().vram_gb);
    let country = offer.country;
    offer.gpus_per_node >= ask.gpus_per_node.max(1)
        && offer.nodes_available >= u32::from(ask.nodes.max(1))
        && asked.workload.resources.gpu.accepts(offer.gpu)
        && ask.vram_gb_min.is_none_or(|least| vram_gb >= least)
        && (is_datacenter || ask.consumer_fits && !ask.secrets_exposed)
        && (ask.nodes <= 1 || !ask.fast_link || offer.fabric == Fabric::Rdma)
        && !ask.excludes(country)
        && ask.near.is_none_or(|near| near.contains(country))
        && !ask.forbidden.of(offer.gpu.export_class()).contains(country)
        && now.micros() - offer.observed_at.micros() <= age_max
        && asked.can_start(&offer.network, &offer.product)
}

/// The same from the book.
pub(super) fn from_book(book: &Book, asked: &Asked, ask: &Ask, now: WorldTime) -> Option<i64> {
    let price = |aisle: &tandem_pricing::book::Aisle, _| {
        if !asked.can_start(&aisle.network, &aisle.product) {
            return AislePrice::NotSold(Refusal::CannotStart);
        }
        AislePrice::Sold(with_fee(aisle.fee_basis_points))
    };
    let found = book.search(ask, price, now);
    found
        .best
        .first()
        .map(|hit| hit.useful_hour_micro_usd.get())
}

/// The network's price with its fee, and nothing else.
pub(super) fn with_fee(fee_basis_points: u16) -> Sale {
    let fee = Step::Scale {
        numerator: BASIS_POINTS + u64::from(fee_basis_points),
        denominator: BASIS_POINTS,
    };
    let rate = Curve::new(&[fee]).expect("a fee above the whole price is a step");
    Sale {
        rate,
        useful: Curve::SAME,
        speed_permille: 1_000,
        price_max: None,
    }
}
