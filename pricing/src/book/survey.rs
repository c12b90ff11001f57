//! Which aisles can serve an ask and how many offers each reason refuses.
//!
//! Reasons are asked in the order of [`Refusal`]. Those of card and grade refuse whole aisles.
//! Where the counts kept for an aisle answer all that is asked, its shelves are not looked at
//! until one of its offers could be among the best; else each shelf is counted.

use std::borrow::Borrow;

use tandem_model::network::Country;
use tandem_model::time::WorldTime;
use tandem_model::workload::Tier;

use super::Book;
use super::ask::{AislePrice, Ask};
use super::lanes::{LANES_EXPECTED, Masks, Priced, RowTest, Tally, Walk, cap_of};
use super::shelf::{Aisle, level_of};
use super::stock::Stock;
use crate::countries::country_of;
use crate::quote::Refusal;

/// An aisle that was counted without its shelves: some of its offers fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    /// Its number.
    pub(super) aisle: u32,
    /// Place of its price among those that were asked for.
    pub(super) price: u32,
    /// No useful hour of its offers costs less.
    pub(super) useful_hour_min: i64,
}

/// Counts, and where offers fit.
#[derive(Debug)]
pub(super) struct Survey<'a, P> {
    /// Counts of all aisles; lanes of those whose shelves were looked at.
    pub(super) walk: Walk<'a, P>,
    pub(super) closed: Vec<Closed>,
    pub(super) fitting: u64,
}

/// Why no offer of an aisle fits.
pub(super) fn refusal_of_aisle(ask: &Ask, stock: &Stock) -> Option<Refusal> {
    if ask.tier == Tier::Enterprise && !stock.is_enterprise {
        Some(Refusal::BelowTier)
    } else if !ask.gpus.contains_number(stock.gpu_number) {
        Some(Refusal::OtherGpu)
    } else if ask.vram_gb_min.is_some_and(|need| need > stock.vram_gb) {
        Some(Refusal::TooLittleVram)
    } else if !stock.is_datacenter && !ask.consumer_fits {
        Some(Refusal::NeedsDatacenter)
    } else if !stock.is_datacenter && ask.secrets_exposed {
        Some(Refusal::SecretsOnConsumer)
    } else if !stock.is_datacenter && ask.data_exposed {
        Some(Refusal::DataOnConsumer)
    } else {
        None
    }
}

/// What the counts of an aisle say, up to the price function.
#[derive(Default)]
struct Roomy {
    too_few_gpus: u64,
    whole_nodes: u32,
    too_few_nodes: u32,
    no_fast_link: u32,
    forbidden: u32,
    excluded: u32,
    far: u32,
    /// Offers that are left, and whether these are all active rows.
    inside: u32,
    is_all: bool,
}

/// Counts an aisle as far as the price function; none when its shelves must be looked at.
fn roomy(book: &Book, ask: &Ask, masks: &Masks, stock: &Stock) -> Option<Roomy> {
    let nodes = ask.nodes();
    let (level, exact) = level_of(nodes);
    let outside = if masks.has_out {
        stock.places.set.and(&masks.out)
    } else {
        masks.out
    };
    let is_counted = exact && !stock.steps.is_empty() && stock.counts_places(&outside);
    let is_counted = is_counted && (!ask.exact_nodes || stock.tells_exact_nodes());
    if !is_counted || outside.intersects(&masks.apart) {
        return None;
    }
    let Some(cells) = stock.cells(book, ask.gpus_per_node, level) else {
        return Some(Roomy {
            too_few_gpus: stock.valid,
            ..Roomy::default()
        });
    };
    let too_few_gpus = stock.valid - u64::from(cells.valid());
    let all = cells.valid();
    let cells = match ask.exact_nodes {
        true => cells.exact(ask.gpus_per_node),
        false => Some(cells),
    };
    let Some(cells) = cells else {
        return Some(Roomy {
            too_few_gpus,
            whole_nodes: all,
            ..Roomy::default()
        });
    };
    let linked = nodes > 1 && ask.fast_link;
    let (any, roomy) = (cells.roomy(false), cells.roomy(linked));
    let mut out = Roomy {
        too_few_gpus,
        whole_nodes: all - cells.valid(),
        too_few_nodes: cells.valid() - any,
        no_fast_link: any - roomy,
        inside: roomy,
        is_all: nodes == 1 && cells.is_all_steps(),
        ..Roomy::default()
    };
    if !outside.is_empty() {
        out.inside = match masks.is_mostly_out {
            true => cells.roomy_in(&masks.inside, linked),
            false => roomy - cells.roomy_in(&masks.out, linked),
        };
        if masks.is_only_forbidden {
            out.forbidden = roomy - out.inside;
        } else {
            out.forbidden = cells.roomy_in(&masks.forbidden, linked);
            out.far = cells.roomy_in(&masks.far, linked);
            out.excluded = roomy - out.inside - out.forbidden - out.far;
        }
        out.is_all = false;
    }
    Some(out)
}

/// Asks for the price of an aisle, in one country or in those not priced apart; its place.
fn ask_price<P: Borrow<AislePrice>>(
    walk: &mut Walk<'_, P>,
    price: &impl Fn(&Aisle, Option<Country>) -> P,
    aisle: u32,
    country: Option<Country>,
) -> u32 {
    let place = u32::try_from(walk.prices.len()).expect("prices are fewer than offers");
    let book = walk.book;
    let highest = i64::from(book.stocks[aisle as usize].price_max);
    let price = price(&book.aisles[aisle as usize], country);
    let is_small = match price.borrow() {
        AislePrice::Sold(sale) => {
            sale.rate.is_small_up_to(highest) && sale.useful.is_small_up_to(highest)
        }
        AislePrice::NotSold(_) => true,
    };
    walk.are_small.push(is_small);
    walk.prices.push(price);
    place
}

