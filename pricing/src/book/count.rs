//! Counting the offers of a shelf that have room and keep to a price, and walking through them.

use super::Book;
use super::countries::CountrySet;
use super::shelf::{BLOCK, Summary, level_of};
use super::survey::{Lane, RowTest};

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

    /// The same for the sections of a shelf in a set of countries.
    pub(super) fn count_sections(
        &self,
        s: &Summary,
        set: &CountrySet,
        nodes: u32,
        cap: u32,
    ) -> u32 {
        let codes = s.places.and(set).codes();
        codes
            .map(|code| self.count_section(s.section_of(code), nodes, cap))
            .sum()
    }

    /// The same for the countries of a shelf that are not out, by the fewer sections.
    pub(super) fn count_inside(&self, s: &Summary, out: &CountrySet, nodes: u32, cap: u32) -> u32 {
        let outside = s.places.and(out);
        if outside.is_empty() {
            return self.count(s, nodes, cap);
        }
        let inside = s.places.without(out);
        if inside.len() <= outside.len() {
            return self.count_sections(s, &inside, nodes, cap);
        }
        self.count(s, nodes, cap) - self.count_sections(s, &outside, nodes, cap)
    }

    /// Rows of a lane that are not stale, and how many of those keep to each of the rising limits
    /// on the price; `roomy` of its rows have room.
    pub(super) fn count_lane<P, const N: usize>(
        &self,
        lane: &Lane<P>,
        test: &RowTest,
        roomy: u32,
        caps: [u32; N],
    ) -> (u32, [u32; N]) {
        let s = &self.summaries[lane.shelf as usize];
        if !lane.is_mixed {
            let count = |cap| match lane.section {
                _ if cap >= s.price_max => roomy,
                Some(section) => self.count_section(section, test.nodes, cap),
                None => {
                    let out = &test.masks(lane.export).out;
                    self.count_inside(s, out, test.nodes, cap)
                }
            };
            return (roomy, caps.map(count));
        }
        let (mut fresh, mut within) = (0, [0; N]);
        let mut at = self.start_of(lane, test);
        while let Some((found, row)) = self.next_in(lane, test, at) {
            fresh += 1;
            let price = self.rows.price[row as usize];
            for (count, cap) in within.iter_mut().zip(caps) {
                *count += u32::from(price <= cap);
            }
            at = found + 1;
        }
        (fresh, within)
    }

    /// The place of a lane before which no row has room: a row of the shelf, or a place in the
    /// list of rows by country.
    pub(super) fn start_of<P>(&self, lane: &Lane<P>, test: &RowTest) -> u32 {
        match lane.section {
            Some(section) => self.sections[section as usize].rows.start,
            None => {
                let (level, _) = level_of(test.nodes);
                self.summaries[lane.shelf as usize].first[level]
            }
        }
    }

    /// The row at a place of a lane; none past its end.
    pub(super) fn row_at<P>(&self, lane: &Lane<P>, place: u32) -> Option<u32> {
        match lane.section {
            Some(section) => {
                let end = self.sections[section as usize].rows.end;
                (place < end).then(|| self.section_rows[place as usize])
            }
            None => {
                let end = self.summaries[lane.shelf as usize].active_end;
                (place < end).then_some(place)
            }
        }
    }

    /// The first place of a lane from `place` on whose row has room, is in a country that the lane
    /// sells and is not stale; with that row.
    pub(super) fn next_in<P>(
        &self,
        lane: &Lane<P>,
        test: &RowTest,
        place: u32,
    ) -> Option<(u32, u32)> {
        let out = &test.masks(lane.export).out;
        let mut at = place;
        while let Some(row) = self.row_at(lane, at) {
            let index = row as usize;
            let sold = lane.section.is_some() || !out.contains_code(self.rows.country[index]);
            let fresh = !lane.is_mixed || !test.is_stale(self.rows.observed[index]);
            if self.rows.nodes[index] >= test.nodes && sold && fresh {
                return Some((at, row));
            }
            at += 1;
        }
        None
    }
}

fn as_count(rows: usize) -> u32 {
    u32::try_from(rows).expect("a book has at most OFFERS_MAX rows")
}
