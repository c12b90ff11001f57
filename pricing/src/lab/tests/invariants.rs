//! What holds whatever is replayed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tandem_model::workload::Tier;

use super::super::bootstrap::Metric;
use super::super::replay::{Refusal, Replay, fits, wanted_tier};
use super::super::tally::{Occupancy, Sums};
use super::super::{Backtest, PolicyReport};
use super::{changed, parameters, played, scenario, shipped};
use crate::fixed::MILLION;
use crate::policy::Policy;

/// What must add up in a report.
fn is_conserved(report: &PolicyReport) {
    let days = report.by_day.iter().map(|day| &day.sums);
    let (mut of_days, mut of_classes, mut of_tiers) =
        (Sums::default(), Sums::default(), Sums::default());
    days.for_each(|sums| of_days.add(sums));
    report
        .by_class
        .values()
        .for_each(|sums| of_classes.add(sums));
    report.by_tier.values().for_each(|sums| of_tiers.add(sums));
    of_tiers.tasks += report.totals.refused_without_gpu;
    of_tiers.refused_without_gpu += report.totals.refused_without_gpu;
    assert_eq!(of_days, report.totals);
    assert_eq!(of_classes, report.totals);
    assert_eq!(of_tiers, report.totals);
    let groups = report.by_class.values().chain(report.by_tier.values());
    for sums in groups.chain([&report.totals]) {
        assert_eq!(
            sums.revenue_micro_usd - sums.cost_micro_usd,
            sums.margin_micro_usd
        );
        assert_eq!(sums.lines.total(), sums.revenue_micro_usd);
        let cost = sums.lines.compute_micro_usd + sums.lines.backstop_micro_usd;
        assert_eq!(cost, sums.cost_micro_usd);
        assert_eq!(sums.accepted + sums.refused(), sums.tasks);
    }
    for day in &report.by_day {
        assert!(day.occupancy.taken_gpu_seconds <= day.occupancy.supply_gpu_seconds);
    }
    for (metric, estimate) in &report.estimates {
        assert_eq!(estimate.value, metric.of(&report.totals, &report.occupancy));
        assert!(estimate.low <= estimate.high, "{metric:?}");
    }
}

fn text(backtest: &Backtest) -> String {
    serde_json::to_string(backtest).unwrap()
}

#[test]
fn the_shipped_set_is_sold_on_every_tier_and_in_every_class_and_everything_adds_up() {
    let scenario = shipped();
    let result = played(&scenario, &Policy::standard(), None);
    let report = &result.policies[0];
    is_conserved(report);
    assert_eq!((report.by_tier.len(), report.by_class.len()), (3, 7));
    let groups = report.by_tier.values().chain(report.by_class.values());
    assert!(groups.into_iter().all(|sums| sums.accepted > 0));
    let totals = &report.totals;
    assert!(totals.refused_price > 0 && totals.refused_capacity > 0);
    assert!(totals.lines.surge_micro_usd > 0, "capacity is never scarce");
    assert!(totals.lines.backstop_micro_usd > 0);
    assert!(totals.expected_credit_micro_usd > 0 && totals.margin_micro_usd > 0);
    assert!(result.inputs.demand_is_synthetic && result.difference.is_none());
}

#[test]
fn the_same_input_and_seed_give_the_same_bytes_and_another_seed_gives_others() {
    let scenario = shipped();
    let (first, second) = (Policy::standard(), changed(&[("1_200", "1_500")]));
    let one = played(&scenario, &first, Some(&second));
    let again = played(&shipped(), &first, Some(&second));
    assert_eq!(text(&one), text(&again));
    let other = super::super::backtest(&first, Some(&second), &scenario, parameters(8));
    assert_ne!(one.policies[0].totals, other.policies[0].totals);
}

#[test]
fn a_policy_beside_itself_differs_in_nothing_and_leaves_no_room_for_doubt() {
    let scenario = shipped();
    let result = played(&scenario, &Policy::standard(), Some(&Policy::standard()));
    assert_eq!(result.policies[0], result.policies[1]);
    let difference = result.difference.unwrap();
    assert_eq!(difference.len(), Metric::ALL.len());
    for (metric, estimate) in &difference {
        let all = (estimate.value, estimate.low, estimate.high);
        assert_eq!(all, (0, 0, 0), "{metric:?}");
    }
    let own = &result.policies[0].estimates[&Metric::MarginMicroUsd];
    assert!(own.low < own.value && own.value < own.high, "{own:?}");
}

