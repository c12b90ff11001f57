//! Selectors as bit sets and sorted lists: whether a subject is meant, and whether two can both
//! mean one.

use tandem_model::gpu::GpuModel;
use tandem_model::id::AccountId;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::workload::{Tier, WorkloadClass};

use super::bounds::Buyer;
use super::problem::Position;
use super::subject::Subject;
use crate::countries::{CountrySet, country_of};

/// Most networks that one policy can name; one more bit stands for every other network.
pub(super) const NETWORKS_MAX: usize = 47;

/// Names of five kinds as bits of one word: a subject has one bit of each kind, and a selector all
/// those that it admits, so that one comparison decides five selectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits(u128);

/// A kind of name: where its bits begin, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    start: u32,
    width: u32,
}

impl Kind {
    pub(super) const CLASS: Self = Self::new(0, 8);
    pub(super) const TIER: Self = Self::new(8, 4);
    pub(super) const GRADE: Self = Self::new(12, 4);
    pub(super) const NETWORK: Self = Self::new(16, 48);
    pub(super) const GPU: Self = Self::new(64, 64);
    const ALL: [Self; 5] = [
        Self::CLASS,
        Self::TIER,
        Self::GRADE,
        Self::NETWORK,
        Self::GPU,
    ];

    const fn new(start: u32, width: u32) -> Self {
        Self { start, width }
    }

    const fn mask(self) -> u128 {
        (u128::MAX >> (128 - self.width)) << self.start
    }

    /// The bit of a name; no bit for one beyond the width.
    fn bit(self, index: usize) -> Bits {
        match u32::try_from(index) {
            Ok(index) if index < self.width => Bits(1 << (self.start + index)),
            _ => Bits::NONE,
        }
    }
}

impl Bits {
    pub(super) const NONE: Self = Self(0);
    const ALL: Self = Self(u128::MAX);

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same without the names of one kind.
    pub(super) const fn without(self, kind: Kind) -> Self {
        Self(self.0 & !kind.mask())
    }

    /// These names of one kind instead of those that were there.
    pub(super) const fn set(self, kind: Kind, names: Self) -> Self {
        self.without(kind).with(Self(names.0 & kind.mask()))
    }

    /// Whether every name of the subject is admitted.
    pub(super) const fn admits(self, subject: Self) -> bool {
        self.0 & subject.0 == subject.0
    }

    /// Whether a name of every kind is admitted by both.
    fn meets(self, other: Self) -> bool {
        let both = self.0 & other.0;
        Kind::ALL.iter().all(|kind| both & kind.mask() != 0)
    }
}

/// A range of whole numbers; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: u64,
    pub(super) high: u64,
}

impl Range {
    fn contains(self, value: u64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    fn intersects(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// What a rule or a promotion applies to. A list that is absent leaves its set full or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) names: Bits,
    pub(super) countries: Option<CountrySet>,
    /// Sorted.
    pub(super) accounts: Option<Vec<AccountId>>,
    pub(super) gpu_hours: Option<Vec<Range>>,
    pub(super) term_seconds: Option<Vec<Range>>,
}

impl Default for Selector {
    /// Everything.
    fn default() -> Self {
        Self {
            names: Bits::ALL,
            countries: None,
            accounts: None,
            gpu_hours: None,
            term_seconds: None,
        }
    }
}

/// A subject as single bits, made once for all rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coordinates<'a> {
    pub(super) names: Bits,
    country: Country,
    account: Option<&'a AccountId>,
    gpu_hours: u64,
    term_seconds: u64,
}

impl<'a> Coordinates<'a> {
    /// What is known before a machine is: no bit of grade, network and card, which any list of them
    /// admits, and no country that means anything.
    pub(super) fn of_buyer(buyer: &Buyer<'a>) -> Self {
        Self {
            names: class_bit(buyer.class).with(tier_bit(buyer.tier)),
            country: country_of(0),
            account: buyer.account,
            gpu_hours: buyer.gpu_hours,
            term_seconds: u64::from(buyer.term_seconds),
        }
    }
}

pub(super) fn class_bit(class: WorkloadClass) -> Bits {
    Kind::CLASS.bit(class as usize)
}

pub(super) fn tier_bit(tier: Tier) -> Bits {
    Kind::TIER.bit(tier as usize)
}

pub(super) fn grade_bit(grade: Grade) -> Bits {
    Kind::GRADE.bit(grade as usize)
}

/// By its place in the catalogue.
pub(super) fn gpu_bit(gpu: GpuModel) -> Bits {
    Kind::GPU.bit(usize::from(gpu.number()))
}

/// The names that a policy's bits stand for and no other's: the networks that it names.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// With the place where each is named first.
    networks: Vec<(NetworkId, Position)>,
}

