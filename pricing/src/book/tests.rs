//! The book against brute force on random small markets.

use std::time::Duration;

use proptest::prelude::*;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Grade, NetworkId};
use tandem_model::offer::{Offer, OfferId};
use tandem_model::time::WorldTime;
use tandem_model::workload::Tier;

use super::tests_support::*;
use super::*;
use crate::classify::classify;
use crate::cost::Step;
use crate::files;
use crate::quote::plain::rank;

fn countries() -> impl Strategy<Value = CountrySet> {
    prop::collection::vec(prop::sample::select(COUNTRIES.to_vec()), 0..5)
        .prop_map(|codes| codes.into_iter().map(country).collect())
}

fn any_work() -> impl Strategy<Value = Option<Work>> {
    let most = prop::option::of(0u64..20_000);
    let budget = prop::option::of((-1i64..200_000_000).prop_map(MicroUsd::new));
    let work =
        (1u64..20_000, most, budget).prop_map(|(useful_seconds, seconds_max, budget)| Work {
            useful_seconds,
            seconds_max,
            budget,
        });
    prop::option::of(work)
}

pub(super) fn any_ask() -> impl Strategy<Value = Ask> {
    let cards = prop_oneof![
        2 => Just(CARDS.to_vec()),
        1 => prop::sample::subsequence(CARDS.to_vec(), 0..=5),
    ];
    let machine = (
        cards,
        prop::option::of(prop::sample::select(vec![24u32, 25, 80])),
        0u16..5,
        prop::sample::select(vec![0u16, 1, 1, 1, 2, 3, 4, 16, 17, 64, 65]),
    );
    let flags = (any::<[bool; 4]>(), prop::bool::weighted(0.3));
    let places = (
        countries(),
        countries(),
        prop::option::of(countries()),
        countries(),
        prop::option::of(countries()),
        countries(),
    );
    let limits = (
        any_work(),
        prop::option::of(0u64..25),
        prop::option::of(0i64..4_000_000),
    );
    (machine, flags, places, limits).prop_map(|(machine, (flags, rare), places, limits)| {
        let (cards, vram_gb_min, gpus_per_node, nodes) = machine;
        let (forbidden, controlled, allowed, denied, near, apart) = places;
        Ask {
            tier: if rare {
                Tier::Enterprise
            } else {
                Tier::Consumer
            },
            gpus: cards.into_iter().map(gpu).collect(),
            vram_gb_min,
            consumer_fits: flags[0] || flags[1],
            secrets_exposed: rare && flags[1],
            data_exposed: rare && flags[2],
            exact_nodes: flags[0] && flags[3],
            gpus_per_node,
            nodes,
            fast_link: flags[2],
            forbidden: Forbidden {
                controlled: forbidden.or(&controlled),
                ..Forbidden::everywhere(forbidden)
            },
            countries_allowed: allowed.filter(|_| flags[3]),
            countries_denied: denied,
            near: near.filter(|_| rare),
            priced_apart: apart,
            work: limits.0,
            age_max: limits.1.map(Duration::from_secs),
            price_limit: limits.2.map(MicroUsd::new),
        }
    })
}

pub(super) const NOW: WorldTime = WorldTime::from_micros(20 * SECOND);

/// Everything that a search says is what the oracle says.
fn assert_agrees(offers: &[Offer], book: &Book, ask: &Ask, tariff: &Tariff) {
    let (fitting, refused) = oracle(offers, ask, tariff, NOW);
    let found = book.search(ask, tariff.price(), NOW);
    assert_eq!(found.refused, refused);
    assert_eq!(found.fitting, fitting.len());
    assert_eq!(found.best.len(), fitting.len().min(RANKED_MAX));
    assert_eq!(ranked(book, ask, tariff, NOW), fitting);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn counts_and_order_are_those_of_brute_force_whatever_is_asked(
        offers in prop::collection::vec(any_offer(), 0..60),
        ask in any_ask(),
        tariff in any_tariff(),
    ) {
        let offers = latest(&offers);
        let book = Book::build(&offers).unwrap();
        assert_agrees(&offers, &book, &ask, &tariff);
    }

    #[test]
    fn aisles_with_many_machines_in_many_countries_agree(
        offers in prop::collection::vec(any_offer(), 60..200),
        ask in any_ask(),
        plain in any::<[bool; 4]>(),
        tariff in any_tariff(),
    ) {
        let offers: Vec<_> = latest(&offers).into_iter().map(|o| Offer {
            network: NetworkId::from_static("ionet"),
            product: "caas".into(),
            gpu: gpu(CARDS[usize::from(o.gpus_per_node) % 2]),
            grade: Grade::Datacenter,
            gpus_per_node: o.gpus_per_node % 3,
            fee_basis_points: 0,
            ..o
        }).collect();
        // Each limit is left out half of the time: alone they take other ways than together.
        let ask = Ask {
            tier: Tier::Consumer,
            gpus: anything().gpus,
            gpus_per_node: ask.gpus_per_node % 4,
            priced_apart: if plain[0] { CountrySet::EMPTY } else { ask.priced_apart },
            work: ask.work.filter(|_| plain[1]),
            age_max: ask.age_max.filter(|_| plain[2]),
            price_limit: ask.price_limit.filter(|_| plain[3]),
            ..ask
        };
        let book = Book::build(&offers).unwrap();
        prop_assert!(!book.cells.is_empty());
        assert_agrees(&offers, &book, &ask, &tariff);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]
    #[test]
    fn easy_asks_with_a_limit_on_price_room_and_age_agree_on_crowded_shelves(
        prices in prop::collection::vec((1i64..60, 0u32..40, 0usize..3, 0i64..3), 700..1_400),
        nodes in prop::sample::select(vec![1u16, 2, 3, 4, 8, 16, 17, 32]),
        limit in 0i64..70,
        denied in countries(),
        age in prop::option::of(17u64..22),
        useful in prop::sample::select(vec![(1u64, 1u64), (1, 7), (9, 5)]),
    ) {
        let offers: Vec<Offer> = prices.into_iter().enumerate().map(|(key, (price, nodes, place, seen))| Offer {
            nodes_available: nodes,
            country: country(COUNTRIES[place]),
            observed_at: at(seen),
            ..offer(&key.to_string(), "rtx4090", price)
        }).collect();
        let ask = Ask {
            nodes,
            countries_denied: denied,
            age_max: age.map(Duration::from_secs),
            price_limit: Some(MicroUsd::new(limit)),
            ..anything()
        };
        let scale = Step::Scale { numerator: useful.0, denominator: useful.1 };
        let tariff = Tariff(vec![sold(&[], &[scale], 1_000)]);
        let book = Book::build(&offers).unwrap();
        prop_assert!(!book.blocks.is_empty());
        assert_agrees(&offers, &book, &ask, &tariff);
    }
}

