//! Counting the offers of a shelf that have room and keep to a price, and walking through them.

use super::Book;
use super::lanes::Lane;
use super::masks::{Masks, RowTest};
use super::shelf::{BLOCK, Summary, level_of};
use crate::countries::CountrySet;

impl Book {
    /// Active rows of a shelf with so many nodes or more and a price of at most `cap`.
    pub(super) fn count(&self, s: &Summary, nodes: u32, cap: u32) -> u32 {
        let (level, exact) = level_of(nodes);
        if cap < s.price_min || s.at_least[level] == 0 {
            return 0;
        }
        if cap >= s.price_max && exact {
            return s.at_least[level];
        }
        let active = s.active();
        let prices = &self.rows.price[active.clone()];
        let within = prices.partition_point(|price| *price <= cap);
        if level == 0 {
            return as_count(within);
        }
        let mut counted = 0;
        let mut from = 0;
        if exact && within >= BLOCK {
            from = within / BLOCK * BLOCK;
            let running = &self.blocks[s.blocks as usize + within / BLOCK - 1];
            counted = running[level - 1];
        }
        let rest = &self.rows.nodes[active.start + from..active.start + within];
        counted + as_count(rest.iter().filter(|n| **n >= nodes).count())
    }

    /// The same for one section of a shelf.
    pub(super) fn count_section(&self, section: u32, nodes: u32, cap: u32) -> u32 {
        let section = &self.sections[section as usize];
        let rows = &self.section_rows[section.rows.start as usize..section.rows.end as usize];
        let (level, exact) = level_of(nodes);
        if cap == u32::MAX && exact {
            return match level {
                0 => as_count(rows.len()),
                _ => section.at_least[level - 1],
            };
        }
        let within = rows.partition_point(|row| self.rows.price[*row as usize] <= cap);
        if level == 0 {
            return as_count(within);
        }
        let roomy = |row: &&u32| self.rows.nodes[**row as usize] >= nodes;
        as_count(rows[..within].iter().filter(roomy).count())
    }

    /// The same for those of a shelf's countries that are in a set.
    pub(super) fn count_sections(
        &self,
        s: &Summary,
        set: &CountrySet,
        nodes: u32,
        cap: u32,
    ) -> u32 {
        let section = |rank| s.places.start + rank;
        s.places
            .sum(set, |rank| self.count_section(section(rank), nodes, cap))
    }

    /// The same for the countries of a shelf that are not out, by what are likely the fewer
    /// sections.
    pub(super) fn count_inside(&self, s: &Summary, masks: &Masks, nodes: u32, cap: u32) -> u32 {
        if masks.is_mostly_out {
            return self.count_sections(s, &masks.inside, nodes, cap);
        }
        self.count(s, nodes, cap) - self.count_sections(s, &masks.out, nodes, cap)
    }

    /// Rows of a lane that are not stale, and how many of those keep to each of the rising limits
    /// on the price; `roomy` of its rows have room.
    pub(super) fn count_lane<const N: usize>(
        &self,
        lane: &Lane,
        test: &RowTest,
        roomy: u32,
        caps: [u32; N],
    ) -> (u32, [u32; N]) {
        let s = &self.summaries[lane.shelf as usize];
        if !lane.is_mixed {
            let count = |cap| match lane.section {
                _ if cap >= s.price_max => roomy,
                _ if cap < s.price_min => 0,
                Some(section) => self.count_section(section, test.nodes, cap),
                None => self.count_inside(s, test.masks(lane.export), test.nodes, cap),
            };
            let mut last = None;
            let within = caps.map(|cap| match last {
                Some((known, within)) if known == cap => within,
                _ => {
                    let within = count(cap);
                    last = Some((cap, within));
                    within
                }
            });
            return (roomy, within);
        }
        self.count_fresh(lane, test, caps)
    }