/// Counts every offer of a book for an ask.
pub(super) fn survey<'a, P: Borrow<AislePrice>>(
    book: &'a Book,
    ask: &'a Ask,
    price: impl Fn(&Aisle, Option<Country>) -> P,
    now: WorldTime,
) -> Survey<'a, P> {
    let walk = Walk {
        book,
        ask,
        test: RowTest::of(ask, now),
        prices: Vec::with_capacity(book.stocks.len()),
        are_small: Vec::with_capacity(book.stocks.len()),
        is_counting: true,
        tally: Tally::default(),
        lanes: Vec::with_capacity(LANES_EXPECTED),
    };
    let mut out = Survey {
        walk,
        closed: Vec::new(),
        fitting: 0,
    };
    for (number, stock) in (0u32..).zip(&book.stocks) {
        out.walk.refuse(Refusal::PriceInvalid, stock.invalid);
        match refusal_of_aisle(ask, stock) {
            Some(why) => out.walk.refuse(why, stock.valid),
            None => out.aisle(number, stock, &price),
        }
    }
    let in_lanes = out.walk.lanes.iter().map(|lane| u64::from(lane.fitting));
    out.fitting += in_lanes.sum::<u64>();
    out
}

impl<P: Borrow<AislePrice>> Survey<'_, P> {
    fn aisle(&mut self, aisle: u32, stock: &Stock, price: &impl Fn(&Aisle, Option<Country>) -> P) {
        let book = self.walk.book;
        let masks = self.walk.test.masks(stock.export);
        let roomy = roomy(book, self.walk.ask, masks, stock);
        let apart = masks.apart;
        if let Some(none) = roomy.as_ref().filter(|roomy| roomy.inside == 0) {
            self.refuse(none);
            return;
        }
        let common = ask_price(&mut self.walk, price, aisle, None);
        if let Some(roomy) = &roomy
            && self.is_settled(aisle, stock, roomy, common)
        {
            self.refuse(roomy);
            return;
        }
        let apart = stock.places.set.and(&apart).codes();
        let apart = apart.map(|code| {
            let country = Some(country_of(code));
            (code, ask_price(&mut self.walk, price, aisle, country))
        });
        let priced = Priced {
            common,
            apart: apart.collect(),
            export: stock.export,
        };
        for shelf in stock.shelves.clone() {
            self.walk.shelf(shelf, &priced);
        }
    }

    fn refuse(&mut self, roomy: &Roomy) {
        let walk = &mut self.walk;
        walk.refuse(Refusal::TooFewGpus, roomy.too_few_gpus);
        for (why, offers) in [
            (Refusal::WholeNodesOnly, roomy.whole_nodes),
            (Refusal::TooFewNodes, roomy.too_few_nodes),
            (Refusal::NoFastLink, roomy.no_fast_link),
            (Refusal::Jurisdiction, roomy.forbidden),
            (Refusal::CountryExcluded, roomy.excluded),
            (Refusal::TooFar, roomy.far),
        ] {
            walk.refuse(why, u64::from(offers));
        }
    }

    /// Counts what the price function, age and price limit leave of an aisle, if that is known
    /// without its shelves; else counts nothing.
    fn is_settled(&mut self, aisle: u32, stock: &Stock, roomy: &Roomy, price: u32) -> bool {
        let (ask, test) = (self.walk.ask, &self.walk.test);
        let inside = u64::from(roomy.inside);
        let sale = match self.walk.prices[price as usize].borrow() {
            AislePrice::Sold(sale) => sale,
            AislePrice::NotSold(why) => {
                let why = *why;
                self.walk.refuse(why, inside);
                return true;
            }
        };
        if ask.work.is_some_and(|work| sale.is_too_late(&work)) {
            self.walk.refuse(Refusal::TooLate, inside);
            return true;
        }
        if test.is_stale(stock.newest) {
            self.walk.refuse(Refusal::Stale, inside);
            return true;
        }
        let is_small = self.walk.are_small[price as usize];
        let has_budget = ask.work.is_some_and(|work| work.budget.is_some());
        if test.is_stale(stock.oldest) || has_budget || !is_small {
            return false;
        }
        let (level, _) = level_of(test.nodes);
        let lowest = stock.price_min[level];
        let limit = ask.price_limit.map(|limit| sale.rate.inverse(limit.get()));
        let sold = sale.price_max.map(|most| Some(most.get()));
        let caps = [limit, sold].into_iter().flatten().map(cap_of);
        let cap = caps.min().unwrap_or(u32::MAX);
        let within = if cap >= stock.price_max {
            roomy.inside
        } else if cap < lowest {
            0
        } else if roomy.is_all {
            let prices = stock.prices.start as usize..stock.prices.end as usize;
            let prices = &self.walk.book.aisle_prices[prices];
            let within = prices.partition_point(|price| *price <= cap);
            u32::try_from(within).expect("a book has at most OFFERS_MAX rows")
        } else {
            return false;
        };
        let gpus = i64::from(ask.gpus_rented(0, true));
        let useful = sale.useful.apply(i64::from(lowest));
        let useful_hour_min = useful.map_or(0, |useful| useful.saturating_mul(gpus));
        let above = roomy.inside - within;
        self.walk.refuse(Refusal::AbovePriceLimit, u64::from(above));
        if within > 0 {
            self.fitting += u64::from(within);
            self.closed.push(Closed {
                aisle,
                price,
                useful_hour_min,
            });
        }
        true
    }
}