#[test]
fn without_a_margin_what_is_earned_comes_from_the_other_lines() {
    let policy = changed(&[
        ("margin_basis_points: 1_200", "margin_basis_points: 0"),
        ("margin_basis_points: 900", "margin_basis_points: 0"),
        ("margin_min_basis_points: 300", "margin_min_basis_points: 0"),
    ]);
    let result = played(&shipped(), &policy, None);
    let totals = &result.policies[0].totals;
    assert_eq!(totals.lines.margin_micro_usd, 0);
    let others = totals.lines.surge_micro_usd
        + totals.lines.rate_risk_micro_usd
        + totals.lines.discount_micro_usd
        + totals.lines.adjustment_micro_usd;
    assert!(others > 0);
    assert_eq!(totals.margin_micro_usd, others);
}

#[test]
fn no_demand_gives_an_empty_result() {
    let nothing = scenario("", "0,ionet,rtx4090,consumer,DE,0.40,8\n");
    let result = played(&nothing, &Policy::standard(), Some(&Policy::standard()));
    for report in &result.policies {
        is_conserved(report);
        assert_eq!(report.totals, Sums::default());
        assert_eq!(report.occupancy, Occupancy::default());
        assert!(report.by_day.is_empty());
    }
}

#[test]
fn a_cap_ends_a_promotion_and_a_higher_elasticity_loses_customers() {
    let promotion = "promotions:\n  - id: sale\n    discount_basis_points: 1_000\n    \
                     from: 2026-01-01T00:00:00Z\n    until: 2028-01-01T00:00:00Z\n    \
                     total_cap_micro_usd: 1_000_000\n\nrules:\n";
    let policy = changed(&[("rules:\n", promotion)]);
    let result = played(&shipped(), &policy, None);
    let given = -result.policies[0].totals.lines.discount_micro_usd;
    // The run that crosses the cap still has its discount; no run of the set costs $5,000.
    assert!((1_000_000..500_000_000).contains(&given), "{given}");

    let mut elastic = parameters(7);
    elastic.elasticity_permille = 6_000;
    let dear = changed(&[("1_200", "3_000"), ("900\n", "3_000\n")]);
    let usual = played(&shipped(), &dear, None);
    let elastic = super::super::backtest(&dear, None, &shipped(), elastic);
    let accepted = |b: &Backtest| b.policies[0].totals.accepted;
    assert!(accepted(&elastic) < accepted(&usual));
}

#[test]
fn the_margin_of_one_sale_can_be_followed_by_hand() {
    // 2 GPUs for 90 minutes at $0.40: 3 GPU-hours cost $1.20; 1 % and 12 % of cost on top.
    let rows = "a,0,5400,2,RTX 4090,batch_inference\n";
    let scenario = scenario(rows, "0,ionet,rtx4090,consumer,DE,0.40,8\n");
    let mut parameters = parameters(1);
    parameters.base_acceptance_ppm = 1_000_000;
    let tiers = parameters.wanted_tiers_permille.values_mut();
    tiers.for_each(|shares| (shares.assured, shares.enterprise) = (0, 0));
    let result = super::super::backtest(&Policy::standard(), None, &scenario, parameters);
    let totals = &result.policies[0].totals;
    assert_eq!(totals.accepted, 1);
    assert_eq!(totals.cost_micro_usd, 1_200_000);
    assert_eq!(totals.lines.rate_risk_micro_usd, 12_000);
    assert_eq!(totals.lines.margin_micro_usd, 144_000);
    assert_eq!(totals.revenue_micro_usd, 1_356_000);
    // 3 GPU-hours x 1,388,889 a billion x 200 permille = 0.000833333 breaches; 10 % of $1.356.
    assert!(totals.expected_breaches_ppb.abs_diff(832_987) <= 2);
    assert_eq!(totals.expected_credit_micro_usd, 113);
    // 2 of 8 GPUs for 90 minutes of a day.
    let occupancy = result.policies[0].occupancy;
    assert_eq!(occupancy.taken_gpu_seconds, 10_800);
    assert_eq!(occupancy.supply_gpu_seconds, 8 * 86_400);
}

