//! Rules beside one another: contradictions, rules that stand apart, and conditions that fail.

use super::*;

fn position(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn two_rules_that_contradict_each_other_are_refused_with_both_places() {
    let problems = problems(
        "rules:
  - id: wide
    priority: 5
    match: {gpu: [H100], gpu_hours: [\"..10\"]}
    set:
      floor_micro_usd_per_gpu_hour: 5
      margin_basis_points: 1
  - id: narrow
    priority: 5
    match: {gpu: [h100-nvl-94gb, L4], gpu_hours: [\"10..\"]}
    when: gpu_hours > 10
    set: {margin_basis_points: 2, surge: {0: 5}}
",
    );
    assert_eq!(problems.len(), 1);
    let problem = &problems[0];
    assert_eq!(problem.position, position(NEXT_LINE + 11, 11));
    assert_eq!(problem.other, Some(position(NEXT_LINE + 6, 7)));
    assert!(
        problem.text.contains("margin_basis_points at priority 5"),
        "{problem}"
    );
    assert!(problem.text.contains("`wide`"), "{problem}");
}

#[test]
fn rules_of_one_priority_that_part_subjects_or_effects_stand_side_by_side() {
    let rule = |id: &str, rest: &str| format!("- {{id: {id}, priority: 5, {rest}}}\n");
    let margin = "set: {margin_basis_points: 7}";
    for (a, b) in [
        (
            "match: {tier: [consumer]}",
            "match: {tier: [enterprise, assured]}",
        ),
        ("match: {gpu: [H100]}", "match: {gpu: [H200, RTX4090]}"),
        (
            "match: {country: [DE], network: [ionet]}",
            "match: {country: [FR]}",
        ),
        (
            "match: {gpu_hours: [\"..9\", \"20..\"]}",
            "match: {gpu_hours: [\"10..19\"]}",
        ),
    ] {
        let rules = [
            rule("a", &format!("{a}, {margin}")),
            rule("b", &format!("{b}, {margin}")),
        ];
        policy(&format!("rules:\n{}", rules.concat()));
    }
    let surge = "set: {surge: {0: 7}}";
    let rules = [rule("a", margin), rule("b", surge)];
    let terms =
        policy(&format!("rules:\n{}", rules.concat())).terms(&subject(), WallTime::default());
    assert_eq!(
        (terms.margin_basis_points, terms.surge_basis_points),
        (7, 7)
    );
}

#[test]
fn a_failing_condition_passes_its_rule_over_and_is_told() {
    let policy = policy(
        "rules:
  - {id: low, priority: 1, set: {margin_basis_points: 700}}
  - {id: high, priority: 9, when: 1 / (gpu_hours - 100) > 0, set: {margin_basis_points: 50}}
",
    );
    let now = WallTime::default();
    let terms = policy.terms(&subject(), now);
    assert_eq!(
        (terms.margin_basis_points, terms.conditions_failed),
        (700, 1)
    );
    let explained = policy.explain(&terms);
    assert_eq!(explained.first_failed.as_deref(), Some("high"));
    let why = policy
        .why_failed(terms.first_failed.unwrap(), &subject())
        .unwrap();
    assert!(why.contains("zero"), "{why}");
    let whole = policy.terms(
        &Subject {
            gpu_hours: 101,
            ..subject()
        },
        now,
    );
    assert_eq!(
        (whole.margin_basis_points, whole.conditions_failed),
        (50, 0)
    );
    assert_eq!(whole.first_failed, None);
}
