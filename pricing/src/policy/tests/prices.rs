//! Lines that add up, and prices that stay within their bounds, for every amount.

use proptest::prelude::*;

use super::*;
use crate::cost::Curve;

fn terms() -> Terms {
    policy("").terms(&subject(), WallTime::default())
}

fn usd(micro: i64) -> MicroUsd {
    MicroUsd::new(micro)
}

fn sum(priced: &Priced) -> i128 {
    priced
        .lines()
        .iter()
        .map(|(_, amount)| i128::from(amount.get()))
        .sum()
}

#[test]
fn lines_are_differences_of_totals_that_are_rounded_up() {
    let terms = Terms {
        surge_basis_points: 1,
        discount_basis_points: 1,
        ..terms()
    };
    let priced = price(usd(101), &terms).unwrap();
    // Totals: 101, x 1.0001 -> 102, x 1.0101 -> 103, x 1.1101 -> 113, less 0.01 % -> 113.
    let amounts: Vec<_> = priced
        .lines()
        .iter()
        .map(|(_, amount)| amount.get())
        .collect();
    assert_eq!(amounts, [101, 1, 1, 10, 0, 0]);
    assert_eq!(priced.price.get(), 113);
}

#[test]
fn a_ceiling_below_cost_is_no_price_unless_a_rule_allows_it() {
    let capped = Terms {
        ceiling: Some(usd(99)),
        ..terms()
    };
    assert_eq!(
        price(usd(100), &capped),
        Err(NotSold::CeilingBelowCost {
            ceiling: usd(99),
            cost: usd(100)
        })
    );
    let at_cost = price(usd(99), &capped).unwrap();
    assert_eq!(
        (at_cost.price, at_cost.adjusted_to),
        (usd(99), Some(Adjustment::Ceiling))
    );
    let allowed = price(
        usd(100),
        &Terms {
            may_go_below_cost: true,
            ..capped
        },
    )
    .unwrap();
    assert_eq!((allowed.price, allowed.adjustment), (usd(99), usd(-12)));
}

#[test]
fn a_discount_larger_than_what_lies_above_cost_stops_at_cost_and_says_so() {
    let generous = Terms {
        discount_basis_points: 5_000,
        ..terms()
    };
    let priced = price(usd(1_000), &generous).unwrap();
    assert_eq!((priced.discount, priced.adjustment), (usd(-555), usd(445)));
    assert_eq!(
        (priced.price, priced.adjusted_to),
        (usd(1_000), Some(Adjustment::Cost))
    );
    let allowed = price(
        usd(1_000),
        &Terms {
            may_go_below_cost: true,
            ..generous
        },
    )
    .unwrap();
    assert_eq!((allowed.price, allowed.adjusted_to), (usd(555), None));
}

#[test]
fn a_floor_above_the_ceiling_and_a_cost_that_is_none_are_no_price() {
    let crossed = Terms {
        floor: Some(usd(10)),
        ceiling: Some(usd(9)),
        ..terms()
    };
    assert_eq!(
        price(usd(5), &crossed),
        Err(NotSold::FloorAboveCeiling {
            floor: usd(10),
            ceiling: usd(9)
        })
    );
    for cost in [0, -1, i64::MIN] {
        assert_eq!(
            price(usd(cost), &terms()),
            Err(NotSold::CostNotPositive { cost: usd(cost) })
        );
    }
    assert_eq!(price(usd(i64::MAX), &terms()), Err(NotSold::OutOfRange));
}

#[test]
fn floors_and_ceilings_of_different_rules_meet_in_the_answer() {
    let policy = policy(
        "rules:
  - {id: low, priority: 1, set: {floor_micro_usd_per_gpu_hour: 3000000}}
  - {id: high, priority: 2, match: {tier: [enterprise]}, set: {ceiling_micro_usd_per_gpu_hour: 2500000}}
",
    );
    let terms = policy.terms(&subject(), WallTime::default());
    let refused = price(usd(2_000_000), &terms).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the floor of $3.00 per GPU-hour lies above the ceiling of $2.50"
    );
}

