//! Which aisles can serve an ask and how many offers each reason refuses.
//!
//! Reasons are asked in the order of [`Refusal`]. Those of card and grade refuse whole aisles.
//! Where the counts kept for an aisle answer all that is asked, its shelves are not looked at
//! until one of its offers could be among the best; else each shelf is counted.

use std::borrow::Borrow;
use std::cmp::Reverse;

use tandem_model::network::Country;
use tandem_model::time::WorldTime;
use tandem_model::workload::Tier;

use super::Book;
use super::ask::{AislePrice, Ask};
use super::lanes::{LANES_EXPECTED, Priced, Tally, Walk, cap_of};
use super::masks::RowTest;
use super::outlook::{Outlook, Prices};
use super::rooms::{Rooms, Roomy};
use super::shelf::level_of;
use super::stock::Stock;
use crate::countries::country_of;
use crate::quote::Refusal;

/// An aisle that was counted without its shelves: some of its offers fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Closed {
    /// No useful hour of its offers costs less.
    pub(super) useful_hour_min: i64,
    /// Its number.
    pub(super) aisle: u32,
    /// Place of its price among those that were asked for, once it was.
    pub(super) price: Option<u32>,
    /// Whether no limit on the price leaves out any that has room in the right place.
    pub(super) is_whole: bool,
}

/// What of an aisle's price decides how its offers are counted.
#[derive(Debug, Clone, Copy)]
struct Offered {
    speed_permille: u32,
    /// The highest network price that keeps to the limits on the price; and to the budget too.
    caps: [u32; 2],
    /// The lowest price of a useful GPU-hour.
    useful_min: i64,
    /// Whether no amount of the aisle can leave the range of money.
    is_small: bool,
    /// Place of the price, once it was asked for.
    price: Option<u32>,
}

/// Counts, and where offers fit.
#[derive(Debug)]
pub(super) struct Survey<'a, P> {
    /// Counts of all aisles; lanes of those whose shelves were looked at.
    pub(super) walk: Walk<'a, P>,
    pub(super) closed: Vec<Reverse<Closed>>,
    pub(super) fitting: u64,
}

/// Prices for which room is made at once.
const PRICES_EXPECTED: usize = 8;
/// Aisles for which room is made at once.
const CLOSED_EXPECTED: usize = 64;

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

/// Asks for the price of an aisle, in one country or in those not priced apart; its place.
pub(super) fn ask_price<L: Prices>(
    walk: &mut Walk<'_, L::Price>,
    list: &L,
    aisle: u32,
    country: Option<Country>,
) -> u32 {
    let place = u32::try_from(walk.prices.len()).expect("prices are fewer than offers");
    let book = walk.book;
    let highest = i64::from(book.stocks[aisle as usize].price_max);
    let price = list.price(&book.aisles[aisle as usize], country);
    let is_small = match price.borrow() {
        AislePrice::Sold(sale) => sale.is_small_up_to(highest),
        AislePrice::NotSold(_) => true,
    };
    walk.are_small.push(is_small);
    walk.prices.push(price);
    place
}

/// Counts every offer of a book for an ask.
pub(super) fn survey<'a, L: Prices>(
    book: &'a Book,
    (ask, rooms): (&'a Ask, &Rooms),
    list: &L,
    now: WorldTime,
) -> Survey<'a, L::Price> {
    let walk = Walk {
        book,
        ask,
        test: RowTest::of(ask, rooms.masks(), now),
        prices: Vec::with_capacity(PRICES_EXPECTED),
        are_small: Vec::with_capacity(PRICES_EXPECTED),
        tally: Tally::default(),
        lanes: Vec::with_capacity(LANES_EXPECTED),
    };
    let mut out = Survey {
        walk,
        closed: Vec::with_capacity(CLOSED_EXPECTED),
        fitting: 0,
    };
    for (number, stock) in (0u32..).zip(&book.stocks) {
        out.walk.refuse(Refusal::PriceInvalid, stock.invalid);
        match refusal_of_aisle(ask, stock) {
            Some(why) => out.walk.refuse(why, stock.valid),
            None => out.aisle((number, stock), rooms, list),
        }
    }
    let in_lanes = out.walk.lanes.iter().map(|lane| u64::from(lane.fitting));
    out.fitting += in_lanes.sum::<u64>();
    out
}

