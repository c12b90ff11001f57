//! Sets of cards as bits, so that a group of offers is tested by a few words.

use std::fmt;

use tandem_model::gpu::GpuModel;
use tandem_model::workload::GpuNeed;

/// Most cards of the catalogue that a set holds.
const CARDS: u8 = 128;

/// A set of cards of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GpuSet(u128);

impl GpuSet {
    /// No card.
    pub const EMPTY: Self = Self(0);

    /// The cards that a need accepts.
    pub fn accepted(need: &GpuNeed) -> Self {
        let numbered = GpuModel::all().zip(0..CARDS);
        let accepted = numbered.filter(|(model, _)| need.accepts(*model));
        Self(accepted.fold(0, |set, (_, number)| set | 1 << number))
    }

    /// Whether a card is in the set.
    pub fn contains(&self, gpu: GpuModel) -> bool {
        number_of(gpu).is_some_and(|n| self.contains_number(n))
    }

    pub(super) fn contains_number(&self, number: u8) -> bool {
        number < CARDS && self.0 >> number & 1 == 1
    }

    /// The set less one card.
    pub fn without(self, gpu: GpuModel) -> Self {
        Self(self.0 & !std::iter::once(gpu).collect::<Self>().0)
    }

    /// Its cards in the order of the catalogue.
    pub fn iter(&self) -> impl Iterator<Item = GpuModel> {
        let set = *self;
        GpuModel::all()
            .zip(0u8..)
            .filter(move |(_, number)| set.contains_number(*number))
            .map(|(model, _)| model)
    }
}

/// A card's place in the catalogue; none beyond what a set holds.
pub(super) fn number_of(gpu: GpuModel) -> Option<u8> {
    Some(gpu.number()).filter(|n| *n < CARDS)
}

impl FromIterator<GpuModel> for GpuSet {
    fn from_iter<I: IntoIterator<Item = GpuModel>>(gpus: I) -> Self {
        let numbers = gpus.into_iter().filter_map(number_of);
        Self(numbers.fold(0, |set, n| set | 1 << n))
    }
}

impl fmt::Debug for GpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_catalogue_fits_a_set() {
        let all: GpuSet = GpuModel::all().collect();
        assert!(all.iter().eq(GpuModel::all()));
        let l4 = GpuModel::by_id("l4").unwrap();
        assert!(all.contains(l4) && !all.without(l4).contains(l4));
        let large = GpuSet::accepted(&GpuNeed::AnyWithVram { vram_gb_min: 80 });
        assert!(!large.contains(l4));
        assert!(large.iter().all(|m| m.facts().vram_gb >= 80));
    }
}
