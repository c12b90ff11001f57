//! Counterfactuals against brute force: every single change is tried with the oracle.

use proptest::prelude::*;
use tandem_model::gpu::GpuModel;
use tandem_model::network::Grade;
use tandem_model::offer::{Fabric, Offer};
use tandem_model::time::WorldTime;

use super::tests::any_ask;
use super::tests_support::*;
use super::*;

const NOW: WorldTime = WorldTime::from_micros(20 * SECOND);

/// Every change of one kind that saves enough, best first, by the oracle.
fn kind(
    offers: &[Offer],
    best: Option<&Fitting>,
    tariff: &Tariff,
    least: u16,
    changes: Vec<(Change, Ask)>,
) -> Vec<(Change, Option<i128>, Fitting)> {
    let mut found = Vec::new();
    for (change, ask) in changes {
        let Some(hit) = oracle(offers, &ask, tariff, NOW).0.into_iter().next() else {
            continue;
        };
        let saves = best.map(|b| (b.0 - hit.0) * 1_000 / b.0);
        let better =
            best.is_none_or(|b| b.0 > hit.0) && saves.is_none_or(|s| s >= i128::from(least));
        if better {
            found.push((change, saves, hit));
        }
    }
    found.sort_by(|a, b| a.2.cmp(&b.2));
    found.truncate(ALTERNATIVES_MAX);
    found
}

fn expected(
    offers: &[Offer],
    ask: &Ask,
    tariff: &Tariff,
    rules: Rules,
) -> Vec<(Change, Option<i128>, Fitting)> {
    let fitting = oracle(offers, ask, tariff, NOW).0;
    let best = fitting.first();
    let of = |changes| kind(offers, best, tariff, rules.saves_permille_min, changes);
    let mut all = Vec::new();
    if ask.fast_link && ask.nodes > 1 {
        let relaxed = Ask {
            fast_link: false,
            ..ask.clone()
        };
        all.extend(of(vec![(Change::NoFastLink, relaxed)]));
    }
    let one_more = COUNTRIES
        .map(country)
        .into_iter()
        .filter(|c| ask.excludes(*c));
    all.extend(of(one_more
        .map(|c| {
            let mut relaxed = ask.clone();
            let only = std::iter::once(c).collect();
            relaxed.countries_denied = relaxed.countries_denied.without(&only);
            relaxed.countries_allowed = relaxed.countries_allowed.map(|set| set.or(&only));
            (Change::Country(c), relaxed)
        })
        .collect()));
    let memory = |gpu: GpuModel| u32::from(gpu.facts().vram_gb);
    let smallest = ask.gpus.iter().map(memory).min().unwrap_or(0);
    let least = rules.vram_gb_min.or(ask.vram_gb_min).unwrap_or(smallest);
    all.extend(of(GpuModel::all()
        .filter(|g| !ask.gpus.contains(*g) && memory(*g) >= least)
        .map(|g| {
            let gpus = std::iter::once(g).collect();
            (
                Change::Gpu(g),
                Ask {
                    gpus,
                    ..ask.clone()
                },
            )
        })
        .collect()));
    all.sort_by_key(|(_, saves, hit)| (std::cmp::Reverse(*saves), hit.0));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_change_that_saves_enough_is_found_and_no_other(
        offers in prop::collection::vec(any_offer(), 0..60),
        ask in any_ask(),
        tariff in any_tariff(),
        least in 0u16..300,
        vram_gb_min in prop::option::of(prop::sample::select(vec![16u32, 24, 80])),
    ) {
        let offers = latest(&offers);
        let book = Book::build(&offers).unwrap();
        let rules = Rules { tries_max: 100, saves_permille_min: least, vram_gb_min };
        let best = book.rank(&ask, tariff.price(), NOW).next();
        let prices = PriceFn(tariff.price());
        let found = counterfactuals((&book, &book.rooms(&ask)), &ask, best.as_ref(), &prices, NOW, rules);
        let found: Vec<_> = found.iter().map(|c| {
            let hour = i128::from(c.hit.useful_hour_micro_usd.get());
            let rate = i128::from(c.rate.price().get());
            let id = book.view(c.hit.row).id();
            (c.change, c.saves_permille.map(i128::from), (hour, rate, id, c.hit.gpus))
        }).collect();
        prop_assert_eq!(found, expected(&offers, &ask, &tariff, rules));
    }
}

fn said(offers: &[Offer], ask: &Ask, rules: Rules) -> Vec<(Change, Option<u16>)> {
    let book = Book::build(offers).unwrap();
    let best = book.rank(ask, |_, _| as_it_is(), NOW).next();
    let prices = PriceFn(|_: &_, _| as_it_is());
    let found = counterfactuals(
        (&book, &book.rooms(ask)),
        ask,
        best.as_ref(),
        &prices,
        NOW,
        rules,
    );
    found.iter().map(|c| (c.change, c.saves_permille)).collect()
}

#[test]
fn another_card_and_one_more_country_are_named_with_what_they_save() {
    let canada = Offer {
        country: country("CA"),
        ..offer("c", "rtx4090", 880_000)
    };
    let offers = [
        offer("a", "rtx4090", 1_000_000),
        offer("b", "rtx5090", 620_000),
        offer("small", "rtx3060-12gb", 100_000),
        canada,
    ];
    let mut ask = Ask {
        gpus: std::iter::once(gpu("rtx4090")).collect(),
        ..anything()
    };
    ask.countries_denied.insert(country("CA"));
    let expected = [
        (Change::Gpu(gpu("rtx5090")), Some(380)),
        (Change::Country(country("CA")), Some(120)),
    ];
    assert_eq!(said(&offers, &ask, Rules::default()), expected);
    let dear = Rules {
        saves_permille_min: 121,
        ..Rules::default()
    };
    assert_eq!(said(&offers, &ask, dear), expected[..1]);
    ask.forbidden = Forbidden::everywhere(std::iter::once(country("CA")).collect());
    assert_eq!(said(&offers, &ask, Rules::default()), expected[..1]);
}

#[test]
fn when_nothing_fits_the_changes_that_would_help_are_named_without_a_saving() {
    let linked = Offer {
        grade: Grade::Datacenter,
        fabric: Fabric::Ethernet,
        ..offer("a", "l4", 500_000)
    };
    let ask = Ask {
        nodes: 2,
        fast_link: true,
        ..anything()
    };
    let found = said(&[linked], &ask, Rules::default());
    assert_eq!(found, [(Change::NoFastLink, None)]);
}

#[test]
fn no_more_searches_are_made_than_the_rules_allow() {
    let offers: Vec<_> = CARDS
        .iter()
        .zip(1i64..)
        .map(|(card, n)| offer(card, card, n * 1_000))
        .collect();
    let ask = Ask {
        gpus: std::iter::once(gpu("h100-sxm5-80gb")).collect(),
        ..anything()
    };
    for tries in 0..5 {
        let rules = Rules {
            tries_max: tries,
            saves_permille_min: 0,
            vram_gb_min: Some(0),
        };
        let named = said(&offers, &ask, rules).len();
        assert_eq!(named, tries.min(ALTERNATIVES_MAX));
    }
}
