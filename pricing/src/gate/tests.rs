//! Tests of the gate: every defect, by offers that have it and neighbours that do not.

use std::time::Duration;

use proptest::prelude::*;
use tandem_model::network::{Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::time::WorldTime;

use super::*;

fn gpu(id: &str) -> GpuModel {
    GpuModel::by_id(id).unwrap()
}

/// A good offer: one RTX 4090 in Germany for 40 cents.
pub(super) fn good() -> Raw<'static> {
    Raw {
        card: Card::Known(gpu("rtx4090")),
        gpus: 1,
        price: MicroUsd::new(400_000),
        price_basis: Basis::Machine,
        price_habit: None,
        spot: false,
        on_demand: None,
        place: Place {
            text: "DE",
            country: Country::parse("DE"),
            city_missing: false,
        },
        age: Age::Past(Duration::from_secs(1)),
    }
}

/// `card:rate` of an offer that passed with the codes of its corrections, or the codes of all
/// that was found with the reason first.
pub(super) fn outcome(raw: &Raw<'_>, rules: &Rules) -> (String, Vec<&'static str>) {
    match admit(raw, rules) {
        Ok(a) => (
            format!("{}:{}", a.gpu.id(), a.rate.price().get()),
            a.corrections.iter().map(|f| f.code.code()).collect(),
        ),
        Err(r) => {
            let all = std::iter::once(&r.reason).chain(&r.others);
            let codes = all.map(|f| f.code.code()).collect();
            ("refused".into(), codes)
        }
    }
}

#[test]
fn an_offer_without_a_defect_passes_unchanged() {
    let found = outcome(&good(), &Rules::CATALOGUE);
    assert_eq!(found, ("rtx4090:400000".into(), vec![]));
}

#[test]
fn prices_of_nothing_and_below_are_refused_whatever_else_is_right() {
    for (price, spot, code) in [
        (0, false, "zero_price"),
        (0, true, "spot_price_zero"),
        (-1, false, "negative_price"),
        (-1, true, "negative_price"),
        (i64::MIN, false, "negative_price"),
    ] {
        let mut raw = good();
        raw.price = MicroUsd::new(price);
        raw.spot = spot;
        assert_eq!(
            outcome(&raw, &Rules::CATALOGUE),
            ("refused".into(), vec![code])
        );
    }
}

#[test]
fn errors_of_unit_are_named_and_never_guessed_away() {
    for (id, gpus, price, code) in [
        ("h100-sxm5-80gb", 1, 249_000_000, "price_in_cents"),
        ("h100-sxm5-80gb", 1, 24_900, "price_in_cents"),
        ("rtx4090", 1, 35_000_000, "price_in_cents"),
        ("h100-sxm5-80gb", 1, 2_490_000_000_000, "price_in_micro_usd"),
        ("h100-sxm5-80gb", 1, 2, "price_in_micro_usd"),
        ("h100-sxm5-80gb", 1, 1_817_700_000, "price_per_month"),
        ("rtx4090", 1, 255_500_000, "price_per_month"),
        ("h100-sxm5-80gb", 8, 15_926_400_000, "price_per_month"),
        ("rtx4090", 1, 7_000_000, "price_out_of_band"),
        ("h100-sxm5-80gb", 1, i64::MAX, "price_out_of_band"),
    ] {
        let mut raw = good();
        raw.card = Card::Known(gpu(id));
        raw.gpus = gpus;
        raw.price = MicroUsd::new(price);
        let found = outcome(&raw, &Rules::CATALOGUE);
        assert_eq!(found, ("refused".into(), vec![code]), "{id} {price}");
    }
}

