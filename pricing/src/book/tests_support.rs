//! Offers for tests, and an oracle: the same answers from plain offers, one by one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;
use tandem_model::gpu::GpuModel;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::time::WorldTime;
use tandem_model::workload::Tier;

use super::*;
use crate::cost::{Curve, Step};

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const CARDS: [&str; 5] = [
    "rtx4090",
    "rtx5090",
    "l4",
    "a100-sxm4-80gb",
    "h100-sxm5-80gb",
];
pub(super) const COUNTRIES: [&str; 5] = ["CA", "CN", "DE", "FR", "US"];

pub(super) fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

pub(super) fn gpu(id: &str) -> GpuModel {
    GpuModel::by_id(id).unwrap()
}

pub(super) fn at(seconds: i64) -> WorldTime {
    WorldTime::from_micros(seconds * SECOND)
}

/// A divisible offer of four nodes with eight cards in Germany.
pub(super) fn offer(key: &str, card: &str, price: i64) -> Offer {
    Offer {
        id: OfferId(format!("ionet/caas/{key}")),
        network: NetworkId::from_static("ionet"),
        product: "caas".into(),
        locator: key.into(),
        gpu: gpu(card),
        grade: Grade::Consumer,
        gpus_per_node: 8,
        divisible: true,
        nodes_available: 4,
        country: country("DE"),
        price: RatePerGpuHour::new(MicroUsd::new(price)),
        fee_basis_points: 0,
        node_link: NodeLink::Pcie,
        fabric: Fabric::Public,
        observed_at: at(0),
    }
}

/// An ask that takes every offer with one card and one node.
pub(super) fn anything() -> Ask {
    Ask {
        tier: Tier::Consumer,
        gpus: GpuModel::all().collect(),
        vram_gb_min: None,
        consumer_fits: true,
        secrets_exposed: false,
        data_exposed: false,
        exact_nodes: false,
        gpus_per_node: 1,
        nodes: 1,
        fast_link: false,
        forbidden: Forbidden::default(),
        countries_allowed: None,
        countries_denied: CountrySet::EMPTY,
        near: None,
        priced_apart: CountrySet::EMPTY,
        work: None,
        age_max: None,
        price_limit: None,
    }
}

pub(super) fn as_it_is() -> AislePrice {
    sold(&[], &[], 1_000)
}

pub(super) fn sold(rate: &[Step], useful: &[Step], speed_permille: u32) -> AislePrice {
    AislePrice::Sold(Sale {
        rate: Curve::new(rate).unwrap(),
        useful: Curve::new(useful).unwrap(),
        speed_permille,
        price_max: None,
    })
}

/// The same, sold only up to a network price.
fn sold_up_to(price: AislePrice, price_max: Option<i64>) -> AislePrice {
    match price {
        AislePrice::Sold(sale) => AislePrice::Sold(Sale {
            price_max: price_max.map(MicroUsd::new),
            ..sale
        }),
        not => not,
    }
}

/// A price list: one entry chosen by what an aisle has in common.
#[derive(Debug, Clone)]
pub(super) struct Tariff(pub(super) Vec<AislePrice>);

impl Tariff {
    fn of(
        &self,
        network: &NetworkId,
        card: GpuModel,
        fee: u16,
        apart: Option<Country>,
    ) -> AislePrice {
        let apart = apart.map_or(0, |c| usize::from(crate::countries::code_of(c)) + 1);
        let card = GpuModel::all().position(|m| m == card).unwrap();
        let key = card + usize::from(fee) + network.as_str().len() + apart;
        self.0[key % self.0.len()]
    }

    pub(super) fn price(&self) -> impl Fn(&Aisle, Option<Country>) -> AislePrice {
        |aisle, apart| self.of(&aisle.network, aisle.gpu, aisle.fee_basis_points, apart)
    }
}

fn no(holds: bool, why: Refusal) -> Result<(), Refusal> {
    if holds { Err(why) } else { Ok(()) }
}

