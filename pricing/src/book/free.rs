//! Free GPUs by network, card and grade: what surge and the share of the assured tier look at.

use std::collections::BTreeMap;

use tandem_model::gpu::GpuModel;
use tandem_model::network::{Grade, NetworkId};

/// Whose GPUs are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FreeKey {
    /// The network.
    pub network: NetworkId,
    /// The card.
    pub gpu: GpuModel,
    /// The grade.
    pub grade: Grade,
}

/// What is free under a key. Offers whose price is not believed do not count; old observations do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Free {
    /// Offers with a free node.
    pub offers: u64,
    /// Free nodes.
    pub nodes: u64,
    /// GPUs of these nodes.
    pub gpus: u64,
}

impl Free {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            offers: self.offers.saturating_add(other.offers),
            nodes: self.nodes.saturating_add(other.nodes),
            gpus: self.gpus.saturating_add(other.gpus),
        }
    }

    /// The share of all GPUs that is in use, in thousandths rounded down, when `rented` GPUs are
    /// rented beside the free ones; none when there is no GPU at all.
    pub fn utilisation_permille(&self, rented: u64) -> Option<u32> {
        let all = u128::from(rented) + u128::from(self.gpus);
        let permille = (u128::from(rented) * 1_000).checked_div(all)?;
        u32::try_from(permille).ok()
    }
}

/// Free GPUs of the whole book.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FreeGpus(pub(super) BTreeMap<FreeKey, Free>);

impl FreeGpus {
    /// What is free under a key.
    pub fn of(&self, key: &FreeKey) -> Free {
        self.0.get(key).copied().unwrap_or_default()
    }

    /// What is free under every key that `chosen` says yes to.
    pub fn sum(&self, chosen: impl Fn(&FreeKey) -> bool) -> Free {
        let entries = self.0.iter().filter(|(key, _)| chosen(key));
        entries.fold(Free::default(), |sum, (_, free)| sum.plus(*free))
    }

    /// Every key with what is free.
    pub fn iter(&self) -> impl Iterator<Item = (&FreeKey, &Free)> {
        self.0.iter()
    }
}
