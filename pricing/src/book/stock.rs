//! What is known of an aisle as a whole: counts by GPUs of a node, nodes, link and country, so
//! that an ask that needs no more than these skips the shelves.
//!
//! A *cell* holds how many active rows have so many GPUs in a node or more and so many nodes or
//! more, for one country or all of them, with any link or with RDMA alone.

use std::ops::Range;

use tandem_model::gpu::ExportClass;
use tandem_model::network::Grade;

use super::Book;
use super::cards::number_of;
use super::shelf::{LEVELS, Places, Summary};
use crate::countries::CountrySet;

/// Most different numbers of GPUs in a node for which cells are kept.
const STEPS_MAX: usize = 16;
/// Numbers of one step: a count for each level, and of all rows with a price that is believed.
const STEP: usize = LEVELS + 1;
/// Most cells kept for countries, per active row.
const CELLS_PER_ROW_MAX: usize = 30;

/// An aisle as a whole.
#[derive(Debug, Clone)]
pub(super) struct Stock {
    pub(super) gpu_number: u8,
    pub(super) is_datacenter: bool,
    pub(super) is_enterprise: bool,
    pub(super) vram_gb: u32,
    pub(super) export: ExportClass,
    pub(super) valid: u64,
    pub(super) invalid: u64,
    pub(super) shelves: Range<u32>,
    /// Oldest and newest observation of the active rows.
    pub(super) oldest: i64,
    pub(super) newest: i64,
    /// The lowest price of an active row of each level, and the highest price.
    pub(super) price_min: [u32; LEVELS],
    pub(super) price_max: u32,
    /// Prices of the active rows, sorted, in the book's list of them.
    pub(super) prices: Range<u32>,
    /// GPUs of a node that occur, rising; empty when there are too many of them for cells.
    pub(super) steps: Vec<u16>,
    /// Whether fewer GPUs of a node can be rented; none where that differs between its shelves.
    pub(super) is_divisible: Option<bool>,
    /// The first cell of all countries.
    cells: u32,
    /// Countries of the active rows, and the first cell of the first of them.
    pub(super) places: Places,
    /// The same by their numbers in the book, and the rank of each number among them.
    pub(super) numbered: CountrySet,
    ranks: Box<[u16]>,
    has_place_cells: bool,
    /// Where the prices of each country begin, and those of the last end, in the book's list of it.
    place_ends: Range<u32>,
}

/// Which cells of an aisle answer an ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    stock: &'a Stock,
    counts: &'a [u32],
    /// Words of sets of the book's countries that may hold one.
    words: usize,
    /// Of all countries, with any link.
    step: usize,
    /// Whether only nodes of this step count, not those of later ones too.
    is_alone: bool,
    level: usize,
}

impl Stock {
    /// Numbers of one country: two links, all steps.
    fn width(&self) -> usize {
        2 * self.steps.len() * STEP
    }

    /// The cells for so many GPUs of a node; none when no node has as many.
    pub(super) fn cells<'a>(
        &'a self,
        book: &'a Book,
        gpus_per_node: u16,
        level: usize,
    ) -> Option<Cells<'a>> {
        let step = self.steps.partition_point(|g| *g < gpus_per_node.max(1));
        (step < self.steps.len()).then_some(Cells {
            stock: self,
            counts: &book.cells,
            words: book.place_words(),
            step,
            is_alone: false,
            level,
        })
    }

    /// Whether cells tell which nodes can be rented with no GPU more than are needed.
    pub(super) fn tells_exact_nodes(&self) -> bool {
        self.is_divisible.is_some()
    }

    /// Whether its countries are counted one by one.
    pub(super) fn counts_places(&self) -> bool {
        self.has_place_cells
    }

    /// Active rows that cost `cap` or less, in those of its countries that are in a set of the book's
    /// numbers.
    pub(super) fn within_in(&self, book: &Book, set: &CountrySet, cap: u32) -> u32 {
        let ends = &book.place_ends[self.place_ends.start as usize..self.place_ends.end as usize];
        let within = |rank: u32| {
            let end = ends[rank as usize + 1] as usize;
            let prices = &book.place_prices[ends[rank as usize] as usize..end];
            number(prices.partition_point(|price| *price <= cap))
        };
        self.sum(set, book.place_words(), within)
    }

    /// The sum over those of its countries that are in a set of the book's numbers, each by its
    /// rank.
    fn sum(&self, set: &CountrySet, words: usize, of: impl Fn(u32) -> u32) -> u32 {
        let mut sum = 0;
        for (at, (have, chosen)) in self
            .numbered
            .words()
            .iter()
            .zip(set.words())
            .take(words)
            .enumerate()
        {
            let mut left = have & chosen;
            while left != 0 {
                let number = at * 64 + left.trailing_zeros() as usize;
                sum += of(u32::from(self.ranks[number]));
                left &= left - 1;
            }
        }
        sum
    }
}

