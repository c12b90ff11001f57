//! Effective cost on random facts, extremes included: what must hold for all of them.

use proptest::prelude::*;

use super::tests::usd;
use super::*;

/// Lost starts in billionths.
fn any_lost() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..100_000_000, Just(u64::MAX)]
}

fn any_facts() -> impl Strategy<Value = CostFacts> {
    let number = || prop_oneof![1u32..100, 1u32..1_000_000, Just(u32::MAX)];
    let recovery = prop_oneof![
        (
            prop_oneof![0u64..600_000, Just(u64::MAX)],
            prop::option::of(0u32..100_000)
        )
            .prop_map(|(save_ms, interval_seconds)| Recovery::Checkpoints {
                save_ms,
                interval_seconds
            }),
        Just(Recovery::FromStart),
        Just(Recovery::Stateless),
    ];
    let refund = prop_oneof![
        Just(RefundRule::None),
        Just(RefundRule::ProportionalAfterFirstHour),
        (0u32..100_000)
            .prop_map(|period_seconds| RefundRule::PeriodOnProviderFault { period_seconds }),
    ];
    let prepaid =
        (0u32..800, 0u32..50, refund).prop_map(|(hours_min, step_hours, refund)| Prepaid {
            hours_min,
            step_hours,
            refund,
        });
    let seconds = prop_oneof![1u64..100, 1u64..10_000_000, Just(u64::MAX)];
    let failures = prop_oneof![0u32..10_000, number()];
    let amount = || prop_oneof![0i64..100_000_000, Just(i64::MAX)];
    (
        (
            any::<u16>(),
            number(),
            1u16..=u16::MAX,
            number(),
            failures,
            seconds,
        ),
        (recovery, number(), prepaid, number(), any_lost()),
        (
            prop_oneof![0u64..10_000, Just(u64::MAX)],
            amount(),
            amount(),
        ),
    )
        .prop_map(|(a, b, c)| CostFacts {
            fee_basis_points: a.0,
            speed_permille: a.1,
            nodes: a.2,
            gpus: a.3,
            failures_per_million_node_hours: a.4,
            useful_seconds: a.5,
            recovery: b.0,
            restart_seconds: b.1,
            prepaid: b.2,
            probe_seconds: b.3,
            starts_lost_ppb: b.4,
            egress_gb: c.0,
            egress_micro_usd_per_gb: MicroUsd::new(c.1),
            stake_micro_usd: MicroUsd::new(c.2),
        })
}

/// Facts of ordinary placements, which all have a cost.
fn usual_facts() -> impl Strategy<Value = CostFacts> {
    (
        any_facts(),
        500u32..1_500,
        1u16..64,
        0u32..500,
        3_600u64..360_000,
    )
        .prop_map(
            |(any, speed_permille, nodes, failures, useful_seconds)| CostFacts {
                fee_basis_points: any.fee_basis_points % 1_000,
                speed_permille,
                nodes,
                gpus: u32::from(nodes) * 8,
                failures_per_million_node_hours: failures,
                useful_seconds,
                recovery: Recovery::Checkpoints {
                    save_ms: 60_000,
                    interval_seconds: None,
                },
                restart_seconds: any.restart_seconds % 1_200,
                probe_seconds: any.probe_seconds % 600,
                starts_lost_ppb: any.starts_lost_ppb % 50_000_000,
                egress_gb: any.egress_gb % 10_000,
                egress_micro_usd_per_gb: MicroUsd::new(any.egress_micro_usd_per_gb.get() % 100_000),
                stake_micro_usd: MicroUsd::new(any.stake_micro_usd.get() % 1_000_000_000),
                ..any
            },
        )
}

fn check(facts: &CostFacts, model: &CostModel, price: i64, more: i64) -> Result<(), TestCaseError> {
    let at = |micro| model.at(RatePerGpuHour::new(MicroUsd::new(micro)));
    let Ok(cost) = at(price) else { return Ok(()) };
    let total = cost.total.price().get();
    let mut sum = 0i128;
    for line in cost.lines {
        let amount = line.micro_usd_per_gpu_hour.get();
        prop_assert!(amount >= 0 || line.kind == CostKind::Speed);
        sum += i128::from(amount);
    }
    prop_assert_eq!(sum, i128::from(total));
    let paid = i128::from(price) * (10_000 + i128::from(facts.fee_basis_points));
    let speed = i128::from(facts.speed_permille);
    prop_assert!(i128::from(total) * speed * 10_000 >= paid * 1_000);
    // By way of the price with its fee, which is rounded first.
    let with_fee = (paid + 9_999) / 10_000;
    let useful = i64::try_from(with_fee)
        .ok()
        .and_then(|fee| model.useful().apply(fee));
    let off = useful.map_or(0, |useful| (useful - total).abs());
    prop_assert!(
        off <= 2 + 2 * (total / price) + total / 100_000_000,
        "{useful:?} {total}"
    );
    if let Ok(dearer) = at(price + more) {
        prop_assert!(dearer.total >= cost.total);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn extremes_give_a_cost_or_an_error_and_never_a_panic(
        facts in any_facts(), price in 1i64..=1_000_000_000, more in 0i64..1_000_000,
    ) {
        if let Ok(model) = CostModel::of(&facts) {
            check(&facts, &model, price, more)?;
        }
    }

    #[test]
    fn lines_add_up_costs_rise_with_the_price_and_are_never_below_price_over_speed(
        facts in usual_facts(), price in 1i64..=999_000_000, more in 0i64..1_000_000,
    ) {
        let model = CostModel::of(&facts).unwrap();
        check(&facts, &model, price, more)?;
    }

    #[test]
    fn more_failures_or_more_nodes_never_make_an_hour_cheaper(
        facts in usual_facts(), failures in 0u32..500, nodes in 0u16..8,
    ) {
        let given = CostFacts {
            recovery: Recovery::Checkpoints { save_ms: 60_000, interval_seconds: Some(1_800) },
            prepaid: Prepaid { refund: RefundRule::ProportionalAfterFirstHour, ..facts.prepaid },
            ..facts
        };
        let worse = CostFacts {
            failures_per_million_node_hours: given.failures_per_million_node_hours + failures,
            nodes: given.nodes + nodes,
            ..given
        };
        let total = |facts: &CostFacts| {
            let cost = CostModel::of(facts).unwrap().at(usd(200)).unwrap();
            let stranded = cost.lines[6].micro_usd_per_gpu_hour.get();
            // Unused time of the first hour shrinks when a short run takes longer.
            cost.total.price().get() - stranded
        };
        prop_assert!(total(&given) <= total(&worse) + 10);
    }
}
