//! Differences, guard rails, versions and the shadow.

use super::*;

fn grid() -> Grid {
    Grid::standard(at("2027-01-01T00:00:00Z"), &[IONET.clone(), AETHIR.clone()])
}

fn rails(change_permille: u32, margin: u32, rest: &str) -> Policy {
    let text = with(rest)
        .replace(
            "price_change_max_permille: 100000",
            &format!("price_change_max_permille: {change_permille}"),
        )
        .replace(
            "margin_min_basis_points: 0",
            &format!("margin_min_basis_points: {margin}"),
        );
    Policy::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

fn broken(old: &Policy, new: &Policy) -> Vec<(Rail, SetBy, i64)> {
    let diff = diff(old, new, &grid());
    let violations = guard(old, new, &diff).err().unwrap_or_default();
    violations
        .iter()
        .map(|v| (v.rail, v.set_by, v.found))
        .collect()
}

const TWO: &str = "rules:
  - {id: a, priority: 1, match: {gpu: [H100], tier: [enterprise, consumer]}, set: {margin_basis_points: 800}}
  - {id: b, priority: 2, match: {country: [FR]}, set: {rate_risk_basis_points: 200}}
";

#[test]
fn entries_are_compared_by_id_and_fields_by_text_whatever_their_order() {
    let moved = "rules:
  - {id: b, match: {country: [FR]}, priority: 2, set: {rate_risk_basis_points: 200}}
  - {id: a, priority: 1, match: {tier: [consumer, enterprise], gpu: [H100]}, set: {margin_basis_points: 800}}
";
    let same = diff(&policy(TWO), &policy(moved), &grid());
    assert_eq!(
        (same.fields, same.rules, same.prices.same),
        (vec![], EntryChanges::default(), same.prices.compared)
    );
    let changed = "rules:
  - {id: a, priority: 3, match: {gpu: [H100]}, set: {margin_basis_points: 900}}
  - {id: c, priority: 2, set: {surge: {0: 1}}}
";
    let diff = diff(&policy(TWO), &policy(changed), &grid());
    assert_eq!(
        (diff.rules.added, diff.rules.removed),
        (vec!["c".to_owned()], vec!["b".to_owned()])
    );
    let fields: Vec<_> = diff.rules.changed[0]
        .fields
        .iter()
        .map(|f| (f.field.as_str(), f.old.as_deref(), f.new.as_deref()))
        .collect();
    assert_eq!(
        fields,
        [
            ("match.tier", Some("consumer, enterprise"), None),
            ("priority", Some("1"), Some("3")),
            ("set.margin_basis_points", Some("800"), Some("900")),
        ]
    );
}

#[test]
fn a_dearer_default_is_found_with_its_size_on_every_subject_that_it_reaches() {
    let old = policy(TWO);
    let new = Policy::parse(
        &with(TWO).replace("  margin_basis_points: 1000", "  margin_basis_points: 2100"),
    )
    .unwrap();
    let prices = diff(&old, &new, &grid()).prices;
    // 1.11 -> 1.22 of cost: 99.09… permille, rounded away from zero.
    assert_eq!(prices.largest_rise.unwrap().change_permille, Some(100));
    assert_eq!((prices.cheaper, prices.no_longer_sold), (0, 0));
    assert!(prices.dearer > 0 && prices.same > 0);
    assert_eq!(prices.dearer + prices.same, prices.compared);
}

/// A change that only one corner of the market sees.
#[test]
fn a_change_for_one_account_country_volume_term_or_moment_is_not_missed() {
    let old = policy(TWO);
    let acme = account(7);
    for (corner, permille) in [
        (format!("match: {{account: [{acme}]}}"), 361),
        ("match: {country: [FR]}".to_owned(), 361),
        ("match: {gpu_hours: [\"70000..70001\"]}".to_owned(), 361),
        (
            "match: {gpu_hours: [\"..3\"], country: [SG], term_seconds: [\"5\"]}".to_owned(),
            361,
        ),
        (
            "match: {network: [aethir], class: [rendering]}".to_owned(),
            361,
        ),
        (
            "when: gpu_hours > 5000 && country == 'SG' && 3 >= term_seconds".to_owned(),
            361,
        ),
        ("when: utilisation_permille > 997".to_owned(), 361),
    ] {
        let rule =
            format!("  - {{id: x, priority: 9, {corner}, set: {{margin_basis_points: 5000}}}}\n");
        let prices = diff(&old, &policy(&format!("{TWO}{rule}")), &grid()).prices;
        let rise = prices
            .largest_rise
            .unwrap_or_else(|| panic!("{corner} was missed"));
        // From 1.11 (or 1.09, or 1.12 in France) to 1.51 (or 1.52) of cost.
        assert!(
            rise.change_permille.unwrap() >= permille - 4,
            "{corner}: {rise:?}"
        );
        assert_eq!(
            prices.rules_without_effect,
            Vec::<String>::new(),
            "{corner}"
        );
    }
    let later = "promotions:
  - {id: p, discount_basis_points: 900, from: 2027-06-01T00:00:00Z, until: 2027-06-02T00:00:00Z}
  - {id: past, discount_basis_points: 950, from: 2026-06-01T00:00:00Z, until: 2026-06-02T00:00:00Z}
";
    let prices = diff(&old, &policy(&format!("{TWO}{later}")), &grid()).prices;
    let fall = prices.largest_fall.unwrap();
    assert_eq!(
        (fall.change_permille, fall.at),
        (Some(-90), at("2027-06-01T00:00:00Z"))
    );
    assert_eq!(prices.promotions_without_effect, ["past"]);
}

#[test]
fn a_surge_is_seen_where_its_line_bends() {
    let old = policy("rules:\n- {id: s, priority: 0, set: {surge: {900: 0}}}\n");
    let new =
        policy("rules:\n- {id: s, priority: 0, set: {surge: {970: 0, 971: 1110, 1000: 1111}}}\n");
    let rise = diff(&old, &new, &grid()).prices.largest_rise.unwrap();
    assert_eq!(
        (rise.change_permille, rise.subject.utilisation_permille),
        (Some(101), 1_000)
    );
}

#[test]
fn what_a_new_rule_does_where_it_meets_an_old_one_is_not_missed() {
    let dear = "rules:\n- {id: dear, priority: 1, match: {country: [FR], gpu_hours: [\"7..9\"]}, set: {surge: {0: 0, 990: 5000}}}\n";
    let acme = account(7);
    let spared = format!(
        "{dear}- {{id: spared, priority: 2, match: {{account: [{acme}], gpu_hours: [\"8..\"]}}, set: {{surge: {{0: 0}}}}}}\n"
    );
    let fall = diff(&policy(dear), &policy(&spared), &grid())
        .prices
        .largest_fall;
    // From 1.61 to 1.11 of cost, in France, for one account, from 8 to 9 GPU-hours, when all is taken.
    let fall = fall.expect("the corner where both rules match");
    assert_eq!(fall.change_permille, Some(-311));
    let subject = &fall.subject;
    assert_eq!(
        (subject.account, subject.country),
        (Some(acme), country("FR"))
    );
    assert!((8..=9).contains(&subject.gpu_hours) && subject.utilisation_permille >= 990);
}

#[test]
fn rules_that_others_hide_are_named() {
    let rules = "rules:
  - {id: hidden, priority: 1, match: {tier: [enterprise]}, set: {margin_basis_points: 800}}
  - {id: hides, priority: 2, match: {tier: [enterprise, assured]}, set: {margin_basis_points: 900}}
  - {id: never, priority: 3, match: {tier: [enterprise], gpu: [RTX4090]}, set: {margin_basis_points: 1}}
";
    let prices = diff(&policy(""), &policy(rules), &grid()).prices;
    assert_eq!(prices.rules_without_effect, ["never", "hidden"]);
}

#[test]
fn the_guard_rails_of_both_files_hold() {
    let dearer = "rules:\n- {id: x, priority: 9, set: {margin_basis_points: 2110}}\n";
    // 1.11 -> 1.221 of cost: 100 permille exactly.
    assert_eq!(broken(&rails(100, 0, ""), &rails(100, 0, dearer)), []);
    assert_eq!(
        broken(&rails(99, 0, ""), &rails(100, 0, dearer)),
        [(Rail::PriceChange, SetBy::Old, 100)]
    );
    assert_eq!(
        broken(&rails(100, 0, ""), &rails(99, 0, dearer)),
        [(Rail::PriceChange, SetBy::New, 100)]
    );
    assert_eq!(
        broken(&rails(99, 0, ""), &rails(9, 0, dearer)),
        [(Rail::PriceChange, SetBy::Both, 100)]
    );
}

#[test]
fn a_discount_that_eats_the_margin_breaks_the_smallest_margin() {
    let promotion = "promotions:
  - {id: p, discount_basis_points: 900, from: 2027-06-01T00:00:00Z, until: 2027-06-02T00:00:00Z}
";
    // 1.11 x 0.91 = 1.0101 of cost.
    assert_eq!(broken(&policy(""), &rails(100_000, 101, promotion)), []);
    assert_eq!(
        broken(&policy(""), &rails(100_000, 102, promotion)),
        [(Rail::SmallestMargin, SetBy::New, 101)]
    );
    let said =
        format!("{promotion}rules:\n- {{id: x, priority: 1, set: {{allow_below_cost: true}}}}\n");
    assert_eq!(broken(&policy(""), &rails(100_000, 102, &said)), []);
}

#[test]
fn a_price_that_is_lost_breaks_a_guard_rail_however_wide_they_are() {
    let capped = "rules:
- {id: x, priority: 9, match: {gpu: [H100], network: [ionet]}, set: {ceiling_micro_usd_per_gpu_hour: 1000000}}
";
    let diff = diff(&policy(""), &policy(capped), &grid());
    let violations = guard(&policy(""), &policy(capped), &diff).unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].rail, Rail::NoLongerSold);
    assert_eq!(
        u64::try_from(violations[0].found).unwrap(),
        diff.prices.no_longer_sold
    );
    assert!(
        violations[0].to_string().contains("h100-"),
        "{}",
        violations[0]
    );
}

