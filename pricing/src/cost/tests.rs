//! Effective cost: every part by its formula, on figures worked out by hand.

use super::*;

pub(super) fn usd(cents: i32) -> RatePerGpuHour {
    RatePerGpuHour::new(MicroUsd::from_cents(cents))
}

/// Ten hours on one node with eight cards that never fail, bought by the hour.
pub(super) fn plain() -> CostFacts {
    CostFacts {
        fee_basis_points: 0,
        speed_permille: 1_000,
        nodes: 1,
        gpus: 8,
        failures_per_million_node_hours: 0,
        useful_seconds: 36_000,
        recovery: Recovery::FromStart,
        restart_seconds: 0,
        prepaid: Prepaid {
            hours_min: 1,
            step_hours: 1,
            refund: RefundRule::None,
        },
        probe_seconds: 0,
        starts_lost_ppb: 0,
        egress_gb: 0,
        egress_micro_usd_per_gb: MicroUsd::ZERO,
        stake_micro_usd: MicroUsd::ZERO,
    }
}

fn lines(facts: &CostFacts, price: RatePerGpuHour) -> Vec<(&'static str, i64)> {
    let cost = CostModel::of(facts).unwrap().at(price).unwrap();
    cost.lines
        .iter()
        .map(|line| (line.kind.as_str(), line.micro_usd_per_gpu_hour.get()))
        .filter(|(_, amount)| *amount != 0)
        .collect()
}

#[test]
fn a_card_that_never_fails_and_is_used_to_the_end_costs_its_price() {
    assert_eq!(lines(&plain(), usd(100)), [("compute", 1_000_000)]);
}

#[test]
fn every_part_has_its_line_by_its_formula() {
    let fee_and_speed = CostFacts {
        fee_basis_points: 250,
        speed_permille: 820,
        useful_seconds: 82 * 3_600,
        ..plain()
    };
    // 1.00 + 2.5 %, then divided by 0.82: exactly 1.25; 100 hours are bought and used.
    let expected = [
        ("compute", 1_000_000),
        ("network_fee", 25_000),
        ("speed", 225_000),
    ];
    assert_eq!(lines(&fee_and_speed, usd(100)), expected);

    // A failure every 100 hours of each of 10 nodes: every 10 hours of the gang. Of 1 h work and
    // 5 min save, T = 65 min: 65/60; then 1 / (1 - 32.5/600); then a restart of 6 min.
    let failing = CostFacts {
        nodes: 10,
        gpus: 80,
        failures_per_million_node_hours: 10_000,
        useful_seconds: 360_000,
        recovery: Recovery::Checkpoints {
            save_ms: 300_000,
            interval_seconds: Some(3_600),
        },
        restart_seconds: 360,
        prepaid: Prepaid {
            refund: RefundRule::ProportionalAfterFirstHour,
            ..plain().prepaid
        },
        ..plain()
    };
    let expected = [
        ("compute", 1_000_000),
        ("checkpoints", 83_334),
        ("lost_work", 62_041),
        ("restart", 12_239),
    ];
    assert_eq!(lines(&failing, usd(100)), expected);
    let model = CostModel::of(&failing).unwrap();
    let interval = model.checkpoint_interval().unwrap();
    assert_eq!((interval.work_ms, interval.is_given), (3_600_000, true));
    assert_eq!(model.expected_seconds(), 416_741);
}

#[test]
fn unused_prepaid_time_probes_egress_and_stake_are_spread_over_useful_hours() {
    // 90 minutes of work, bought in hours: half an hour is lost; 9 minutes of probes. A third is
    // rounded up to a billionth.
    let short = CostFacts {
        useful_seconds: 5_400,
        probe_seconds: 540,
        egress_gb: 100,
        egress_micro_usd_per_gb: MicroUsd::new(60_000),
        ..plain()
    };
    let expected = [
        ("compute", 900_000),
        ("stranded_prepayment", 300_001),
        ("probe", 90_000),
        ("egress", 500_000),
    ];
    assert_eq!(lines(&short, usd(90)), expected);
    let stranded = |refund, useful_seconds, failures| {
        let facts = CostFacts {
            useful_seconds,
            failures_per_million_node_hours: failures,
            recovery: Recovery::Stateless,
            prepaid: Prepaid {
                hours_min: 1,
                step_hours: 4,
                refund,
            },
            ..plain()
        };
        let cost = CostModel::of(&facts).unwrap().at(usd(100)).unwrap();
        cost.lines[6].micro_usd_per_gpu_hour.get()
    };
    let after_an_hour = RefundRule::ProportionalAfterFirstHour;
    let period = |seconds| RefundRule::PeriodOnProviderFault {
        period_seconds: seconds,
    };
    // Half an hour used: the rest of the first hour is kept by every rule.
    assert_eq!(stranded(after_an_hour, 1_800, 0), 1_000_000);
    assert_eq!(stranded(after_an_hour, 9_000, 0), 0);
    // Two and a half hours used of the five bought.
    assert_eq!(stranded(RefundRule::None, 9_000, 0), 1_000_000);
    // 100 hours and one failure; 101 are bought; half of four hours is lost with the failure, less
    // the period that the provider pays back.
    assert_eq!(stranded(RefundRule::None, 360_000, 10_000), 30_000);
    assert_eq!(stranded(period(3_600), 360_000, 10_000), 20_000);
    assert_eq!(stranded(period(86_400), 360_000, 10_000), 10_000);
    // 8 useful GPU-hours, a failure in a tenth of the runs: 80 dollars x 0.1 / 8.
    let staked = CostFacts {
        useful_seconds: 3_600,
        failures_per_million_node_hours: 100_000,
        recovery: Recovery::Stateless,
        stake_micro_usd: MicroUsd::from_cents(8_000),
        prepaid: Prepaid {
            refund: after_an_hour,
            ..plain().prepaid
        },
        ..plain()
    };
    let expected = [("compute", 1_000_000), ("stake_at_risk", 1_000_000)];
    assert_eq!(lines(&staked, usd(100)), expected);
}

