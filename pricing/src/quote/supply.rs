//! What is known of the supply beside its offers: how its time is bought, what of it is rented, how
//! often its machines failed, and what probes showed of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tandem_model::network::{Grade, NetworkId, Product};

use super::alike::Alike;
use super::draft::Drafts;
use super::memo::Memo;
use super::{Effort, SeenByKind};
use crate::book::{Aisle, AislePrice, Book, FreeKey, Prices, Ranking, Sale};
use crate::cost::{CostError, CostModel, Curve, Prepaid, Step};
use crate::failures;
use crate::probes::{ProbedKind, ProbesSeen};

/// Ten thousand basis points are the whole.
const BASIS_POINTS: u64 = 10_000;

/// A thousand permille are the whole.
const PERMILLE: u16 = 1_000;

/// Whether a share of the free GPUs of the offers that fit is so many GPUs or more.
///
/// # Errors
/// All free GPUs that there are, when it is not.
pub(super) fn share_holds<L: Prices>(
    fitting: Ranking<'_, L>,
    share_permille: u32,
    needed: u64,
) -> Result<(), u64> {
    let permille = u128::from(needed) * u128::from(PERMILLE);
    let enough = match share_permille {
        0 if needed == 0 => return Ok(()),
        0 => return Err(fitting.free_gpus(u64::MAX)),
        share => u64::try_from(permille.div_ceil(share.into())).unwrap_or(u64::MAX),
    };
    let free = fitting.free_gpus(enough);
    if free >= enough { Ok(()) } else { Err(free) }
}

/// What was seen of the supply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// GPUs that are rented now.
    pub rented: BTreeMap<FreeKey, u64>,
    /// GPUs that run under `assured` and may need the backstop.
    pub assured_gpus: u64,
    /// Failures, running time and probes by kind of machine.
    pub seen: SeenByKind,
    /// Kinds that are taken as consumer grade, whatever the network says.
    pub grade_lost: BTreeSet<ProbedKind>,
}

/// The supply of one book as prices look at it, prepared once for every request to it, with what
/// was answered from it. Whatever of it may change after it was made belongs into the key of those
/// answers.
#[derive(Debug, Clone, Default)]
pub struct Supply {
    usage: Usage,
    /// Rising, whatever the aisles are.
    products: Vec<(NetworkId, Box<str>)>,
    sellers: Vec<Seller>,
    /// By the number of the aisle.
    aisles: Vec<Stand>,
    /// Shared by clones: a key holds all in which they can differ.
    pub(super) memo: Arc<Memo<Alike, Drafts>>,
}

/// Aisles on which a workload starts and costs alike, whatever their prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seller {
    /// Place among the products.
    pub(super) product: usize,
    pub(super) fee_basis_points: u16,
    /// Expected failures in a billion GPU-hours.
    pub(super) failures: u32,
    pub(super) prepaid: Option<Prepaid>,
    /// Expected speed in thousandths of a good card.
    pub(super) speed_permille: u32,
    /// Starts of one node that are expected to fail before one succeeds, in billionths.
    pub(super) starts_lost_ppb: u64,
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
        let sold = book.aisles().iter();
        let sold: BTreeSet<_> = sold
            .map(|a| (a.network.clone(), a.product.clone()))
            .collect();
        let mut supply = Self {
            usage,
            products: sold.into_iter().collect(),
            ..Self::default()
        };
        for aisle in book.aisles() {
            let product = products
                .iter()
                .find(|p| p.network == aisle.network && p.name == &*aisle.product);
            let probed = supply.probed(aisle);
            let seller = Seller {
                product: supply.product_of(aisle),
                fee_basis_points: aisle.fee_basis_points,
                failures: supply.failures_of(aisle),
                prepaid: product.map(Prepaid::of),
                speed_permille: probed.speed_permille(),
                starts_lost_ppb: probed.starts_lost_ppb(),
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

    /// The place of an aisle's product.
    fn product_of(&self, aisle: &Aisle) -> usize {
        let is_it = |(network, name): &(NetworkId, Box<str>)| {
            *network == aisle.network && *name == aisle.product
        };
        let found = self.products.iter().position(is_it);
        found.expect("the products are those of the aisles")
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

    /// The same, with so many GPUs fewer that may need it.
    #[must_use]
    pub fn without_promised(mut self, gpus: u64) -> Self {
        self.usage.assured_gpus = self.usage.assured_gpus.saturating_sub(gpus);
        self
    }

    fn failures_of(&self, aisle: &Aisle) -> u32 {
        let key = (aisle.network.clone(), aisle.is_enterprise());
        let seen = self.usage.seen.machines.get(&key).copied();
        failures::per_billion_gpu_hours(aisle.is_enterprise(), seen.unwrap_or_default())
    }

    /// What probes showed of an aisle's machines. Those that lost their grade stand in the consumer
    /// aisle, with what was seen of them before.
    fn probed(&self, aisle: &Aisle) -> ProbesSeen {
        let seen = |grade: Grade| {
            let kind = ProbedKind {
                network: aisle.network.clone(),
                product: aisle.product.to_string(),
                gpu: aisle.gpu,
                grade,
            };
            let known = self.usage.seen.probes.get(&kind).copied();
            (known.unwrap_or_default(), kind)
        };
        let (own, _) = seen(aisle.grade);
        if aisle.grade == Grade::Datacenter || self.usage.grade_lost.is_empty() {
            return own;
        }
        let (before, kind) = seen(Grade::Datacenter);
        match self.usage.grade_lost.contains(&kind) {
            true => own.plus(before),
            false => own,
        }
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

    /// Every product with its network.
    pub(super) fn products(&self) -> &[(NetworkId, Box<str>)] {
        &self.products
    }

    /// How many answers were worked out on it and kept, at a request or ahead; the others were in
    /// memory, or cannot be kept.
    pub fn answers_worked_out(&self) -> u64 {
        self.memo.worked_out()
    }

    /// Answers that were made from this supply.
    pub(super) fn memo(&self) -> &Memo<Alike, Drafts> {
        &self.memo
    }

    /// The number of an aisle's seller.
    pub(super) fn seller(&self, aisle: &Aisle) -> usize {
        self.stand(aisle).seller
    }

    /// What is known of a seller's machines.
    pub(super) fn machines(&self, seller: usize) -> &Seller {
        &self.sellers[seller]
    }

    /// How much of an aisle's capacity is taken, 0 to 1,000 permille.
    pub(super) fn utilisation_permille(&self, aisle: &Aisle) -> u16 {
        self.stand(aisle).utilisation_permille
    }

    /// The cost of a workload at a seller, whatever the prices.
    ///
    /// Fails where failures would undo the work faster than it advances.
    pub(super) fn model(&self, effort: &Effort, seller: usize) -> Result<CostModel, CostError> {
        CostModel::of(&effort.facts(&self.sellers[seller]))
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
            .map_or(Curve::SAME, |model| model.useful());
        AislePrice::Sold(Sale {
            rate,
            useful,
            speed_permille: self.machines(self.seller(aisle)).speed_permille,
            price_max: None,
        })
    }
}