fn change<'a>(grid: &'a Grid, waived_because: Option<&'a str>) -> Change<'a> {
    Change {
        author: "ada",
        note: "spring prices",
        now: at("2027-01-02T00:00:00Z"),
        waived_because,
        grid,
    }
}

#[test]
fn versions_follow_one_another_and_a_rollback_is_one_more() {
    let grid = grid();
    let first = Live::standard(WallTime::default());
    let dearer = STANDARD.replace("margin_basis_points: 1_200", "margin_basis_points: 1_300");
    let second = apply(&first, &dearer, &change(&grid, None)).unwrap();
    assert_eq!(second.live.version.number, 2);
    assert_eq!(second.live.version.digest, PolicyDigest::of(&dearer));
    assert_eq!(
        (second.live.version.author.as_str(), second.waived.len()),
        ("ada", 0)
    );
    assert_eq!(second.diff.fields[0].field, "defaults.margin_basis_points");
    let third = rollback(&second.live, &first.version, &change(&grid, None)).unwrap();
    assert_eq!(
        (third.live.version.number, third.live.version.rolls_back_to),
        (3, Some(1))
    );
    assert_eq!(third.live.policy.digest(), first.policy.digest());
    let json = serde_json::to_string(&third.live.version).unwrap();
    let stored: Version = serde_json::from_str(&json).unwrap();
    assert_eq!(stored, third.live.version);
    assert_eq!(
        Live::load(stored).unwrap().policy.digest(),
        first.policy.digest()
    );
}

