//! Quotes on small markets, and against brute force on random ones.

use std::sync::LazyLock;

use proptest::prelude::*;
use tandem_model::error::ErrorCode;
use tandem_model::gpu::GpuModel;
use tandem_model::id::QuoteId;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, OfferId};
use tandem_model::time::WorldTime;
use tandem_model::workload::{DataClass, Tier};

use super::*;
use crate::book::{Book, Hit};
use crate::classify::{Classification, classify};
use crate::cost::Step;
use crate::files;
use crate::jurisdiction::{Digester, Rules};
use crate::policy::Exhausted;

mod assured;
mod outlook;
mod places;
mod probed;
mod renewal;
mod under_a_policy;

fn offer(key: &str, gpu: &str, cents: i32) -> Offer {
    Offer {
        id: OfferId(format!("ionet/caas/{key}")),
        network: NetworkId::from_static("ionet"),
        product: "caas".into(),
        locator: key.into(),
        gpu: GpuModel::by_id(gpu).unwrap(),
        grade: Grade::Consumer,
        gpus_per_node: 8,
        divisible: true,
        nodes_available: 4,
        country: Country::parse("DE").unwrap(),
        price: RatePerGpuHour::new(MicroUsd::from_cents(cents)),
        fee_basis_points: 250,
        node_link: NodeLink::Pcie,
        fabric: Fabric::Public,
        observed_at: WorldTime::default(),
    }
}

fn datacenter(key: &str, gpu: &str, cents: i32) -> Offer {
    Offer {
        grade: Grade::Datacenter,
        ..offer(key, gpu, cents)
    }
}

fn report_of(text: &str, offers: &[Offer]) -> QuoteReport {
    let document = files::read(text).unwrap_or_else(|e| panic!("{e}"));
    let classification = classify(&document);
    report(&document.workload.unwrap(), &classification, offers)
}

fn report(w: &Workload, classification: &Classification, offers: &[Offer]) -> QuoteReport {
    let policy = Policy::standard();
    let book = Book::build(offers).unwrap();
    let places = DIGESTER.digest(None, w.limits.data);
    let supply = supply(&book, &Usage::default());
    let pricing = Pricing {
        places: &places,
        ..under(&policy, &supply)
    };
    Desk::new(w, classification, &book, pricing).quote(fresh())
}

static DIGESTER: LazyLock<Digester> = LazyLock::new(|| Digester::of(Rules::default()));

/// What the careful rules leave for a customer of no known country and his own data.
static ANYWHERE: LazyLock<Digest> = LazyLock::new(|| DIGESTER.digest(None, DataClass::Internal));

fn fresh() -> impl FnMut() -> QuoteId {
    let mut count = 0u8;
    move || {
        count += 1;
        QuoteId::from_parts(1_000, &[count; 10])
    }
}

fn supply(book: &Book, usage: &Usage) -> Supply {
    Supply::of(book, &[], usage.clone())
}

fn under<'a>(policy: &'a Policy, supply: &'a Supply) -> Pricing<'a> {
    Pricing {
        policy,
        policy_version: 7,
        exhausted: Exhausted::NONE,
        account: None,
        supply,
        tax_country: None,
        token_rates: &[],
        places: &ANYWHERE,
        can_start: &|_, product| product != "broken",
        age_max: None,
        now: WallTime::from_micros(5),
        world_now: WorldTime::default(),
    }
}

fn tier(report: &QuoteReport, tier: Tier) -> &TierReport {
    report.tiers.iter().find(|t| t.tier == tier).unwrap()
}

const JOB: &str = "tandem: 1\nname: a\nrun: ./x\nresources: {gpu: any, gpus_per_node: 1}\n";

