//! The offers themselves: a column for each property that differs within a shelf, texts in one
//! arena, and an index from id to row.

use std::cmp::Ordering;
use std::ops::Range;

use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::Country;
use tandem_model::offer::{Offer, OfferId};
use tandem_model::time::WorldTime;

use super::shelf::{Aisle, Shelf};
use super::{Book, Row};
use crate::countries::{code_of, country_of};

/// Columns over all rows; a shelf's rows lie together.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// Micro-dollars per GPU-hour; 0 where the price is among `odd_prices`.
    pub(super) price: Vec<u32>,
    pub(super) nodes: Vec<u32>,
    /// Number of the country's code.
    pub(super) country: Vec<u16>,
    /// Microseconds of world time.
    pub(super) observed: Vec<i64>,
    /// The locator of every row, followed by the id where that is not the usual one.
    pub(super) text: String,
    /// Where the text of a row ends, and how long its locator is.
    pub(super) text_end: Vec<u32>,
    pub(super) locator_len: Vec<u32>,
    /// Prices that are not believed, by row.
    pub(super) odd_prices: Vec<(u32, MicroUsd)>,
}

/// Set in `locator_len` where the id is not the usual one.
const OWN_ID: u32 = 1 << 31;

impl Rows {
    /// Where all text of a row lies: its locator, where its id is the usual one.
    fn span(&self, row: usize) -> Range<usize> {
        let start = match row {
            0 => 0,
            _ => self.text_end[row - 1] as usize,
        };
        start..self.text_end[row] as usize
    }

    /// The locator, and the id where it is not the usual one.
    fn texts(&self, row: usize) -> (&str, Option<&str>) {
        let text = &self.text[self.span(row)];
        let len = self.locator_len[row];
        let (locator, own) = text.split_at((len & !OWN_ID) as usize);
        (locator, (len & OWN_ID != 0).then_some(own))
    }

    /// Adds the row of an offer; `price` is 0 where it is not believed. None when the arena is full.
    pub(super) fn push(&mut self, offer: &Offer, price: u32) -> Option<()> {
        let row = u32::try_from(self.price.len()).ok()?;
        self.text.push_str(&offer.locator);
        let locator_len = u32::try_from(offer.locator.len()).ok()?;
        let own = if is_usual_id(offer) {
            0
        } else {
            self.text.push_str(&offer.id.0);
            OWN_ID
        };
        let end = u32::try_from(self.text.len()).ok()?;
        self.text_end.push(end);
        self.locator_len
            .push((locator_len < OWN_ID).then_some(locator_len | own)?);
        self.price.push(price);
        if price == 0 {
            self.odd_prices.push((row, offer.price.price()));
        }
        self.nodes.push(offer.nodes_available);
        self.country.push(code_of(offer.country));
        self.observed.push(offer.observed_at.micros());
        Some(())
    }

    pub(super) fn with_capacity(rows: usize, text: usize) -> Self {
        Self {
            price: Vec::with_capacity(rows),
            nodes: Vec::with_capacity(rows),
            country: Vec::with_capacity(rows),
            observed: Vec::with_capacity(rows),
            text: String::with_capacity(text),
            text_end: Vec::with_capacity(rows),
            locator_len: Vec::with_capacity(rows),
            odd_prices: Vec::new(),
        }
    }

    /// Memory taken, in bytes.
    pub(super) fn bytes(&self) -> usize {
        allocated(&self.price)
            + allocated(&self.nodes)
            + allocated(&self.country)
            + allocated(&self.observed)
            + self.text.capacity()
            + allocated(&self.text_end)
            + allocated(&self.locator_len)
            + allocated(&self.odd_prices)
    }
}

/// What a vector has allocated, in bytes.
pub(super) fn allocated<T>(vector: &Vec<T>) -> usize {
    vector.capacity() * size_of::<T>()
}

/// An offer's id as it lies in the book: equal parts are compared without being joined.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdText<'a> {
    /// Network, product and locator; or nothing, nothing and the whole id.
    parts: [&'a str; 3],
}

impl<'a> IdText<'a> {
    fn pieces(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let [network, product, rest] = self.parts;
        let slash = if network.is_empty() { "" } else { "/" };
        [network, slash, product, slash, rest].into_iter()
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.pieces().flat_map(str::bytes)
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        if self.parts[..2] == other.parts[..2] {
            return self.parts[2].cmp(other.parts[2]);
        }
        self.bytes().cmp(other.bytes())
    }

    pub(super) fn compare_text(&self, other: &str) -> Ordering {
        self.bytes().cmp(other.bytes())
    }

