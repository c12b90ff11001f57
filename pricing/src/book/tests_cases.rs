//! Hard cases of the book, one by one.

use tandem_model::gpu::ExportClass;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::NetworkId;
use tandem_model::offer::{Fabric, Offer};

use super::tests::NOW;
use super::tests_support::*;
use super::*;
use crate::cost::Step;

#[test]
fn reasons_are_counted_in_the_order_of_their_kinds() {
    for (at, why) in Refusal::ALL.into_iter().enumerate() {
        assert_eq!(why as usize, at);
    }
    assert!(Refusal::ALL.is_sorted());
}

#[test]
fn of_an_id_seen_twice_the_later_observation_stays_and_of_one_moment_the_dearer() {
    let seen = |seconds, price| Offer {
        observed_at: at(seconds),
        ..offer("x", "l4", price)
    };
    let price = |offers: &[Offer]| {
        let book = Book::build(offers).unwrap();
        assert_eq!(book.len(), 1);
        book.find(&offers[0].id).unwrap().price().price().get()
    };
    assert_eq!(price(&[seen(5, 10), seen(9, 30), seen(7, 20)]), 30);
    assert_eq!(price(&[seen(9, 30), seen(9, 40), seen(5, 50)]), 40);
    let fewer = Offer {
        nodes_available: 1,
        ..seen(9, 30)
    };
    let book = Book::build(&[seen(9, 30), fewer.clone()]).unwrap();
    assert_eq!(book.find(&fewer.id).unwrap().to_offer(), fewer);
}

#[test]
fn an_empty_book_answers_with_nothing() {
    let book = Book::build(&[]).unwrap();
    assert!(book.is_empty());
    let found = book.search(&anything(), |_, _| as_it_is(), NOW);
    assert_eq!(found, Found::default());
}

#[test]
fn a_price_rule_with_a_floor_ties_offers_of_many_prices_and_ids_decide() {
    let offers: Vec<_> = (0..30)
        .map(|n| offer(&format!("k{:02}", 29 - n), "l4", 1_000 + n))
        .collect();
    let book = Book::build(&offers).unwrap();
    let floor = [Step::AtLeast(5_000)];
    let found = book.search(&anything(), |_, _| sold(&floor, &floor, 1_000), NOW);
    let names: Vec<_> = found
        .best
        .iter()
        .map(|h| book.view(h.row).locator())
        .collect();
    let expected: Vec<_> = (0..20).map(|n| format!("k{n:02}")).collect();
    assert_eq!(names, expected);
}

#[test]
fn a_search_goes_on_beyond_the_best_and_passes_offers_over() {
    let offers: Vec<_> = (0..100)
        .map(|n| offer(&format!("{n:03}"), "l4", 1_000 + n))
        .collect();
    let book = Book::build(&offers).unwrap();
    let ask = anything();
    let mut ranking = book.rank(&ask, |_, _| as_it_is(), NOW);
    let chosen = ranking
        .find(|hit| book.view(hit.row).locator() >= "057")
        .unwrap();
    assert_eq!(chosen.rate.price().get(), 1_057);
    assert_eq!((ranking.fitting(), ranking.count()), (100, 42));
}

#[test]
fn a_price_table_prepared_once_is_borrowed() {
    let offers = [offer("a", "l4", 1_000), offer("b", "rtx4090", 2_000)];
    let book = Book::build(&offers).unwrap();
    let prepared = vec![as_it_is(); book.aisles().len()];
    let found = book.search(&anything(), |aisle, _| &prepared[aisle.number()], NOW);
    assert_eq!(found.best.len(), 2);
}

#[test]
fn an_export_class_forbids_a_country_for_some_cards_only() {
    let cn = |key, card| Offer {
        country: country("CN"),
        ..offer(key, card, 1_000)
    };
    let offers = [
        cn("a", "h100-sxm5-80gb"),
        cn("b", "l4"),
        cn("c", "rtx3060-12gb"),
    ];
    let book = Book::build(&offers).unwrap();
    let china: CountrySet = std::iter::once(country("CN")).collect();
    let ask = Ask {
        forbidden: Forbidden {
            controlled: china,
            notify: china,
            uncontrolled: CountrySet::EMPTY,
        },
        ..anything()
    };
    assert_eq!(ask.forbidden.of(ExportClass::Notify), &china);
    let found = book.search(&ask, |_, _| as_it_is(), NOW);
    assert_eq!(found.refused, BTreeMap::from([(Refusal::Jurisdiction, 2)]));
    assert_eq!(book.view(found.best[0].row).locator(), "c");
}

#[test]
fn ids_that_share_one_hash_are_told_apart() {
    // The index keeps 32 bits of the hash: among 120,000 ids some surely share them.
    let offers: Vec<_> = (0..120_000)
        .map(|n| Offer {
            network: NetworkId::from_static("n1"),
            fabric: Fabric::Rdma,
            ..offer(&n.to_string(), "l4", 1_000)
        })
        .collect();
    let mut hashes: Vec<_> = offers.iter().map(|o| rows::hash_of(&o.id.0)).collect();
    hashes.sort_unstable();
    assert!(hashes.windows(2).any(|pair| pair[0] == pair[1]));
    let book = Book::build(&offers).unwrap();
    assert_eq!(book.len(), offers.len());
    for o in &offers {
        assert_eq!(book.find(&o.id).unwrap().locator(), o.locator);
    }
}

#[test]
fn prices_that_are_not_believed_are_kept_as_they_were_said() {
    for price in [0, -1, i64::MIN, 1_000_000_001, i64::MAX] {
        let odd = offer("odd", "l4", price);
        let book = Book::build(&[offer("fine", "l4", 5), odd.clone()]).unwrap();
        assert_eq!(book.find(&odd.id).unwrap().to_offer(), odd);
        let found = book.search(&anything(), |_, _| as_it_is(), NOW);
        assert_eq!(found.refused, BTreeMap::from([(Refusal::PriceInvalid, 1)]));
        let rate = RatePerGpuHour::new(MicroUsd::new(5));
        assert_eq!((found.best.len(), found.best[0].rate), (1, rate));
    }
}