impl Cells<'_> {
    fn count(&self, from: usize, linked: bool, level: usize) -> u32 {
        let steps = self.stock.steps.len();
        let link = usize::from(linked) * steps;
        let of = |step: usize| self.counts[from + (link + step) * STEP + level];
        match self.is_alone && self.step + 1 < steps {
            true => of(self.step) - of(self.step + 1),
            false => of(self.step),
        }
    }

    /// The same for nodes of which no more GPUs must be rented than are needed; none when there are
    /// no such nodes.
    pub(super) fn exact(self, gpus_per_node: u16) -> Option<Self> {
        if self.stock.is_divisible == Some(true) {
            return Some(self);
        }
        let is_needed = self.stock.steps[self.step] == gpus_per_node.max(1);
        is_needed.then_some(Self {
            is_alone: true,
            ..self
        })
    }

    /// Rows with a price that is believed, free or not, with any link.
    pub(super) fn valid(&self) -> u32 {
        self.count(self.stock.cells as usize, false, LEVELS)
    }

    /// Active rows with room.
    pub(super) fn roomy(&self, linked: bool) -> u32 {
        self.count(self.stock.cells as usize, linked, self.level)
    }

    /// Active rows with room in those of the aisle's countries that are in a set of the book's
    /// numbers.
    pub(super) fn roomy_in(&self, set: &CountrySet, linked: bool) -> u32 {
        let (stock, width) = (self.stock, self.stock.width());
        let steps = stock.steps.len();
        let step = (usize::from(linked) * steps + self.step) * STEP + self.level;
        let from = stock.places.start as usize + step;
        let counts = &self.counts[from..];
        let sum = |more: usize| {
            let of = |rank: u32| counts[more + rank as usize * width];
            stock.sum(set, self.words, of)
        };
        match self.is_alone && self.step + 1 < steps {
            true => sum(0) - sum(STEP),
            false => sum(0),
        }
    }

    /// Whether these are all steps.
    pub(super) fn is_all_steps(&self) -> bool {
        self.step == 0 && (!self.is_alone || self.stock.steps.len() == 1)
    }
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("counts of a book are bounded by its rows")
}

/// The lowest price of each level on some shelves.
fn lowest(book: &Book, summaries: &[Summary]) -> [u32; LEVELS] {
    let mut lowest = [u32::MAX; LEVELS];
    for s in summaries {
        for (least, first) in lowest.iter_mut().zip(s.first) {
            if first < s.active_end {
                *least = (*least).min(book.rows.price[first as usize]);
            }
        }
    }
    lowest
}

/// Adds the counts of the aisle whose shelves were added last, from `shelves.start` on.
pub(super) fn add(book: &mut Book, shelves: Range<u32>) {
    let aisle = &book.aisles[book.stocks.len()];
    let summaries = &book.summaries[shelves.start as usize..shelves.end as usize];
    let filled = || summaries.iter().filter(|s| s.at_least[0] > 0);
    let mut steps: Vec<u16> = summaries.iter().map(|s| s.gpus_per_node).collect();
    steps.sort_unstable();
    steps.dedup();
    if steps.len() > STEPS_MAX {
        steps.clear();
    }
    let places = filled().fold(CountrySet::EMPTY, |set, s| set.or(&s.places.set));
    let start = book.aisle_prices.len();
    for s in filled() {
        book.aisle_prices
            .extend_from_slice(&book.rows.price[s.active()]);
    }
    book.aisle_prices[start..].sort_unstable();
    let is_datacenter = aisle.grade == Grade::Datacenter;
    let mut stock = Stock {
        gpu_number: number_of(aisle.gpu).unwrap_or(u8::MAX),
        is_datacenter,
        is_enterprise: is_datacenter && aisle.gpu.is_a100_or_better(),
        vram_gb: u32::from(aisle.gpu.facts().vram_gb),
        export: aisle.gpu.export_class(),
        valid: summaries.iter().map(|s| s.valid()).sum(),
        invalid: summaries
            .iter()
            .map(|s| u64::from(s.end - s.idle_end))
            .sum(),
        shelves,
        oldest: filled().map(|s| s.oldest).min().unwrap_or(0),
        newest: filled().map(|s| s.newest).max().unwrap_or(0),
        price_min: lowest(book, summaries),
        price_max: filled().map(|s| s.price_max).max().unwrap_or(0),
        prices: number(start)..number(book.aisle_prices.len()),
        steps,
        is_divisible: match summaries {
            [first, rest @ ..] => {
                let same = rest.iter().all(|s| s.divisible == first.divisible);
                same.then_some(first.divisible)
            }
            [] => None,
        },
        cells: number(book.cells.len()),
        places: Places::new(places, 0),
        numbered: CountrySet::EMPTY,
        ranks: Box::default(),
        has_place_cells: false,
        place_ends: 0..0,
    };
    add_cells(book, &mut stock);
    if stock.has_place_cells {
        add_place_prices(book, &mut stock);
    }
    book.stocks.push(stock);
}

