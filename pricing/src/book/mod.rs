//! The offer book: an immutable, indexed snapshot of every offer, searched without a scan.
//!
//! Offers that agree in all that a price rule looks at, but for price and country, are an *aisle*;
//! those that also have the same machines stand on one *shelf*, sorted by price. A search decides
//! from counts kept for aisles, shelves and countries how many offers each reason refuses; then it
//! merges shelves by price until it has as many offers as are wanted, and opens an aisle only when
//! one of its offers could be next. Its price is asked for then too, where what is known of prices
//! before ([`Outlook`]) is enough to count it. Offers are looked at one by one only where a shelf
//! mixes stale with fresh ones, where several nodes meet a price limit, or where no counts are kept
//! for so many nodes. The owner swaps a whole book for the next one.

mod ages;
mod ask;
mod backing;
mod build;
mod cards;
mod count;
mod counterfactual;
mod distance;
mod forbidden;
mod free;
mod lanes;
mod masks;
mod outlook;
mod ranking;
mod rooms;
mod rows;
mod shelf;
mod stock;
mod survey;

use std::borrow::Borrow;
use std::collections::BTreeMap;

use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::Country;
use tandem_model::offer::{Offer, OfferId};
use tandem_model::time::WorldTime;

use crate::quote::{RANKED_MAX, Refusal};

pub use crate::countries::CountrySet;
pub use ask::{AislePrice, Ask, Forbidden, Sale, Work};
pub use cards::GpuSet;
pub use counterfactual::{ALTERNATIVES_MAX, Change, Counterfactual, Rules, counterfactuals};
pub use distance::round_trip_ms;
pub use forbidden::ForbiddenStock;
pub use free::{Free, FreeGpus, FreeKey};
pub use outlook::{Outlook, PriceFn, Prices};
pub use ranking::Ranking;
pub use rooms::Rooms;
pub use rows::View;
pub use shelf::{Aisle, Shelf};

use ages::Ages;
use rows::{Rows, allocated, hash_of};
use shelf::{LEVELS, Section, Summary};
use stock::Stock;

/// Most offers that a book is made of.
pub const OFFERS_MAX: usize = 16_000_000;

/// Why offers make no book.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// More offers than a book holds.
    #[error("{0} offers are more than the {OFFERS_MAX} of a book: read fewer markets into one")]
    TooManyOffers(usize),
    /// The locators and ids of the offers do not fit 4 GiB.
    #[error("locators and ids of the offers are longer than 4 GiB: refuse offers with long ones")]
    TextsTooLong,
}

/// Every offer at one moment. Made once, never changed.
#[derive(Debug, Clone, Default)]
pub struct Book {
    rows: Rows,
    shelves: Vec<Shelf>,
    /// As long as `shelves`.
    summaries: Vec<Summary>,
    sections: Vec<Section>,
    /// Active rows by shelf, country, price and id.
    section_rows: Vec<u32>,
    /// Counts by level from 2 nodes on, before every block of a shelf but the first.
    blocks: Vec<[u32; LEVELS - 1]>,
    aisles: Vec<Aisle>,
    /// As long as `aisles`.
    stocks: Vec<Stock>,
    cells: Vec<u32>,
    /// Prices of the active rows of each aisle, sorted.
    aisle_prices: Vec<u32>,
    /// The same by aisle and country, and where each country's begin and the last one's end.
    place_prices: Vec<u32>,
    place_ends: Vec<u32>,
    /// Codes of the countries of all active rows, rising, and the same as a set.
    places: Vec<u16>,
    place_set: CountrySet,
    /// Hash of the id and row, sorted by hash and id.
    index: Vec<(u32, u32)>,
    free: FreeGpus,
    ages: Ages,
}

/// A handle of an offer, good for the book that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row(pub(super) u32);

/// An offer that fits, with what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The offer.
    pub row: Row,
    /// GPUs that are rented over all nodes; whole nodes where they cannot be split.
    pub gpus: u32,
    /// The customer's price per GPU-hour.
    pub rate: RatePerGpuHour,
    /// The customer's price of all of them for an hour.
    pub hour_micro_usd: MicroUsd,
    /// Price of a useful hour of all of them: what the ranking is by.
    pub useful_hour_micro_usd: MicroUsd,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The best offers, cheapest useful hour first, then by rate, then by id; at most
    /// [`RANKED_MAX`].
    pub best: Vec<Hit>,
    /// How many offers fit.
    pub fitting: usize,
    /// How many were refused, by the first reason that held.
    pub refused: BTreeMap<Refusal, usize>,
}

impl Book {
    /// Makes a book of offers, in whatever order they come. Of an id that comes twice the later
    /// observation stays.
    ///
    /// Fails on more than [`OFFERS_MAX`] offers and on more than 4 GiB of locators and ids.
    pub fn build(offers: &[Offer]) -> Result<Self, BookError> {
        build::build(offers)
    }

