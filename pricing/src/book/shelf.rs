//! Shelves: offers that agree in everything but price, nodes, country and freshness; and what is
//! known of a shelf without looking at its offers.

use std::ops::Range;

use tandem_model::gpu::{ExportClass, GpuModel};
use tandem_model::network::{Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink};

use super::countries::{CountrySet, WORDS};

/// Levels of nodes that counts are kept for: at least 1, 2, 4, 8, 16, 32, 64.
pub(super) const LEVELS: usize = 7;
/// Offers between two running counts of a shelf.
pub(super) const BLOCK: usize = 256;

/// What every offer of a shelf has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    pub(super) number: u32,
    /// Who sells it.
    pub network: NetworkId,
    /// Which of the network's products.
    pub product: Box<str>,
    /// The card.
    pub gpu: GpuModel,
    /// Grade of the hardware.
    pub grade: Grade,
    /// GPUs in each node.
    pub gpus_per_node: u16,
    /// Whether fewer GPUs of a node can be rented.
    pub divisible: bool,
    /// Link between nodes.
    pub fabric: Fabric,
    /// Link between the GPUs of a node.
    pub node_link: NodeLink,
    /// The network's fee in hundredths of a percent of the price.
    pub fee_basis_points: u16,
}

impl Shelf {
    /// Its number in the book, from 0: the place of its price in a table prepared once.
    pub fn number(&self) -> usize {
        self.number as usize
    }
}

/// The highest level that `nodes` (at least 1) reaches, and whether it is exactly that level.
pub(super) fn level_of(nodes: u32) -> (usize, bool) {
    let level = (nodes.max(1).ilog2() as usize).min(LEVELS - 1);
    (level, nodes == 1 << level)
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
    /// The first active row with so many nodes or more, by level; `active_end` when there is none.
    pub(super) first: [u32; LEVELS],
    /// Oldest and newest observation of the active rows.
    pub(super) oldest: i64,
    pub(super) newest: i64,
    /// Countries of the active rows; one section each, in the same order from `sections`.
    pub(super) places: CountrySet,
    /// How many of them lie before each word of the set.
    pub(super) before: [u16; WORDS],
    pub(super) sections: u32,
    /// The first of its running counts.
    pub(super) blocks: u32,
}

impl Summary {
    pub(super) fn active(&self) -> Range<usize> {
        self.start as usize..self.active_end as usize
    }

    /// Rows whose price is believed.
    pub(super) fn valid(&self) -> u64 {
        u64::from(self.idle_end - self.start)
    }

    /// The section of a country that it has.
    pub(super) fn section_of(&self, code: u16) -> u32 {
        let word = usize::from(code / 64);
        self.sections + u32::from(self.before[word]) + self.places.rank_in_word(code)
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
}

/// Shelves of one card and grade: `shelves`, with what is asked of card and grade.
#[derive(Debug, Clone)]
pub(super) struct Aisle {
    pub(super) shelves: Range<u32>,
    pub(super) gpu: GpuModel,
    pub(super) gpu_number: u8,
    pub(super) is_datacenter: bool,
    pub(super) is_enterprise: bool,
    pub(super) vram_gb: u32,
    pub(super) export: ExportClass,
    pub(super) valid: u64,
    pub(super) invalid: u64,
}