/// The first reason of card, machines and country.
fn misfit(o: &Offer, ask: &Ask) -> Result<(), Refusal> {
    let price = o.price.price().get();
    let nodes = u32::from(ask.nodes.max(1));
    let datacenter = o.grade == Grade::Datacenter;
    let vram = u32::from(o.gpu.facts().vram_gb);
    no(price <= 0 || price > 1_000_000_000, Refusal::PriceInvalid)?;
    let good = datacenter && o.gpu.is_a100_or_better();
    no(ask.tier == Tier::Enterprise && !good, Refusal::BelowTier)?;
    no(!ask.gpus.contains(o.gpu), Refusal::OtherGpu)?;
    no(
        ask.vram_gb_min.is_some_and(|v| v > vram),
        Refusal::TooLittleVram,
    )?;
    no(!datacenter && !ask.consumer_fits, Refusal::NeedsDatacenter)?;
    no(
        !datacenter && ask.secrets_exposed,
        Refusal::SecretsOnConsumer,
    )?;
    no(!datacenter && ask.data_exposed, Refusal::DataOnConsumer)?;
    let few = o.gpus_per_node == 0 || o.gpus_per_node < ask.gpus_per_node;
    no(few, Refusal::TooFewGpus)?;
    let more = !o.divisible && o.gpus_per_node > ask.gpus_per_node.max(1);
    no(ask.exact_nodes && more, Refusal::WholeNodesOnly)?;
    no(o.nodes_available < nodes, Refusal::TooFewNodes)?;
    let slow = nodes > 1 && ask.fast_link && o.fabric != Fabric::Rdma;
    no(slow, Refusal::NoFastLink)?;
    let forbidden = ask.forbidden.of(o.gpu.export_class());
    no(forbidden.contains(o.country), Refusal::Jurisdiction)?;
    no(ask.excludes(o.country), Refusal::CountryExcluded)?;
    let far = ask.near.is_some_and(|near| !near.contains(o.country));
    no(far, Refusal::TooFar)
}

/// What becomes of one offer: price of a useful hour, rate and GPUs, or the first reason.
pub(super) fn verdict(
    o: &Offer,
    ask: &Ask,
    tariff: &Tariff,
    now: WorldTime,
) -> Result<(i128, i128, u32), Refusal> {
    misfit(o, ask)?;
    let price = o.price.price().get();
    let apart = Some(o.country).filter(|c| ask.priced_apart.contains(*c));
    let sale = match tariff.of(&o.network, o.gpu, o.fee_basis_points, apart) {
        AislePrice::Sold(sale) => sale,
        AislePrice::NotSold(why) => return Err(why),
    };
    let speed = i128::from(sale.speed_permille);
    let seconds = |w: &Work| (i128::from(w.useful_seconds) * 1_000 + speed - 1).checked_div(speed);
    if let Some((work, most)) = ask.work.and_then(|w| Some((w, w.seconds_max?))) {
        let is_too_late = seconds(&work).is_none_or(|seconds| seconds > i128::from(most));
        no(is_too_late, Refusal::TooLate)?;
    }
    let stale = ask
        .age_max
        .is_some_and(|age| now.since(o.observed_at) > age);
    no(stale, Refusal::Stale)?;
    let whole = if o.divisible {
        ask.gpus_per_node.max(1)
    } else {
        o.gpus_per_node
    };
    let gpus = u32::from(whole) * u32::from(ask.nodes.max(1));
    let rate = sale.rate.apply(price).ok_or(Refusal::PriceInvalid)?;
    let useful = sale.useful.apply(rate).ok_or(Refusal::PriceInvalid)?;
    let (rate, useful) = (i128::from(rate), i128::from(useful));
    let most = rate.max(useful) * i128::from(gpus);
    no(most > i128::from(i64::MAX), Refusal::PriceInvalid)?;
    let limit = ask.price_limit.map(|l| i128::from(l.get()));
    no(limit.is_some_and(|l| rate > l), Refusal::AbovePriceLimit)?;
    let unsold = sale.price_max.is_some_and(|most| price > most.get());
    no(unsold, Refusal::AbovePriceLimit)?;
    if let Some((work, budget)) = ask.work.and_then(|w| Some((w, w.budget?))) {
        let cost = seconds(&work).map(|s| rate * i128::from(gpus) * s);
        let dear = cost.is_none_or(|cost| cost > i128::from(budget.get()) * 3_600);
        no(dear, Refusal::AboveBudget)?;
    }
    Ok((useful * i128::from(gpus), rate, gpus))
}

/// An offer that fits: price of a useful hour, rate, id, GPUs.
pub(super) type Fitting = (i128, i128, OfferId, u32);

/// Every offer that fits, best first, and the counts of the others, one offer at a time.
pub(super) fn oracle(
    offers: &[Offer],
    ask: &Ask,
    tariff: &Tariff,
    now: WorldTime,
) -> (Vec<Fitting>, BTreeMap<Refusal, usize>) {
    let mut fitting = Vec::new();
    let mut refused = BTreeMap::new();
    for o in offers {
        match verdict(o, ask, tariff, now) {
            Ok((hour, rate, gpus)) => fitting.push((hour, rate, o.id.clone(), gpus)),
            Err(why) => *refused.entry(why).or_default() += 1,
        }
    }
    fitting.sort();
    (fitting, refused)
}

