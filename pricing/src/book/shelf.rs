//! Aisles and shelves: how offers stand in the book, and what is known of a shelf without looking
//! at its offers.

use std::ops::{AddAssign, Range};

use tandem_model::gpu::GpuModel;
use tandem_model::network::{Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink};

use crate::countries::{CountrySet, WORDS};

/// Levels of nodes that counts are kept for: at least so many, rising from 1. Offers with any other
/// number of nodes are counted one by one.
pub(super) const LEVEL_NODES: [u32; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64];
/// How many levels there are.
pub(super) const LEVELS: usize = LEVEL_NODES.len();
/// Offers between two running counts of a shelf.
pub(super) const BLOCK: usize = 256;

/// What the price of an offer may depend on, beside the network's price and the country: offers
/// that agree in it are an aisle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aisle {
    pub(super) number: u32,
    /// Who sells it.
    pub network: NetworkId,
    /// Which of the network's products.
    pub product: Box<str>,
    /// The card.
    pub gpu: GpuModel,
    /// Grade of the hardware.
    pub grade: Grade,
    /// The network's fee in hundredths of a percent of the price.
    pub fee_basis_points: u16,
}

impl Aisle {
    /// Whether it can be sold as enterprise: data-centre grade, A100 or better.
    pub fn is_enterprise(&self) -> bool {
        self.grade == Grade::Datacenter && self.gpu.is_a100_or_better()
    }

    /// Its number in the book, from 0: the place of its price in a table prepared once.
    pub fn number(&self) -> usize {
        self.number as usize
    }
}

/// The machines of an aisle that are alike: its offers agree in everything but price, nodes,
/// country and freshness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    pub(super) aisle: u32,
    /// GPUs in each node.
    pub gpus_per_node: u16,
    /// Whether fewer GPUs of a node can be rented.
    pub divisible: bool,
    /// Link between nodes.
    pub fabric: Fabric,
    /// Link between the GPUs of a node.
    pub node_link: NodeLink,
}

/// The highest level that `nodes` (at least 1) reaches, and whether it is exactly that level.
pub(super) fn level_of(nodes: u32) -> (usize, bool) {
    let level = LEVEL_NODES.partition_point(|least| *least <= nodes.max(1)) - 1;
    (level, nodes == LEVEL_NODES[level])
}

/// Countries, each with the counts of its rank from `start` in a list of all of them.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) set: CountrySet,
    /// How many of them lie before each word of the set.
    before: [u16; WORDS],
    pub(super) start: u32,
}

impl Places {
    pub(super) fn new(set: CountrySet, start: u32) -> Self {
        Self {
            set,
            before: set.ranks(),
            start,
        }
    }

    /// The rank of a country of the set.
    pub(super) fn rank(&self, code: u16) -> u32 {
        u32::from(self.before[usize::from(code / 64)]) + self.set.rank_in_word(code)
    }

    /// The sum over those of its countries that are in `chosen`, each by its place in the list of
    /// all of them counted from `start`.
    pub(super) fn sum<N: AddAssign + Default>(
        &self,
        chosen: &CountrySet,
        of: impl Fn(u32) -> N,
    ) -> N {
        let mut sum = N::default();
        let words = self.set.words().iter().zip(chosen.words());
        for ((have, chosen), before) in words.zip(self.before) {
            let mut left = have & chosen;
            let first = u32::from(before);
            while left != 0 {
                let below = (left & left.wrapping_neg()) - 1;
                sum += of(first + (have & below).count_ones());
                left &= left - 1;
            }
        }
        sum
    }

    /// The place in the list of a country of the set.
    pub(super) fn at(&self, code: u16) -> u32 {
        self.start + self.rank(code)
    }
}

/// Counts and bounds of a shelf. Its rows are three ranges one after the other: `active` sorted by
/// price and id; idle ones, without a free node; invalid ones, with a price that is not believed.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    pub(super) gpus_per_node: u16,
    pub(super) divisible: bool,
    pub(super) is_linked: bool,
    pub(super) start: u32,
    pub(super) active_end: u32,
    pub(super) idle_end: u32,
    pub(super) end: u32,
    /// Lowest and highest price of the active rows.
    pub(super) price_min: u32,
    pub(super) price_max: u32,
    /// Active rows with so many nodes or more, by level.
    pub(super) at_least: [u32; LEVELS],
    /// Free nodes of those rows.
    pub(super) free_nodes: [u64; LEVELS],
    /// The first active row with so many nodes or more, by level; `active_end` when there is none.
    pub(super) first: [u32; LEVELS],
    /// Oldest and newest observation of the active rows.
    pub(super) oldest: i64,
    pub(super) newest: i64,
    /// The first of its running counts.
    pub(super) blocks: u32,
    /// Countries of the active rows; one section each.
    pub(super) places: Places,
}

impl Summary {
    /// The section of the one country of the active rows that is not outside, where there is just one.
    pub(super) fn alone(&self, outside: &CountrySet) -> Option<u32> {
        let mut inside = self.places.set.without(outside).codes();
        let first = inside.next()?;
        let is_alone = inside.next().is_none();
        is_alone.then(|| self.places.at(first))
    }

    pub(super) fn active(&self) -> Range<usize> {
        self.start as usize..self.active_end as usize
    }

    /// Rows whose price is believed.
    pub(super) fn valid(&self) -> u64 {
        u64::from(self.idle_end - self.start)
    }

    pub(super) fn idle(&self) -> u64 {
        u64::from(self.idle_end - self.active_end)
    }
}

/// The active rows of a shelf in one country: `rows` of the book's list of rows by country, sorted
/// by price and id.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) rows: Range<u32>,
    /// Rows with so many nodes or more, by level from 2 nodes on.
    pub(super) at_least: [u32; LEVELS - 1],
    /// Free nodes of its rows with so many nodes or more, by level.
    pub(super) free_nodes: [u64; LEVELS],
}
