//! What a document may say, and how what it may not say is refused.

use super::*;

fn position(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn the_standard_policy_is_read_and_ranks_volume_above_the_defaults() {
    let standard = Policy::standard();
    assert_eq!(standard.name(), "standard");
    let now = WallTime::default();
    let small = standard.terms(&subject(), now);
    let large = standard.terms(
        &Subject {
            gpu_hours: 1_000,
            ..subject()
        },
        now,
    );
    assert_eq!(
        (small.margin_basis_points, small.origins.margin),
        (1_200, None)
    );
    assert_eq!(large.margin_basis_points, 900);
    assert_eq!(
        standard.explain(&large).rules,
        [
            (Effect::Margin, "volume".to_owned()),
            (Effect::Surge, "scarcity".to_owned())
        ]
    );
    assert_eq!(standard.digest(), PolicyDigest::of(STANDARD));
}

#[test]
fn every_problem_of_a_file_is_reported_with_its_place_in_one_go() {
    let problems = problems(
        "rules:
  - id: a
    priority: 5
    match:
      tier: [enterprise, platinum]
      gpu: [H100, H900]
      country: [DE, XX]
      account: [me]
      gpu_hours: [\"9..3\"]
      netwrk: [ionet]
    set:
      margin_basis_points: 100001
  - id: a
    match: {class: []}
    when: price > 3
    set: {}
promotions:
  - id: p
    discount_basis_points: 9001
    from: 2027-01-01
    until: 2027-02-01T00:00:00Z
",
    );
    let line = |n: u32| NEXT_LINE + n - 1;
    let found: Vec<_> = problems
        .iter()
        .map(|p| (p.position, p.field.as_str()))
        .collect();
    let expected = [
        (position(line(5), 26), "rules[0].match.tier[1]"),
        (position(line(6), 19), "rules[0].match.gpu[1]"),
        (position(line(7), 21), "rules[0].match.country[1]"),
        (position(line(8), 17), "rules[0].match.account[0]"),
        (position(line(9), 19), "rules[0].match.gpu_hours[0]"),
        (position(line(10), 7), "rules[0].match.netwrk"),
        (position(line(12), 7), "rules[0].set.margin_basis_points"),
        (position(line(13), 5), "rules[1].id"),
        (position(line(13), 5), "rules[1].priority"),
        (position(line(14), 13), "rules[1].match.class"),
        (position(line(15), 11), "rules[1].when"),
        (position(line(16), 5), "rules[1].set"),
        (position(line(19), 5), "promotions[0].discount_basis_points"),
        (position(line(20), 5), "promotions[0].from"),
    ];
    assert_eq!(found, expected);
    assert_eq!(problems[5].hint.as_deref(), Some("did you mean `network`?"));
    assert!(problems[7].text.contains("14:5"), "{}", problems[7]);
}

/// What is refused, and a part of what is said about it.
const WRONG: &[(&str, &str)] = &[
    ("rules: 5\n", "where a list belongs"),
    ("rules: [5]\n", "where a mapping belongs"),
    ("rules:\n", "has no value"),
    (
        "rules:\n- {id: A, priority: 1, set: {surge: {0: 1}}}\n",
        "lower-case",
    ),
    (
        "rules:\n- {id: a, priority: -1, set: {surge: {0: 1}}}\n",
        "0 to 1000000",
    ),
    (
        "rules:\n- {id: a, priority: 1.5, set: {surge: {0: 1}}}\n",
        "0 to 1000000",
    ),
    ("rules:\n- {id: a, priority: 1}\n", "is missing"),
    (
        "rules:\n- {id: a, priority: 1, set: {surge: {900: 5, 800: 6}}}\n",
        "rises",
    ),
    (
        "rules:\n- {id: a, priority: 1, set: {surge: {800: 6, 900: 5}}}\n",
        "never falls",
    ),
    (
        "rules:\n- {id: a, priority: 1, set: {surge: {1001: 5}}}\n",
        "0 to 1000 permille",
    ),
    (
        "rules:\n- {id: a, priority: 1, set: {surge: {}}}\n",
        "at least one point",
    ),
    (
        "rules:\n- {id: a, priority: 1, set: {surge: 5}}\n",
        "where a mapping belongs",
    ),
    (
        "rules:\n- {id: a, priority: 1, set: {allow_below_cost: 7}}\n",
        "true nor false",
    ),
    (
        "rules:\n- {id: a, priority: 1, match: {tier: enterprise}, set: {surge: {0: 1}}}\n",
        "where a list belongs",
    ),
    (
        "rules:\n- {id: a, priority: 1, match: {tier: }, set: {surge: {0: 1}}}\n",
        "has no value",
    ),
    (
        "rules:\n- {id: a, priority: 1, match: {tier: [[consumer]]}, set: {surge: {0: 1}}}\n",
        "where a text belongs",
    ),
    (
        "rules:\n- {id: a, priority: 1, match: {tier: [null]}, set: {surge: {0: 1}}}\n",
        "not one of",
    ),
    (
        "rules:\n- {id: a, priority: 1, match: {network: [IO]}, set: {surge: {0: 1}}}\n",
        "no name of a network",
    ),
    (
        "rules:\n- {id: a, priority: 1, match: {gpu_hours: [\"..\"]}, set: {surge: {0: 1}}}\n",
        "no range",
    ),
    (
        "rules:\n- {id: a, priority: 1, set: {floor_micro_usd_per_gpu_hour: 0}}\n",
        "1 to",
    ),
    (
        "rules:\n- id: a\n  priority: 1\n  set: {floor_micro_usd_per_gpu_hour: 5, \
          ceiling_micro_usd_per_gpu_hour: 4}\n",
        "below the floor",
    ),
    (
        "promotions:\n- {id: p, discount_basis_points: 1, from: 2027-01-01T00:00:00Z}\n",
        "is missing",
    ),
    (
        "promotions:\n- {id: p, discount_basis_points: 1, from: 2027-01-01T00:00:00Z, \
          until: 2027-01-01T00:00:00Z}\n",
        "ends before it begins",
    ),
    (
        "promotions:\n- {id: p, discount_basis_points: 1, from: 2027-01-01T00:00:00Z, \
          until: 2027-13-01T00:00:00Z}\n",
        "not a moment",
    ),
    (
        "promotions:\n- {id: p, discount_basis_points: 1, from: 2027-01-01T00:00:00Z, \
          until: 2027-02-01T00:00:00}\n",
        "not a moment",
    ),
    ("rates: 5\n", "no such field"),
    ("name: again\n", "appears twice"),
    ("---\nname: again\n", "a second document"),
    ("rules: !include x\n", "tag"),
];

#[test]
fn each_way_to_be_wrong_is_refused_in_its_own_words() {
    for (rest, said) in WRONG {
        let problems = problems(rest);
        let all = PolicyProblems(problems.clone()).to_string();
        assert!(all.contains(said), "{rest}: {all}");
        for problem in &problems {
            assert!(problem.position.line >= NEXT_LINE, "{rest}: {problem}");
            assert!(problem.position.column >= 1);
        }
    }
}

#[test]
fn a_policy_states_every_default_and_every_guard_rail() {
    for (index, line) in HEAD.lines().enumerate() {
        let section = line.ends_with(':');
        let kept = |(at, other): (usize, &str)| {
            let inside = section && at > index && other.starts_with(' ');
            let gone = at == index
                || inside
                    && HEAD
                        .lines()
                        .skip(index + 1)
                        .take(at - index)
                        .all(|l| l.starts_with(' '));
            (!gone).then(|| format!("{other}\n"))
        };
        let text: String = HEAD.lines().enumerate().filter_map(kept).collect();
        let error = Policy::parse(&text).unwrap_err().to_string();
        let name = line.trim().split(':').next().unwrap();
        assert!(
            error.contains(name) && error.contains("is missing"),
            "{line}: {error}"
        );
    }
    for text in [
        "",
        "# nothing\n",
        "5",
        "[1]",
        "a: [",
        "\u{feff}",
        "tandem_policy: 2",
    ] {
        assert!(Policy::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_margin_below_the_guard_rail_of_its_own_file_is_refused_where_it_stands() {
    let strict = HEAD.replace("margin_min_basis_points: 0", "margin_min_basis_points: 500");
    let rule = |more: &str| {
        format!(
            "{strict}rules:\n- id: a\n  priority: 1\n  set:\n    margin_basis_points: 499\n{more}"
        )
    };
    let PolicyProblems(problems) = Policy::parse(&rule("")).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].position, position(NEXT_LINE + 4, 5));
    assert!(Policy::parse(&rule("    allow_below_cost: true\n")).is_ok());
    let low = strict.replace("margin_basis_points: 1000", "margin_basis_points: 499");
    let PolicyProblems(problems) = Policy::parse(&low).unwrap_err();
    assert_eq!(problems[0].position, position(4, 3));
}

#[test]
fn anchors_and_merge_keys_save_the_operator_from_repeating_himself() {
    let policy = policy(
        "rules:
  - &base
    id: a
    priority: 1
    match: {tier: [enterprise]}
    set: {margin_basis_points: 700}
  - <<: *base
    id: b
    priority: 2
    set: {rate_risk_basis_points: 5}
",
    );
    let terms = policy.terms(&subject(), WallTime::default());
    assert_eq!(
        (terms.margin_basis_points, terms.rate_risk_basis_points),
        (700, 5)
    );
}

#[test]
fn more_rules_promotions_or_networks_than_the_limits_are_refused() {
    let rule =
        |n: usize| format!("- {{id: r{n}, priority: {n}, set: {{margin_basis_points: 1}}}}\n");
    let rules = |n: usize| format!("rules:\n{}", (0..n).map(rule).collect::<String>());
    policy(&rules(RULES_MAX));
    assert!(
        problems(&rules(RULES_MAX + 1))[0]
            .text
            .contains("at most 128")
    );
    let networks = |n: usize| {
        let names: Vec<_> = (0..n).map(|n| format!("net{n}")).collect();
        format!(
            "rules:\n- {{id: a, priority: 1, match: {{network: [{}]}}, set: {{surge: {{0: 1}}}}}}\n",
            names.join(", ")
        )
    };
    assert_eq!(
        policy(&networks(47))
            .unknown_networks(&[])
            .unwrap_err()
            .0
            .len(),
        47
    );
    assert!(problems(&networks(48))[0].text.contains("more than 47"));
}

#[test]
fn a_network_that_nobody_knows_is_found_where_it_is_named() {
    let policy = policy(
        "rules:
  - {id: a, priority: 1, match: {network: [ionet]}, set: {surge: {0: 1}}}
  - {id: b, priority: 2, match: {network: [ionet, iomet]}, set: {surge: {0: 1}}}
",
    );
    let known = [IONET.clone(), AETHIR.clone()];
    let PolicyProblems(problems) = policy.unknown_networks(&known).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].position, position(NEXT_LINE + 2, 51));
    assert!(problems[0].to_string().contains("there are ionet, aethir"));
}