#[test]
fn starts_whose_probe_fails_cost_the_smallest_purchase_each() {
    let lost = |nodes, refund, hours_min, starts_lost_ppb| {
        let facts = CostFacts {
            nodes,
            useful_seconds: 240 * 3_600,
            starts_lost_ppb,
            prepaid: Prepaid {
                hours_min,
                step_hours: 24,
                refund,
            },
            ..plain()
        };
        let model = CostModel::of(&facts).unwrap();
        let [.., (name, risk), _, _] = model.billed_lines(MicroUsd::new(1_000_000)).unwrap();
        assert_eq!(name, "prepayment_risk");
        let cost = model.at(usd(100)).unwrap();
        assert_eq!(cost.lines[6].micro_usd_per_gpu_hour, risk);
        risk.get()
    };
    let period = RefundRule::PeriodOnProviderFault {
        period_seconds: 86_400,
    };
    // One start in five fails: a quarter of a day is lost in ten days.
    assert_eq!(lost(1, RefundRule::None, 24, 250_000_000), 25_000);
    assert_eq!(lost(1, period, 24, 250_000_000), 25_000, "no fault of its");
    // Each of two nodes: 1.25 x 1.25 - 1.
    assert_eq!(lost(2, RefundRule::None, 24, 250_000_000), 56_250);
    assert_eq!(lost(3, RefundRule::None, 24, 250_000_000), 95_313);
    // All but the first hour comes back, whatever was bought; an hour is the least.
    let first_hour = RefundRule::ProportionalAfterFirstHour;
    assert_eq!(lost(1, first_hour, 24, 250_000_000), 1_042);
    assert_eq!(lost(1, RefundRule::None, 0, 250_000_000), 1_042);
    assert_eq!(lost(1, RefundRule::None, 24, 0), 0);
    // After failures starts are lost again: one failure in 240 hours doubles them.
    let failing = |starts_lost_ppb| {
        let facts = CostFacts {
            useful_seconds: 240 * 3_600,
            failures_per_million_node_hours: 4_167,
            recovery: Recovery::Stateless,
            starts_lost_ppb,
            ..plain()
        };
        let cost = CostModel::of(&facts).unwrap().at(usd(100)).unwrap();
        cost.lines[6].micro_usd_per_gpu_hour.get()
    };
    let twice = failing(240_000_000) - failing(0);
    assert!((1_999..=2_003).contains(&twice), "{twice}");
    let hopeless = CostFacts {
        nodes: u16::MAX,
        starts_lost_ppb: 250_000_000,
        ..plain()
    };
    assert_eq!(CostModel::of(&hopeless), Err(CostError::OutOfRange));
}

#[test]
fn the_interval_is_dalys_where_the_customer_gave_none_and_none_where_none_is_due() {
    let facts = |failures, useful_seconds| CostFacts {
        failures_per_million_node_hours: failures,
        useful_seconds,
        recovery: Recovery::Checkpoints {
            save_ms: 120_000,
            interval_seconds: None,
        },
        ..plain()
    };
    let chosen = CostModel::of(&facts(10_000, 3_600_000)).unwrap();
    let interval = chosen.checkpoint_interval().unwrap();
    assert_eq!(interval.work_ms, optimal_interval(120_000, 360_000_000));
    assert!(!interval.is_given);
    for (failures, seconds) in [(0, 3_600_000), (10_000, 600)] {
        let none = CostModel::of(&facts(failures, seconds)).unwrap();
        assert_eq!(none.checkpoint_interval(), None);
    }
}

#[test]
fn work_that_failures_undo_faster_than_it_advances_has_no_cost() {
    let hopeless = CostFacts {
        failures_per_million_node_hours: 1_000_000,
        ..plain()
    };
    assert_eq!(CostModel::of(&hopeless), Err(CostError::NoProgress));
    let restarting = CostFacts {
        recovery: Recovery::Stateless,
        restart_seconds: 3_600,
        ..hopeless
    };
    assert_eq!(CostModel::of(&restarting), Err(CostError::NoProgress));
}

#[test]
fn facts_and_prices_that_cannot_be_are_refused_by_name() {
    let cases = [
        (
            "speed_permille",
            CostFacts {
                speed_permille: 0,
                ..plain()
            },
        ),
        (
            "nodes",
            CostFacts {
                nodes: 0,
                ..plain()
            },
        ),
        ("gpus", CostFacts { gpus: 0, ..plain() }),
        (
            "useful_seconds",
            CostFacts {
                useful_seconds: 0,
                ..plain()
            },
        ),
        (
            "stake_micro_usd",
            CostFacts {
                stake_micro_usd: MicroUsd::new(-1),
                ..plain()
            },
        ),
        (
            "egress_micro_usd_per_gb",
            CostFacts {
                egress_micro_usd_per_gb: MicroUsd::new(-1),
                ..plain()
            },
        ),
    ];
    for (name, facts) in cases {
        assert_eq!(CostModel::of(&facts), Err(CostError::NotPositive(name)));
    }
    let model = CostModel::of(&plain()).unwrap();
    for cents in [0, -1, 100_001] {
        assert_eq!(
            model.at(usd(cents)),
            Err(CostError::PriceInvalid(usd(cents)))
        );
    }
}