#[test]
fn a_mix_up_of_machine_and_gpu_is_corrected_only_where_the_count_alone_explains_it() {
    let cases = [
        // Eight RTX 4090 for the price of one.
        (
            8,
            400_000,
            Basis::Machine,
            "rtx4090:400000",
            "price_per_gpu",
        ),
        // One GPU for the price of eight.
        (
            8,
            3_200_000,
            Basis::Gpu,
            "rtx4090:400000",
            "price_per_machine",
        ),
        // The count does not divide it.
        (8, 3_200_001, Basis::Gpu, "refused", "price_per_machine"),
        // A hundredth would fit as well as an eighth: nothing is guessed.
        (8, 13_000_000, Basis::Gpu, "refused", "price_per_machine"),
    ];
    for (gpus, price, basis, result, code) in cases {
        let mut raw = good();
        raw.gpus = gpus;
        raw.price = MicroUsd::new(price);
        raw.price_basis = basis;
        let found = outcome(&raw, &Rules::CATALOGUE);
        assert_eq!(found, (result.into(), vec![code]), "{price}");
        let live = outcome(&raw, &Rules::LIVE);
        assert_eq!(
            live,
            ("refused".into(), vec![code]),
            "{price} is not bought"
        );
    }
}

#[test]
fn a_share_of_a_machine_is_rounded_up_and_never_below_its_cost() {
    let mut raw = good();
    raw.gpus = 3;
    raw.price = MicroUsd::new(1_000_000);
    assert_eq!(outcome(&raw, &Rules::CATALOGUE).0, "rtx4090:333334");
}