#[test]
fn the_cheapest_fitting_offer_is_quoted_on_each_tier_with_lines_that_add_up() {
    let offers = [
        datacenter("h", "h100-sxm5-80gb", 250),
        offer("r", "rtx4090", 40),
        datacenter("a", "a100-sxm4-80gb", 150),
    ];
    let report = report_of(JOB, &offers);
    let consumer = tier(&report, Tier::Consumer).quote.clone().unwrap();
    assert_eq!(consumer.offer.0, "ionet/caas/r");
    assert_eq!(report.policy_version, 7);
    let kinds: Vec<_> = consumer
        .lines
        .iter()
        .map(|l| (&*l.kind, l.micro_usd_per_gpu_hour.get()))
        .collect();
    // A day that starts again after a failure, one in 720 hours: 2 x 719.94 h over
    // (2 x 719.94 h - 24 h - 2 x 300 s) = 1.017071; a minute of probes for each of 1.034 starts.
    assert_eq!(
        kinds,
        [
            ("compute", 400_000),
            ("network_fee", 10_000),
            ("failure_risk", 6_999),
            ("prepayment_risk", 295),
            ("rate_risk", 4_173),
            ("margin", 50_076)
        ]
    );
    assert_eq!(consumer.rate.price().get(), 471_543);
    assert_eq!(consumer.replacement_rate_max.price().get(), 707_314);
    assert_eq!(consumer.not_to_exceed.get(), 471_543 * 24);
    assert_eq!(consumer.expires_at, WallTime::from_micros(120_000_005));
    let enterprise = tier(&report, Tier::Enterprise);
    assert_eq!(enterprise.quote.clone().unwrap().offer.0, "ionet/caas/a");
    assert_eq!(enterprise.refused[&Refusal::BelowTier], 1);
}

#[test]
fn zero_negative_and_absurd_prices_are_never_quoted() {
    let offers = [
        offer("zero", "rtx4090", 0),
        offer("minus", "rtx4090", -5),
        offer("absurd", "rtx4090", 100_001),
    ];
    let report = report_of(JOB, &offers);
    let consumer = tier(&report, Tier::Consumer);
    assert_eq!(consumer.quote, None);
    assert_eq!(consumer.refused[&Refusal::PriceInvalid], 3);
    let told = consumer.no_quote.clone().unwrap();
    assert_eq!(told.code, Some(ErrorCode::NO_OFFER_FITS));
    let why = ": 3 without a price that can be believed";
    assert!(told.text.ends_with(why), "{}", told.text);
    let nothing = tier(&report_of(JOB, &[]), Tier::Consumer).no_quote.clone();
    assert!(nothing.unwrap().text.ends_with(": none is known now"));
}

#[test]
fn every_limit_of_the_customer_has_its_reason() {
    let a100 = datacenter("x", "a100-sxm4-80gb", 150);
    let gaming = offer("c", "rtx4090", 40);
    let price = "resources: {gpu: A100}\nlimits: {max_price_usd_per_gpu_hour: 1.50}";
    let linked = "resources: {gpu: A100, nodes: 2, fast_interconnect: true}";
    let cases = [
        ("resources: {gpu: H100}", &a100, Refusal::OtherGpu),
        (
            "resources: {gpu: A100, gpus_per_node: 16}",
            &a100,
            Refusal::TooFewGpus,
        ),
        (
            "resources: {gpu: A100, nodes: 5}",
            &a100,
            Refusal::TooFewNodes,
        ),
        (linked, &a100, Refusal::NoFastLink),
        (
            "resources: {gpu: A100}\nlimits: {countries_allowed: [FR]}",
            &a100,
            Refusal::CountryExcluded,
        ),
        (
            "resources: {gpu: A100}\nlimits: {countries_denied: [DE]}",
            &a100,
            Refusal::CountryExcluded,
        ),
        (price, &a100, Refusal::AbovePriceLimit),
        (
            "resources: {gpu: any}\nsecrets: [HF_TOKEN]",
            &gaming,
            Refusal::SecretsOnConsumer,
        ),
        (
            "resources: {gpu: RTX4090, nodes: 2}",
            &gaming,
            Refusal::NeedsDatacenter,
        ),
        (
            "env: {MODEL: a/m-70b}\nresources: {gpu: any}",
            &a100,
            Refusal::TooLittleVram,
        ),
    ];
    for (rest, offer, refusal) in cases {
        let text = format!("tandem: 1\nname: a\nrun: ./x\n{rest}\n");
        let report = report_of(&text, std::slice::from_ref(offer));
        let refused: Vec<_> = tier(&report, Tier::Consumer)
            .refused
            .keys()
            .copied()
            .collect();
        assert_eq!(refused, [refusal], "{rest}");
    }
}

