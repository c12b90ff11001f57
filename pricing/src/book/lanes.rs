//! Which offers of a shelf fit and how many each reason refuses, shelf by shelf.
//!
//! A lane is the part of a shelf that is sold at one price function. Limits on the price become
//! one highest network price, found by inverting the price function, so that one binary search on
//! sorted prices counts what is beyond it.

use std::borrow::Borrow;

use tandem_model::gpu::ExportClass;

use super::Book;
use super::ask::{AislePrice, Ask, Sale};
use super::masks::RowTest;
use super::shelf::Summary;
use crate::countries::CountrySet;
use crate::quote::Refusal;

/// Lanes for which room is made at once.
pub(super) const LANES_EXPECTED: usize = 32;

/// How many offers each reason refuses.
pub(super) type Tally = [u64; Refusal::ALL.len()];

/// Offers of a shelf that are sold at one price function: those of one country, or of every
/// country that is not out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    pub(super) shelf: u32,
    /// The section, where it is one country.
    pub(super) section: Option<u32>,
    pub(super) export: ExportClass,
    /// Place of the price among those that were asked for.
    pub(super) price: u32,
    /// The highest network price that keeps to every limit.
    pub(super) price_max: u32,
    pub(super) gpus: u32,
    /// Whether some of its offers may be stale.
    pub(super) is_mixed: bool,
    /// Offers that fit, or a number that is not below it.
    pub(super) fitting: u32,
}

/// Prices of an aisle, as places among those that were asked for.
#[derive(Debug, Clone)]
pub(super) struct Priced {
    /// Of every country that is not priced apart.
    pub(super) common: u32,
    /// Of countries priced apart, in the order of their codes.
    pub(super) apart: Vec<(u16, u32)>,
    pub(super) export: ExportClass,
}

/// Limits on the price, in the order in which they are asked.
pub(super) const LIMITS: [Refusal; 3] = [
    Refusal::PriceInvalid,
    Refusal::AbovePriceLimit,
    Refusal::AboveBudget,
];

/// The highest price within a bound, as prices are kept; 0 when none is.
pub(super) fn cap_of(bound: Option<i64>) -> u32 {
    u32::try_from(bound.unwrap_or(0)).unwrap_or(u32::MAX)
}

/// Highest network prices at which a sale stays in the range of money; there and within the
/// customer's price limit; and within his budget too. `is_small` says that no price that occurs
/// leaves the range.
fn limits(sale: &Sale, ask: &Ask, gpus: u32, is_small: bool) -> [u32; LIMITS.len()] {
    let in_range = match is_small {
        true => u32::MAX,
        false => cap_of(sale.price_in_range(gpus)),
    };
    let within = |limit: Option<i64>| match limit {
        Some(limit) => cap_of(sale.rate.inverse(limit)),
        None => u32::MAX,
    };
    let sold = sale
        .price_max
        .map_or(u32::MAX, |most| cap_of(Some(most.get())));
    let in_limit = within(ask.price_limit.map(|limit| limit.get())).min(sold);
    let in_limit = in_range.min(in_limit);
    let budget = ask.work.and_then(|work| sale.rate_in_budget(&work, gpus));
    [in_range, in_limit, in_limit.min(within(budget))]
}

/// A walk over shelves under way.
#[derive(Debug)]
pub(super) struct Walk<'a, P> {
    pub(super) book: &'a Book,
    pub(super) ask: &'a Ask,
    pub(super) test: RowTest,
    /// Prices that were asked for.
    pub(super) prices: Vec<P>,
    /// Of each, whether it stays in the range of money at every network price of its aisle.
    pub(super) are_small: Vec<bool>,
    pub(super) tally: Tally,
    pub(super) lanes: Vec<Lane>,
}

impl<'a, P: Borrow<AislePrice>> Walk<'a, P> {
    pub(super) fn refuse(&mut self, why: Refusal, offers: u64) {
        self.tally[why as usize] += offers;
    }