prop_compose! {
    fn any_terms()(
        (margin, surge, risk) in (0u32..=100_000, 0u32..=100_000, 0u32..=10_000),
        discount in 0u32..=9_000,
        floor in proptest::option::of(1i64..=1_000_000_000),
        ceiling in proptest::option::of(1i64..=1_000_000_000),
        may_go_below_cost in any::<bool>(),
    ) -> Terms {
        Terms {
            margin_basis_points: margin,
            surge_basis_points: surge,
            rate_risk_basis_points: risk,
            discount_basis_points: discount,
            floor: floor.map(usd),
            ceiling: ceiling.map(usd),
            may_go_below_cost,
            ..terms()
        }
    }
}

fn any_cost() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 1i64..=2_000_000_000,
        1 => 1i64..100,
        1 => i64::MAX - 1_000..=i64::MAX,
        1 => i64::MAX / 40..=i64::MAX / 20,
        1 => i64::MIN..=0,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn lines_add_up_and_the_price_keeps_every_bound(cost in any_cost(), terms in any_terms()) {
        match price(usd(cost), &terms) {
            Ok(p) => {
                prop_assert_eq!(sum(&p), i128::from(p.price.get()));
                prop_assert!(p.price > MicroUsd::ZERO);
                prop_assert!(terms.may_go_below_cost || p.price >= p.cost);
                prop_assert!(terms.floor.is_none_or(|floor| p.price >= floor));
                prop_assert!(terms.ceiling.is_none_or(|ceiling| p.price <= ceiling));
                prop_assert!(p.surge >= MicroUsd::ZERO && p.margin >= MicroUsd::ZERO);
                prop_assert!(p.discount <= MicroUsd::ZERO);
                prop_assert_eq!(p.adjusted_to.is_some(), p.adjustment != MicroUsd::ZERO);
            }
            Err(NotSold::CostNotPositive { .. }) => prop_assert!(cost <= 0),
            Err(NotSold::CeilingBelowCost { ceiling, cost: named }) => {
                prop_assert_eq!((Some(ceiling), named), (terms.ceiling, usd(cost)));
                prop_assert!(ceiling < named && !terms.may_go_below_cost);
            }
            Err(NotSold::FloorAboveCeiling { floor, ceiling }) => prop_assert!(floor > ceiling),
            Err(NotSold::OutOfRange) => prop_assert!(cost > i64::MAX / 25),
        }
    }

    #[test]
    fn the_slope_gives_the_price_of_every_cost(cost in 1i64..=2_000_000_000, terms in any_terms()) {
        match (slope(&terms), price(usd(cost), &terms)) {
            (Ok(slope), priced) => {
                let curve = Curve::new(&slope.steps).unwrap();
                let is_sold = slope.cost_max.is_none_or(|most| usd(cost) <= most);
                prop_assert_eq!(is_sold, priced.is_ok());
                if let Ok(priced) = priced {
                    prop_assert_eq!(curve.apply(cost), Some(priced.price.get()));
                }
            }
            (Err(why), priced) => prop_assert_eq!(Err(why), priced),
        }
    }

    #[test]
    fn more_margin_never_makes_it_cheaper_and_more_discount_never_dearer(
        cost in 1i64..=2_000_000_000, terms in any_terms(), more in 1u32..500,
    ) {
        let dearer = Terms { margin_basis_points: terms.margin_basis_points + more, ..terms };
        let cheaper = Terms { discount_basis_points: terms.discount_basis_points + more, ..terms };
        if let (Ok(now), Ok(dearer), Ok(cheaper)) = (
            price(usd(cost), &terms), price(usd(cost), &dearer), price(usd(cost), &cheaper),
        ) {
            prop_assert!(cheaper.price <= now.price && now.price <= dearer.price);
        }
    }
}
