//! One policy, task by task in the order of arrival: what is quoted, accepted, taken and owed.

use std::collections::BTreeMap;
use std::time::Duration;

use tandem_model::money::MicroUsd;
use tandem_model::workload::{Tier, WorkloadClass};

use super::Scenario;
use super::accept::acceptance_ppm;
use super::demand::{Need, Task};
use super::draw::{Purpose, below};
use super::market::{DAY_S, Found, Market};
use super::parameters::{ByTier, Parameters};
use super::risk::{self, Expected};
use super::shelves::Part;
use super::tally::{Lines, Occupancy, Sums};
use crate::fixed::MILLION;
use crate::policy::{Exhausted, Policy, Priced, PromotionIndex, Subject, price};

/// Most GPUs of one consumer machine.
const CONSUMER_GPUS_MAX: u32 = 8;
/// Ten thousand basis points are the whole.
const BASIS_POINTS: i128 = 10_000;
/// Seconds of an hour.
const HOUR_S: i128 = 3_600;

/// Why a task was not sold, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    WithoutGpu,
    NotStocked,
    Capacity,
    NotOffered,
    Price,
}

/// What was sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sale {
    pub(super) gpu_seconds: u128,
    pub(super) lines: Lines,
    pub(super) expected: Expected,
}

/// What came of all tasks under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Played {
    pub(super) by_class: BTreeMap<WorkloadClass, Sums>,
    pub(super) by_tier: BTreeMap<Tier, Sums>,
    pub(super) days: Vec<(Sums, Occupancy)>,
}

/// Lanes for a task on a tier, and what the first of them costs with everything.
struct Offered {
    found: Found,
    backstop: MicroUsd,
    reference: i64,
}

/// A replay under way.
pub(super) struct Replay<'a> {
    policy: &'a Policy,
    scenario: &'a Scenario,
    parameters: &'a Parameters,
    pub(super) market: Market<'a>,
    exhausted: Exhausted,
    given: BTreeMap<PromotionIndex, i128>,
}

/// Replays every task under a policy.
pub(super) fn play(policy: &Policy, scenario: &Scenario, parameters: &Parameters) -> Played {
    let mut replay = Replay::new(policy, scenario, parameters);
    let tasks = &scenario.demand.tasks;
    let days = match tasks.is_empty() {
        true => 0,
        false => usize::try_from(scenario.demand.last_arrival_s() / DAY_S + 1).unwrap_or(0),
    };
    let mut sums = vec![Sums::default(); days];
    let mut occupancy = vec![Occupancy::default(); days];
    let (mut by_class, mut by_tier) = (BTreeMap::new(), BTreeMap::new());
    for (number, task) in (0u64..).zip(tasks) {
        replay.market.advance(task.arrival_s, &mut occupancy);
        let (tier, result) = replay.task(number, task);
        let day = usize::try_from(task.arrival_s / DAY_S).unwrap_or(0);
        sums[day].record(&result);
        let class: &mut Sums = by_class.entry(task.class).or_default();
        class.record(&result);
        if let Some(tier) = tier {
            let tier: &mut Sums = by_tier.entry(tier).or_default();
            tier.record(&result);
        }
    }
    let end_s = u64::try_from(days).unwrap_or(0) * DAY_S;
    replay.market.advance(end_s, &mut occupancy);
    Played {
        by_class,
        by_tier,
        days: sums.into_iter().zip(occupancy).collect(),
    }
}

/// Which tiers fit: work over nodes, of more GPUs than a consumer machine has, or on cards of which
/// every one is A100 or better, needs a data centre; cards below that cannot be sold as enterprise.
pub(super) fn fits(task: &Task, tier: Tier) -> bool {
    let (all_enterprise, none_enterprise) = match &task.need {
        Need::Any => (false, false),
        Need::Named(models) => (
            models.iter().all(|gpu| gpu.is_a100_or_better()),
            !models.iter().any(|gpu| gpu.is_a100_or_better()),
        ),
    };
    let datacenter = task.class == WorkloadClass::DistributedTraining
        || task.gpus > CONSUMER_GPUS_MAX
        || all_enterprise;
    match tier {
        Tier::Enterprise => !none_enterprise,
        Tier::Consumer | Tier::Assured => !datacenter || none_enterprise,
    }
}

