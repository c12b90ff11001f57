//! Selectors as bit sets and sorted lists: whether a subject is meant, and whether two can both
//! mean one.

use tandem_model::gpu::GpuModel;
use tandem_model::id::AccountId;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::workload::{Tier, WorkloadClass};

use super::countries::CountrySet;
use super::subject::Subject;

/// Most networks that one policy can name; the last bit stands for every other network.
pub(super) const NETWORKS_MAX: usize = 63;

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
    pub(super) classes: u8,
    pub(super) tiers: u8,
    pub(super) grades: u8,
    pub(super) gpus: u128,
    pub(super) networks: u64,
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
            classes: u8::MAX,
            tiers: u8::MAX,
            grades: u8::MAX,
            gpus: u128::MAX,
            networks: u64::MAX,
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
    class: u8,
    tier: u8,
    grade: u8,
    gpu: u128,
    network: u64,
    country: Country,
    account: Option<&'a AccountId>,
    gpu_hours: u64,
    term_seconds: u64,
}

pub(super) fn class_bit(class: WorkloadClass) -> u8 {
    1 << class as u8
}

pub(super) fn tier_bit(tier: Tier) -> u8 {
    1 << tier as u8
}

pub(super) fn grade_bit(grade: Grade) -> u8 {
    1 << grade as u8
}

/// The names that bits stand for: every card of the catalogue, and the networks that a policy names.
#[derive(Debug, Clone)]
pub(super) struct Names {
    gpus: Vec<GpuModel>,
    networks: Vec<NetworkId>,
}

impl Names {
    pub(super) fn new() -> Self {
        let mut gpus: Vec<_> = GpuModel::all().collect();
        gpus.sort_unstable();
        Self {
            gpus,
            networks: Vec::new(),
        }
    }

    /// The bit of a card; a card outside the catalogue cannot exist.
    pub(super) fn gpu_bit(&self, gpu: GpuModel) -> u128 {
        self.gpus.binary_search(&gpu).map_or(0, |index| 1 << index)
    }

    /// The bit of a network that a file names; none when there are too many.
    pub(super) fn name_network(&mut self, network: NetworkId) -> Option<u64> {
        let known = self.networks.iter().position(|n| *n == network);
        let index = known.unwrap_or(self.networks.len());
        if known.is_none() {
            if self.networks.len() >= NETWORKS_MAX {
                return None;
            }
            self.networks.push(network);
        }
        Some(1 << index)
    }

    /// The networks that the policy names.
    pub(super) fn networks(&self) -> &[NetworkId] {
        &self.networks
    }

    pub(super) fn coordinates<'a>(&self, subject: &Subject<'a>) -> Coordinates<'a> {
        let network = self.networks.iter().position(|n| n == subject.network);
        Coordinates {
            class: class_bit(subject.class),
            tier: tier_bit(subject.tier),
            grade: grade_bit(subject.grade),
            gpu: self.gpu_bit(subject.gpu),
            network: 1 << network.unwrap_or(NETWORKS_MAX),
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
        let within = |ranges: &Option<Vec<Range>>, value: u64| {
            ranges
                .as_ref()
                .is_none_or(|ranges| ranges.iter().any(|range| range.contains(value)))
        };
        self.classes & at.class != 0
            && self.tiers & at.tier != 0
            && self.grades & at.grade != 0
            && self.gpus & at.gpu != 0
            && self.networks & at.network != 0
            && self.countries.is_none_or(|set| set.contains(at.country))
            && within(&self.gpu_hours, at.gpu_hours)
            && within(&self.term_seconds, at.term_seconds)
            && self.accounts.as_ref().is_none_or(|accounts| {
                at.account
                    .is_some_and(|account| accounts.binary_search(account).is_ok())
            })
    }

    /// Whether some subject is meant by both: in every respect the lists share an item, or one of
    /// them is absent.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let ranges = |a: &Option<Vec<Range>>, b: &Option<Vec<Range>>| match (a, b) {
            (Some(a), Some(b)) => a.iter().any(|x| b.iter().any(|y| x.intersects(*y))),
            _ => true,
        };
        self.classes & other.classes != 0
            && self.tiers & other.tiers != 0
            && self.grades & other.grades != 0
            && self.gpus & other.gpus != 0
            && self.networks & other.networks != 0
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
