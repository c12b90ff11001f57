//! How many GPUs the offers that fit have free: what `assured` jobs may be backed by. It is summed by
//! shelves and countries; offers are looked at one by one only where a price limit, their age or an
//! unusual number of nodes leaves some of a shelf.

use std::borrow::Borrow;
use std::cmp::Reverse;

use super::Book;
use super::ask::AislePrice;
use super::lanes::{Lane, Walk};
use super::masks::Masks;
use super::outlook::Prices;
use super::ranking::Ranking;
use super::shelf::{Summary, level_of};
use crate::countries::CountrySet;

impl Book {
    /// Free nodes of a shelf's active rows with so many nodes or more.
    fn free_nodes(&self, s: &Summary, nodes: u32) -> u64 {
        match level_of(nodes) {
            (level, true) => s.free_nodes[level],
            _ => enough_nodes(self.rows.nodes[s.active()].iter(), nodes),
        }
    }

    /// The same for one section of a shelf.
    fn free_nodes_section(&self, section: u32, nodes: u32) -> u64 {
        let section = &self.sections[section as usize];
        if let (level, true) = level_of(nodes) {
            return section.free_nodes[level];
        }
        let rows = &self.section_rows[section.rows.start as usize..section.rows.end as usize];
        let each = rows.iter().map(|row| &self.rows.nodes[*row as usize]);
        enough_nodes(each, nodes)
    }

    /// The same for the countries of a shelf that are not out, by what are likely the fewer
    /// sections.
    fn free_nodes_inside(&self, s: &Summary, masks: &Masks, nodes: u32) -> u64 {
        let sections = |set: &CountrySet| {
            let of = |rank| self.free_nodes_section(s.places.start + rank, nodes);
            s.places.sum(set, of)
        };
        match masks.is_mostly_out {
            true => sections(&masks.inside),
            false => self.free_nodes(s, nodes) - sections(&masks.out),
        }
    }
}

/// The sum of those numbers of nodes that are enough.
fn enough_nodes<'n>(each: impl Iterator<Item = &'n u32>, nodes: u32) -> u64 {
    let enough = each.filter(|n| **n >= nodes);
    enough.map(|n| u64::from(*n)).sum()
}

impl<P: Borrow<AislePrice>> Walk<'_, P> {
    /// Free GPUs of the offers of a lane.
    fn free_gpus_of_lane(&self, lane: &Lane) -> u64 {
        let (book, test) = (self.book, &self.test);
        let s = self.summary(lane.shelf);
        let nodes = match lane.section {
            _ if lane.is_mixed || lane.price_max < s.price_max => {
                let mut at = book.start_of(lane, test);
                let next = std::iter::from_fn(|| {
                    let (place, row) = book.next_in(lane, test, at)?;
                    at = place + 1;
                    Some(u64::from(book.rows.nodes[row as usize]))
                });
                next.sum()
            }
            Some(section) => book.free_nodes_section(section, test.nodes),
            None => book.free_nodes_inside(s, test.masks(lane.export), test.nodes),
        };
        nodes.saturating_mul(s.gpus_per_node.into())
    }

    /// Free GPUs of an aisle of which no offer is left out by its price.
    fn free_gpus_of_aisle(&mut self, aisle: u32) -> u64 {
        let book = self.book;
        let stock = &book.stocks[aisle as usize];
        let mut free = 0u64;
        for shelf in stock.shelves.clone() {
            let s = self.summary(shelf);
            if self.roomy(s) > 0 {
                let masks = self.test.masks(stock.export);
                let nodes = book.free_nodes_inside(s, masks, self.test.nodes);
                free = free.saturating_add(nodes.saturating_mul(s.gpus_per_node.into()));
            }
        }
        free
    }
}

impl<L: Prices> Ranking<'_, L> {
    /// Free GPUs of all offers that fit, those taken included. Not counted further than to
    /// `enough`.
    pub fn free_gpus(mut self, enough: u64) -> u64 {
        let (mut free, mut lanes_counted) = (0u64, 0);
        // What is quickly counted first: aisles as wholes.
        let mut cut = Vec::new();
        for Reverse(closed) in std::mem::take(&mut self.closed) {
            if !closed.is_whole {
                cut.push(closed);
            } else if free < enough {
                free = free.saturating_add(self.walk.free_gpus_of_aisle(closed.aisle));
            }
        }
        if free >= enough {
            return free;
        }
        loop {
            for lane in &self.walk.lanes[lanes_counted..] {
                if free >= enough {
                    return free;
                }
                free = free.saturating_add(self.walk.free_gpus_of_lane(lane));
            }
            lanes_counted = self.walk.lanes.len();
            match cut.pop() {
                Some(aisle) if free < enough => self.open(aisle),
                _ => return free,
            }
            // An aisle whose price was not known comes back with it.
            cut.extend(self.closed.drain().map(|closed| closed.0));
        }
    }
}
