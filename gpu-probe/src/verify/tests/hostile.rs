//! Messages of an honest exchange with one value changed by a hostile hand: nothing panics, nothing
//! is gained.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::prover::{Exchange, policy};
use crate::exchange::ProverMessage;
use crate::report::Kind;
use crate::verdict::{Verdict, VerdictOutcome};
use crate::verify::{Facts, Session};

/// What an honest prover sent, and when.
fn honest(blocks: u64) -> Vec<(u64, Vec<u8>)> {
    let exchange = Exchange::of("rtx4090").proving(blocks);
    let sent = exchange.sent.clone();
    assert_eq!(exchange.run(|_| {}).outcome, VerdictOutcome::Pass);
    sent.take()
}

/// Replays messages into a session of the same secret.
fn replay(sent: &[(u64, Vec<u8>)], blocks: u64) -> Option<Verdict> {
    let policy = policy(32, blocks);
    let mut session = Session::new(policy, Facts::default(), Kind::Quick, [5; 32], 1_000_000);
    for (now, text) in sent {
        if let Ok(message) = ProverMessage::parse(text) {
            let _ = session.step(message, *now);
        }
        while let Some(check) = session.take_check() {
            session.checked(check.run());
        }
    }
    session.verdict().cloned()
}

fn leaves<'v>(value: &'v mut Value, out: &mut Vec<&'v mut Value>) {
    let has_items = value.as_array().is_some_and(|items| !items.is_empty());
    if !has_items && !value.is_object() {
        out.push(value);
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| leaves(item, out)),
        Value::Object(members) => members.values_mut().for_each(|item| leaves(item, out)),
        _ => {}
    }
}

fn hostile() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::from(u64::MAX)),
        Just(Value::from(u64::from(u32::MAX))),
        Just(Value::from(0)),
        Just(Value::from(1)),
        Just(Value::from(i64::MIN)),
        Just(Value::from(0.5)),
        Just(Value::Null),
        Just(Value::from("")),
        Just(Value::from("A".repeat(100_000))),
        Just(Value::from("00".repeat(32))),
        Just(Value::Array(vec![])),
        Just(Value::from(vec![u64::MAX; 3])),
    ]
}

/// So many messages changed at random, half of them the report, which has most of the values.
fn change_values(cases: u32, blocks: u64) {
    let honest = honest(blocks);
    let truth = replay(&honest, blocks).unwrap();
    assert_eq!(truth.outcome, VerdictOutcome::Pass);
    let change = (any::<Index>(), any::<Index>(), hostile(), any::<bool>());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |((message, place, bad, is_report) in change)| {
        let mut sent = honest.clone();
        let at = if is_report { sent.len() - 1 } else { message.index(sent.len()) };
        let mut value: Value = serde_json::from_slice(&sent[at].1).unwrap();
        let mut all = Vec::new();
        leaves(&mut value, &mut all);
        let at_leaf = place.index(all.len());
        *all[at_leaf] = bad;
        sent[at].1 = serde_json::to_vec(&value).unwrap();
        if let Some(verdict) = replay(&sent, blocks) {
            prop_assert!(verdict.proof_level <= truth.proof_level);
            // Its own numbers only lower it; the ceiling is what the verifier timed.
            let ceiling = truth.evidence[0].timed_permille;
            prop_assert!(verdict.speed_permille <= ceiling, "{verdict:?}");
        }
    });
}

#[test]
fn no_changed_value_panics_or_earns_more_than_the_truth() {
    // Blocks are dear on a CPU.
    change_values(300, 0);
    change_values(10, 1);
}

#[test]
fn a_report_of_the_largest_numbers_is_judged_without_a_panic() {
    let mut sent = honest(0);
    let last = sent.len() - 1;
    let mut value: Value = serde_json::from_slice(&sent[last].1).unwrap();
    let mut all = Vec::new();
    leaves(&mut value, &mut all);
    for leaf in all.into_iter().filter(|leaf| leaf.is_u64()) {
        let before = leaf.clone();
        *leaf = Value::from(u64::MAX);
        let narrow = before.as_u64().is_some_and(|v| v <= u64::from(u32::MAX));
        if narrow {
            *leaf = before;
        }
    }
    sent[last].1 = serde_json::to_vec(&value).unwrap();
    assert_ne!(
        replay(&sent, 0).map(|v| v.outcome),
        Some(VerdictOutcome::Pass)
    );
}