#[test]
fn what_is_refused_in_force_broken_or_damaged_makes_no_version() {
    let grid = grid();
    let live = Live::standard(WallTime::default());
    let code = |result: Result<Applied, ApplyError>| result.unwrap_err().code().as_str();
    assert_eq!(
        code(apply(&live, "rules: 5", &change(&grid, None))),
        "TDM-1301"
    );
    assert_eq!(
        code(apply(&live, STANDARD, &change(&grid, None))),
        "TDM-1303"
    );
    let huge = STANDARD.replace("margin_basis_points: 1_200", "margin_basis_points: 9_200");
    assert_eq!(code(apply(&live, &huge, &change(&grid, None))), "TDM-1302");
    assert_eq!(
        code(apply(&live, &huge, &change(&grid, Some(" ")))),
        "TDM-6004"
    );
    let anonymous = Change {
        author: "",
        ..change(&grid, None)
    };
    assert_eq!(code(apply(&live, &huge, &anonymous)), "TDM-6004");
    let mut damaged = live.version.clone();
    damaged.text.push('\n');
    assert_eq!(
        code(rollback(&live, &damaged, &change(&grid, None))),
        "TDM-6009"
    );
    assert!(matches!(Live::load(damaged), Err(ApplyError::Damaged(1))));
    let mut last = Live::standard(WallTime::default());
    last.version.number = u32::MAX;
    let small = STANDARD.replace("margin_basis_points: 1_200", "margin_basis_points: 1_201");
    assert!(matches!(
        apply(&last, &small, &change(&grid, None)),
        Err(ApplyError::NoNumber)
    ));
}

