//! Offers that fit, best first: lanes sorted by price are merged, and a lane or an aisle is looked
//! into only when the lowest price it could have would be the next.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};

use tandem_model::money::{MicroUsd, RatePerGpuHour};

use super::ask::{AislePrice, Sale};
use super::lanes::{LANES_EXPECTED, Lane, Tally, Walk, cap_of};
use super::masks::RowTest;
use super::outlook::Prices;
use super::rows::View;
use super::shelf::level_of;
use super::survey::{Closed, Survey, ask_price};
use super::{Book, Hit, Row};
use crate::quote::Refusal;

/// The next offer of a lane.
#[derive(Debug)]
struct Head<'a> {
    /// Price of a useful hour of all GPUs, and rate.
    key: (i64, i64),
    lane: u32,
    shelf: u32,
    row: u32,
    book: &'a Book,
}

impl<'a> Head<'a> {
    fn view(&self) -> View<'a> {
        View {
            book: self.book,
            shelf: &self.book.shelves[self.shelf as usize],
            row: self.row as usize,
        }
    }
}

impl Ord for Head<'_> {
    /// By price, then by id.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_id = || self.view().compare_with(&other.view());
        self.key.cmp(&other.key).then_with(by_id)
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
    /// Refusals as the survey counted them; what is looked at again after it counts no more.
    tally: Tally,
    /// Aisles that were not opened yet, by the lowest that an offer of theirs could cost.
    pub(super) closed: BinaryHeap<Reverse<Closed>>,
    /// One for each lane of the walk.
    cursors: Vec<Cursor>,
    heads: BinaryHeap<Reverse<Head<'a>>>,
}

/// Why an amount of a lane is never out of range.
const IN_RANGE: &str = "prices of a lane up to its limits are in the range of money";

fn sale_of<'p, P: Borrow<AislePrice>>(prices: &'p [P], lane: &Lane) -> &'p Sale {
    match prices[lane.price as usize].borrow() {
        AislePrice::Sold(sale) => sale,
        AislePrice::NotSold(_) => unreachable!("only what is sold has a lane"),
    }
}

impl<'a, L: Prices> Ranking<'a, L> {
    pub(super) fn new(survey: Survey<'a, L::Price>, list: L) -> Self {
        let walk = survey.walk;
        let mut ranking = Self {
            fitting: survey.fitting,
            tally: walk.tally,
            closed: survey.closed.into(),
            cursors: Vec::with_capacity(LANES_EXPECTED),
            heads: BinaryHeap::with_capacity(LANES_EXPECTED),
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
            let sale = sale_of(&self.walk.prices, lane);
            let mut cursor = Cursor {
                place: book.start_of(lane, &self.walk.test),
                left: lane.fitting,
                apart_until: if sale.rate.is_strict() { u32::MAX } else { 0 },
                level: Vec::new(),
            };
            let first = next_head(&self.walk, &mut cursor, number);
            self.heads.extend(first.map(Reverse));
            self.cursors.push(cursor);
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
                AislePrice::Sold(sale) => sale.useful_at(lowest),
                AislePrice::NotSold(_) => unreachable!("what is known of a price is what it says"),
            };
            let gpus = i64::from(self.walk.ask.gpus_rented(0, true));
            let useful_hour_min = useful.map_or(0, |useful| useful.saturating_mul(gpus));
            debug_assert!(closed.useful_hour_min <= useful_hour_min);
            self.closed.push(Reverse(Closed {
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
        let all = Refusal::ALL.into_iter().zip(self.tally);
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
    let useful = sale.useful.apply(rate);
    let hour = useful.and_then(|u| u.checked_mul(i64::from(lane.gpus)));
    Some(Head {
        key: (hour.expect(IN_RANGE), rate),
        lane: u32::try_from(number).expect("lanes are fewer than offers"),
        shelf: lane.shelf,
        row,
        book,
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
    let rate = sale.rate.apply(i64::from(price));
    let highest = rate.and_then(|rate| sale.rate.inverse(rate));
    let highest = highest.map_or(price, |highest| cap_of(Some(highest)));
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
            let next = self.heads.peek_mut();
            let lowest = self.closed.peek().map(|closed| closed.0.useful_hour_min);
            if let Some(mut top) = next.filter(|top| lowest.is_none_or(|min| top.0.key.0 < min)) {
                let lane = top.0.lane as usize;
                let head = match next_head(&self.walk, &mut self.cursors[lane], lane) {
                    Some(next) => std::mem::replace(&mut *top, Reverse(next)).0,
                    None => PeekMut::pop(top).0,
                };
                return Some(hit(&head, &self.walk.lanes[lane]));
            }
            let Reverse(closed) = self.closed.pop()?;
            self.open(closed);
        }
    }
}

/// What is told of an offer of a lane.
fn hit(head: &Head<'_>, lane: &Lane) -> Hit {
    let (useful_hour, rate) = head.key;
    let hour = rate.checked_mul(i64::from(lane.gpus)).expect(IN_RANGE);
    Hit {
        row: Row(head.row),
        gpus: lane.gpus,
        rate: RatePerGpuHour::new(MicroUsd::new(rate)),
        hour_micro_usd: MicroUsd::new(hour),
        useful_hour_micro_usd: MicroUsd::new(useful_hour),
    }
}
