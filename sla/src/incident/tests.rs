//! Every way between the states, and what can never happen.

use super::*;
use proptest::prelude::*;

const WINDOWS: Windows = Windows::DEFAULT;
const A: NetworkId = NetworkId::from_static("ionet");
const B: NetworkId = NetworkId::from_static("aethir");

fn at(seconds: u64) -> WorldTime {
    WorldTime::default().after(Duration::from_secs(seconds))
}

const fn seen(nodes: u32, silent: u32, silent_providers: u32, api_failing: bool) -> Census {
    Census {
        nodes,
        silent,
        silent_providers,
        api_failing,
    }
}

const WELL: Census = seen(20, 0, 0, false);
const GONE: Census = seen(20, 20, 4, false);
const EDGE: Census = seen(20, 4, 2, false);
const NONE: Census = seen(0, 0, 0, false);

fn confirming(since: u64) -> Health {
    Health::Confirming { since: at(since) }
}

fn incident(since: u64) -> Health {
    Health::Incident { since: at(since) }
}

fn recovering(since: u64, well_since: u64) -> Health {
    Health::Recovering {
        since: at(since),
        well_since: at(well_since),
    }
}

fn own_fault(since: u64) -> Health {
    Health::OwnFault { since: at(since) }
}

/// Judges both networks from one state.
fn both(was: [Health; 2], census: [Census; 2], broker_late: bool, now: u64) -> [Health; 2] {
    let before = BTreeMap::from([(A, was[0]), (B, was[1])]);
    let census = BTreeMap::from([(A, census[0]), (B, census[1])]);
    let after = judge(&WINDOWS, &before, &census, broker_late, at(now));
    [after[&A], after[&B]]
}

#[test]
fn a_network_that_everything_left_is_entered_again_only_after_a_rest() {
    let mut health = [incident(0), Health::Calm];
    for second in (60..=175).step_by(5) {
        health = both(health, [NONE, WELL], false, second);
        assert!(!health[0].may_enter(), "at {second}");
    }
    health = both(health, [NONE, WELL], false, 180);
    assert_eq!(health[0], Health::Calm);
}

#[test]
fn a_network_comes_into_doubt_only_by_many_silent_nodes_or_with_its_api() {
    for (what, census, doubted) in [
        ("30 % exactly", seen(20, 6, 2, false), false),
        ("over 30 %", seen(20, 7, 2, false), true),
        ("four nodes", seen(4, 4, 4, false), false),
        ("five nodes of one provider", seen(5, 5, 1, false), false),
        ("five nodes of two", seen(5, 5, 2, false), true),
        ("one node and the api", seen(1, 1, 1, true), true),
        ("few nodes and the api", seen(10, 3, 1, true), false),
        ("the api alone", seen(10, 0, 0, true), false),
        ("no nodes and the api", seen(0, 0, 0, true), false),
    ] {
        let after = both([Health::Calm; 2], [census, WELL], false, 100);
        let expected = if doubted {
            confirming(100)
        } else {
            Health::Calm
        };
        assert_eq!(after, [expected, Health::Calm], "{what}");
    }
}

/// What becomes of one network while the other is well.
fn becomes(was: Health, census: Census, now: u64) -> Health {
    let after = both([was, Health::Calm], [census, WELL], false, now);
    assert_eq!(after[1], Health::Calm);
    after[0]
}

#[test]
fn a_doubt_becomes_an_incident_after_a_window_or_passes() {
    let was = confirming(100);
    assert_eq!(becomes(was, GONE, 114), was);
    assert_eq!(becomes(was, GONE, 115), incident(100));
    assert_eq!(becomes(was, EDGE, 114), Health::Calm);
}

#[test]
fn an_incident_ends_when_the_network_was_well_for_a_window() {
    let was = incident(100);
    assert_eq!(becomes(was, GONE, 900), was);
    assert_eq!(becomes(was, EDGE, 900), was, "between the two shares");
    assert_eq!(
        becomes(was, seen(20, 0, 0, true), 900),
        was,
        "its API fails"
    );
    let was_well = recovering(100, 900);
    assert_eq!(becomes(was, seen(20, 2, 2, false), 900), was_well);
    assert_eq!(becomes(was, NONE, 900), was_well, "nobody is left on it");
    assert_eq!(becomes(was_well, WELL, 914), was_well);
    assert_eq!(becomes(was_well, WELL, 915), Health::Calm);
    assert_eq!(becomes(was_well, EDGE, 914), was, "a relapse");
    assert_eq!(becomes(was_well, GONE, 930), was, "a relapse, seen late");
}

#[test]
fn after_our_own_fault_a_network_is_judged_anew() {
    assert_eq!(becomes(own_fault(100), WELL, 200), Health::Calm);
    assert_eq!(becomes(own_fault(100), GONE, 200), confirming(200));
}