/// Adds the sorted prices of each country of an aisle.
fn add_place_prices(book: &mut Book, stock: &mut Stock) {
    let shelves = stock.shelves.start as usize..stock.shelves.end as usize;
    let mut prices = Vec::with_capacity(stock.prices.len());
    for s in &book.summaries[shelves] {
        let active = s.active();
        let rows = book.rows.country[active.clone()]
            .iter()
            .zip(&book.rows.price[active]);
        prices.extend(rows.map(|(code, price)| (*code, *price)));
    }
    prices.sort_unstable();
    let start = number(book.place_ends.len());
    let first = book.place_prices.len();
    for (at, (code, price)) in prices.iter().enumerate() {
        if at == 0 || prices[at - 1].0 != *code {
            book.place_ends.push(number(first + at));
        }
        book.place_prices.push(*price);
    }
    book.place_ends.push(number(book.place_prices.len()));
    stock.place_ends = start..number(book.place_ends.len());
}

/// Numbers the countries of a book whose aisles are complete.
pub(super) fn number_places(book: &mut Book) {
    let all = book.stocks.iter().map(|stock| &stock.places.set);
    let all = all.fold(CountrySet::EMPTY, |all, set| all.or(set));
    book.places = all.codes().collect();
    book.place_set = all;
    for stock in &mut book.stocks {
        stock.numbered = numbered(&book.places, &stock.places.set);
        let mut next = 0;
        let rank = |code: &u16| {
            let rank = next;
            next += u16::from(stock.places.set.contains_code(*code));
            rank
        };
        stock.ranks = book.places.iter().map(rank).collect();
    }
}

/// A set by the numbers that a book gives its countries, in the order of their codes.
pub(super) fn numbered(places: &[u16], set: &CountrySet) -> CountrySet {
    let mut out = CountrySet::EMPTY;
    for (number, code) in (0..).zip(places) {
        if set.contains_code(*code) {
            out.insert_code(number);
        }
    }
    out
}

/// Adds the cells of an aisle: of all countries, then of each where there are rows enough.
fn add_cells(book: &mut Book, stock: &mut Stock) {
    let width = stock.width();
    let places = stock.places.set.len();
    let rows = stock.prices.len();
    stock.has_place_cells = !stock.steps.is_empty() && width * places <= rows * CELLS_PER_ROW_MAX;
    let mut all = vec![0u32; width];
    let mut by_place = match stock.has_place_cells {
        true => vec![0u32; width * places],
        false => Vec::new(),
    };
    let add = |cells: &mut [u32], step: usize, linked: bool, level: usize, n: u32| {
        cells[step * STEP + level] += n;
        if linked {
            cells[(stock.steps.len() + step) * STEP + level] += n;
        }
    };
    for shelf in stock.shelves.clone() {
        let s = &book.summaries[shelf as usize];
        let Ok(step) = stock.steps.binary_search(&s.gpus_per_node) else {
            continue;
        };
        for (level, n) in s.at_least.into_iter().enumerate() {
            add(&mut all, step, s.is_linked, level, n);
        }
        add(&mut all, step, false, LEVELS, s.idle_end - s.start);
        for code in s.places.set.codes().filter(|_| stock.has_place_cells) {
            let section = &book.sections[s.places.at(code) as usize];
            let place = stock.places.rank(code) as usize * width;
            let cells = &mut by_place[place..place + width];
            add(cells, step, s.is_linked, 0, number(section.rows.len()));
            for (level, n) in (1..).zip(section.at_least) {
                add(cells, step, s.is_linked, level, n);
            }
        }
    }
    // Of so many GPUs or more: the sum over this step and those after it.
    for plane in [&mut all, &mut by_place] {
        for link in plane.chunks_mut((stock.steps.len() * STEP).max(1)) {
            for at in (STEP..link.len()).rev() {
                link[at - STEP] += link[at];
            }
        }
    }
    book.cells.append(&mut all);
    stock.places.start = number(book.cells.len());
    book.cells.append(&mut by_place);
}
