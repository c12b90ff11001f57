//! Synthetic offers, deterministic by seed: cards, countries, products and prices in about the mix
//! of the two networks, all observed within the last minute. The mix is an assumption; only the
//! form of the offers is the networks' own.

use std::time::Duration;

use tandem_model::gpu::{GpuModel, HardwareClass};
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::time::WorldTime;

/// A card: its id, its list price per GPU-hour in thousandths of a dollar, its share of a network.
type Card = (&'static str, i64, u64);

const IONET: &[Card] = &[
    ("rtx3060-12gb", 90, 30),
    ("rtx3080-10gb", 130, 60),
    ("rtx3090", 190, 130),
    ("rtx4070ti", 160, 30),
    ("rtx4080", 220, 70),
    ("rtx4090", 300, 260),
    ("rtx5090", 550, 80),
    ("rtx-a4000", 170, 25),
    ("rtx-a5000", 260, 30),
    ("rtx-a6000", 490, 45),
    ("t4", 250, 15),
    ("l4", 430, 25),
    ("l40s", 950, 40),
    ("v100-sxm2-32gb", 400, 10),
    ("a100-pcie-40gb", 980, 20),
    ("a100-pcie-80gb", 1_250, 30),
    ("a100-sxm4-80gb", 1_490, 40),
    ("h100-pcie-80gb", 2_150, 20),
    ("h100-sxm5-80gb", 2_590, 30),
    ("h200-sxm-141gb", 3_090, 10),
];
const AETHIR: &[Card] = &[
    ("l40s", 890, 80),
    ("a100-pcie-80gb", 1_180, 120),
    ("a100-sxm4-80gb", 1_390, 220),
    ("h100-pcie-80gb", 2_050, 80),
    ("h100-sxm5-80gb", 2_450, 330),
    ("h100-nvl-94gb", 2_300, 40),
    ("h200-sxm-141gb", 2_980, 90),
    ("b200-sxm-180gb", 4_790, 40),
];
/// A country with its share, and how dear it is in permille.
const COUNTRIES: &[(&str, u64, i64)] = &[
    ("US", 300, 1_000),
    ("CA", 60, 980),
    ("DE", 70, 1_080),
    ("FR", 45, 1_050),
    ("GB", 45, 1_070),
    ("NL", 35, 1_060),
    ("SE", 25, 960),
    ("FI", 20, 950),
    ("NO", 20, 950),
    ("PL", 25, 940),
    ("CZ", 15, 950),
    ("ES", 20, 1_000),
    ("IT", 20, 1_040),
    ("RO", 12, 920),
    ("IE", 10, 1_080),
    ("JP", 45, 1_090),
    ("KR", 25, 1_050),
    ("SG", 30, 1_110),
    ("TW", 15, 1_020),
    ("IN", 35, 900),
    ("TH", 12, 930),
    ("VN", 15, 900),
    ("AU", 20, 1_120),
    ("BR", 20, 1_020),
    ("ZA", 8, 1_000),
    ("UA", 10, 880),
    ("HK", 20, 1_040),
    ("CN", 25, 900),
    ("RU", 8, 850),
    ("IR", 2, 700),
];
/// Of a thousand offers, those of io.net, those of it that are containers, and those of the other
/// network that are sold by the hour.
const IONET_PERMILLE: u64 = 850;
const CONTAINER_PERMILLE: u64 = 750;
const ON_DEMAND_PERMILLE: u64 = 700;
/// Offers without a free node, of a thousand.
const FULL_PERMILLE: u64 = 30;
/// Fee of io.net in basis points.
const IONET_FEE_BASIS_POINTS: u16 = 225;
/// Prices of a card differ by so much to either side, in permille.
const SPREAD_PERMILLE: u64 = 200;
/// How long ago the oldest was observed, in milliseconds.
const AGE_MS_MAX: u64 = 60_000;

/// The moment at which the synthetic market is asked.
pub(super) fn now() -> WorldTime {
    WorldTime::default().after(Duration::from_secs(86_400))
}

/// A stream of numbers that is the same on every machine (splitmix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// A number from 0 to below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn weighed<'a, T>(&mut self, all: &'a [T], share: impl Fn(&T) -> u64) -> &'a T {
        let mut left = self.below(all.iter().map(&share).sum());
        let chosen = all.iter().find(|one| {
            let is_chosen = left < share(one);
            left = left.saturating_sub(share(one));
            is_chosen
        });
        chosen.expect("a share below the sum falls on one")
    }
}

