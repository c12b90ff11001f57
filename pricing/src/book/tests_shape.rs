//! A large market: the shape of the book, its memory, and the same answers as brute force.

use tandem_model::gpu::GpuModel;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::time::WorldTime;

use super::tests_support::*;
use super::*;

/// Offers of the market.
const OFFERS: u32 = 200_000;
/// Memory that an offer may take, in bytes.
const BYTES_PER_OFFER_MAX: usize = 300;
const NOW: WorldTime = WorldTime::from_micros(100 * SECOND);

/// Numbers that look random and are always the same (Numerical Recipes' linear congruence).
fn numbers() -> impl FnMut(u32) -> u32 {
    let mut state = 1u32;
    move |below| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u32::try_from((u64::from(state) * u64::from(below)) >> 32).unwrap()
    }
}

fn market() -> Vec<Offer> {
    let mut below = numbers();
    let cards: Vec<GpuModel> = GpuModel::all().collect();
    let codes: Vec<Country> = CountrySet::ALL.iter().step_by(9).collect();
    (0..OFFERS)
        .map(|key| {
            let card = cards[below(25) as usize];
            let ionet = below(3) > 0;
            let network = if ionet { "ionet" } else { "aethir" };
            let product = if below(2) == 0 { "caas" } else { "vmaas" };
            let locator = format!("{:08x}-{key:08x}-4000-8000", below(u32::MAX));
            let grade = [Grade::Consumer, Grade::Datacenter][below(2) as usize];
            Offer {
                id: OfferId(format!("{network}/{product}/{locator}")),
                network: NetworkId::from_static(network),
                product: product.into(),
                locator,
                gpu: card,
                grade,
                gpus_per_node: [1, 2, 4, 8][below(4) as usize],
                divisible: ionet,
                nodes_available: [0, 1, 1, 1, 2, 3, 8, 20, 64][below(9) as usize],
                country: codes[below(75) as usize],
                price: RatePerGpuHour::new(MicroUsd::new(i64::from(below(4_000)) * 1_000)),
                fee_basis_points: if ionet { 250 } else { 0 },
                node_link: NodeLink::Pcie,
                fabric: [Fabric::Public, Fabric::Rdma][below(2) as usize],
                observed_at: at(i64::from(below(90))),
            }
        })
        .collect()
}

#[test]
fn a_large_market_takes_little_memory_and_is_counted_exactly() {
    let offers = market();
    let book = Book::build(&offers).unwrap();
    assert_eq!(book.len(), offers.len());
    assert!(
        book.bytes() <= BYTES_PER_OFFER_MAX * offers.len(),
        "{}",
        book.bytes()
    );
    // Nothing is counted away: the columns and texts alone take this much.
    let texts: usize = offers.iter().map(|o| o.locator.len()).sum();
    assert!(book.bytes() > texts + offers.len() * 38);

    let h100 = GpuModel::matching("H100").into_iter().collect();
    let large = GpuModel::all()
        .filter(|m| m.facts().vram_gb >= 24)
        .collect();
    let denied: CountrySet = CountrySet::ALL.iter().step_by(36).collect();
    let age = |seconds| Some(std::time::Duration::from_secs(seconds));
    let asks = [
        Ask {
            gpus: h100,
            gpus_per_node: 8,
            ..anything()
        },
        Ask {
            gpus: large,
            countries_denied: denied,
            ..anything()
        },
        Ask {
            nodes: 16,
            fast_link: true,
            ..anything()
        },
        Ask {
            nodes: 9,
            countries_allowed: Some(denied),
            price_limit: Some(MicroUsd::new(1_234_567)),
            age_max: age(60),
            ..anything()
        },
        Ask {
            nodes: 16,
            price_limit: Some(MicroUsd::new(2_000_000)),
            age_max: age(100),
            ..anything()
        },
    ];
    let tariff = Tariff(vec![as_it_is()]);
    for ask in asks {
        let (fitting, refused) = oracle(&offers, &ask, &tariff, NOW);
        let found = book.search(&ask, tariff.price(), NOW);
        assert_eq!((found.fitting, found.refused), (fitting.len(), refused));
        let best: Vec<_> = found.best.iter().map(|h| book.view(h.row).id()).collect();
        let expected: Vec<_> = fitting.into_iter().take(RANKED_MAX).map(|f| f.2).collect();
        assert_eq!(best, expected);
    }
}