    /// How many offers it holds.
    pub fn len(&self) -> usize {
        self.rows.price.len()
    }

    /// Whether it holds no offer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its aisles by number: what a table of prices is prepared from.
    pub fn aisles(&self) -> &[Aisle] {
        &self.aisles
    }

    /// Its shelves, aisle by aisle.
    pub fn shelves(&self) -> &[Shelf] {
        &self.shelves
    }

    /// Free GPUs by network, card and grade.
    pub fn free(&self) -> &FreeGpus {
        &self.free
    }

    /// The best offers for an ask, and why the others do not fit.
    ///
    /// `price` is asked once for each aisle whose offers could fit, with no country; and once for
    /// each country of [`Ask::priced_apart`] that the aisle has. It returns a [`AislePrice`] or a
    /// reference to one prepared before.
    pub fn search<P: Borrow<AislePrice>>(
        &self,
        ask: &Ask,
        price: impl Fn(&Aisle, Option<Country>) -> P,
        now: WorldTime,
    ) -> Found {
        let mut ranking = self.rank(ask, price, now);
        let best = ranking.by_ref().take(RANKED_MAX).collect();
        Found {
            best,
            fitting: ranking.fitting(),
            refused: ranking.refused(),
        }
    }

    /// Every offer that fits an ask, best first, taken one by one; counts as in [`Book::search`].
    pub fn rank<'a, P: Borrow<AislePrice>, F: Fn(&Aisle, Option<Country>) -> P>(
        &'a self,
        ask: &'a Ask,
        price: F,
        now: WorldTime,
    ) -> Ranking<'a, PriceFn<F>> {
        self.rank_by(ask, PriceFn(price), now)
    }

    /// The same by a list of which more is known than its prices: an aisle's is asked for when one
    /// of its offers could be next.
    pub fn rank_by<'a, L: Prices>(
        &'a self,
        ask: &'a Ask,
        list: L,
        now: WorldTime,
    ) -> Ranking<'a, L> {
        self.rank_in(&self.rooms(ask), ask, list, now)
    }

    /// Counts that searches for an ask share with those that differ from it in the card, the tier,
    /// the work or a limit on money or age.
    pub fn rooms(&self, ask: &Ask) -> Rooms {
        Rooms::of(self, ask)
    }

    /// The same with counts that were made before; where they are those of another ask or book, new
    /// ones are made.
    pub fn rank_in<'a, L: Prices>(
        &'a self,
        rooms: &Rooms,
        ask: &'a Ask,
        list: L,
        now: WorldTime,
    ) -> Ranking<'a, L> {
        let survey = match rooms.are_of(self, ask) {
            true => survey::survey(self, (ask, rooms), &list, now),
            false => survey::survey(self, (ask, &self.rooms(ask)), &list, now),
        };
        Ranking::new(survey, list)
    }

    /// The offer with this id.
    pub fn find(&self, id: &OfferId) -> Option<View<'_>> {
        let hash = hash_of(&id.0);
        let at = self.index.binary_search_by(|(other, row)| {
            other
                .cmp(&hash)
                .then_with(|| self.view(Row(*row)).id_text().compare_text(&id.0))
        });
        at.ok().map(|at| self.view(Row(self.index[at].1)))
    }

    /// An offer, read in place. The row must be of this book.
    pub fn view(&self, row: Row) -> View<'_> {
        let after = self.summaries.partition_point(|s| s.start <= row.0);
        View {
            book: self,
            shelf: &self.shelves[after - 1],
            row: row.0 as usize,
        }
    }

    /// Words that a set of its countries by number takes.
    fn place_words(&self) -> usize {
        self.places.len().div_ceil(64)
    }

    /// Memory that the book takes, in bytes: everything allocated, used or not, and itself.
    pub fn bytes(&self) -> usize {
        let texts = |a: &Aisle| a.product.len() + a.network.as_str().len();
        let steps = |s: &Stock| allocated(&s.steps);
        // A B-tree keeps its nodes at least half full.
        let free = self.free.iter().count() * 2 * size_of::<(FreeKey, Free)>();
        size_of::<Self>()
            + self.rows.bytes()
            + allocated(&self.shelves)
            + allocated(&self.summaries)
            + allocated(&self.sections)
            + allocated(&self.section_rows)
            + allocated(&self.blocks)
            + allocated(&self.aisles)
            + self.aisles.iter().map(texts).sum::<usize>()
            + allocated(&self.stocks)
            + self.stocks.iter().map(steps).sum::<usize>()
            + self.stocks.len() * self.places.len() * size_of::<u16>()
            + allocated(&self.cells)
            + allocated(&self.aisle_prices)
            + allocated(&self.place_prices)
            + allocated(&self.place_ends)
            + allocated(&self.places)
            + allocated(&self.index)
            + allocated(&self.ages)
            + free
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_cases;
#[cfg(test)]
mod tests_relaxed;
#[cfg(test)]
mod tests_shape;
#[cfg(test)]
mod tests_support;
