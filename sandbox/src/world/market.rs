//! What can be rented: nodes, who owns them, and prices that move with time.
//!
//! Quantities, the mix of hosts and the movement of prices are assumptions (`docs/sandbox.md`).

use tandem_model::network::Grade;
use tandem_model::time::WorldTime;
use uuid::Uuid;

use super::cards::{CARDS, Card, PLACES, Place, lie_about};
use super::dice::{Dice, mix, uuid_of};
use super::options::{Network, WorldOptions};

/// Providers of one network in one place.
const PROVIDERS_PER_PLACE: usize = 4;
/// Share of nodes that belong to io.net, in percent.
const IONET_PERCENT: u32 = 70;

/// A machine: 8 bytes, because a world may hold a million of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    /// Index into `Market::stocks`.
    pub(crate) stock: u16,
    /// Which provider of the network and place owns it.
    pub(crate) provider: u8,
    /// GPUs in it.
    pub(crate) gpus: u8,
    /// GPUs not rented.
    pub(crate) free: u8,
    /// Index into `CARDS` of the card that is really inside.
    pub(crate) real_card: u8,
    /// Whether it is broken.
    pub(crate) down: bool,
}

/// One card of one network in one place.
#[derive(Debug)]
pub(crate) struct Stock {
    pub(crate) network: Network,
    /// Index into `CARDS`.
    pub(crate) card: u8,
    /// Index into `PLACES`.
    pub(crate) place: u8,
    /// Indices into `Market::nodes`.
    pub(crate) nodes: Vec<u32>,
}

impl Stock {
    pub(crate) fn card(&self) -> &'static Card {
        &CARDS[usize::from(self.card)]
    }

    pub(crate) fn place(&self) -> &'static Place {
        &PLACES[usize::from(self.place)]
    }
}

/// Everything that can be rented.
#[derive(Debug)]
pub(crate) struct Market {
    seed: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) stocks: Vec<Stock>,
    /// When prices begin their course.
    prices_from: WorldTime,
}

impl Market {
    /// Spreads `options.nodes` nodes over both networks.
    pub(crate) fn new(seed: u64, options: &WorldOptions, dice: &mut Dice) -> Self {
        let mut market = Self {
            seed,
            nodes: Vec::with_capacity(options.nodes as usize),
            stocks: stocks(),
            prices_from: WorldTime::default(),
        };
        let lots = lots(&market.stocks);
        let mut placed = [0, 0];
        for number in 0..options.nodes {
            let network = if number % 100 < IONET_PERCENT {
                Network::Ionet
            } else {
                Network::Aethir
            };
            let (kinds, weighted) = &lots[network.index()];
            // The first round gives every stock a node, so that small worlds sell everything.
            let stock = match kinds.get(placed[network.index()]) {
                Some(first) => *first,
                None => weighted[dice.below(weighted.len())],
            };
            placed[network.index()] += 1;
            market.add(stock, number, options.lying_permille, dice);
        }
        market
    }

    fn add(&mut self, stock: u16, number: u32, lying_permille: u16, dice: &mut Dice) {
        let kind = &mut self.stocks[usize::from(stock)];
        let has_one = !kind.nodes.is_empty();
        let gpus = match kind.card().grade() {
            Grade::Consumer if has_one => [1, 1, 2, 4, 8, 8][dice.below(6)],
            _ => 8,
        };
        let real_card = if dice.permille(u32::from(lying_permille)) {
            lie_about(kind.card)
        } else {
            kind.card
        };
        kind.nodes.push(number);
        self.nodes.push(Node {
            stock,
            provider: u8::try_from(dice.below(PROVIDERS_PER_PLACE)).unwrap_or(0),
            gpus,
            free: gpus,
            real_card,
            down: false,
        });
    }

    /// The stock of a node.
    pub(crate) fn stock_of(&self, node: u32) -> &Stock {
        &self.stocks[usize::from(self.nodes[node as usize].stock)]
    }

    /// Nodes of a stock on which `gpus` are free.
    pub(crate) fn available(&self, stock: u16, gpus: u8) -> u32 {
        let free = self.stocks[usize::from(stock)]
            .nodes
            .iter()
            .filter(|n| self.is_free(**n, gpus));
        u32::try_from(free.count()).unwrap_or(u32::MAX)
    }

    fn is_free(&self, node: u32, gpus: u8) -> bool {
        let node = &self.nodes[node as usize];
        !node.down && node.free >= gpus
    }

    /// Takes up to `count` different nodes of `stocks` with `gpus` free on each; the renter has no
    /// choice of device.
    pub(crate) fn take(
        &mut self,
        stocks: &[u16],
        gpus: u8,
        count: u16,
        dice: &mut Dice,
    ) -> Vec<u32> {
        let mut free: Vec<u32> = stocks
            .iter()
            .flat_map(|s| self.stocks[usize::from(*s)].nodes.iter().copied())
            .filter(|n| self.is_free(*n, gpus))
            .collect();
        let mut taken = Vec::new();
        while taken.len() < usize::from(count) && !free.is_empty() {
            let node = free.swap_remove(dice.below(free.len()));
            self.nodes[node as usize].free -= gpus;
            taken.push(node);
        }
        taken
    }