proptest! {
    #[test]
    fn every_offer_is_read_back_whole_and_the_order_of_input_never_matters(
        offers in prop::collection::vec(any_offer(), 0..40),
        ask in any_ask(),
        tariff in any_tariff(),
    ) {
        let book = Book::build(&offers).unwrap();
        let turned: Vec<_> = offers.iter().rev().cloned().collect();
        let other = Book::build(&turned).unwrap();
        prop_assert_eq!(book.aisles(), other.aisles());
        prop_assert_eq!(book.shelves(), other.shelves());
        prop_assert_eq!(book.free(), other.free());
        prop_assert_eq!(
            book.search(&ask, tariff.price(), NOW),
            other.search(&ask, tariff.price(), NOW)
        );
        for o in &offers {
            let kept = book.find(&o.id).unwrap();
            prop_assert!(kept.is(&o.id));
            prop_assert!(kept.observed_at() >= o.observed_at);
            let kept = kept.to_offer();
            prop_assert!(offers.contains(&kept));
            prop_assert_eq!(&kept, &other.find(&o.id).unwrap().to_offer());
        }
        prop_assert!(book.find(&OfferId("none".into())).is_none());
        let ids: std::collections::BTreeSet<_> = offers.iter().map(|o| &o.id).collect();
        prop_assert_eq!(book.len(), ids.len());
    }

    #[test]
    fn free_gpus_are_those_of_the_offers_with_a_price_that_is_believed(
        offers in prop::collection::vec(any_offer(), 0..40),
    ) {
        let offers = latest(&offers);
        let book = Book::build(&offers).unwrap();
        let plain = |dc: bool| -> u64 {
            offers.iter()
                .filter(|o| (1..=1_000_000_000).contains(&o.price.price().get()))
                .filter(|o| (o.grade == Grade::Datacenter) == dc)
                .map(|o| u64::from(o.nodes_available) * u64::from(o.gpus_per_node))
                .sum()
        };
        for dc in [true, false] {
            let free = book.free().sum(|key| (key.grade == Grade::Datacenter) == dc);
            prop_assert_eq!(free.gpus, plain(dc));
        }
    }

    #[test]
    fn the_book_and_the_plain_ranking_of_quotes_agree(
        offers in prop::collection::vec(any_offer(), 0..40),
        card in prop::sample::select(vec!["any", "any:24GB", "A100", "RTX4090", "[H100, A100]"]),
        gpus in 1u16..5,
        nodes in 1u16..4,
        tier in prop::sample::select(vec![Tier::Consumer, Tier::Enterprise]),
        run in prop::sample::select(vec!["./x", "torchrun train.py --model a/m-7b"]),
        secret in prop::sample::select(vec!["", "secrets: [HF_TOKEN]\n"]),
        limit in prop::option::of(0i64..4_000_000),
    ) {
        let text = format!("tandem: 1\nname: a\nrun: {run}\n{secret}resources: {{gpu: {card}, gpus_per_node: {gpus}, nodes: {nodes}}}\nlimits: {{countries_denied: [US]}}\n");
        let document = files::read(&text).unwrap();
        let classification = classify(&document);
        let workload = document.workload.unwrap();
        let offers = latest(&offers);
        let limit = limit.map(MicroUsd::new);
        let plain = rank(tier, &workload, &classification, &offers, limit.map(RatePerGpuHour::new));
        let share = |basis_points: u64| Step::Scale {
            numerator: 10_000 + basis_points,
            denominator: 10_000,
        };
        let price = |aisle: &Aisle, _| {
            let fee = share(u64::from(aisle.fee_basis_points));
            sold(&[fee], &[], 1_000)
        };
        let ask = Ask::of(tier, &workload, &classification, limit);
        let book = Book::build(&offers).unwrap();
        let ranking = book.rank(&ask, price, NOW);
        prop_assert_eq!(ranking.refused(), plain.refused);
        prop_assert_eq!(ranking.fitting(), plain.fitting.len());
        for (hit, fit) in ranking.zip(&plain.fitting) {
            prop_assert_eq!(&book.view(hit.row).to_offer(), fit.offer);
            prop_assert_eq!((hit.rate, hit.gpus), (fit.cost, fit.gpus));
            prop_assert_eq!(hit.hour_micro_usd, fit.hour_micro_usd);
        }
    }
}
