//! Why an offer does not fit a workload on a tier.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why an offer does not fit, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Its price is zero, negative or absurdly high.
    PriceInvalid,
    /// The tier wants data-centre hardware, A100 or better.
    BelowTier,
    /// Another card is asked for.
    OtherGpu,
    /// The card has less memory than the work needs.
    TooLittleVram,
    /// The need does not fit machines of consumer grade.
    NeedsDatacenter,
    /// The work uses secrets that the machine's owner could read.
    SecretsOnConsumer,
    /// The rules keep this kind of data off hardware of consumer grade.
    DataOnConsumer,
    /// Fewer GPUs in a node.
    TooFewGpus,
    /// The node has more GPUs than are needed and cannot be split, which this tier does not sell.
    WholeNodesOnly,
    /// Fewer nodes are free.
    TooFewNodes,
    /// The nodes have no fast link.
    NoFastLink,
    /// A country where the operator's policy forbids this card.
    Jurisdiction,
    /// A country that the customer excludes.
    CountryExcluded,
    /// Too far from the regions that must be near, by the estimated round trip.
    TooFar,
    /// The workload cannot start on the network's product.
    CannotStart,
    /// `assured` starts on other hardware: this is what it falls back to.
    IsBackstop,
    /// Machines of this kind fail so often that the work would not get on.
    WouldNotEnd,
    /// The pricing policy leaves no price for it.
    NotSold,
    /// The work would end after its deadline.
    TooLate,
    /// The network said so too long ago. Asked late, so that it counts what would fit if it were
    /// read again.
    Stale,
    /// Dearer than the limit: the customer's own, what was agreed for a replacement, a ceiling of
    /// the policy that lies below cost, or the backstop of `assured`.
    AbovePriceLimit,
    /// The whole work would cost more than its budget.
    AboveBudget,
    /// The tier is not asked for, or nothing of it can be sold now.
    TierNotOffered,
}

impl Refusal {
    /// Every reason, in the order in which they are asked.
    pub const ALL: [Self; 23] = [
        Self::PriceInvalid,
        Self::BelowTier,
        Self::OtherGpu,
        Self::TooLittleVram,
        Self::NeedsDatacenter,
        Self::SecretsOnConsumer,
        Self::DataOnConsumer,
        Self::TooFewGpus,
        Self::WholeNodesOnly,
        Self::TooFewNodes,
        Self::NoFastLink,
        Self::Jurisdiction,
        Self::CountryExcluded,
        Self::TooFar,
        Self::CannotStart,
        Self::IsBackstop,
        Self::WouldNotEnd,
        Self::NotSold,
        Self::TooLate,
        Self::Stale,
        Self::AbovePriceLimit,
        Self::AboveBudget,
        Self::TierNotOffered,
    ];

    /// In words, after a number of offers.
    pub fn words(self) -> &'static str {
        match self {
            Self::PriceInvalid => "without a price that can be believed",
            Self::BelowTier => "below the tier, which wants an A100 or better",
            Self::OtherGpu => "of another GPU",
            Self::TooLittleVram => "with too little memory",
            Self::NeedsDatacenter => "of consumer grade, which the work does not fit",
            Self::SecretsOnConsumer => "of consumer grade, where the owner could read the secrets",
            Self::DataOnConsumer => "of consumer grade, which the rules forbid for such data",
            Self::TooFewGpus => "with fewer GPUs in a node",
            Self::WholeNodesOnly => "let only as whole nodes of more GPUs",
            Self::TooFewNodes => "with fewer free nodes",
            Self::NoFastLink => "without a fast link",
            Self::Jurisdiction => "in countries where the operator's rules forbid the card",
            Self::CountryExcluded => "in countries that the file excludes",
            Self::TooFar => "too far from the regions that must be near",
            Self::CannotStart => "of products on which it cannot start",
            Self::IsBackstop => "kept as the backstop of this tier",
            Self::WouldNotEnd => "on which it would hardly ever end, so often do they fail",
            Self::NotSold => "that the pricing policy does not sell",
            Self::TooLate => "on which it would end after its deadline",
            Self::Stale => "last seen too long ago",
            Self::AbovePriceLimit => "dearer than the limit",
            Self::AboveBudget => "beyond the budget",
            Self::TierNotOffered => "not looked at",
        }
    }

    /// How many were refused for what, in words; first what was asked last, which came nearest.
    pub fn told(refused: &BTreeMap<Self, usize>) -> String {
        let nearest_first = refused.iter().rev();
        let parts = nearest_first.map(|(why, n)| format!("{n} {}", why.words()));
        parts.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_nearest_is_told_first() {
        let refused = BTreeMap::from([(Refusal::OtherGpu, 7), (Refusal::AboveBudget, 2)]);
        let told = Refusal::told(&refused);
        assert_eq!(told, "2 beyond the budget, 7 of another GPU");
    }
}
