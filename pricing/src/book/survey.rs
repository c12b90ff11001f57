//! Which shelves can serve an ask and how many offers each reason refuses, from the counts kept
//! beside the shelves.
//!
//! Reasons are asked in the order of [`Refusal`]. Those of card and grade refuse whole aisles;
//! those of the machines, countries and the price function refuse shelves or their sections; and
//! limits on the price become one highest network price, found by inverting the price function,
//! so that one binary search on sorted prices counts what is beyond it.

use std::borrow::Borrow;

use tandem_model::gpu::ExportClass;
use tandem_model::network::Country;
use tandem_model::time::WorldTime;
use tandem_model::workload::Tier;

use super::Book;
use super::ask::{Ask, Sale, ShelfPrice};
use super::countries::{CountrySet, country_of};
use super::shelf::{Aisle, Shelf, Summary};
use crate::cost::Curve;
use crate::quote::Refusal;

/// How many offers each reason refuses.
pub(super) type Tally = [u64; Refusal::ALL.len()];

/// Countries as an ask sees them for cards of one export class; no two of the sets overlap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Masks {
    forbidden: CountrySet,
    far: CountrySet,
    apart: CountrySet,
    /// All of these.
    pub(super) out: CountrySet,
    has_out: bool,
}

impl Masks {
    fn of(ask: &Ask, class: ExportClass) -> Self {
        let forbidden = *ask.forbidden.of(class);
        let all = CountrySet::ALL;
        let not_in = |set: &Option<CountrySet>| match set {
            Some(set) => all.without(set),
            None => CountrySet::EMPTY,
        };
        let excluded = not_in(&ask.countries_allowed).or(&ask.countries_denied);
        let excluded = excluded.without(&forbidden);
        let refused = forbidden.or(&excluded);
        let far = not_in(&ask.near).without(&refused);
        let refused = refused.or(&far);
        let apart = ask.priced_apart.without(&refused);
        let out = refused.or(&apart);
        Self {
            forbidden,
            far,
            apart,
            out,
            has_out: !out.is_empty(),
        }
    }
}

/// Offers of a shelf that are sold at one price function: those of one country, or of every
/// country that is not out.
#[derive(Debug)]
pub(super) struct Lane<P> {
    pub(super) shelf: u32,
    /// The section, where it is one country.
    pub(super) section: Option<u32>,
    pub(super) export: ExportClass,
    pub(super) price: P,
    pub(super) gpus: u32,
    /// Whether some of its offers may be stale.
    pub(super) is_mixed: bool,
    /// Offers that fit.
    pub(super) fitting: u32,
}

/// What an ask looks for row by row.
#[derive(Debug, Clone)]
pub(super) struct RowTest {
    pub(super) nodes: u32,
    stale_before: Option<i64>,
    masks: [Masks; 3],
}

impl RowTest {
    pub(super) fn of(ask: &Ask, now: WorldTime) -> Self {
        let classes = [
            ExportClass::Uncontrolled,
            ExportClass::Notify,
            ExportClass::Controlled,
        ];
        Self {
            nodes: ask.nodes(),
            stale_before: ask.stale_before(now),
            masks: classes.map(|class| Masks::of(ask, class)),
        }
    }

    pub(super) fn masks(&self, export: ExportClass) -> &Masks {
        match export {
            ExportClass::Uncontrolled => &self.masks[0],
            ExportClass::Notify => &self.masks[1],
            ExportClass::Controlled => &self.masks[2],
        }
    }

    pub(super) fn is_stale(&self, observed: i64) -> bool {
        self.stale_before.is_some_and(|cutoff| observed < cutoff)
    }
}

/// Counts, and the lanes in which offers fit.
#[derive(Debug)]
pub(super) struct Survey<P> {
    pub(super) tally: Tally,
    pub(super) fitting: u64,
    pub(super) lanes: Vec<Lane<P>>,
}