#[test]
fn guard_rails_are_waived_only_with_a_reason_and_a_rollback_is_held_by_them_too() {
    let grid = grid();
    let first = Live::standard(WallTime::default());
    let huge = STANDARD.replace("margin_basis_points: 1_200", "margin_basis_points: 9_200");
    let second = apply(&first, &huge, &change(&grid, Some("a shortage"))).unwrap();
    assert_eq!(
        second.live.version.waived_because.as_deref(),
        Some("a shortage")
    );
    assert_eq!(second.waived[0].rail, Rail::PriceChange);
    let back = rollback(&second.live, &first.version, &change(&grid, None));
    assert!(matches!(back, Err(ApplyError::GuardRails(_))));
    let back = rollback(
        &second.live,
        &first.version,
        &change(&grid, Some("it is over")),
    )
    .unwrap();
    assert_eq!(back.live.version.number, 3);
    let small = STANDARD.replace("margin_basis_points: 1_200", "margin_basis_points: 1_201");
    let needless = apply(&first, &small, &change(&grid, Some("just in case"))).unwrap();
    assert_eq!(needless.live.version.waived_because, None);
}

#[test]
fn the_shadow_prices_with_both_and_names_the_rules_of_each() {
    let live = policy("");
    let candidate = policy("rules:\n- {id: x, priority: 1, set: {margin_basis_points: 2110}}\n");
    let cost = MicroUsd::new(1_000_000);
    let now = WallTime::default();
    let difference = shadow(&live, &candidate, &subject(), cost, now);
    assert!(difference.changes_price());
    assert_eq!(difference.change_permille, Some(100));
    assert_eq!(
        difference.live_outcome.price(),
        Some(MicroUsd::new(1_110_000))
    );
    assert_eq!(
        difference.candidate_outcome.price(),
        Some(MicroUsd::new(1_221_000))
    );
    assert_eq!(difference.live_rules.rules, []);
    assert_eq!(
        difference.candidate_rules.rules,
        [(Effect::Margin, "x".to_owned())]
    );
    assert_eq!(difference.subject.subject(), subject());
    assert!(
        serde_json::to_string(&difference)
            .unwrap()
            .contains("\"candidate\"")
    );
    assert!(!shadow(&live, &live, &subject(), cost, now).changes_price());
    let capped =
        policy("rules:\n- {id: x, priority: 1, set: {ceiling_micro_usd_per_gpu_hour: 5}}\n");
    let lost = shadow(&live, &capped, &subject(), cost, now);
    assert!(lost.changes_price() && lost.change_permille.is_none());
}
