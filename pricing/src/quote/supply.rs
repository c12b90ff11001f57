//! What is known of the supply beside its offers: how its time is bought, what of it is rented, and
//! how often its machines failed.

use std::collections::BTreeMap;

use tandem_model::network::{NetworkId, Product};

use super::Effort;
use crate::book::{Aisle, AislePrice, Book, FreeKey, Hit, Sale};
use crate::cost::{CostError, CostModel, Curve, Step};
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

/// The supply as prices look at it.
#[derive(Debug, Clone, Copy)]
pub struct Supply<'a> {
    /// How time is bought, by network and product.
    pub products: &'a [Product],
    /// What was seen of it.
    pub usage: &'a Usage,
}

impl<'a> Supply<'a> {
    /// Expected failures of an aisle's machines in a billion GPU-hours.
    pub(super) fn failures(&self, aisle: &Aisle) -> u32 {
        let key = (aisle.network.clone(), aisle.is_enterprise());
        let seen = self.usage.seen.get(&key).copied().unwrap_or_default();
        failures::per_billion_gpu_hours(aisle.is_enterprise(), seen)
    }

    /// How much of an aisle's capacity is taken, 0 to 1,000 permille.
    pub(super) fn utilisation_permille(&self, book: &Book, aisle: &Aisle) -> u16 {
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

    /// The cost of a workload on an aisle, whatever its offers' prices.
    ///
    /// Fails where failures would undo the work faster than it advances.
    pub(super) fn model(&self, effort: &Effort, aisle: &Aisle) -> Result<CostModel, CostError> {
        let product = self
            .products
            .iter()
            .find(|p| p.network == aisle.network && p.name == &*aisle.product);
        let failures = self.failures(aisle);
        CostModel::of(&effort.facts(aisle.fee_basis_points, failures, product))
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
            .model(effort, aisle)
            .map_or(rate, |model| model.curve());
        AislePrice::Sold(Sale {
            rate,
            useful,
            speed_permille: SPEED_PERMILLE,
            price_max: None,
        })
    }
}
