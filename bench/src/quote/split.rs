//! Where the time of a first quote goes: the search, the prices of aisles, and the rest.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tandem_model::network::Country;
use tandem_model::workload::Tier;
use tandem_pricing::book::{Aisle, Ask, Book, Outlook, Prices, Rooms};
use tandem_pricing::quote::{Desk, PriceList, QuoteReport, RANKED_MAX};

use super::asks::Asked;
use super::market;
use super::stand::Stand;
use crate::sheet::Section;
use crate::times::Times;

/// Calls that are timed.
const CALLS: usize = 2_000;

/// One search of a quote: what is asked, and of which price list.
struct Search<'d, 'a> {
    ask: Ask,
    prices: PriceList<'d, 'a>,
    /// Aisles whose price it asks for.
    aisles: Vec<&'d Aisle>,
}

/// A price list that notes what it is asked for.
struct Noting<'l, 'd, 'a> {
    list: &'l PriceList<'d, 'a>,
    asked: &'l RefCell<BTreeSet<usize>>,
}

impl<'d, 'a> Prices for Noting<'_, 'd, 'a> {
    type Price = <PriceList<'d, 'a> as Prices>::Price;

    fn price(&self, aisle: &Aisle, apart: Option<Country>) -> Self::Price {
        self.asked.borrow_mut().insert(aisle.number());
        self.list.price(aisle, apart)
    }

    fn outlook(&self, aisle: &Aisle) -> Outlook {
        self.list.outlook(aisle)
    }
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
            let rooms = book.rooms(&desk.ask(Tier::Consumer));
            let found = all.iter().map(|search| run(search, (book, &rooms)));
            found.sum::<usize>()
        });
        let pricing = Times::of(CALLS, || {
            for search in &all {
                let (tier, backstop) = search.prices.sells();
                let afresh = desk.list(tier, backstop);
                for aisle in &search.aisles {
                    std::hint::black_box(afresh.price(aisle, None));
                }
            }
        });
        let afresh = || stand.supply_afresh(book);
        let whole = Times::of_each(CALLS, afresh, |supply| stand.quote_on(asked, book, supply));
        let prices: usize = all.iter().map(|search| search.aisles.len()).sum();
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
fn searches<'d, 'a>(
    desk: &'d Desk<'a>,
    report: &QuoteReport,
    book: &'d Book,
) -> Vec<Search<'d, 'a>> {
    let of = |tier| report.tiers.iter().find(|report| report.tier == tier);
    let backstop = of(Tier::Enterprise).and_then(|report| Some(report.basis.as_ref()?.cost));
    let looked = report
        .tiers
        .iter()
        .filter(|tier| tier.fitting > 0 || !tier.refused.is_empty());
    let search = |tier: Tier| {
        let prices = desk.list(tier, backstop.filter(|_| tier == Tier::Assured));
        let ask = desk.ask(tier);
        let asked = RefCell::default();
        let noting = Noting {
            list: &prices,
            asked: &asked,
        };
        book.rank_by(&ask, noting, market::now())
            .take(RANKED_MAX)
            .for_each(drop);
        let aisles = asked.into_inner().into_iter();
        Search {
            ask,
            aisles: aisles.map(|number| &book.aisles()[number]).collect(),
            prices,
        }
    };
    looked.map(|tier| search(tier.tier)).collect()
}

/// A search with its prices at hand; how many offers fit.
fn run(search: &Search<'_, '_>, (book, rooms): (&Book, &Rooms)) -> usize {
    let mut ranking = book.rank_in(rooms, &search.ask, &search.prices, market::now());
    let hits = ranking.by_ref().take(RANKED_MAX).count();
    hits + ranking.fitting() + ranking.refused().len()
}