#[test]
fn a_node_that_cannot_be_split_is_priced_whole_and_loses_to_a_cheaper_hour() {
    let whole = Offer {
        divisible: false,
        ..offer("whole", "rtx4090", 30)
    };
    let report = report_of(JOB, &[whole, offer("part", "rtx4090", 40)]);
    let consumer = tier(&report, Tier::Consumer);
    assert_eq!(consumer.quote.clone().unwrap().offer.0, "ionet/caas/part");
    assert_eq!((consumer.ranked[1].gpus, consumer.fitting), (8, 2));
}

#[test]
fn a_tier_that_is_asked_for_is_the_only_one_quoted() {
    let text = format!("{JOB}tier: enterprise\n");
    let report = report_of(&text, &[datacenter("a", "a100-sxm4-80gb", 150)]);
    let quoted: Vec<_> = report.quoted().map(|(q, _)| q.tier).collect();
    assert_eq!(quoted, [Tier::Enterprise]);
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let gpus: Vec<GpuModel> = GpuModel::all().collect();
    let first = (
        0u32..40,
        prop::sample::select(gpus),
        any::<bool>(),
        0u16..10,
        any::<bool>(),
    );
    let second = (
        0u32..4,
        prop::sample::select(vec!["DE", "US"]),
        -100_000i64..5_000_000,
        0u16..2_000,
        0u8..3,
    );
    (first, second).prop_map(
        |((key, gpu, dc, gpus, divisible), (nodes, country, price, fee, fabric))| Offer {
            id: OfferId(format!("n/p/{key}")),
            gpu,
            grade: if dc {
                Grade::Datacenter
            } else {
                Grade::Consumer
            },
            gpus_per_node: gpus,
            divisible,
            nodes_available: nodes,
            country: Country::parse(country).unwrap(),
            price: RatePerGpuHour::new(MicroUsd::new(price)),
            fee_basis_points: fee,
            fabric: [Fabric::Public, Fabric::Ethernet, Fabric::Rdma][usize::from(fabric)],
            ..offer("x", "rtx4090", 1)
        },
    )
}

/// Price of a useful hour of so many GPUs, and the rate.
fn hour(item: &firm::Itemised, waste: Step, gpus: u32) -> (i64, i64) {
    let (ratio, of) = match waste {
        Step::Scale {
            numerator,
            denominator,
        } => (i128::from(numerator), i128::from(denominator)),
        other => panic!("{other:?}"),
    };
    let rate = item.priced.price.get();
    let useful = (i128::from(rate) * ratio + of - 1) / of;
    (i64::try_from(useful).unwrap() * i64::from(gpus), rate)
}

/// Every offer that fits with its price, one by one, the cheapest useful hour first.
fn brute_force(
    (desk, found): (&Desk<'_>, &Classification),
    offers: &[Offer],
    wanted: Tier,
) -> Vec<(i64, i64)> {
    let list = desk.list(wanted, None);
    let ranking = plain::rank(wanted, desk.workload, found, offers, None);
    let priced = |fit: &plain::Fit<'_>| {
        let view = desk.book.find(&fit.offer.id).unwrap();
        let item = list.itemised(&view)?;
        let waste = list.cost(view.aisle()).unwrap().model.waste();
        Some(hour(&item, waste, fit.gpus))
    };
    let mut hours: Vec<_> = ranking.fitting.iter().filter_map(priced).collect();
    hours.sort_unstable();
    hours
}

/// Cost of the backstop per needed GPU-hour.
fn backstop_of(desk: &Desk<'_>) -> MicroUsd {
    let prices = desk.list(Tier::Enterprise, None);
    desk.search.backing(&prices).unwrap().0
}