#[test]
fn all_networks_in_doubt_at_once_or_a_late_broker_is_our_own_fault() {
    let was = [confirming(95), incident(10)];
    assert_eq!(both(was, [GONE; 2], false, 100), [own_fault(100); 2]);
    assert_eq!(both(was, [WELL; 2], true, 100), [own_fault(100); 2]);
    let still = both([own_fault(100); 2], [GONE; 2], false, 150);
    assert_eq!(still, [own_fault(100); 2]);
    let one_back = both(still, [WELL, GONE], false, 151);
    assert_eq!(one_back, [Health::Calm, confirming(151)]);
}

#[test]
fn silence_on_the_only_network_with_nodes_is_an_incident_unless_the_broker_is_late() {
    for api_failing in [false, true] {
        let gone = seen(20, 20, 4, api_failing);
        let first = both([Health::Calm; 2], [gone, NONE], false, 100);
        assert_eq!(first, [confirming(100), Health::Calm]);
        let second = both(first, [gone, NONE], false, 115);
        assert_eq!(second, [incident(100), Health::Calm]);
        let late = both(first, [gone, NONE], true, 115);
        assert_eq!(late, [own_fault(115); 2]);
    }
}

#[test]
fn a_network_that_is_not_seen_any_more_is_judged_as_one_without_nodes() {
    let before = BTreeMap::from([(A, incident(100))]);
    let after = judge(&WINDOWS, &before, &BTreeMap::new(), false, at(200));
    assert_eq!(after, BTreeMap::from([(A, recovering(100, 200))]));
}

#[test]
fn only_a_calm_network_is_entered_and_only_a_clear_case_is_left() {
    for (health, leave, enter) in [
        (Health::Calm, true, true),
        (confirming(1), false, false),
        (incident(1), true, false),
        (recovering(1, 2), true, false),
        (own_fault(1), false, false),
    ] {
        assert_eq!((health.may_leave(), health.may_enter()), (leave, enter));
    }
}

fn censuses() -> impl Strategy<Value = Census> {
    prop_oneof![
        2 => Just(WELL),
        2 => Just(GONE),
        3 => (0u32..40, 0u32..40, 0u32..5, any::<bool>()).prop_map(|(nodes, silent, p, api)| {
            seen(nodes, silent.min(nodes), p.min(silent), api)
        }),
    ]
}

proptest! {
    #[test]
    fn an_incident_was_in_doubt_without_a_break_for_a_window(
        turns in prop::collection::vec(
            ([censuses(), censuses()], prop::bool::weighted(0.1), 0u64..10), 1..80,
        ),
    ) {
        let mut health = [Health::Calm; 2];
        let mut doubted_from = [None; 2];
        let mut now = 0;
        for (census, late, wait) in turns {
            now += wait;
            let before = health;
            health = both(before, census, late, now);
            for i in 0..2 {
                let doubted = census[i].is_in_doubt() && !matches!(health[i], Health::OwnFault { .. });
                doubted_from[i] = doubted.then(|| doubted_from[i].unwrap_or(now));
                let is_new = !matches!(
                    before[i], Health::Incident { .. } | Health::Recovering { .. }
                );
                if matches!(health[i], Health::Incident { .. }) && is_new {
                    let from = doubted_from[i].unwrap_or(now);
                    let was_confirming = matches!(before[i], Health::Confirming { .. });
                    prop_assert!(was_confirming, "{:?}", before[i]);
                    prop_assert!(now - from >= WINDOWS.suspect_after.as_secs(), "{from} {now}");
                }
                let was_incident = matches!(before[i], Health::Incident { .. });
                let is_free = health[i].may_enter();
                prop_assert!(!(was_incident && is_free), "an incident ends in two steps");
            }
            let moves = health.iter().any(|h| h.may_leave() || h.may_enter());
            prop_assert!(!(late && moves));
        }
    }

    #[test]
    fn few_silent_nodes_never_make_an_incident(
        turns in prop::collection::vec((1u32..100, 0u32..100, any::<bool>(), 0u64..20), 1..40),
    ) {
        let mut health = [Health::Calm; 2];
        let mut now = 0;
        for (nodes, silent, api_failing, wait) in turns {
            now += wait;
            let few = silent % (nodes * DOUBT_PERCENT / 100 + 1);
            let small = seen(nodes.min(DOUBT_NODES_MIN - 1), nodes.min(DOUBT_NODES_MIN - 1), 4, false);
            let census = [seen(nodes, few, few, api_failing), small];
            health = both(health, census, false, now);
            prop_assert_eq!(health, [Health::Calm; 2]);
        }
    }
}