/// A search under way.
struct Search<'a, P, F> {
    book: &'a Book,
    ask: &'a Ask,
    test: &'a RowTest,
    price: F,
    out: Survey<P>,
}

/// Counts every offer of a book for an ask; `test` is made of it.
pub(super) fn survey<P: Borrow<ShelfPrice>>(
    book: &Book,
    ask: &Ask,
    test: &RowTest,
    price: impl Fn(&Shelf, Option<Country>) -> P,
) -> Survey<P> {
    let out = Survey {
        tally: [0; Refusal::ALL.len()],
        fitting: 0,
        lanes: Vec::new(),
    };
    let mut search = Search {
        book,
        ask,
        test,
        price,
        out,
    };
    for aisle in &book.aisles {
        search.aisle(aisle);
    }
    search.out
}

/// Why no offer of an aisle fits.
fn refusal_of_aisle(ask: &Ask, aisle: &Aisle) -> Option<Refusal> {
    if ask.tier == Tier::Enterprise && !aisle.is_enterprise {
        Some(Refusal::BelowTier)
    } else if !ask.gpus.contains_number(aisle.gpu_number) {
        Some(Refusal::OtherGpu)
    } else if ask.vram_gb_min.is_some_and(|need| need > aisle.vram_gb) {
        Some(Refusal::TooLittleVram)
    } else if !aisle.is_datacenter && !ask.consumer_fits {
        Some(Refusal::NeedsDatacenter)
    } else if !aisle.is_datacenter && ask.secrets_exposed {
        Some(Refusal::SecretsOnConsumer)
    } else {
        None
    }
}

/// The highest price within a bound, as prices are kept; 0 when none is.
fn cap_of(bound: Option<i64>) -> u32 {
    u32::try_from(bound.unwrap_or(0)).unwrap_or(u32::MAX)
}

/// Limits on the price, in the order in which they are asked.
const LIMITS: [Refusal; 3] = [
    Refusal::PriceInvalid,
    Refusal::AbovePriceLimit,
    Refusal::AboveBudget,
];

/// Highest network prices at which a sale stays in the range of money; there and within the
/// customer's price limit; and within his budget too; `price_max` is the highest that occurs.
fn limits(sale: &Sale, ask: &Ask, gpus: u32, price_max: u32) -> [u32; LIMITS.len()] {
    let in_range = |curve: &Curve| {
        if curve.is_small_up_to(i64::from(price_max)) {
            u32::MAX
        } else {
            cap_of(curve.inverse(i64::MAX / i64::from(gpus.max(1))))
        }
    };
    let in_range = in_range(&sale.rate).min(in_range(&sale.useful));
    let within = |limit: Option<i64>| match limit {
        Some(limit) => cap_of(sale.rate.inverse(limit)),
        None => u32::MAX,
    };
    let in_limit = in_range.min(within(ask.price_limit.map(|limit| limit.get())));
    let budget = ask.work.and_then(|work| sale.rate_in_budget(&work, gpus));
    [in_range, in_limit, in_limit.min(within(budget))]
}

impl<'a, P: Borrow<ShelfPrice>, F: Fn(&Shelf, Option<Country>) -> P> Search<'a, P, F> {
    fn refuse(&mut self, why: Refusal, offers: u64) {
        self.out.tally[why as usize] += offers;
    }

