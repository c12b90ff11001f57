//! Offers that fit, best first: lanes sorted by price are merged, and a lane or an aisle is looked
//! into only when the lowest price it could have would be the next.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};

use tandem_model::money::{MicroUsd, RatePerGpuHour};

use super::ask::{AislePrice, Sale};
use super::lanes::{LANES_EXPECTED, Lane, Walk, cap_of};
use super::masks::RowTest;
use super::outlook::Prices;
use super::rows::View;
use super::shelf::level_of;
use super::survey::{Closed, Survey, ask_price};
use super::{Book, Hit, Row};
use crate::cost::Curve;
use crate::quote::Refusal;

/// Where an offer comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// An aisle that was not opened yet.
    Closed(Closed),
    /// The lane of this number.
    Lane(usize),
}

/// What comes next from somewhere; before any row is known, the lowest that it could cost.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// Price of a useful hour of all GPUs, and rate; no rate where no row is known.
    key: (i64, i64),
    pub(super) source: Source,
    row: Option<View<'a>>,
}

impl Ord for Head<'_> {
    /// By price, then by id. A lowest price comes before rows of the same price.
    fn cmp(&self, other: &Self) -> Ordering {
        self.key
            .cmp(&other.key)
            .then_with(|| match (&self.row, &other.row) {
                (Some(a), Some(b)) => a.compare_with(b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            })
    }
}
impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Head<'_> {}

/// Where a lane stands.
#[derive(Debug, Default)]
struct Cursor {
    /// The next place to look at.
    place: u32,
    /// Offers that fit and were not taken yet.
    left: u32,
    /// Before this place no two network prices are one price to the customer.
    apart_until: u32,
    /// Offers of several network prices at one price to the customer: the rest of them, last first.
    level: Vec<u32>,
}

impl Cursor {
    /// Takes the offer at a place into the level.
    fn take(&mut self, place: u32, row: u32) {
        self.level.push(row);
        self.left -= 1;
        self.place = place + 1;
    }
}

/// The offers that fit, best first: an iterator that does the work of each offer when it is taken.
#[derive(Debug)]
pub struct Ranking<'a, L: Prices> {
    pub(super) walk: Walk<'a, L::Price>,
    /// Where prices come from that were not asked for yet.
    list: L,
    fitting: u64,
    /// One for each lane of the walk.
    cursors: Vec<Cursor>,
    pub(super) heads: BinaryHeap<Reverse<Head<'a>>>,
}

/// Why an amount of a lane is never out of range.
const IN_RANGE: &str = "prices of a lane up to its limits are in the range of money";

fn sale_of<'p, P: Borrow<AislePrice>>(prices: &'p [P], lane: &Lane) -> &'p Sale {
    match prices[lane.price as usize].borrow() {
        AislePrice::Sold(sale) => sale,
        AislePrice::NotSold(_) => unreachable!("only what is sold has a lane"),
    }
}

/// Price of a useful hour of all GPUs of a lane at a network price.
fn useful_hour(sale: &Sale, lane: &Lane, price: u32) -> i64 {
    let useful = sale.useful.apply(i64::from(price));
    let hour = useful.and_then(|u| u.checked_mul(i64::from(lane.gpus)));
    hour.expect(IN_RANGE)
}

/// Where an aisle stands that was not opened.
fn head_of(closed: Closed) -> Reverse<Head<'static>> {
    Reverse(Head {
        key: (closed.useful_hour_min, 0),
        source: Source::Closed(closed),
        row: None,
    })
}

impl<'a, L: Prices> Ranking<'a, L> {
    pub(super) fn new(survey: Survey<'a, L::Price>, list: L) -> Self {
        let closed = survey.closed.into_iter().map(head_of);
        let mut walk = survey.walk;
        let mut heads = Vec::with_capacity(closed.len() + LANES_EXPECTED);
        heads.extend(closed);
        walk.is_counting = false;
        let mut ranking = Self {
            fitting: survey.fitting,
            cursors: Vec::with_capacity(LANES_EXPECTED),
            heads: heads.into(),
            walk,
            list,
        };
        ranking.add_lanes();
        ranking
    }

    /// Gives a cursor and a head to each lane that has none.
    fn add_lanes(&mut self) {
        let book = self.walk.book;
        for (number, lane) in self.walk.lanes.iter().enumerate().skip(self.cursors.len()) {
            let place = book.start_of(lane, &self.walk.test);
            let first = book.row_at(lane, place);
            let first = first.expect("a lane with room has a first row");
            let sale = sale_of(&self.walk.prices, lane);
            let price = book.rows.price[first as usize];
            self.heads.push(Reverse(Head {
                key: (useful_hour(sale, lane, price), 0),
                source: Source::Lane(number),
                row: None,
            }));
            let is_strict = sale.rate.is_strict() || sale.useful.is_strict();
            self.cursors.push(Cursor {
                place,
                left: lane.fitting,
                apart_until: if is_strict { u32::MAX } else { 0 },
                level: Vec::new(),
            });
        }
    }

