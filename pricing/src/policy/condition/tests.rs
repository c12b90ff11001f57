//! Conditions that hold, that fail, and that were written to do harm.

use proptest::prelude::*;
use tandem_model::gpu::GpuModel;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::workload::{Tier, WorkloadClass};

use super::*;

static NETWORK: NetworkId = NetworkId::from_static("ionet");

fn subject() -> Subject<'static> {
    Subject {
        class: WorkloadClass::Rendering,
        tier: Tier::Consumer,
        grade: Grade::Consumer,
        account: None,
        gpu: GpuModel::by_id("rtx4090").unwrap(),
        network: &NETWORK,
        country: Country::parse("DE").unwrap(),
        gpu_hours: 100,
        term_seconds: 3_600,
        utilisation_permille: 500,
    }
}

fn holds(text: &str) -> Result<bool, String> {
    Condition::compile(text)?.holds(&subject())
}

#[test]
fn every_name_operator_and_function_means_what_the_page_says() {
    for (text, expected) in [
        ("gpu_hours >= 100 && country != 'SG'", true),
        ("gpu == \"rtx4090\" && vram_gb == 24", true),
        ("class in ['rendering', 'interactive']", true),
        ("utilisation_permille % 500 == 0 || false", true),
        ("term_seconds / 3600 * 2 - 1 == 1", true),
        ("account == ''", true),
        ("network.startsWith('io') && !tier.endsWith('x')", true),
        (
            "grade.contains('data') ? gpu_hours > 1 : gpu_hours > 1000",
            false,
        ),
        ("-gpu_hours < -101", false),
        ("gpu_hours in []", false),
        ("true", true),
    ] {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
}

#[test]
fn a_division_by_zero_and_an_overflow_are_failures_and_no_answers() {
    for text in [
        "gpu_hours / 0 == 1",
        "gpu_hours % (gpu_hours - 100) == 1",
        "9223372036854775807 + gpu_hours > 0",
        "-9223372036854775807 - gpu_hours < 0",
        "gpu_hours * 9223372036854775807 > 0",
    ] {
        let condition = Condition::compile(text).unwrap();
        assert!(condition.holds(&subject()).is_err(), "{text}");
    }
}

#[test]
fn what_is_not_true_or_false_or_not_of_the_small_language_is_refused_when_compiled() {
    for (text, said) in [
        ("", "empty"),
        ("   ", "empty"),
        ("gpu_hours", "true or false belongs"),
        ("gpu_hours + 1", "true or false belongs"),
        ("gpu_hours == 'DE'", "a whole number belongs"),
        ("country > 'A'", "a whole number belongs"),
        ("country + 'x' == 'DEx'", "a whole number belongs"),
        ("gpu_hours && true", "true or false belongs"),
        ("price > 1", "`price` is not known"),
        ("[1, 2].exists(x, x > 1)", "no operator or function"),
        ("[1].map(x, x) == [1]", "no operator or function"),
        ("size(country) == 2", "no operator or function"),
        ("country.matches('D.*')", "no operator or function"),
        ("has(country.x)", "no operator or function"),
        ("country.x == 1", "only names"),
        ("country[0] == 'D'", "no operator or function"),
        ("[1, 2] == [1, 2]", "only stand behind `in`"),
        ("gpu_hours in country", "belongs behind `in`"),
        ("gpu_hours in [1, 'DE']", "a whole number belongs"),
        ("gpu_hours > 1.5", "`1.5` is not a whole number"),
        ("gpu_hours > 1u", "`1u` is not a whole number"),
        ("gpu_hours > 010", "leading zero"),
        ("gpu_hours > 0x10", "`0x10` is not a whole number"),
        ("gpu_hours > 99999999999999999999", "invalid int"),
        ("b'x' == b'x'", "may have no prefix"),
        ("country == 'D\\x45'", "a text holds"),
        ("country == 'D", "does not end"),
        ("country == '''DE'''", "one quote at each end"),
        ("{'a': 1}.a == 1", "has no place"),
        ("gpu_hours > 1 // and so on", "a comment has no place"),
        ("gpu_hours = 1", "`=` has no place"),
        ("gpu_hours > 1 &", "`&` has no place"),
        ("gpu_hours >", "not an expression, at character 12"),
        ("\u{202e}true", "has no place"),
        ("tr\0ue", "has no place"),
    ] {
        let error = Condition::compile(text).err();
        let error = error.unwrap_or_else(|| panic!("{text} was accepted"));
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn what_would_recurse_far_or_grow_is_refused_before_it_is_parsed() {
    let nested = |n: usize| format!("{}true{}", "(".repeat(n), ")".repeat(n));
    let chain = |n: usize| vec!["true"; n].join(" && ");
    let choice = |n: usize| "true ? true : ".repeat(n) + "true";
    let prefix = |n: usize| "!".repeat(n) + "true";
    let equal = |n: usize| vec!["true"; n].join(" == ");
    let list = |n: usize| format!("gpu_hours in [{}]", vec!["1"; n].join(","));
    for (fits, does_not) in [
        (nested(8), nested(9)),
        (chain(57), chain(66)),
        (equal(64), equal(65)),
        (choice(4), choice(5)),
        (prefix(4), prefix(5)),
        (list(60), list(64)),
    ] {
        assert!(Condition::compile(&fits).is_ok(), "{fits}");
        assert!(Condition::compile(&does_not).is_err(), "{does_not}");
    }
    for hostile in [
        "(".repeat(500),
        "[".repeat(500),
        "-".repeat(500),
        "a.".repeat(250),
        "'".repeat(501),
        format!("country == '{}'", "x".repeat(100_000)),
        "true?".repeat(100),
    ] {
        assert!(Condition::compile(&hostile).is_err());
    }
}

#[test]
fn the_deepest_expression_fits_a_small_stack() {
    let text = "((((((((gpu_hours > 1)))))))) ? true : ((((((((true))))))))".to_owned();
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let compiled = small.spawn(move || Condition::compile(&text).map(|c| c.holds(&subject())));
    assert_eq!(compiled.unwrap().join().unwrap(), Ok(Ok(true)));
}

#[test]
fn a_witness_satisfies_a_conjunction_of_comparisons() {
    let text = "gpu_hours > 5000 && 86400 < term_seconds && country in ['SG', 'DE'] && \
                utilisation_permille >= 900";
    let witness = Condition::compile(text).unwrap().witness;
    let number = |v| match witness.get(&v) {
        Some(Literal::Number(n)) => *n,
        other => panic!("{other:?}"),
    };
    assert_eq!(number(Variable::GpuHours), 5_001);
    assert_eq!(number(Variable::TermSeconds), 86_401);
    assert_eq!(number(Variable::UtilisationPermille), 900);
    assert_eq!(
        witness.get(&Variable::Country),
        Some(&Literal::Text("SG".into()))
    );
}

/// Expressions that are nearly right: words of the language in any order.
fn nearly() -> impl Strategy<Value = String> {
    let words = [
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "+",
        "-",
        "*",
        "/",
        "%",
        "<",
        "<=",
        "==",
        "!=",
        "&&",
        "||",
        "!",
        "?",
        ":",
        "in",
        "true",
        "null",
        "if",
        "gpu_hours",
        "country",
        "'DE'",
        "\"\"",
        "0",
        "7",
        "9223372036854775808",
        "has",
        "startsWith",
        "x",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..30)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_and_no_order_of_words_makes_it_panic(
        text in "[ -~\n\u{e9}]{0,80}", words in nearly(),
    ) {
        for text in [text, words] {
            if let Ok(condition) = Condition::compile(&text) {
                let _ = condition.holds(&subject());
            }
        }
    }

    #[test]
    fn arithmetic_agrees_with_whole_numbers_of_rust(a in -1_000i64..1_000, b in -1_000i64..1_000) {
        for (op, expected) in [
            ("+", a.checked_add(b)),
            ("-", a.checked_sub(b)),
            ("*", a.checked_mul(b)),
            ("/", a.checked_div(b)),
            ("%", a.checked_rem(b)),
        ] {
            let text = format!("({a}) {op} ({b}) == {}", expected.unwrap_or(0));
            prop_assert_eq!(holds(&text).ok(), expected.map(|_| true), "{}", text);
        }
    }
}