/// Tasks that are sold for sure where they are sold at all, one after another with room for all.
fn sold_under(scenario: &super::super::Scenario, policy: &Policy) -> BTreeMap<u64, bool> {
    let parameters = parameters(7);
    let mut replay = Replay::new(policy, scenario, &parameters);
    let tasks = (0u64..).zip(&scenario.demand.tasks);
    tasks
        .map(|(number, task)| {
            replay.market.advance(task.arrival_s, &mut []);
            let (_, result) = replay.task(number, task);
            assert_ne!(result, Err(Refusal::Capacity));
            (number, result.is_ok())
        })
        .collect()
}

#[test]
fn a_higher_price_never_wins_a_task_when_there_is_room_for_all() {
    let mut room = shipped();
    for step in &mut room.history.steps {
        step.gpus = 100_000;
    }
    // Scarcity never acts, so that only the margin differs.
    let low = sold_under(&room, &Policy::standard());
    let high = sold_under(&room, &changed(&[("1_200", "2_400"), ("900\n", "2_400\n")]));
    assert!(high.iter().all(|(task, sold)| !sold || low[task]));
    let count = |sold: &BTreeMap<u64, bool>| sold.values().filter(|sold| **sold).count();
    assert!(count(&high) < count(&low) && count(&high) > 0);
}

#[test]
fn capacity_is_never_negative_and_what_ends_comes_back() {
    let scenario = shipped();
    let (policy, mut parameters) = (Policy::standard(), parameters(3));
    parameters.base_acceptance_ppm = u32::try_from(MILLION).unwrap();
    let mut replay = Replay::new(&policy, &scenario, &parameters);
    for (number, task) in (0u64..).zip(&scenario.demand.tasks) {
        replay.market.advance(task.arrival_s, &mut []);
        let _ = replay.task(number, task);
        assert!(replay.market.is_sound(), "task {number}");
    }
    replay.market.advance(u64::MAX / 2, &mut []);
    assert!(replay.market.is_sound());
    let last: BTreeMap<usize, u32> = scenario
        .history
        .steps
        .iter()
        .map(|step| (step.lane, step.gpus))
        .collect();
    for (lane, gpus) in last {
        assert_eq!(replay.market.free_gpus(lane), gpus);
    }
}

#[test]
fn wanted_tiers_fit_and_follow_the_shares() {
    let scenario = shipped();
    let parameters = parameters(5);
    let mut counts: BTreeMap<Tier, usize> = BTreeMap::new();
    for (number, task) in (0u64..).zip(&scenario.demand.tasks) {
        let tier = wanted_tier(number, task, &parameters);
        assert!(fits(task, tier), "{task:?} {tier:?}");
        *counts.entry(tier).or_default() += 1;
    }
    assert!(counts.values().all(|n| *n > 100), "{counts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn everything_adds_up_on_any_small_market(
        tasks in prop::collection::vec(
            (0u64..400_000, 0u64..200_000, 0u32..20, 0usize..4, 0usize..7), 0..60),
        lanes in prop::collection::vec(
            (0u64..300_000, 0usize..4, 1u64..4_000_000, 0u32..24), 0..40),
        seed in any::<u64>(),
    ) {
        const CARDS: [&str; 4] = ["rtx4090", "h100-sxm5-80gb", "l40s", "a100-sxm4-80gb"];
        let classes = tandem_model::workload::WorkloadClass::ALL;
        let demand: String = tasks.iter().map(|(at, duration, gpus, card, class)| {
            let card = CARDS[*card].replace("l40s", "");
            format!("t,{at},{duration},{gpus},{card},{}\n", classes[*class].as_str())
        }).collect();
        let prices: String = lanes.iter().map(|(at, card, price, gpus)| {
            let price = format!("{}.{:06}", price / 1_000_000, price % 1_000_000);
            format!("{at},ionet,{},datacenter,DE,{price},{gpus}\n", CARDS[*card])
        }).collect();
        let scenario = scenario(&demand, &prices);
        let mut parameters = parameters(seed);
        parameters.base_acceptance_ppm = 900_000;
        let policy = Policy::standard();
        let result = super::super::backtest(&policy, Some(&policy), &scenario, parameters);
        is_conserved(&result.policies[0]);
        prop_assert_eq!(&result.policies[0], &result.policies[1]);
        prop_assert_eq!(result.policies[0].totals.tasks, tasks.len() as u64);
    }
}