    pub(super) fn summary(&self, shelf: u32) -> &'a Summary {
        &self.book.summaries[shelf as usize]
    }

    /// Offers of a shelf with room for the ask; those without are counted.
    pub(super) fn roomy(&mut self, s: &Summary) -> u32 {
        let refused = |walk: &mut Self, why, offers| {
            walk.refuse(why, offers);
            0
        };
        if s.gpus_per_node == 0 || s.gpus_per_node < self.ask.gpus_per_node {
            return refused(self, Refusal::TooFewGpus, s.valid());
        }
        let rented = self.ask.gpus_rented(s.gpus_per_node, s.divisible);
        if self.ask.exact_nodes && rented != self.ask.gpus_rented(s.gpus_per_node, true) {
            return refused(self, Refusal::WholeNodesOnly, s.valid());
        }
        let nodes = self.test.nodes;
        let roomy = self.book.count(s, nodes, u32::MAX);
        let full = s.idle() + u64::from(s.at_least[0] - roomy);
        self.refuse(Refusal::TooFewNodes, full);
        if nodes > 1 && self.ask.fast_link && !s.is_linked {
            return refused(self, Refusal::NoFastLink, u64::from(roomy));
        }
        roomy
    }

    /// Counts a shelf of an aisle that fits the ask, and adds its lanes.
    pub(super) fn shelf(&mut self, shelf: u32, priced: &Priced) {
        let (book, s) = (self.book, self.summary(shelf));
        let nodes = self.test.nodes;
        let roomy = self.roomy(s);
        if roomy == 0 {
            return;
        }
        let masks = self.test.masks(priced.export);
        let outside = match masks.has_out {
            true => s.places.set.and(&masks.out),
            false => CountrySet::EMPTY,
        };
        if outside.is_empty() {
            return self.lane(shelf, None, priced.common, priced.export, roomy);
        }
        let inside = book.count_inside(s, masks, nodes, u32::MAX);
        if inside < roomy {
            self.countries(shelf, priced, roomy - inside);
        }
        if inside > 0 {
            let section = s.alone(&outside);
            self.lane(shelf, section, priced.common, priced.export, inside);
        }
    }

    /// Adds the lane of a shelf whose aisle was counted as a whole: nothing of it is stale, too late
    /// or out of the range of money, so only rows are left to be looked at.
    pub(super) fn reopen(&mut self, shelf: u32, export: ExportClass, price: u32) {
        let s = self.summary(shelf);
        let roomy = self.roomy(s);
        let masks = self.test.masks(export);
        let outside = match masks.has_out {
            true => s.places.set.and(&masks.out),
            false => CountrySet::EMPTY,
        };
        if roomy == 0 || outside == s.places.set {
            return;
        }
        let section = match outside.is_empty() {
            true => None,
            false => s.alone(&outside),
        };
        let AislePrice::Sold(sale) = self.prices[price as usize].borrow() else {
            return;
        };
        let gpus = self.ask.gpus_rented(s.gpus_per_node, s.divisible);
        let [.., price_max] = limits(sale, self.ask, gpus, true);
        if price_max >= s.price_min {
            self.lanes.push(Lane {
                shelf,
                section,
                export,
                price,
                price_max,
                gpus,
                is_mixed: false,
                fitting: roomy,
            });
        }
    }

    /// Counts the `outside` offers of a shelf that are in countries refused or priced apart.
    fn countries(&mut self, shelf: u32, priced: &Priced, outside: u32) {
        let (book, s) = (self.book, self.summary(shelf));
        let nodes = self.test.nodes;
        let masks = self.test.masks(priced.export);
        if masks.is_only_forbidden {
            return self.refuse(Refusal::Jurisdiction, u64::from(outside));
        }
        let offers = |set: &CountrySet| u64::from(book.count_sections(s, set, nodes, u32::MAX));
        let forbidden = offers(&masks.forbidden);
        let far = offers(&masks.far);
        let apart = offers(&masks.apart);
        self.refuse(Refusal::Jurisdiction, forbidden);
        self.refuse(Refusal::TooFar, far);
        let excluded = u64::from(outside) - forbidden - far - apart;
        self.refuse(Refusal::CountryExcluded, excluded);
        for (code, price) in &priced.apart {
            if !s.places.set.contains_code(*code) {
                continue;
            }
            let section = s.places.at(*code);
            let roomy = book.count_section(section, nodes, u32::MAX);
            if roomy > 0 {
                self.lane(shelf, Some(section), *price, priced.export, roomy);
            }
        }
    }

    /// Counts a lane, of which `roomy` offers pass all that is asked before the price function.
    fn lane(
        &mut self,
        shelf: u32,
        section: Option<u32>,
        price: u32,
        export: ExportClass,
        roomy: u32,
    ) {
        let s = self.summary(shelf);
        let gpus = self.ask.gpus_rented(s.gpus_per_node, s.divisible);
        let work = self.ask.work;
        let is_late = |sale: &Sale| work.is_some_and(|w| w.is_too_late(sale.speed_permille));
        let limits = match self.prices[price as usize].borrow() {
            AislePrice::NotSold(why) => Err(*why),
            AislePrice::Sold(sale) if is_late(sale) => Err(Refusal::TooLate),
            AislePrice::Sold(_) if self.test.is_stale(s.newest) => Err(Refusal::Stale),
            AislePrice::Sold(sale) => {
                let is_small = self.are_small[price as usize];
                Ok(limits(sale, self.ask, gpus, is_small))
            }
        };
        let limits = match limits {
            Ok(limits) => limits,
            Err(why) => return self.refuse(why, u64::from(roomy)),
        };
        let mut lane = Lane {
            shelf,
            section,
            export,
            price,
            price_max: limits[LIMITS.len() - 1],
            gpus,
            is_mixed: self.test.is_stale(s.oldest),
            fitting: 0,
        };
        let (mut left, within) = self.book.count_lane(&lane, &self.test, roomy, limits);
        self.refuse(Refusal::Stale, u64::from(roomy - left));
        for (why, within) in LIMITS.into_iter().zip(within) {
            self.refuse(why, u64::from(left - within));
            left = within;
        }
        if left > 0 {
            lane.fitting = left;
            self.lanes.push(lane);
        }
    }
}
