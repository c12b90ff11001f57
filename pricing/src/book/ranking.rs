//! Offers that fit, best first: lanes sorted by price are merged, and a lane is looked at only
//! when its cheapest price could be the next.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use tandem_model::money::{MicroUsd, RatePerGpuHour};

use super::ask::{Sale, ShelfPrice};
use super::rows::View;
use super::survey::{Lane, RowTest, Survey, Tally};
use super::{Book, Hit, Row};
use crate::quote::Refusal;

/// What a lane offers next; before any row of it is known, its lowest price.
#[derive(Debug)]
struct Head<'a> {
    /// Price of a useful hour of all GPUs, and rate; no rate where no row is known.
    key: (i64, i64),
    lane: usize,
    row: Option<View<'a>>,
}

impl Ord for Head<'_> {
    /// By price, then by id. A lowest price comes before rows of the same price.
    fn cmp(&self, other: &Self) -> Ordering {
        self.key
            .cmp(&other.key)
            .then_with(|| match (&self.row, &other.row) {
                (Some(a), Some(b)) => a.id_text().compare(&b.id_text()),
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
    /// Offers of several network prices at one price to the customer: the rest of them, last first.
    level: Vec<u32>,
}

/// The offers that fit, best first: an iterator that does the work of each offer when it is taken.
#[derive(Debug)]
pub struct Ranking<'a, P> {
    book: &'a Book,
    test: RowTest,
    tally: Tally,
    fitting: u64,
    lanes: Vec<(Lane<P>, Cursor)>,
    heads: BinaryHeap<Reverse<Head<'a>>>,
}

fn sale_of<P: Borrow<ShelfPrice>>(lane: &Lane<P>) -> &Sale {
    match lane.price.borrow() {
        ShelfPrice::Sold(sale) => sale,
        ShelfPrice::NotSold(_) => unreachable!("only what is sold has a lane"),
    }
}

/// Why an amount of a lane is never out of range.
const IN_RANGE: &str = "prices of a lane up to its limits are in the range of money";

/// Price of a useful hour of all GPUs at a network price.
fn useful_hour_at<P: Borrow<ShelfPrice>>(lane: &Lane<P>, price: u32) -> i64 {
    let useful = sale_of(lane).useful.apply(i64::from(price));
    let hour = useful.and_then(|u| u.checked_mul(i64::from(lane.gpus)));
    hour.expect(IN_RANGE)
}

impl<'a, P: Borrow<ShelfPrice>> Ranking<'a, P> {
    pub(super) fn new(book: &'a Book, test: RowTest, survey: Survey<P>) -> Self {
        let mut lanes = Vec::with_capacity(survey.lanes.len());
        let mut heads = Vec::with_capacity(survey.lanes.len());
        for lane in survey.lanes {
            let place = book.start_of(&lane, &test);
            let first = book.row_at(&lane, place);
            let first = first.expect("a lane in which offers fit has a first row");
            heads.push(Reverse(Head {
                key: (useful_hour_at(&lane, book.rows.price[first as usize]), 0),
                lane: lanes.len(),
                row: None,
            }));
            let cursor = Cursor {
                place,
                left: lane.fitting,
                level: Vec::new(),
            };
            lanes.push((lane, cursor));
        }
        Self {
            book,
            test,
            tally: survey.tally,
            fitting: survey.fitting,
            lanes,
            heads: heads.into(),
        }
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

    /// Puts the next offer of a lane among the heads.
    fn advance(&mut self, number: usize) {
        let (lane, cursor) = &mut self.lanes[number];
        if cursor.level.is_empty() {
            if cursor.left == 0 {
                return;
            }
            take_level(self.book, &self.test, lane, cursor);
        }
        let row = cursor.level.pop().expect("a level has a row");
        let view = View {
            book: self.book,
            shelf: &self.book.shelves[lane.shelf as usize],
            row: row as usize,
        };
        let price = self.book.rows.price[row as usize];
        let rate = sale_of(lane).rate.apply(i64::from(price)).expect(IN_RANGE);
        self.heads.push(Reverse(Head {
            key: (useful_hour_at(lane, price), rate),
            lane: number,
            row: Some(view),
        }));
    }
}

/// Takes the next offer of a lane; and with it all that cost the customer the same, sorted by id,
/// where the price function puts different prices at one.
fn take_level<P: Borrow<ShelfPrice>>(
    book: &Book,
    test: &RowTest,
    lane: &Lane<P>,
    cursor: &mut Cursor,
) {
    let sale = sale_of(lane);
    let is_strict = sale.rate.is_strict() || sale.useful.is_strict();
    let mut highest = None;
    while cursor.left > 0 {
        let Some((place, row)) = book.next_in(lane, test, cursor.place) else {
            break;
        };
        let price = book.rows.price[row as usize];
        let highest = *highest.get_or_insert_with(|| {
            let price = i64::from(price);
            let same = |curve: &crate::cost::Curve| curve.inverse(curve.apply(price)?);
            same(&sale.rate)
                .zip(same(&sale.useful))
                .map_or(price, |(a, b)| a.min(b))
        });
        if i64::from(price) > highest {
            break;
        }
        cursor.level.push(row);
        cursor.left -= 1;
        cursor.place = place + 1;
        if is_strict {
            break;
        }
    }
    let view = |row: u32| View {
        book,
        shelf: &book.shelves[lane.shelf as usize],
        row: row as usize,
    };
    let id = |row: u32| view(row).id_text();
    cursor
        .level
        .sort_unstable_by(|a, b| id(*b).compare(&id(*a)));
}

impl<P: Borrow<ShelfPrice>> Iterator for Ranking<'_, P> {
    type Item = Hit;

    fn next(&mut self) -> Option<Hit> {
        loop {
            let Reverse(head) = self.heads.pop()?;
            self.advance(head.lane);
            let Some(view) = head.row else {
                continue;
            };
            let (lane, _) = &self.lanes[head.lane];
            let (useful_hour, rate) = head.key;
            let hour = rate.checked_mul(i64::from(lane.gpus));
            let hour = hour.expect(IN_RANGE);
            return Some(Hit {
                row: Row(u32::try_from(view.row).unwrap_or(u32::MAX)),
                gpus: lane.gpus,
                rate: RatePerGpuHour::new(MicroUsd::new(rate)),
                hour_micro_usd: MicroUsd::new(hour),
                useful_hour_micro_usd: MicroUsd::new(useful_hour),
            });
        }
    }
}
