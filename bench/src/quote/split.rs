//! Where the time of a first quote goes: the search, the prices of aisles, and the rest.

use std::cell::RefCell;

use tandem_model::money::MicroUsd;
use tandem_model::network::Country;
use tandem_model::workload::Tier;
use tandem_pricing::book::{Aisle, AislePrice, Ask, Book};
use tandem_pricing::quote::{Desk, QuoteReport, RANKED_MAX};

use super::asks::Asked;
use super::market;
use super::stand::Stand;
use crate::sheet::Section;
use crate::times::Times;

/// Calls that are timed.
const CALLS: usize = 2_000;

/// One search of a quote: what is asked, and the prices that it asks for.
struct Search {
    tier: (Tier, Option<MicroUsd>),
    ask: Ask,
    /// Aisle and country, in the order in which they are asked, with the price.
    prices: Vec<((usize, Option<Country>), AislePrice)>,
}

/// The split of every ask.
pub(super) fn measure(stand: &Stand, book: &Book) -> Section {
    let mut section = Section::new("Where the time of a first quote goes (medians)");
    for asked in &stand.asks {
        one(stand, asked, book, &mut section);
    }
    section
}

fn one(stand: &Stand, asked: &Asked, book: &Book, section: &mut Section) {
    let report = stand.quote(asked, book);
    stand.with_desk(asked, (book, &stand.supply), |desk| {
        let all = searches(desk, &report, book);
        let searching = Times::of(CALLS, || {
            let found = all.iter().map(|search| run(search, book));
            found.sum::<usize>()
        });
        let pricing = Times::of(CALLS, || {
            for search in &all {
                for ((aisle, country), _) in &search.prices {
                    let aisle = &book.aisles()[*aisle];
                    std::hint::black_box(desk.aisle_price(search.tier, aisle, *country));
                }
            }
        });
        let afresh = || stand.supply_afresh(book);
        let whole = Times::of_each(CALLS, afresh, |supply| stand.quote_on(asked, book, supply));
        let prices: usize = all.iter().map(|search| search.prices.len()).sum();
        let name = asked.name;
        let [searching, pricing, whole] = [searching, pricing, whole].map(|t| t.median_us());
        let text = format!("{name}: {} searches, prices prepared", all.len());
        section.figure(text, searching, "us");
        section.figure(format!("{name}: prices of {prices} aisles"), pricing, "us");
        let rest = (whole - searching - pricing).max(0.0);
        section.figure(format!("{name}: firm quotes and the rest"), rest, "us");
    });
}

/// The searches that a quote makes: every tier that was looked for.
fn searches(desk: &Desk<'_>, report: &QuoteReport, book: &Book) -> Vec<Search> {
    let of = |tier| report.tiers.iter().find(|report| report.tier == tier);
    let backstop = of(Tier::Enterprise).and_then(|report| Some(report.basis.as_ref()?.cost));
    let looked = report
        .tiers
        .iter()
        .filter(|tier| tier.fitting > 0 || !tier.refused.is_empty());
    let search = |tier: Tier| {
        let tier = (tier, backstop.filter(|_| tier == Tier::Assured));
        let ask = desk.ask(tier.0);
        let asked = RefCell::new(Vec::new());
        let price = |aisle: &Aisle, country| {
            let price = desk.aisle_price(tier, aisle, country);
            asked.borrow_mut().push(((aisle.number(), country), price));
            price
        };
        let mut ranking = book.rank(&ask, price, market::now());
        ranking.by_ref().take(RANKED_MAX).for_each(drop);
        drop(ranking);
        Search {
            tier,
            ask,
            prices: asked.into_inner(),
        }
    };
    looked.map(|tier| search(tier.tier)).collect()
}

/// A search with its prices at hand; how many offers fit.
fn run(search: &Search, book: &Book) -> usize {
    let next = std::cell::Cell::new(0);
    // Aisles are asked for in the same order every time.
    let price = |_: &Aisle, _| {
        let at = next.get();
        next.set(at + 1);
        &search.prices[at].1
    };
    let mut ranking = book.rank(&search.ask, price, market::now());
    let hits = ranking.by_ref().take(RANKED_MAX).count();
    hits + ranking.fitting() + ranking.refused().len()
}
