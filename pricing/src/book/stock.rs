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
use super::shelf::{LEVELS, Places};
use crate::countries::CountrySet;

/// Most different numbers of GPUs in a node for which cells are kept.
const STEPS_MAX: usize = 16;
/// Numbers of one step: a count for each level, and of all rows with a price that is believed.
const STEP: usize = LEVELS + 1;
/// Most cells kept for countries, per active row.
const CELLS_PER_ROW_MAX: usize = 16;

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
    is_divisible: Option<bool>,
    /// The first cell of all countries.
    cells: u32,
    /// Countries of the active rows, and the first cell of the first of them.
    pub(super) places: Places,
    has_place_cells: bool,
}

/// Which cells of an aisle answer an ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    stock: &'a Stock,
    counts: &'a [u32],
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
            step,
            is_alone: false,
            level,
        })
    }

    /// Whether cells tell which nodes can be rented with no GPU more than are needed.
    pub(super) fn tells_exact_nodes(&self) -> bool {
        self.is_divisible.is_some()
    }

    /// Whether countries of this set are counted.
    pub(super) fn counts_places(&self, set: &CountrySet) -> bool {
        self.has_place_cells || set.is_empty()
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

    /// Active rows with room in those of the aisle's countries that are in a set.
    pub(super) fn roomy_in(&self, set: &CountrySet, linked: bool) -> u32 {
        let (stock, width) = (self.stock, self.stock.width());
        let place = |rank: u32| stock.places.start as usize + rank as usize * width;
        stock
            .places
            .sum(set, |rank| self.count(place(rank), linked, self.level))
    }

    /// Whether these are all steps.
    pub(super) fn is_all_steps(&self) -> bool {
        self.step == 0 && (!self.is_alone || self.stock.steps.len() == 1)
    }
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("counts of a book are bounded by its rows")
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
    let mut price_min = [u32::MAX; LEVELS];
    for s in filled() {
        for (least, first) in price_min.iter_mut().zip(s.first) {
            if first < s.active_end {
                *least = (*least).min(book.rows.price[first as usize]);
            }
        }
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
        price_min,
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
        has_place_cells: false,
    };
    add_cells(book, &mut stock);
    book.stocks.push(stock);
}

/// Adds the cells of an aisle: of all countries, then of each where there are rows enough.
fn add_cells(book: &mut Book, stock: &mut Stock) {
    let width = stock.width();
    let places = stock.places.set.len();
    let rows = stock.prices.len();
    stock.has_place_cells = width * places <= rows * CELLS_PER_ROW_MAX;
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