/// A policy with bounds on the price, and a share of everything for the backstop.
fn bounded(floor: u32, ceiling: Option<u32>) -> Policy {
    let ceiling = ceiling.map_or(String::new(), |most| {
        format!(", ceiling_micro_usd_per_gpu_hour: {most}")
    });
    let text = format!(
        "tandem_policy: 1\nname: a\ndefaults: {{margin_basis_points: 1_000, rate_risk_basis_points: 100, \
         term_seconds: 86_400, valid_seconds: 60, assured_share_permille: 1_000, \
         replacement_rate_max_basis_points: 12_500}}\n\
         guard_rails: {{price_change_max_permille: 100, margin_min_basis_points: 0}}\nrules:\n\
         \x20 - {{id: a, priority: 1, set: {{floor_micro_usd_per_gpu_hour: {floor}{ceiling}}}}}\n"
    );
    Policy::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

proptest! {
    #[test]
    fn quotes_are_never_below_cost_their_lines_add_up_and_brute_force_agrees(
        offers in prop::collection::vec(any_offer(), 0..40),
        gpu in prop::sample::select(vec!["any", "any:24GB", "A100", "RTX4090", "[H100, A100]"]),
        gpus in 1u16..5,
        nodes in 1u16..3,
        run in prop::sample::select(vec!["./x", "torchrun train.py --model a/m-7b", "vllm serve a/m-13b"]),
        (floor, ceiling) in (1u32..3_000_000, prop::option::of(3_000_000u32..6_000_000)),
        probes in prop::collection::vec((0u64..40, 500u32..1_100, 0u64..10), 0..40),
    ) {
        let text = format!("tandem: 1\nname: a\nrun: {run}\nresources: {{gpu: {gpu}, gpus_per_node: {gpus}, nodes: {nodes}}}\nlimits: {{countries_denied: [US]}}\n");
        let document = files::read(&text).unwrap();
        let classification = classify(&document);
        let w = document.workload.unwrap();
        let mut named = std::collections::BTreeMap::new();
        named.extend(offers.into_iter().map(|o| (o.id.clone(), o)));
        let offers: Vec<Offer> = named.into_values().collect();
        let book = Book::build(&offers).unwrap();
        let policy = bounded(floor, ceiling);
        let usage = probed::usage_of(&offers, &probes);
        let supply = supply(&book, &usage);
        let desk = Desk::new(&w, &classification, &book, under(&policy, &supply));
        let forward = desk.quote(fresh());
        for tier in &forward.tiers {
            let refused: usize = tier.refused.values().sum();
            prop_assert_eq!(refused + tier.fitting, offers.len());
            if tier.tier == Tier::Assured {
                let Some(quote) = &tier.quote else { continue };
                let backstop = backstop_of(&desk);
                let best = &tier.ranked[0];
                let expected = assured::brute_force((&desk, &classification), &offers, backstop);
                let found = (best.useful_hour_micro_usd.get(), best.rate.price().get());
                prop_assert_eq!(Some(found), expected);
                prop_assert_eq!(quote.rate, best.rate);
                continue;
            }
            let hour = |hit: &Hit| (hit.useful_hour_micro_usd.get(), hit.rate.price().get());
            let hours: Vec<_> = tier.ranked.iter().map(hour).collect();
            let expected = brute_force((&desk, &classification), &offers, tier.tier);
            prop_assert_eq!(tier.fitting, expected.len());
            prop_assert_eq!(&hours, &expected[..expected.len().min(RANKED_MAX)]);
            let Some(quote) = &tier.quote else {
                let enterprise = brute_force((&desk, &classification), &offers, Tier::Enterprise);
                let is_dearer = enterprise.first().is_some_and(|best| best.0 < expected[0].0);
                prop_assert!(expected.is_empty() || (tier.tier == Tier::Consumer && is_dearer));
                continue
            };
            let sum: i64 = quote.lines.iter().map(|l| l.micro_usd_per_gpu_hour.get()).sum();
            prop_assert_eq!(sum, quote.rate.price().get());
            prop_assert_eq!(quote.rate, tier.ranked[0].rate);
            let item = desk.list(tier.tier, None).itemised(&book.view(tier.ranked[0].row)).unwrap();
            prop_assert!(quote.rate.price() >= item.priced.cost);
            prop_assert_eq!(quote.cost(), item.priced.cost);
        }
        let turned: Vec<_> = offers.iter().rev().cloned().collect();
        prop_assert_eq!(report(&w, &classification, &offers), report(&w, &classification, &turned));
    }
}