/// So many offers; the first ones of more are the same.
pub(super) fn offers(seed: u64, count: u32) -> Vec<Offer> {
    let mut chance = Chance(seed);
    (0..count)
        .map(|number| offer(number, &mut chance))
        .collect()
}

fn offer(number: u32, chance: &mut Chance) -> Offer {
    let is_ionet = chance.below(1_000) < IONET_PERMILLE;
    let cards = if is_ionet { IONET } else { AETHIR };
    let (id, list_price, _) = *chance.weighed(cards, |card| card.2);
    let (country, _, dear) = *chance.weighed(COUNTRIES, |place| place.1);
    let gpu = GpuModel::by_id(id).expect("the catalogue has every card above");
    let spread = i64::try_from(1_000 + chance.below(2 * SPREAD_PERMILLE) - SPREAD_PERMILLE);
    let price = list_price * dear * spread.unwrap_or(1_000) / 1_000;
    let age = Duration::from_millis(AGE_MS_MAX - chance.below(AGE_MS_MAX));
    let observed = now().micros() - i64::try_from(age.as_micros()).unwrap_or(0);
    let base = Offer {
        id: OfferId(String::new()),
        network: NetworkId::from_static("ionet"),
        product: "caas".to_owned(),
        locator: format!("{}@{country}", 100_000 + number),
        gpu,
        grade: match gpu.facts().class {
            HardwareClass::Datacenter => Grade::Datacenter,
            _ => Grade::Consumer,
        },
        gpus_per_node: [1, 1, 2, 4, 8, 8][usize::try_from(chance.below(6)).unwrap_or(0)],
        divisible: true,
        nodes_available: nodes(16, chance),
        country: Country::parse(country).expect("two letters"),
        price: RatePerGpuHour::new(MicroUsd::new(price / 1_000 * 1_000)),
        fee_basis_points: IONET_FEE_BASIS_POINTS,
        node_link: if id.contains("sxm") {
            NodeLink::Nvlink
        } else {
            NodeLink::Pcie
        },
        fabric: Fabric::Public,
        observed_at: WorldTime::from_micros(observed),
    };
    let offer = if is_ionet {
        of_ionet(base, chance)
    } else {
        of_aethir(base, number, country, chance)
    };
    let Offer {
        network,
        product,
        locator,
        ..
    } = &offer;
    Offer {
        id: OfferId(format!("{network}/{product}/{locator}")),
        ..offer
    }
}

/// Free nodes: few more often than many.
fn nodes(most: u64, chance: &mut Chance) -> u32 {
    if chance.below(1_000) < FULL_PERMILLE {
        return 0;
    }
    let up_to = 1 + chance.below(most);
    u32::try_from(1 + chance.below(up_to)).unwrap_or(1)
}

fn of_ionet(base: Offer, chance: &mut Chance) -> Offer {
    if chance.below(1_000) < CONTAINER_PERMILLE {
        return base;
    }
    Offer {
        product: "vmaas".to_owned(),
        divisible: false,
        nodes_available: base.nodes_available.min(1),
        ..base
    }
}

fn of_aethir(base: Offer, number: u32, country: &str, chance: &mut Chance) -> Offer {
    let is_on_demand = chance.below(1_000) < ON_DEMAND_PERMILLE;
    Offer {
        network: NetworkId::from_static("aethir"),
        product: if is_on_demand { "on-demand" } else { "reserve" }.to_owned(),
        locator: format!(
            "spec-{}-{}-{number:07}",
            base.gpu.id(),
            country.to_lowercase()
        ),
        grade: Grade::Datacenter,
        gpus_per_node: 8,
        divisible: false,
        nodes_available: nodes(64, chance),
        fee_basis_points: 0,
        fabric: match chance.below(10) {
            0..7 => Fabric::Rdma,
            7..9 => Fabric::Ethernet,
            _ => Fabric::Public,
        },
        ..base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_offers_and_ids_are_unique() {
        let many = offers(7, 3_000);
        assert_eq!(many[..1_000], offers(7, 1_000));
        assert_ne!(many[..1_000], offers(8, 1_000));
        let ids: std::collections::BTreeSet<_> = many.iter().map(|o| &o.id).collect();
        assert_eq!(ids.len(), many.len());
        assert!(many.iter().all(|o| o.price.price() > MicroUsd::ZERO));
        assert!(many.iter().all(|o| o.observed_at <= now()));
    }
}