    /// Looks at the shelves of an aisle, which were counted together before; or only asks for its
    /// price, which may be higher than what was known of it.
    pub(super) fn open(&mut self, closed: Closed) {
        let stock = &self.walk.book.stocks[closed.aisle as usize];
        let Some(price) = closed.price else {
            let place = ask_price(&mut self.walk, &self.list, closed.aisle, None);
            let (level, _) = level_of(self.walk.test.nodes);
            let lowest = i64::from(stock.price_min[level]);
            let useful = match self.walk.prices[place as usize].borrow() {
                AislePrice::Sold(sale) => sale.useful.apply(lowest),
                AislePrice::NotSold(_) => unreachable!("what is known of a price is what it says"),
            };
            let gpus = i64::from(self.walk.ask.gpus_rented(0, true));
            let useful_hour_min = useful.map_or(0, |useful| useful.saturating_mul(gpus));
            debug_assert!(closed.useful_hour_min <= useful_hour_min);
            self.heads.push(head_of(Closed {
                price: Some(place),
                useful_hour_min,
                ..closed
            }));
            return;
        };
        for shelf in stock.shelves.clone() {
            self.walk.reopen(shelf, stock.export, price);
        }
        self.add_lanes();
    }

    /// How many offers fit, those taken included.
    pub fn fitting(&self) -> usize {
        usize::try_from(self.fitting).unwrap_or(usize::MAX)
    }

    /// How many offers were refused, by the first reason that held.
    pub fn refused(&self) -> BTreeMap<Refusal, usize> {
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let all = Refusal::ALL.into_iter().zip(self.walk.tally);
        all.filter(|(_, n)| *n > 0)
            .map(|(why, n)| (why, count(n)))
            .collect()
    }
}

/// The next offer of a lane; none at its end.
fn next_head<'a, P: Borrow<AislePrice>>(
    walk: &Walk<'a, P>,
    cursor: &mut Cursor,
    number: usize,
) -> Option<Head<'a>> {
    let (book, lane) = (walk.book, &walk.lanes[number]);
    let sale = sale_of(&walk.prices, lane);
    let row = match cursor.level.pop() {
        Some(row) => row,
        None => take(book, &walk.test, lane, sale, cursor)?,
    };
    let price = book.rows.price[row as usize];
    let rate = sale.rate.apply(i64::from(price)).expect(IN_RANGE);
    Some(Head {
        key: (useful_hour(sale, lane, price), rate),
        source: Source::Lane(number),
        row: Some(view_of(book, lane, row)),
    })
}

fn view_of<'a>(book: &'a Book, lane: &Lane, row: u32) -> View<'a> {
    View {
        book,
        shelf: &book.shelves[lane.shelf as usize],
        row: row as usize,
    }
}

/// Takes the next offer of a lane; and with it all that cost the customer the same, sorted by id,
/// where the price function puts different prices at one.
fn take(book: &Book, test: &RowTest, lane: &Lane, sale: &Sale, cursor: &mut Cursor) -> Option<u32> {
    if cursor.left == 0 {
        return None;
    }
    let (place, row) = book.next_in(lane, test, cursor.place)?;
    if place < cursor.apart_until {
        (cursor.left, cursor.place) = (cursor.left - 1, place + 1);
        return Some(row);
    }
    let price = book.rows.price[row as usize];
    let same = |curve: &Curve| curve.inverse(curve.apply(i64::from(price))?);
    let highest = same(&sale.rate).zip(same(&sale.useful));
    let highest = highest.map_or(price, |(a, b)| cap_of(Some(a.min(b))));
    let (end, last) = book.end_of_prices(lane, place, highest);
    if last == price {
        cursor.apart_until = end;
        (cursor.left, cursor.place) = (cursor.left - 1, place + 1);
        return Some(row);
    }
    cursor.place = place;
    while cursor.left > 0 {
        let next = book.next_in(lane, test, cursor.place);
        let Some((place, row)) = next.filter(|(place, _)| *place < end) else {
            break;
        };
        cursor.take(place, row);
    }
    let view = |row: u32| view_of(book, lane, row);
    cursor
        .level
        .sort_unstable_by(|a, b| view(*b).compare_with(&view(*a)));
    cursor.level.pop()
}

impl<L: Prices> Iterator for Ranking<'_, L> {
    type Item = Hit;

    fn next(&mut self) -> Option<Hit> {
        loop {
            let mut top = self.heads.peek_mut()?;
            let number = match top.0.source {
                Source::Closed(closed) => {
                    PeekMut::pop(top);
                    self.open(closed);
                    continue;
                }
                Source::Lane(number) => number,
            };
            let head = match next_head(&self.walk, &mut self.cursors[number], number) {
                Some(next) => std::mem::replace(&mut *top, Reverse(next)).0,
                None => PeekMut::pop(top).0,
            };
            if head.row.is_none() {
                continue;
            }
            return Some(hit(&head, &self.walk.lanes[number]));
        }
    }
}

/// What is told of an offer of a lane.
fn hit(head: &Head<'_>, lane: &Lane) -> Hit {
    let (useful_hour, rate) = head.key;
    let hour = rate.checked_mul(i64::from(lane.gpus)).expect(IN_RANGE);
    let row = head.row.map_or(usize::MAX, |view| view.row);
    Hit {
        row: Row(u32::try_from(row).unwrap_or(u32::MAX)),
        gpus: lane.gpus,
        rate: RatePerGpuHour::new(MicroUsd::new(rate)),
        hour_micro_usd: MicroUsd::new(hour),
        useful_hour_micro_usd: MicroUsd::new(useful_hour),
    }
}
