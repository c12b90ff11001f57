//! Hostile and damaged documents: never a panic, always a place, and what is accepted keeps its word.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const GOOD: [&str; 3] = [
    include_str!("../../../../examples/policies/standard.yaml"),
    include_str!("../../../../examples/policies/negotiated.yaml"),
    include_str!("../../../../examples/policies/launch-promotion.yaml"),
];

/// What is put into a good file.
const PIECES: [&str; 26] = [
    "0",
    "-1",
    "99999999999999999999",
    "1.5",
    "null",
    "~",
    "''",
    "[]",
    "{}",
    ": ",
    "- ",
    "\n",
    "  ",
    "\t",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "\"",
    "'",
    "#",
    "H100",
    "\u{feff}",
    "\0",
    "true",
    "id: scarcity",
];

fn damaged(text: &str, damage: &[(Index, u8, Index)]) -> String {
    let mut text = text.to_owned();
    for (place, kind, other) in damage {
        let lines: Vec<&str> = text.lines().collect();
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if starts.is_empty() || lines.is_empty() {
            return text;
        }
        let at = starts[place.index(starts.len())];
        match kind % 5 {
            0 => text.insert_str(at, PIECES[other.index(PIECES.len())]),
            1 => {
                text.remove(at);
            }
            2 => {
                let mut lines = lines.clone();
                lines.remove(place.index(lines.len()));
                text = lines.join("\n");
            }
            3 => {
                let mut lines = lines.clone();
                lines.insert(place.index(lines.len()), lines[other.index(lines.len())]);
                text = lines.join("\n");
            }
            _ => {
                let end = starts[other.index(starts.len())];
                text.truncate(at.max(end));
            }
        }
    }
    text
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(PolicyProblems(problems)) => {
            let lines = u32::try_from(text.lines().count()).unwrap();
            prop_assert!(!problems.is_empty());
            for problem in &problems {
                let Position { line, column } = problem.position;
                prop_assert!(
                    (1..=lines + 1).contains(&line) && column >= 1,
                    "{}",
                    problem
                );
                prop_assert!(!problem.text.is_empty());
            }
            return Ok(());
        }
    };
    for (utilisation, tier) in [
        (0, Tier::Consumer),
        (900, Tier::Enterprise),
        (1_000, Tier::Assured),
    ] {
        let subject = Subject {
            utilisation_permille: utilisation,
            tier,
            ..subject()
        };
        let terms = policy.terms(&subject, at("2027-02-01T00:00:00Z"));
        prop_assert!(terms.margin_basis_points <= 100_000 && terms.surge_basis_points <= 100_000);
        prop_assert!(
            terms.discount_basis_points <= 9_000 && terms.rate_risk_basis_points <= 10_000
        );
        prop_assert!((3_600..=31_536_000).contains(&policy.defaults().term_seconds));
        prop_assert!((10..=3_600).contains(&terms.valid_seconds));
        let smallest = policy.guard_rails().margin_min_basis_points;
        prop_assert!(terms.margin_basis_points >= smallest || terms.may_go_below_cost);
        if let Ok(priced) = price(MicroUsd::new(1_000_000), &terms) {
            prop_assert!(priced.price >= priced.cost || terms.may_go_below_cost);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_damaged_file_is_refused_with_places_or_is_a_policy_that_keeps_its_word(
        good in 0..GOOD.len(),
        damage in proptest::collection::vec((any::<Index>(), any::<u8>(), any::<Index>()), 1..6),
    ) {
        check(&damaged(GOOD[good], &damage))?;
    }

    #[test]
    fn no_text_at_all_makes_it_panic(text in "[ -~\n\u{e9}\u{1f600}]{0,200}") {
        check(&text)?;
        check(&with(&text))?;
    }
}

#[test]
fn files_that_are_too_large_too_deep_or_bombs_are_refused() {
    let deep = format!("{HEAD}rules: {}{}", "[".repeat(100), "]".repeat(100));
    let large = format!("{HEAD}# {}", "x".repeat(300_000));
    let long = format!("{HEAD}{}", "\n".repeat(20_000));
    let bomb = format!(
        "{HEAD}a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
         c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
         e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
    );
    for text in [deep, large, long, bomb] {
        let PolicyProblems(problems) = Policy::parse(&text).unwrap_err();
        assert!(problems[0].position.line >= 1);
    }
}
