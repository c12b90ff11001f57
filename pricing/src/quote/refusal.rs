//! Why an offer does not fit a workload on a tier.

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
}