/// The tier that a task wants: drawn by the shares of its class among the tiers that fit.
pub(super) fn wanted_tier(number: u64, task: &Task, parameters: &Parameters) -> Tier {
    let none = ByTier {
        consumer: 0,
        assured: 0,
        enterprise: 0,
    };
    let shares = parameters.wanted_tiers_permille.get(&task.class);
    let shares = shares.copied().unwrap_or(none);
    let fitting = Tier::ALL.into_iter().filter(|tier| fits(task, *tier));
    let weighed: Vec<(Tier, u64)> = fitting.map(|t| (t, u64::from(shares.of(t)))).collect();
    let total = weighed.iter().map(|(_, share)| share).sum();
    let mut drawn = below(parameters.seed, Purpose::Tier, number, total);
    for (tier, share) in &weighed {
        if drawn < *share {
            return *tier;
        }
        drawn -= share;
    }
    // No share at all: the cheapest promise that fits. One always fits.
    weighed.first().map_or(Tier::Enterprise, |(tier, _)| *tier)
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        scenario: &'a Scenario,
        parameters: &'a Parameters,
    ) -> Self {
        Self {
            policy,
            scenario,
            parameters,
            market: Market::new(&scenario.history),
            exhausted: Exhausted::NONE,
            given: BTreeMap::new(),
        }
    }

    /// What comes of a task at its arrival, and which tier it wanted.
    pub(super) fn task(
        &mut self,
        number: u64,
        task: &Task,
    ) -> (Option<Tier>, Result<Sale, Refusal>) {
        if task.gpus == 0 {
            return (None, Err(Refusal::WithoutGpu));
        }
        let tier = wanted_tier(number, task, self.parameters);
        (Some(tier), self.sell(number, task, tier))
    }

    fn sell(&mut self, number: u64, task: &Task, tier: Tier) -> Result<Sale, Refusal> {
        let offered = self.offered(task, tier)?;
        let cost = MicroUsd::new(offered.found.price.get() + offered.backstop.get());
        let lane = self.market.lane(offered.found.lane);
        let gpu_seconds = u128::from(task.gpus) * u128::from(task.duration_s);
        let subject = Subject {
            class: task.class,
            tier,
            grade: lane.grade,
            account: None,
            gpu: lane.gpu,
            network: &lane.network,
            country: lane.country,
            gpu_hours: u64::try_from(gpu_seconds.div_ceil(3_600)).unwrap_or(u64::MAX),
            term_seconds: u32::try_from(task.duration_s).unwrap_or(u32::MAX),
            utilisation_permille: self.market.utilisation_permille(offered.found.lane),
        };
        let starts_at = self.parameters.starts_at;
        let now = starts_at.after(Duration::from_secs(task.arrival_s));
        let terms = self.policy.terms_without(&subject, now, self.exhausted);
        let priced = price(cost, &terms).map_err(|_| Refusal::NotOffered)?;
        let likely = acceptance_ppm(
            priced.price.get(),
            offered.reference,
            self.scenario.conversion.as_ref(),
            self.parameters,
        );
        let drawn = below(self.parameters.seed, Purpose::Acceptance, number, MILLION);
        if drawn >= likely {
            return Err(Refusal::Price);
        }
        let lines = lines(&priced, offered.backstop, gpu_seconds);
        if let Some(promotion) = terms.origins.promotion {
            self.gave(promotion, -lines.discount_micro_usd);
        }
        let until_s = task.arrival_s.saturating_add(task.duration_s);
        let backed = tier == Tier::Assured;
        self.market
            .take(offered.found.lane, task.gpus, until_s, backed);
        let on_enterprise = lane.is_enterprise();
        Ok(Sale {
            gpu_seconds,
            lines,
            expected: risk::expected(task, tier, on_enterprise, lines.total(), self.parameters),
        })
    }

    /// The cheapest supply for a tier, with the reference price that customers compare with: the
    /// cost of the cheapest lane, taken or free, and the reference margin. It is the same under
    /// every policy.
    fn offered(&self, task: &Task, tier: Tier) -> Result<Offered, Refusal> {
        let part = match tier {
            Tier::Consumer => Part::Any,
            Tier::Assured => Part::Rest,
            Tier::Enterprise => Part::Enterprise,
        };
        let (need, gpus) = (&task.need, task.gpus);
        let market = &self.market;
        let listed = market.list(need, part, gpus).ok_or(Refusal::NotStocked)?;
        let mut listed_cost = i128::from(listed.price.get());
        let mut backstop = MicroUsd::ZERO;
        let found = market.free(need, part, gpus).ok_or(Refusal::Capacity)?;
        if tier == Tier::Assured {
            let enterprise = Part::Enterprise;
            let any = &Need::Any;
            let list = market.list(any, enterprise, gpus);
            let list = list.ok_or(Refusal::NotStocked)?;
            let free = market.free(any, enterprise, gpus);
            let free = free.ok_or(Refusal::Capacity)?;
            let share_permille = self.policy.defaults().assured_share_permille;
            if !market.can_back(gpus, share_permille) {
                return Err(Refusal::Capacity);
            }
            if free.price <= found.price {
                return Err(Refusal::NotOffered);
            }
            backstop = risk::backstop(task, found.price, free.price, self.parameters);
            let usual = risk::backstop(task, listed.price, list.price, self.parameters);
            listed_cost += i128::from(usual.get());
        }
        let margin = i128::from(self.parameters.reference_margin_basis_points);
        let reference = listed_cost * (BASIS_POINTS + margin) / BASIS_POINTS;
        Ok(Offered {
            found,
            backstop,
            reference: i64::try_from(reference).unwrap_or(i64::MAX),
        })
    }

    /// Counts what a promotion gave, and ends it when its cap is reached.
    fn gave(&mut self, promotion: PromotionIndex, amount: i128) {
        let given = self.given.entry(promotion).or_default();
        *given += amount;
        let cap = self
            .policy
            .promotions()
            .find(|(index, _, _)| *index == promotion)
            .and_then(|(_, _, cap)| cap);
        if cap.is_some_and(|cap| *given >= i128::from(cap.get())) {
            self.exhausted = self.exhausted.with(promotion);
        }
    }
}

/// The lines of a run: differences of rounded sums, so that they add up to the charge exactly and a
/// line of nothing stays nothing.
fn lines(priced: &Priced, backstop: MicroUsd, gpu_seconds: u128) -> Lines {
    let gpu_seconds = i128::try_from(gpu_seconds).unwrap_or(i128::MAX);
    let compute = priced.cost.get() - backstop.get();
    let (mut sum, mut charged) = (0i128, 0i128);
    let mut next = |per_hour: i64| {
        sum += i128::from(per_hour);
        let charge = (sum * gpu_seconds).div_euclid(HOUR_S);
        let line = charge - charged;
        charged = charge;
        line
    };
    Lines {
        compute_micro_usd: next(compute),
        backstop_micro_usd: next(backstop.get()),
        surge_micro_usd: next(priced.surge.get()),
        rate_risk_micro_usd: next(priced.rate_risk.get()),
        margin_micro_usd: next(priced.margin.get()),
        discount_micro_usd: next(priced.discount.get()),
        adjustment_micro_usd: next(priced.adjustment.get()),
    }
}