    /// Gives `gpus` of a node back.
    pub(crate) fn give_back(&mut self, node: u32, gpus: u8) {
        let node = &mut self.nodes[node as usize];
        node.free = node.free.saturating_add(gpus).min(node.gpus);
    }

    /// Stocks of a network and card, in one place or in all.
    pub(crate) fn stocks_of(&self, network: Network, card: u8, place: Option<u8>) -> Vec<u16> {
        (0u16..)
            .zip(&self.stocks)
            .filter(|(_, s)| s.network == network && s.card == card)
            .filter(|(_, s)| place.is_none_or(|p| p == s.place))
            .map(|(index, _)| index)
            .collect()
    }

    /// Lets prices begin their course now.
    pub(crate) fn begin_prices(&mut self, now: WorldTime) {
        self.prices_from = now;
    }

    /// Price per GPU-hour in millionths of a dollar: the list price, within 6 % by day and 3 % by
    /// hour, rounded to a tenth of a cent.
    pub(crate) fn price(&self, stock: u16, now: WorldTime) -> i64 {
        let kind = &self.stocks[usize::from(stock)];
        let list = match kind.network {
            Network::Ionet => kind.card().ionet_micro_usd,
            Network::Aethir => kind.card().aethir_micro_usd,
        };
        let hour = now.since(self.prices_from).as_secs() / 3_600;
        let swing = |step: u64, period: u64, width: i64| {
            let draw = mix(self.seed, u64::from(stock), period, hour / step);
            i64::try_from(draw % (2 * width.unsigned_abs() + 1)).unwrap_or(0) - width
        };
        let permille = 1_000 + swing(24, 1, 60) + swing(1, 2, 30);
        (list * permille / 1_000 + 500) / 1_000 * 1_000
    }

    /// The network's id of a device.
    pub(crate) fn device_id(&self, node: u32) -> Uuid {
        uuid_of(self.seed, 7, u64::from(node))
    }

    /// Name of the provider of a node.
    pub(crate) fn provider(&self, node: u32) -> String {
        let stock = self.stock_of(node);
        let provider = self.nodes[node as usize].provider;
        let network = stock.network.as_str();
        let country = stock.place().iso2.to_ascii_lowercase();
        format!("{network}-{country}-{provider}")
    }
}

fn stocks() -> Vec<Stock> {
    let mut stocks = Vec::new();
    for (card, facts) in (0u8..).zip(CARDS) {
        for (place, site) in (0u8..).zip(PLACES) {
            let mut push = |network| {
                stocks.push(Stock {
                    network,
                    card,
                    place,
                    nodes: Vec::new(),
                });
            };
            if facts.grade() == Grade::Consumer || site.datacenter {
                push(Network::Ionet);
            }
            if facts.aethir_micro_usd > 0 && !site.region.is_empty() {
                push(Network::Aethir);
            }
        }
    }
    stocks
}

/// Stock indices of each network: every one once, and each as often as its card weighs.
fn lots(stocks: &[Stock]) -> [(Vec<u16>, Vec<u16>); 2] {
    [Network::Ionet, Network::Aethir].map(|network| {
        let own = || (0u16..).zip(stocks).filter(|(_, s)| s.network == network);
        let weighted = own()
            .flat_map(|(index, s)| std::iter::repeat_n(index, s.card().weight as usize))
            .collect();
        (own().map(|(index, _)| index).collect(), weighted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stock_of_a_small_world_has_a_whole_node() {
        let options = WorldOptions {
            nodes: 600,
            ..WorldOptions::default()
        };
        let market = Market::new(1, &options, &mut Dice::new(1));
        for (index, stock) in (0u16..).zip(&market.stocks) {
            let (card, place) = (stock.card().alias, stock.place().iso2);
            assert!(market.available(index, 8) > 0, "{card} in {place}");
        }
    }

    #[test]
    fn prices_that_begin_with_the_world_are_the_same_on_every_day() {
        let course = |began: i64| {
            let mut market = Market::new(1, &WorldOptions::default(), &mut Dice::new(1));
            let at = |hour: i64| WorldTime::from_micros((began + hour) * 3_600_000_000 + 7);
            market.begin_prices(at(0));
            (0..50)
                .map(|hour| market.price(0, at(hour)))
                .collect::<Vec<_>>()
        };
        assert_eq!(course(0), course(495_000));
    }

    #[test]
    fn prices_move_and_stay_near_the_list() {
        let options = WorldOptions::default();
        let market = Market::new(1, &options, &mut Dice::new(1));
        let at = |hour: i64| market.price(0, WorldTime::from_micros(hour * 3_600_000_000));
        let seen: std::collections::BTreeSet<i64> = (0..200).map(at).collect();
        assert!(seen.len() > 10);
        assert!(
            seen.iter().all(|p| (170_000..=210_000).contains(p)),
            "{seen:?}"
        );
    }
}