    /// The same where every row must be looked at.
    fn count_fresh<const N: usize>(
        &self,
        lane: &Lane,
        test: &RowTest,
        caps: [u32; N],
    ) -> (u32, [u32; N]) {
        let (mut fresh, mut within) = (0, [0; N]);
        let mut add = |price: u32, nodes: u32, observed: i64, sold: bool| {
            let fits = u32::from(nodes >= test.nodes && !test.is_stale(observed) && sold);
            fresh += fits;
            for (count, cap) in within.iter_mut().zip(caps) {
                *count += fits & u32::from(price <= cap);
            }
        };
        let rows = &self.rows;
        if let Some(section) = lane.section {
            let section = &self.sections[section as usize].rows;
            for row in &self.section_rows[section.start as usize..section.end as usize] {
                let row = *row as usize;
                add(rows.price[row], rows.nodes[row], rows.observed[row], true);
            }
            return (fresh, within);
        }
        let active = self.summaries[lane.shelf as usize].active();
        let masks = test.masks(lane.export);
        let columns = rows.price[active.clone()]
            .iter()
            .zip(&rows.nodes[active.clone()])
            .zip(&rows.observed[active.clone()])
            .zip(&rows.country[active]);
        for (((price, nodes), observed), country) in columns {
            let sold = !masks.has_out || !masks.out.contains_code(*country);
            add(*price, *nodes, *observed, sold);
        }
        (fresh, within)
    }

    /// The place of a lane before which no row has room: a row of the shelf, or a place in the
    /// list of rows by country.
    pub(super) fn start_of(&self, lane: &Lane, test: &RowTest) -> u32 {
        match lane.section {
            Some(section) => self.sections[section as usize].rows.start,
            None => {
                let (level, _) = level_of(test.nodes);
                self.summaries[lane.shelf as usize].first[level]
            }
        }
    }

    /// The end of a lane's rows from `place` on that cost `highest` at most, and what the last of
    /// them costs; the row at `place` is one of them.
    pub(super) fn end_of_prices(&self, lane: &Lane, place: u32, highest: u32) -> (u32, u32) {
        let prices = &self.rows.price;
        let from = place as usize;
        let (within, last) = match lane.section {
            Some(section) => {
                let end = self.sections[section as usize].rows.end as usize;
                let rows = &self.section_rows[from..end];
                let within = rows.partition_point(|row| prices[*row as usize] <= highest);
                (within, rows[within - 1] as usize)
            }
            None => {
                let end = self.summaries[lane.shelf as usize].active_end as usize;
                let within = prices[from..end].partition_point(|price| *price <= highest);
                (within, from + within - 1)
            }
        };
        (place + as_count(within), prices[last])
    }

    /// The first place of a lane from `place` on whose row has room, keeps to the limits on the price,
    /// is in a country that the lane sells and is not stale; with that row.
    pub(super) fn next_in(&self, lane: &Lane, test: &RowTest, place: u32) -> Option<(u32, u32)> {
        let out = &test.masks(lane.export).out;
        let rows = &self.rows;
        let is_fresh = |row: usize| !lane.is_mixed || !test.is_stale(rows.observed[row]);
        let has_room = |row: usize| rows.nodes[row] >= test.nodes && is_fresh(row);
        if let Some(section) = lane.section {
            let end = self.sections[section as usize].rows.end;
            let here = &self.section_rows[place as usize..end as usize];
            let is_next =
                |row: &u32| rows.price[*row as usize] > lane.price_max || has_room(*row as usize);
            let (at, row) = (place..).zip(here).find(|(_, row)| is_next(row))?;
            return (rows.price[*row as usize] <= lane.price_max).then_some((at, *row));
        }
        let end = self.summaries[lane.shelf as usize].active_end as usize;
        let from = place as usize;
        let columns = rows.price[from..end].iter().zip(&rows.country[from..end]);
        for (row, (price, country)) in (from..).zip(columns) {
            if *price > lane.price_max {
                return None;
            }
            if !out.contains_code(*country) && has_room(row) {
                let row = as_count(row);
                return Some((row, row));
            }
        }
        None
    }
}

fn as_count(rows: usize) -> u32 {
    u32::try_from(rows).expect("a book has at most OFFERS_MAX rows")
}