    pub(super) fn to_id(self) -> OfferId {
        let mut id = String::with_capacity(self.pieces().map(str::len).sum());
        self.pieces().for_each(|piece| id.push_str(piece));
        OfferId(id)
    }
}

/// The usual id of an offer: `<network>/<product>/<locator>`.
fn is_usual_id(offer: &Offer) -> bool {
    let rest = offer.id.0.strip_prefix(offer.network.as_str());
    let rest = rest.and_then(|r| r.strip_prefix('/'));
    let rest = rest.and_then(|r| r.strip_prefix(offer.product.as_str()));
    rest.and_then(|r| r.strip_prefix('/')) == Some(&offer.locator)
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo), its halves folded. Ids that collide share a group of the
/// index that is sorted by the ids themselves, so hostile ids cost no more than a sort.
pub(super) fn hash_of(id: &str) -> u32 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or(0)
}

/// An offer of the book, read in place.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub(super) book: &'a Book,
    pub(super) shelf: &'a Shelf,
    pub(super) row: usize,
}

impl<'a> View<'a> {
    /// What its price may depend on.
    pub fn aisle(&self) -> &'a Aisle {
        &self.book.aisles[self.shelf.aisle as usize]
    }

    /// Its machines.
    pub fn shelf(&self) -> &'a Shelf {
        self.shelf
    }

    /// Its handle.
    pub fn row(&self) -> Row {
        Row(u32::try_from(self.row).unwrap_or(u32::MAX))
    }

    /// Its name.
    pub fn id(&self) -> OfferId {
        self.id_text().to_id()
    }

    /// How its name stands in the order of names beside another.
    pub fn compare(&self, id: &OfferId) -> Ordering {
        self.id_text().compare_text(&id.0)
    }

    /// How its name stands beside that of another offer of the same book.
    pub(super) fn compare_with(&self, other: &Self) -> Ordering {
        let rows = &self.book.rows;
        let is_usual = |row: usize| rows.locator_len[row] & OWN_ID == 0;
        if self.shelf.aisle == other.shelf.aisle && is_usual(self.row) && is_usual(other.row) {
            // The names of an aisle differ in their locators.
            let bytes = |row: usize| &rows.text.as_bytes()[rows.span(row)];
            return bytes(self.row).cmp(bytes(other.row));
        }
        self.id_text().compare(&other.id_text())
    }

    /// Whether this is its name.
    pub fn is(&self, id: &OfferId) -> bool {
        self.compare(id) == Ordering::Equal
    }

    pub(super) fn id_text(&self) -> IdText<'a> {
        let (locator, own) = self.book.rows.texts(self.row);
        let parts = match own {
            None => {
                let aisle = self.aisle();
                [aisle.network.as_str(), &aisle.product, locator]
            }
            Some(id) => ["", "", id],
        };
        IdText { parts }
    }

    /// The network's own key for it.
    pub fn locator(&self) -> &'a str {
        self.book.rows.texts(self.row).0
    }

    /// Nodes free.
    pub fn nodes_available(&self) -> u32 {
        self.book.rows.nodes[self.row]
    }

    /// Where it stands.
    pub fn country(&self) -> Country {
        country_of(self.book.rows.country[self.row])
    }

    /// Price per GPU-hour before the network's fees.
    pub fn price(&self) -> RatePerGpuHour {
        let rows = &self.book.rows;
        let odd = &rows.odd_prices;
        let price = match odd.binary_search_by_key(&self.row, |(row, _)| *row as usize) {
            Ok(at) => odd[at].1,
            Err(_) => MicroUsd::new(i64::from(rows.price[self.row])),
        };
        RatePerGpuHour::new(price)
    }

    /// When the network said so.
    pub fn observed_at(&self) -> WorldTime {
        WorldTime::from_micros(self.book.rows.observed[self.row])
    }

    /// The whole offer, copied out of the book.
    pub fn to_offer(&self) -> Offer {
        let (aisle, shelf) = (self.aisle(), self.shelf);
        Offer {
            id: self.id(),
            network: aisle.network.clone(),
            product: aisle.product.to_string(),
            locator: self.locator().to_owned(),
            gpu: aisle.gpu,
            grade: aisle.grade,
            gpus_per_node: shelf.gpus_per_node,
            divisible: shelf.divisible,
            nodes_available: self.nodes_available(),
            country: self.country(),
            price: self.price(),
            fee_basis_points: aisle.fee_basis_points,
            node_link: shelf.node_link,
            fabric: shelf.fabric,
            observed_at: self.observed_at(),
        }
    }
}