#[test]
fn places_ages_and_counts_are_checked() {
    let check = |change: fn(&mut Raw<'_>)| {
        let mut raw = good();
        change(&mut raw);
        outcome(&raw, &Rules::CATALOGUE)
    };
    let week = |raw: &mut Raw<'_>| raw.age = Age::Past(Duration::from_secs(7 * 86_400 + 1));
    for (change, codes) in [
        (
            (|raw| raw.place.country = None) as fn(&mut Raw<'_>),
            vec!["missing_country"],
        ),
        (
            |raw| raw.place.country = Country::parse("ZZ"),
            vec!["missing_country"],
        ),
        (week, vec!["stale"]),
        (
            |raw| raw.age = Age::Future(Duration::from_secs(90_000)),
            vec!["stale"],
        ),
        (|raw| raw.gpus = 0, vec!["gpu_count_invalid"]),
        (
            |raw| {
                raw.spot = true;
                raw.on_demand = Some(MicroUsd::new(400_000));
            },
            vec!["spot_not_below_on_demand"],
        ),
    ] {
        assert_eq!(check(change), ("refused".into(), codes));
    }
    let city = check(|raw| raw.place.city_missing = true);
    assert_eq!(city, ("rtx4090:400000".into(), vec!["missing_city"]));
    let cheaper = check(|raw| {
        raw.spot = true;
        raw.on_demand = Some(MicroUsd::new(400_001));
    });
    assert_eq!(cheaper, ("rtx4090:400000".into(), vec![]));
}

#[test]
fn every_defect_of_one_offer_is_found_at_once() {
    let raw = Raw {
        card: Card::Named(Named {
            name: "RTX 9090",
            ..Named::default()
        }),
        gpus: 0,
        price: MicroUsd::ZERO,
        place: Place {
            text: "",
            country: None,
            city_missing: false,
        },
        age: Age::Past(Duration::MAX),
        ..good()
    };
    let (_, codes) = outcome(&raw, &Rules::LIVE);
    let wanted = [
        "gpu_count_invalid",
        "zero_price",
        "unknown_gpu",
        "missing_country",
        "stale",
    ];
    assert_eq!(codes, wanted);
}

fn offer(micro_usd: i64) -> Offer {
    Offer {
        id: OfferId(format!("ionet/{micro_usd}")),
        network: NetworkId::from_static("ionet"),
        product: "caas".into(),
        locator: "1".into(),
        gpu: gpu("rtx4090"),
        grade: Grade::Consumer,
        gpus_per_node: 8,
        divisible: true,
        nodes_available: 1,
        country: Country::parse("DE").unwrap(),
        price: RatePerGpuHour::new(MicroUsd::new(micro_usd)),
        fee_basis_points: 10,
        node_link: NodeLink::Pcie,
        fabric: Fabric::Public,
        observed_at: WorldTime::from_micros(1_000_000_000_000),
    }
}

#[test]
fn a_live_offer_passes_unchanged_or_not_at_all() {
    let now = WorldTime::from_micros(1_000_000_000_000);
    let late = now.after(Duration::from_secs(601));
    let early = WorldTime::from_micros(0);
    let mut dear_fee = offer(400_000);
    dear_fee.fee_basis_points = 10_001;
    let mut nowhere = offer(400_000);
    nowhere.country = Country::parse("ZZ").unwrap();
    for (offer, now, code) in [
        (offer(400_000), now, None),
        (offer(0), now, Some("zero_price")),
        (offer(3_200_000), now, Some("price_per_machine")),
        (offer(40_000_000), now, Some("price_in_cents")),
        (offer(400_000), late, Some("stale")),
        (offer(400_000), early, Some("stale")),
        (dear_fee, now, Some("fee_invalid")),
        (nowhere, now, Some("missing_country")),
    ] {
        let found = admit_live(&offer, now).err().map(|r| r.reason.code.code());
        assert_eq!(found, code, "{offer:?}");
    }
}

#[test]
fn a_reading_of_the_market_keeps_its_order_and_counts_what_it_refused() {
    let now = WorldTime::from_micros(1_000_000_000_000);
    let mut offers: Vec<Offer> = (0..50).map(|_| offer(0)).collect();
    offers.insert(0, offer(400_000));
    offers.push(offer(390_000));
    let screened = screen(offers, now);
    let kept: Vec<_> = screened.admitted.iter().map(|o| o.id.0.as_str()).collect();
    assert_eq!(kept, ["ionet/400000", "ionet/390000"]);
    assert_eq!(screened.refused.get("zero_price"), Some(&50));
}

#[test]
fn every_card_has_one_band_and_the_bands_are_no_wider_than_a_hundredfold_or_so() {
    assert_eq!(bands::BANDS.len(), GpuModel::all().count());
    for card in GpuModel::all() {
        let band = bands::of(card);
        assert!(band.low_micro_usd > 0 && band.low_micro_usd < band.high_micro_usd);
        // Wider, and cents could no longer be told from dollars at the middle of the band.
        assert!(band.high_micro_usd / band.low_micro_usd < 150, "{card}");
        assert!(!band.source.is_empty());
    }
}

#[test]
fn the_documentation_has_a_line_for_every_defect() {
    let page = include_str!("../../../docs/offer-gate.md");
    let mut seen = std::collections::BTreeSet::new();
    for defect in Defect::ALL {
        let code = serde_json::to_value(defect).unwrap();
        assert_eq!(code, defect.code());
        assert!(seen.insert(defect.code()) && !defect.title().is_empty());
        let line = format!("| `{defect}` |");
        assert!(page.contains(&line), "docs/offer-gate.md lacks {defect}");
    }
}

#[test]
fn a_finding_is_safe_to_print() {
    let value = format!("a\u{1b}[31m\n{}", "x".repeat(500));
    let finding = Finding::new(Defect::MalformedRow, "Price", value, "no");
    assert!(!finding.to_string().chars().any(char::is_control));
    assert!(finding.value.chars().count() < 100);
}

proptest! {
    #[test]
    fn what_passes_is_in_its_cards_band_and_costs_no_less_than_was_asked(
        price in prop_oneof![any::<i64>(), 0i64..200_000_000],
        gpus in 0u16..17,
        id in prop::sample::select(GpuModel::all().map(GpuModel::id).collect::<Vec<_>>()),
        per_machine in any::<bool>(),
        live in any::<bool>(),
    ) {
        let mut raw = good();
        raw.card = Card::Known(gpu(id));
        raw.gpus = gpus;
        raw.price = MicroUsd::new(price);
        raw.price_basis = if per_machine { Basis::Machine } else { Basis::Gpu };
        let rules = if live { Rules::LIVE } else { Rules::CATALOGUE };
        if let Ok(found) = admit(&raw, &rules) {
            let rate = found.rate.price().get();
            prop_assert!(bands::of(found.gpu).holds(rate));
            if found.corrections.is_empty() {
                let all = if per_machine { rate * i64::from(gpus) } else { rate };
                prop_assert!(all >= price && all - price < i64::from(gpus));
            } else {
                prop_assert!(!live);
            }
        }
    }
}
