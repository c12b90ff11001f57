//! What is known of the supply beside its offers: how its time is bought, what of it is rented, and
//! how often its machines failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tandem_model::network::{NetworkId, Product};

use super::Effort;
use super::alike::Alike;
use super::memo::Memo;
use super::tiers::Drafts;
use crate::book::{Aisle, AislePrice, Book, FreeKey, Hit, Sale};
use crate::cost::{CostError, CostModel, Curve, Prepaid, Step};
use crate::failures::{self, Seen};

/// Speed of every card in thousandths of its reference, until probes measure it.
pub(super) const SPEED_PERMILLE: u32 = 1_000;
/// Ten thousand basis points are the whole.
const BASIS_POINTS: u64 = 10_000;

/// Failures and running time by network and by whether the machines can be sold as enterprise.
pub type SeenByKind = BTreeMap<(NetworkId, bool), Seen>;

/// A thousand permille are the whole.
const PERMILLE: u16 = 1_000;
/// Most offers that are looked at for the capacity of a backstop: each has one GPU or more.
const BACKSTOPS_LOOKED_AT_MAX: usize = 10_000;

/// Whether a share of the free GPUs of some offers is so many GPUs or more.
///
/// # Errors
/// The free GPUs that were counted, when it is not.
pub fn share_holds(
    book: &Book,
    offers: impl Iterator<Item = Hit>,
    share_permille: u32,
    needed: u64,
) -> Result<(), u64> {
    let mut free = 0u64;
    for hit in offers.take(BACKSTOPS_LOOKED_AT_MAX) {
        let view = book.view(hit.row);
        let gpus = u64::from(view.shelf().gpus_per_node);
        free = free.saturating_add(gpus * u64::from(view.nodes_available()));
        if free.saturating_mul(share_permille.into()) / u64::from(PERMILLE) >= needed {
            return Ok(());
        }
    }
    Err(free)
}

/// What was seen of the supply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// GPUs that are rented now.
    pub rented: BTreeMap<FreeKey, u64>,
    /// GPUs that run under `assured` and may need the backstop.
    pub assured_gpus: u64,
    /// Failures and running time by kind of machine.
    pub seen: SeenByKind,
}

/// The supply of one book as prices look at it, prepared once for every request to it, with what
/// was answered from it. Whatever of it may change after it was made belongs into the key of those
/// answers.
#[derive(Debug, Clone, Default)]
pub struct Supply {
    usage: Usage,
    sellers: Vec<Seller>,
    /// By the number of the aisle.
    aisles: Vec<Stand>,
    /// Shared by clones: a key holds all in which they can differ.
    memo: Arc<Memo<Alike, Drafts>>,
}

/// Aisles on which a workload starts and costs alike, whatever their prices.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seller {
    network: NetworkId,
    product: Box<str>,
    fee_basis_points: u16,
    /// Expected failures in a billion GPU-hours.
    failures: u32,
    prepaid: Option<Prepaid>,
}

/// What is known of one aisle.
#[derive(Debug, Clone, Copy)]
struct Stand {
    /// Place among the sellers.
    seller: usize,
    /// How much of its capacity is taken, 0 to 1,000.
    utilisation_permille: u16,
}

impl Supply {
    /// The supply of a book whose time is bought as `products` say.
    pub fn of(book: &Book, products: &[Product], usage: Usage) -> Self {
        let mut supply = Self {
            usage,
            ..Self::default()
        };
        for aisle in book.aisles() {
            let product = products
                .iter()
                .find(|p| p.network == aisle.network && p.name == &*aisle.product);
            let seller = Seller {
                network: aisle.network.clone(),
                product: aisle.product.clone(),
                fee_basis_points: aisle.fee_basis_points,
                failures: supply.failures_of(aisle),
                prepaid: product.map(Prepaid::of),
            };
            let known = supply.sellers.iter().position(|known| *known == seller);
            let stand = Stand {
                seller: known.unwrap_or(supply.sellers.len()),
                utilisation_permille: supply.utilisation_of(book, aisle),
            };
            if known.is_none() {
                supply.sellers.push(seller);
            }
            supply.aisles.push(stand);
        }
        supply
    }

    /// What was seen of it.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The same, with so many GPUs more that may need the backstop.
    #[must_use]
    pub fn with_promised(mut self, gpus: u64) -> Self {
        self.usage.assured_gpus = self.usage.assured_gpus.saturating_add(gpus);
        self
    }

    fn failures_of(&self, aisle: &Aisle) -> u32 {
        let key = (aisle.network.clone(), aisle.is_enterprise());
        let seen = self.usage.seen.get(&key).copied().unwrap_or_default();
        failures::per_billion_gpu_hours(aisle.is_enterprise(), seen)
    }

    fn utilisation_of(&self, book: &Book, aisle: &Aisle) -> u16 {
        let key = FreeKey {
            network: aisle.network.clone(),
            gpu: aisle.gpu,
            grade: aisle.grade,
        };
        let rented = self.usage.rented.get(&key).copied().unwrap_or(0);
        let taken = book.free().of(&key).utilisation_permille(rented);
        let taken = u16::try_from(taken.unwrap_or(0)).unwrap_or(PERMILLE);
        taken.min(PERMILLE)
    }

    fn stand(&self, aisle: &Aisle) -> Stand {
        self.aisles[aisle.number()]
    }

    /// How many sellers there are.
    pub(super) fn sellers(&self) -> usize {
        self.sellers.len()
    }

    /// The network and the product of a seller.
    pub(super) fn product(&self, seller: usize) -> (&NetworkId, &str) {
        let seller = &self.sellers[seller];
        (&seller.network, &seller.product)
    }

    /// Answers that were made from this supply.
    pub(super) fn memo(&self) -> &Memo<Alike, Drafts> {
        &self.memo
    }

    /// The number of an aisle's seller.
    pub(super) fn seller(&self, aisle: &Aisle) -> usize {
        self.stand(aisle).seller
    }

    /// Expected failures of an aisle's machines in a billion GPU-hours.
    pub(super) fn failures(&self, aisle: &Aisle) -> u32 {
        self.sellers[self.seller(aisle)].failures
    }

    /// How much of an aisle's capacity is taken, 0 to 1,000 permille.
    pub(super) fn utilisation_permille(&self, aisle: &Aisle) -> u16 {
        self.stand(aisle).utilisation_permille
    }

    /// The cost of a workload at a seller, whatever the prices.
    ///
    /// Fails where failures would undo the work faster than it advances.
    pub(super) fn model(&self, effort: &Effort, seller: usize) -> Result<CostModel, CostError> {
        let seller = &self.sellers[seller];
        let facts = effort.facts(seller.fee_basis_points, seller.failures, seller.prepaid);
        CostModel::of(&facts)
    }

    /// An aisle as we buy it: the rate is the network's price with its fee, and offers are ranked
    /// by what a useful GPU-hour costs us.
    pub fn cost_price(&self, effort: &Effort, aisle: &Aisle) -> AislePrice {
        let fee = Step::Scale {
            numerator: BASIS_POINTS + u64::from(aisle.fee_basis_points),
            denominator: BASIS_POINTS,
        };
        let rate = Curve::new(&[fee]).expect("a fee above the whole price is a step of a curve");
        // Where failures are expected to undo the work, an accepted job still goes on, by price.
        let useful = self
            .model(effort, self.seller(aisle))
            .map_or(rate, |model| model.curve());
        AislePrice::Sold(Sale {
            rate,
            useful,
            speed_permille: SPEED_PERMILLE,
            price_max: None,
        })
    }
}