impl<P: Borrow<AislePrice>> Survey<'_, P> {
    fn aisle(
        &mut self,
        (aisle, stock): (u32, &Stock),
        rooms: &Rooms,
        list: &impl Prices<Price = P>,
    ) {
        let book = self.walk.book;
        let roomy = rooms.roomy(book, (aisle, stock), self.walk.ask.exact_nodes);
        if let Some(none) = roomy.filter(|roomy| roomy.inside == 0) {
            self.refuse(none);
            return;
        }
        let mut common = None;
        if let Some(roomy) = roomy {
            let outlook = list.outlook(&book.aisles[aisle as usize]);
            let offered = self.by_outlook(stock, outlook).unwrap_or_else(|| {
                let place = ask_price(&mut self.walk, list, aisle, None);
                common = Some(place);
                self.by_price(stock, place)
            });
            if self.is_settled(aisle, stock, (rooms, roomy), offered) {
                self.refuse(roomy);
                return;
            }
        }
        let common = common.unwrap_or_else(|| ask_price(&mut self.walk, list, aisle, None));
        let apart = &self.walk.test.masks(stock.export).apart;
        let apart = stock.places.set.and(apart).codes();
        let apart = apart.map(|code| {
            let country = Some(country_of(code));
            (code, ask_price(&mut self.walk, list, aisle, country))
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

    /// The lowest price of an aisle's offers with the nodes that are asked for.
    fn lowest(&self, stock: &Stock) -> i64 {
        let (level, _) = level_of(self.walk.test.nodes);
        i64::from(stock.price_min[level])
    }

    /// How an aisle is offered, as far as that is known without its price; none where it is not.
    fn by_outlook(&self, stock: &Stock, outlook: Outlook) -> Option<Result<Offered, Refusal>> {
        match outlook {
            Outlook::NotSold(why) => Some(Err(why)),
            Outlook::Sold {
                useful_min,
                small_up_to,
                speed_permille,
                price_max,
            } if self.walk.ask.price_limit.is_none()
                && !self.has_budget()
                && i64::from(stock.price_max) <= small_up_to =>
            {
                let cap = price_max.map_or(u32::MAX, |most| cap_of(Some(most.get())));
                Some(Ok(Offered {
                    speed_permille,
                    caps: [cap; 2],
                    useful_min: useful_min.apply(self.lowest(stock)),
                    is_small: true,
                    price: None,
                }))
            }
            Outlook::Sold { .. } | Outlook::Unknown => None,
        }
    }

    fn has_budget(&self) -> bool {
        let work = self.walk.ask.work;
        work.is_some_and(|work| work.budget.is_some())
    }

    /// How an aisle is offered whose price was asked for; the budget's limit is that of nodes that
    /// can be split.
    fn by_price(&self, stock: &Stock, place: u32) -> Result<Offered, Refusal> {
        let sale = match self.walk.prices[place as usize].borrow() {
            AislePrice::Sold(sale) => sale,
            AislePrice::NotSold(why) => return Err(*why),
        };
        let ask = self.walk.ask;
        let limit = ask.price_limit;
        let limit = limit.map(|limit| sale.rate.inverse(limit.get()));
        let sold = sale.price_max.map(|most| Some(most.get()));
        let caps = [limit, sold].into_iter().flatten().map(cap_of);
        let cap = caps.min().unwrap_or(u32::MAX);
        let gpus = ask.gpus_rented(0, true);
        let rate = ask.work.and_then(|work| sale.rate_in_budget(&work, gpus));
        let in_budget = rate.map_or(u32::MAX, |rate| cap_of(sale.rate.inverse(rate)));
        Ok(Offered {
            speed_permille: sale.speed_permille,
            caps: [cap, cap.min(in_budget)],
            useful_min: sale.useful_at(self.lowest(stock)).unwrap_or(0),
            is_small: self.walk.are_small[place as usize],
            price: Some(place),
        })
    }

    /// Counts what price, age and price limit leave of an aisle, if that is known without its
    /// shelves; else counts nothing.
    fn is_settled(
        &mut self,
        aisle: u32,
        stock: &Stock,
        (rooms, roomy): (&Rooms, &Roomy),
        offered: Result<Offered, Refusal>,
    ) -> bool {
        let (ask, test) = (self.walk.ask, &self.walk.test);
        let inside = u64::from(roomy.inside);
        let refused = match &offered {
            Err(why) => Some(*why),
            Ok(o) if ask.work.is_some_and(|w| w.is_too_late(o.speed_permille)) => {
                Some(Refusal::TooLate)
            }
            Ok(_) => test.is_stale(stock.newest).then_some(Refusal::Stale),
        };
        let offered = match (offered, refused) {
            (Ok(offered), None) => offered,
            (_, why) => {
                why.into_iter()
                    .for_each(|why| self.walk.refuse(why, inside));
                return true;
            }
        };
        // What whole nodes cost differs between shelves.
        let is_apart = self.has_budget() && stock.is_divisible != Some(true);
        if test.is_stale(stock.oldest) || is_apart || !offered.is_small {
            return false;
        }
        let within = offered
            .caps
            .map(|cap| self.within(stock, (rooms, roomy), cap));
        let [Some(in_limit), Some(within)] = within else {
            return false;
        };
        let gpus = i64::from(ask.gpus_rented(0, true));
        let above = roomy.inside - in_limit;
        self.walk.refuse(Refusal::AbovePriceLimit, u64::from(above));
        let above_budget = in_limit - within;
        self.walk
            .refuse(Refusal::AboveBudget, u64::from(above_budget));
        if within > 0 {
            self.fitting += u64::from(within);
            self.closed.push(Reverse(Closed {
                aisle,
                price: offered.price,
                useful_hour_min: offered.useful_min.saturating_mul(gpus),
                is_whole: within == roomy.inside,
            }));
        }
        true
    }

    /// How many of an aisle's offers that are left cost the network price `cap` or less; none where
    /// only its shelves tell.
    fn within(&self, stock: &Stock, (rooms, roomy): (&Rooms, &Roomy), cap: u32) -> Option<u32> {
        if cap >= stock.price_max {
            return Some(roomy.inside);
        }
        if i64::from(cap) < self.lowest(stock) {
            return Some(0);
        }
        rooms.within(self.walk.book, stock, roomy, cap)
    }
}
