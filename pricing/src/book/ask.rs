//! What is asked of the book: the constraints of a workload on a tier, digested so that a group of
//! offers is tested by a few comparisons.

use std::time::Duration;

use tandem_model::gpu::{ExportClass, GpuModel};
use tandem_model::money::MicroUsd;
use tandem_model::network::Country;
use tandem_model::time::WorldTime;
use tandem_model::workload::{GpuNeed, Tier, Workload};

use super::cards::GpuSet;
use crate::classify::Classification;
use crate::cost::{Curve, SMALL};
use crate::countries::CountrySet;
use crate::jurisdiction::Digest;
use crate::quote::Refusal;

/// Countries that policy forbids, by the export class of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Forbidden {
    /// For cards below every threshold.
    pub uncontrolled: CountrySet,
    /// For cards that may need a notification.
    pub notify: CountrySet,
    /// For controlled cards.
    pub controlled: CountrySet,
}

impl Forbidden {
    /// The same countries for every card.
    pub fn everywhere(countries: CountrySet) -> Self {
        Self {
            uncontrolled: countries,
            notify: countries,
            controlled: countries,
        }
    }

    /// The countries for cards of this class.
    pub fn of(&self, class: ExportClass) -> &CountrySet {
        match class {
            ExportClass::Uncontrolled => &self.uncontrolled,
            ExportClass::Notify => &self.notify,
            ExportClass::Controlled => &self.controlled,
        }
    }
}

/// A finite piece of work, with what it must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Work {
    /// How long it takes on its GPUs at their reference speed, in seconds.
    pub useful_seconds: u64,
    /// Most seconds from its start to its end, when it has a deadline: useful time over measured
    /// speed is not more.
    pub seconds_max: Option<u64>,
    /// Most that it may cost: rate x GPUs x hours at the measured speed is not more.
    pub budget: Option<MicroUsd>,
}

/// The constraints of a workload on a tier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ask {
    /// What the customer buys.
    pub tier: Tier,
    /// The cards that the customer accepts.
    pub gpus: GpuSet,
    /// Least nominal memory of a card in GB.
    pub vram_gb_min: Option<u32>,
    /// Whether the need fits machines of consumer grade.
    pub consumer_fits: bool,
    /// Whether a machine's owner could read secrets that he must not.
    pub secrets_exposed: bool,
    /// Whether rules keep the work's data off hardware of consumer grade.
    pub data_exposed: bool,
    /// GPUs of each node.
    pub gpus_per_node: u16,
    /// Nodes of one offer, at one place; 0 counts as 1.
    pub nodes: u16,
    /// Whether several nodes must be linked by RDMA.
    pub fast_link: bool,
    /// Whether nodes of which more GPUs must be rented than are needed are out.
    pub exact_nodes: bool,
    /// Countries that policy forbids. No counterfactual relaxes them.
    pub forbidden: Forbidden,
    /// The only countries that the customer accepts; none when all are.
    pub countries_allowed: Option<CountrySet>,
    /// Countries that the customer excludes.
    pub countries_denied: CountrySet,
    /// The countries that are near enough, when latency matters: [`CountrySet::near`].
    pub near: Option<CountrySet>,
    /// Countries whose offers may have another price, or not be sold, beside others of the same
    /// aisle: the price function is asked for each of them apart.
    pub priced_apart: CountrySet,
    /// The work, when it is finite and its length is known.
    pub work: Option<Work>,
    /// Oldest observation that is believed; none when any is.
    pub age_max: Option<Duration>,
    /// Highest price to the customer per GPU-hour.
    pub price_limit: Option<MicroUsd>,
}

impl Ask {
    /// What a workload asks on a tier, with no limit on age, deadline or budget: those are the
    /// caller's to add.
    pub fn of(
        tier: Tier,
        w: &Workload,
        classification: &Classification,
        price_limit: Option<MicroUsd>,
    ) -> Self {
        let r = &w.resources;
        let named = matches!(r.gpu, GpuNeed::Named { .. });
        let allowed = &w.limits.countries_allowed;
        Self {
            tier,
            gpus: GpuSet::accepted(&r.gpu),
            vram_gb_min: classification.needs.vram_gb_per_gpu.filter(|_| !named),
            consumer_fits: classification.tiers.consumer,
            secrets_exposed: !w.secrets.is_empty() && !w.secrets_on_consumer,
            gpus_per_node: r.gpus_per_node,
            nodes: r.nodes,
            data_exposed: false,
            exact_nodes: false,
            fast_link: classification.needs.fast_interconnect || r.fast_interconnect,
            forbidden: Forbidden::default(),
            countries_allowed: (!allowed.is_empty()).then(|| allowed.iter().copied().collect()),
            countries_denied: w.limits.countries_denied.iter().copied().collect(),
            near: w
                .limits
                .near
                .as_ref()
                .map(|near| CountrySet::near(&near.countries, near.round_trip_ms)),
            priced_apart: CountrySet::EMPTY,
            work: None,
            age_max: None,
            price_limit,
        }
    }

