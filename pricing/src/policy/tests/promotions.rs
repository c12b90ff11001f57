//! Promotions at their exact moments, by their caps, and beside one another.

use super::*;

const PROMOTIONS: &str = "promotions:
  - id: small
    discount_basis_points: 300
    from: 2027-03-01T00:00:00+01:00
    until: 2027-04-01T00:00:00Z
    total_cap_micro_usd: 5_000_000
  - id: large
    match: {country: [DE]}
    discount_basis_points: 700
    from: 2027-03-10T12:00:00.5Z
    until: 2027-03-20T00:00:00Z
  - id: as-large
    discount_basis_points: 700
    from: 2027-03-10T00:00:00Z
    until: 2027-03-20T00:00:00Z
";

fn discount(policy: &Policy, now: WallTime) -> (u32, Option<String>) {
    let terms = policy.terms(&subject(), now);
    (
        terms.discount_basis_points,
        policy.explain(&terms).promotion,
    )
}

#[test]
fn a_promotion_begins_at_from_and_has_ended_at_until_to_the_microsecond() {
    let policy = policy(PROMOTIONS);
    let moved = |text: &str, by: i64| WallTime::from_micros(at(text).micros() + by);
    let small = (300, Some("small".to_owned()));
    let none = (0, None);
    let from = "2027-02-28T23:00:00Z";
    assert_eq!(discount(&policy, moved(from, -1)), none);
    assert_eq!(discount(&policy, at(from)), small);
    let until = "2027-04-01T00:00:00Z";
    assert_eq!(discount(&policy, moved(until, -1)), small);
    assert_eq!(discount(&policy, at(until)), none);
    assert_eq!(discount(&policy, WallTime::from_micros(i64::MAX)), none);
    assert_eq!(discount(&policy, WallTime::from_micros(i64::MIN)), none);
}

#[test]
fn the_largest_counts_and_the_first_of_two_that_are_equal() {
    let policy = policy(PROMOTIONS);
    let before = at("2027-03-10T12:00:00.499999Z");
    assert_eq!(discount(&policy, before), (700, Some("as-large".into())));
    let both = at("2027-03-10T12:00:00.5Z");
    assert_eq!(discount(&policy, both), (700, Some("large".into())));
    let elsewhere = Subject {
        country: country("FR"),
        ..subject()
    };
    let terms = policy.terms(&elsewhere, both);
    assert_eq!(
        policy.explain(&terms).promotion.as_deref(),
        Some("as-large")
    );
}

#[test]
fn one_whose_cap_is_used_up_gives_way_to_the_next() {
    let policy = policy(PROMOTIONS);
    let now = at("2027-03-15T00:00:00Z");
    let by_id = |wanted: &str| {
        policy
            .promotions()
            .find(|(_, id, _)| *id == wanted)
            .unwrap()
            .0
    };
    let caps: Vec<_> = policy.promotions().map(|(_, _, cap)| cap).collect();
    assert_eq!(caps, [Some(MicroUsd::new(5_000_000)), None, None]);
    let mut exhausted = Exhausted::NONE;
    for (used_up, next) in [("large", 700), ("as-large", 300), ("small", 0)] {
        assert!(!exhausted.contains(by_id(used_up)));
        exhausted = exhausted.with(by_id(used_up));
        assert!(exhausted.contains(by_id(used_up)));
        let terms = policy.terms_without(&subject(), now, exhausted);
        assert_eq!(terms.discount_basis_points, next, "without {used_up}");
    }
}