/// The book's ranking in the oracle's form.
pub(super) fn ranked(book: &Book, ask: &Ask, tariff: &Tariff, now: WorldTime) -> Vec<Fitting> {
    let all: Vec<Hit> = book.rank(ask, tariff.price(), now).collect();
    let free_of = |hit: &Hit| {
        let view = book.view(hit.row);
        u64::from(view.shelf().gpus_per_node) * u64::from(view.nodes_available())
    };
    let free: u64 = all.iter().map(free_of).sum();
    for taken in [0, 1, 4] {
        let mut ranking = book.rank(ask, tariff.price(), now);
        ranking.by_ref().take(taken).for_each(drop);
        assert_eq!(
            ranking.free_gpus(u64::MAX),
            free,
            "after {taken} were taken"
        );
    }
    let half = book.rank(ask, tariff.price(), now).free_gpus(free / 2);
    assert!((free / 2..=free).contains(&half), "{half} of {free}");
    let hits = all.into_iter();
    hits.map(|hit| {
        let rate = hit.rate.price().get();
        assert_eq!(hit.hour_micro_usd.get(), rate * i64::from(hit.gpus));
        let useful = i128::from(hit.useful_hour_micro_usd.get());
        (useful, i128::from(rate), book.view(hit.row).id(), hit.gpus)
    })
    .collect()
}

/// Of every id the offer that stays; only for offers whose observations of an id differ.
pub(super) fn latest(offers: &[Offer]) -> Vec<Offer> {
    let mut kept: BTreeMap<OfferId, Offer> = BTreeMap::new();
    for o in offers {
        let older = kept
            .get(&o.id)
            .is_none_or(|k| k.observed_at.cmp(&o.observed_at) != Ordering::Greater);
        if older {
            kept.insert(o.id.clone(), o.clone());
        }
    }
    kept.into_values().collect()
}

pub(super) fn any_offer() -> impl Strategy<Value = Offer> {
    let price = prop_oneof![
        8 => (1i64..8).prop_map(|p| p * 250_000),
        4 => 1i64..3_000_000,
        1 => prop::sample::select(vec![0, -5, 1_000_000_000, 1_000_000_001, i64::MAX, i64::MIN]),
    ];
    let nodes = prop::sample::select(vec![0u32, 1, 1, 2, 3, 4, 5, 16, 17, 64, 100, u32::MAX]);
    let first = (
        0u32..1_000,
        prop::sample::select(CARDS.to_vec()),
        any::<bool>(),
        0u16..10,
    );
    let second = (
        any::<bool>(),
        nodes,
        prop::sample::select(COUNTRIES.to_vec()),
        price,
    );
    let third = (
        any::<bool>(),
        any::<bool>(),
        0usize..3,
        0u16..2,
        0i64..20,
        any::<bool>(),
    );
    (first, second, third).prop_map(
        |((key, card, dc, gpus), (split, nodes, place, price), rest)| {
            let (aethir, vm, fabric, fee, observed, own_id) = rest;
            let network = if aethir { "aethir" } else { "ionet" };
            let product = if vm { "vm" } else { "caas" };
            let id = match own_id {
                true => format!("own-{key}"),
                false => format!("{network}/{product}/{key}"),
            };
            Offer {
                id: OfferId(id),
                network: NetworkId::from_static(network),
                product: product.into(),
                grade: if dc {
                    Grade::Datacenter
                } else {
                    Grade::Consumer
                },
                gpus_per_node: gpus,
                divisible: split,
                nodes_available: nodes,
                country: country(place),
                price: RatePerGpuHour::new(MicroUsd::new(price)),
                fee_basis_points: fee,
                fabric: [Fabric::Public, Fabric::Ethernet, Fabric::Rdma][fabric],
                observed_at: at(observed),
                ..offer(&key.to_string(), card, 1)
            }
        },
    )
}

fn any_curve() -> impl Strategy<Value = Vec<Step>> {
    let scale = |numerator, denominator| Step::Scale {
        numerator,
        denominator,
    };
    prop::sample::select(vec![
        vec![],
        vec![scale(11, 10), scale(112, 100)],
        vec![scale(1_000, 1_700)],
        vec![scale(1, 1_000_000)],
        vec![Step::AtLeast(700_000)],
        vec![scale(3, 2), Step::Add(40), Step::AtMost(1_500_000)],
        vec![scale(4_000_000_000_000, 1)],
        vec![Step::Add(u64::try_from(i64::MAX / 20).unwrap())],
    ])
}

pub(super) fn any_tariff() -> impl Strategy<Value = Tariff> {
    let sale = (
        any_curve(),
        any_curve(),
        prop::sample::select(vec![0u32, 400, 1_000, 1_300]),
    );
    let why = vec![
        Refusal::CannotStart,
        Refusal::NotSold,
        Refusal::Jurisdiction,
    ];
    let price = prop_oneof![
        5 => (sale, prop::option::weighted(0.3, 0i64..4_000_000)).prop_map(|((rate, useful, speed), most)| {
            sold_up_to(sold(&rate, &useful, speed), most)
        }),
        1 => prop::sample::select(why).prop_map(AislePrice::NotSold),
    ];
    prop::collection::vec(price, 1..5).prop_map(Tariff)
}