    /// The same where rules about places hold.
    #[must_use]
    pub fn under(self, digest: &Digest) -> Self {
        Self {
            // Who may buy nothing may buy it nowhere.
            forbidden: match &digest.customer {
                Some(_) => Forbidden::everywhere(CountrySet::ALL),
                None => digest.forbidden,
            },
            data_exposed: digest.is_consumer_out,
            ..self
        }
    }

    /// What the backstop of `assured` must be: enterprise hardware of any card that has the memory
    /// of the smallest that is accepted.
    #[must_use]
    pub fn backstop(self) -> Self {
        let memory = |gpu: GpuModel| u32::from(gpu.facts().vram_gb);
        let smallest = self.gpus.iter().map(memory).min();
        Self {
            tier: Tier::Enterprise,
            vram_gb_min: self.vram_gb_min.max(smallest),
            gpus: GpuModel::all().collect(),
            exact_nodes: false,
            ..self
        }
    }

    /// Nodes, at least one.
    pub(super) fn nodes(&self) -> u32 {
        u32::from(self.nodes.max(1))
    }

    /// GPUs rented over all nodes of an offer: what is needed, or whole nodes that cannot be split.
    pub(super) fn gpus_rented(&self, gpus_per_node: u16, divisible: bool) -> u32 {
        let of_node = if divisible {
            self.gpus_per_node.max(1)
        } else {
            gpus_per_node
        };
        u32::from(of_node) * self.nodes()
    }

    /// Whether the customer excludes a country.
    pub fn excludes(&self, country: Country) -> bool {
        self.countries_denied.contains(country)
            || self
                .countries_allowed
                .is_some_and(|allowed| !allowed.contains(country))
    }

    /// Observations before this are stale; none when none is.
    pub(crate) fn stale_before(&self, now: WorldTime) -> Option<i64> {
        let age = i64::try_from(self.age_max?.as_micros()).unwrap_or(i64::MAX);
        Some(now.micros().saturating_sub(age))
    }
}

/// How offers of an aisle are sold: monotone functions of the network's price per GPU-hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    /// The customer's price per GPU-hour.
    pub rate: Curve,
    /// From that rate to the price per useful GPU-hour that offers are ranked by; [`Curve::SAME`]
    /// for a ranking by rate alone.
    pub useful: Curve,
    /// Measured speed in thousandths of the card's reference; 0 is refused as too late.
    pub speed_permille: u32,
    /// The highest network price per GPU-hour at which it is sold: above it a ceiling lies below
    /// cost, or a backstop would cost no more. Offers above are refused with the price limit.
    pub price_max: Option<MicroUsd>,
}

/// What the price function says of an aisle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "prices are prepared once and borrowed; boxes would cost a search its locality"
)]
pub enum AislePrice {
    /// Its offers are sold.
    Sold(Sale),
    /// Its offers are not sold, and counted under this reason.
    NotSold(Refusal),
}

impl Work {
    /// How long it takes at a speed in thousandths of the card's reference, in seconds, rounded up;
    /// none when it never ends.
    fn seconds(&self, speed_permille: u32) -> Option<u64> {
        let whole = u128::from(self.useful_seconds) * 1_000;
        let speed = u128::from(speed_permille);
        (speed > 0).then(|| u64::try_from(whole.div_ceil(speed)).ok())?
    }

    /// Whether it ends after its deadline at such a speed.
    pub(super) fn is_too_late(&self, speed_permille: u32) -> bool {
        self.seconds_max.is_some_and(|most| {
            let seconds = self.seconds(speed_permille);
            seconds.is_none_or(|seconds| seconds > most)
        })
    }
}

impl Sale {
    /// The price of a useful GPU-hour at a network price; none when it leaves `i64`.
    pub fn useful_at(&self, price: i64) -> Option<i64> {
        self.useful.apply(self.rate.apply(price)?)
    }

    /// Whether `price` and all below it give amounts of which any number of GPUs (`u32`) costs one
    /// that is in the range of money.
    pub fn is_small_up_to(&self, price: i64) -> bool {
        let rate = self.rate.apply(price);
        let is_small = |rate| rate <= SMALL && self.useful.is_small_up_to(rate);
        rate.is_some_and(is_small)
    }

    /// The highest network price at which neither amount of so many GPUs leaves the range of money.
    pub(super) fn price_in_range(&self, gpus: u32) -> Option<i64> {
        let most = i64::MAX / i64::from(gpus.max(1));
        self.rate.inverse(self.useful.inverse(most)?.min(most))
    }

    /// The highest rate at which so many GPUs keep to the budget of work; below zero when none
    /// does, none when there is no budget.
    pub(super) fn rate_in_budget(&self, work: &Work, gpus: u32) -> Option<i64> {
        let budget = i128::from(work.budget?.get());
        let Some(seconds) = work.seconds(self.speed_permille) else {
            return Some(-1);
        };
        let gpu_seconds = (i128::from(seconds) * i128::from(gpus)).max(1);
        let rate = (budget * 3_600).div_euclid(gpu_seconds);
        Some(i64::try_from(rate).unwrap_or(i64::MAX))
    }
}