impl Names {
    /// The bit of a network that a file names; none when there are too many.
    pub(super) fn name_network(&mut self, network: NetworkId, at: Position) -> Option<Bits> {
        let known = self.networks.iter().position(|(n, _)| *n == network);
        let index = known.unwrap_or(self.networks.len());
        if known.is_none() {
            if self.networks.len() >= NETWORKS_MAX {
                return None;
            }
            self.networks.push((network, at));
        }
        Some(Kind::NETWORK.bit(index))
    }

    /// The networks that the policy names, with the place where each is named first.
    pub(super) fn networks(&self) -> &[(NetworkId, Position)] {
        &self.networks
    }

    /// The bits of a subject but for its card.
    pub(super) fn names_of(
        &self,
        class: WorkloadClass,
        tier: Tier,
        grade: Grade,
        network: &NetworkId,
    ) -> Bits {
        let network = self.networks.iter().position(|(n, _)| n == network);
        class_bit(class)
            .with(tier_bit(tier))
            .with(grade_bit(grade))
            .with(Kind::NETWORK.bit(network.unwrap_or(NETWORKS_MAX)))
    }

    pub(super) fn coordinates<'a>(&self, subject: &Subject<'a>) -> Coordinates<'a> {
        Coordinates {
            names: self
                .names_of(subject.class, subject.tier, subject.grade, subject.network)
                .with(gpu_bit(subject.gpu)),
            country: subject.country,
            account: subject.account,
            gpu_hours: subject.gpu_hours,
            term_seconds: u64::from(subject.term_seconds),
        }
    }
}

impl Selector {
    /// Whether the subject is meant.
    pub(super) fn matches(&self, at: &Coordinates<'_>) -> bool {
        let country = self.countries.as_ref();
        self.could_match(at) && country.is_none_or(|set| set.contains(at.country))
    }

    /// The same wherever the subject stands.
    pub(super) fn could_match(&self, at: &Coordinates<'_>) -> bool {
        let within = |ranges: &Option<Vec<Range>>, value: u64| {
            ranges
                .as_ref()
                .is_none_or(|ranges| ranges.iter().any(|range| range.contains(value)))
        };
        self.names.admits(at.names)
            && self.accounts.as_ref().is_none_or(|accounts| {
                at.account
                    .is_some_and(|account| accounts.binary_search(account).is_ok())
            })
            && within(&self.gpu_hours, at.gpu_hours)
            && within(&self.term_seconds, at.term_seconds)
    }

    /// Whether some subject is meant by both: in every respect the lists share an item, or one of
    /// them is absent.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let ranges = |a: &Option<Vec<Range>>, b: &Option<Vec<Range>>| match (a, b) {
            (Some(a), Some(b)) => a.iter().any(|x| b.iter().any(|y| x.intersects(*y))),
            _ => true,
        };
        self.names.meets(other.names)
            && match (&self.countries, &other.countries) {
                (Some(a), Some(b)) => a.intersects(b),
                _ => true,
            }
            && match (&self.accounts, &other.accounts) {
                (Some(a), Some(b)) => a.iter().any(|account| b.binary_search(account).is_ok()),
                _ => true,
            }
            && ranges(&self.gpu_hours, &other.gpu_hours)
            && ranges(&self.term_seconds, &other.term_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_bit_of_its_own() {
        let mut bits: Vec<u128> = GpuModel::all().map(|gpu| gpu_bit(gpu).0).collect();
        bits.extend(WorkloadClass::ALL.map(|class| class_bit(class).0));
        bits.extend(Tier::ALL.map(|tier| tier_bit(tier).0));
        bits.extend([Grade::Consumer, Grade::Datacenter].map(|grade| grade_bit(grade).0));
        bits.extend((0..=NETWORKS_MAX).map(|index| Kind::NETWORK.bit(index).0));
        let all = bits.iter().fold(0, |all, bit| all | bit);
        assert!(bits.iter().all(|bit| bit.count_ones() == 1));
        assert_eq!(all.count_ones() as usize, bits.len());
        let kinds = Kind::ALL.map(Kind::mask);
        assert_eq!(kinds.iter().fold(0, |all, kind| all ^ kind), u128::MAX);
        assert_eq!(Kind::NETWORK.bit(NETWORKS_MAX + 1), Bits::NONE);
    }
}