    fn summary(&self, shelf: u32) -> &'a Summary {
        &self.book.summaries[shelf as usize]
    }

    fn aisle(&mut self, aisle: &Aisle) {
        self.refuse(Refusal::PriceInvalid, aisle.invalid);
        if let Some(why) = refusal_of_aisle(self.ask, aisle) {
            self.refuse(why, aisle.valid);
            return;
        }
        for shelf in aisle.shelves.clone() {
            self.shelf(shelf, aisle.export);
        }
    }

    fn shelf(&mut self, shelf: u32, export: ExportClass) {
        let s = self.summary(shelf);
        if s.gpus_per_node == 0 || s.gpus_per_node < self.ask.gpus_per_node {
            return self.refuse(Refusal::TooFewGpus, s.valid());
        }
        let nodes = self.test.nodes;
        let roomy = self.book.count(s, nodes, u32::MAX);
        let full = s.idle() + u64::from(s.at_least[0] - roomy);
        self.refuse(Refusal::TooFewNodes, full);
        if nodes > 1 && self.ask.fast_link && !s.is_linked {
            return self.refuse(Refusal::NoFastLink, u64::from(roomy));
        }
        if roomy == 0 {
            return;
        }
        let masks = self.test.masks(export);
        if !masks.has_out {
            return self.lane(shelf, None, None, export, roomy);
        }
        let inside = self.book.count_inside(s, &masks.out, nodes, u32::MAX);
        if inside < roomy {
            self.countries(shelf, export, roomy - inside);
        }
        if inside > 0 {
            let places = s.places.without(&masks.out);
            let alone = places.codes().next().filter(|_| places.len() == 1);
            let section = alone.map(|code| s.section_of(code));
            self.lane(shelf, section, None, export, inside);
        }
    }

    /// Counts the `outside` offers of a shelf that are in countries refused or priced apart.
    fn countries(&mut self, shelf: u32, export: ExportClass, outside: u32) {
        let (book, s) = (self.book, self.summary(shelf));
        let (masks, nodes) = (self.test.masks(export), self.test.nodes);
        let offers = |set| u64::from(book.count_sections(s, set, nodes, u32::MAX));
        let forbidden = offers(&masks.forbidden);
        let far = offers(&masks.far);
        let apart = offers(&masks.apart);
        self.refuse(Refusal::Jurisdiction, forbidden);
        self.refuse(Refusal::TooFar, far);
        let excluded = u64::from(outside) - forbidden - far - apart;
        self.refuse(Refusal::CountryExcluded, excluded);
        if apart == 0 {
            return;
        }
        for code in s.places.and(&masks.apart).codes() {
            let section = s.section_of(code);
            let roomy = book.count_section(section, nodes, u32::MAX);
            if roomy > 0 {
                self.lane(shelf, Some(section), Some(country_of(code)), export, roomy);
            }
        }
    }

    /// Counts a lane, of which `roomy` offers pass all that is asked before the price function.
    fn lane(
        &mut self,
        shelf: u32,
        section: Option<u32>,
        country: Option<Country>,
        export: ExportClass,
        roomy: u32,
    ) {
        let s = self.summary(shelf);
        let price = (self.price)(&self.book.shelves[shelf as usize], country);
        let sale = match price.borrow() {
            ShelfPrice::Sold(sale) => sale,
            ShelfPrice::NotSold(why) => return self.refuse(*why, u64::from(roomy)),
        };
        if self.ask.work.is_some_and(|work| sale.is_too_late(&work)) {
            return self.refuse(Refusal::TooLate, u64::from(roomy));
        }
        if self.test.is_stale(s.newest) {
            return self.refuse(Refusal::Stale, u64::from(roomy));
        }
        let gpus = self.ask.gpus_rented(s.gpus_per_node, s.divisible);
        let limits = limits(sale, self.ask, gpus, s.price_max);
        let mut lane = Lane {
            shelf,
            section,
            export,
            price,
            gpus,
            is_mixed: self.test.is_stale(s.oldest),
            fitting: 0,
        };
        let (mut left, within) = self.book.count_lane(&lane, self.test, roomy, limits);
        self.refuse(Refusal::Stale, u64::from(roomy - left));
        for (why, within) in LIMITS.into_iter().zip(within) {
            self.refuse(why, u64::from(left - within));
            left = within;
        }
        if left > 0 {
            lane.fitting = left;
            self.out.fitting += u64::from(left);
            self.out.lanes.push(lane);
        }
    }
}
