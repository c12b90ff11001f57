//! The ledger takes what balances, whatever the amounts, and nothing else.

use proptest::prelude::*;

use super::*;

const AT: WorldTime = WorldTime::from_micros(7);

fn debit(account: &str, currency: Currency, amount: u128) -> Posting {
    Posting {
        account: account.into(),
        currency,
        debit: amount,
        credit: 0,
    }
}

fn credit(account: &str, currency: Currency, amount: u128) -> Posting {
    Posting {
        account: account.into(),
        currency,
        debit: 0,
        credit: amount,
    }
}

fn refusal(postings: Vec<Posting>) -> LedgerRefused {
    Transaction::new("key", AT, postings).expect_err("it does not balance")
}

#[test]
fn a_transfer_debits_one_and_credits_the_other() {
    let sides = ("receivable:1".to_owned(), "revenue:compute".to_owned());
    let made = Transaction::transfer("k", AT, sides, Currency::Ath, u128::MAX);
    let made = made.expect("one amount on both sides");
    assert_eq!((made.key(), made.at()), ("k", AT));
    let wanted = [
        debit("receivable:1", Currency::Ath, u128::MAX),
        credit("revenue:compute", Currency::Ath, u128::MAX),
    ];
    assert_eq!(made.postings(), wanted);
}

#[test]
fn a_transfer_of_nothing_is_refused() {
    let sides = ("a".to_owned(), "b".to_owned());
    let made = Transaction::transfer("k", AT, sides, Currency::Io, 0);
    assert_eq!(made, Err(LedgerRefused::OneSide(0)));
}

#[test]
fn each_currency_must_balance_by_itself() {
    use Currency::{Ath, Io, MicroUsd};
    let crossed = vec![debit("a", Io, 5), credit("b", Ath, 5)];
    assert!(matches!(refusal(crossed), LedgerRefused::Unbalanced(_)));
    let exchange = vec![
        debit("a", Io, 5),
        credit("exchange", Io, 5),
        debit("exchange", MicroUsd, 9),
        credit("b", MicroUsd, 4),
        credit("c", MicroUsd, 5),
    ];
    assert!(Transaction::new("k", AT, exchange.clone()).is_ok());
    assert_eq!(
        refusal(exchange[..4].to_vec()),
        LedgerRefused::Unbalanced(MicroUsd)
    );
}

#[test]
fn a_posting_has_one_side() {
    let mut both = debit("a", Currency::Io, 5);
    both.credit = 5;
    let other = credit("b", Currency::Io, 5);
    assert_eq!(refusal(vec![other, both]), LedgerRefused::OneSide(1));
}

#[test]
fn the_number_of_lines_is_bounded() {
    let pair = [debit("a", Currency::Io, 1), credit("b", Currency::Io, 1)];
    let lines = |n: usize| pair.iter().cycle().take(n).cloned().collect::<Vec<_>>();
    assert!(Transaction::new("k", AT, lines(LINES_MAX)).is_ok());
    for wrong in [0, 1, LINES_MAX + 1, LINES_MAX + 2] {
        assert_eq!(refusal(lines(wrong)), LedgerRefused::Count(wrong));
    }
}

#[test]
fn names_are_neither_missing_nor_endless() {
    let made = |key: &str, account: &str| {
        let sides = (account.to_owned(), "b".to_owned());
        Transaction::transfer(key, AT, sides, Currency::Io, 1)
    };
    let longest = "x".repeat(NAME_BYTES_MAX);
    assert!(made(&longest, &longest).is_ok());
    let too_long = format!("{longest}x");
    for wrong in ["", too_long.as_str()] {
        let refused = LedgerRefused::Name(wrong.len());
        assert_eq!(made(wrong, "a"), Err(refused.clone()));
        assert_eq!(made("k", wrong), Err(refused));
    }
}

#[test]
fn a_sum_that_wraps_to_a_balance_is_refused() {
    // In 128 bits that wrap, both sides would be 1.
    let wraps = vec![
        debit("a", Currency::Ath, u128::MAX),
        debit("a", Currency::Ath, 2),
        credit("b", Currency::Ath, 1),
    ];
    assert_eq!(refusal(wraps), LedgerRefused::TooLarge(Currency::Ath));
    let wraps = vec![
        debit("a", Currency::Ath, 1),
        credit("b", Currency::Ath, u128::MAX),
        credit("b", Currency::Ath, 2),
    ];
    assert_eq!(refusal(wraps), LedgerRefused::TooLarge(Currency::Ath));
}

#[test]
fn json_shows_amounts_as_texts_and_refuses_what_is_no_transaction() {
    let sides = ("a".to_owned(), "b".to_owned());
    let made = Transaction::transfer("k", AT, sides, Currency::MicroUsd, u128::MAX);
    let json = serde_json::to_string(&made.expect("it balances")).expect("plain data");
    let wanted = concat!(
        r#"{"key":"k","at":7,"postings":["#,
        r#"{"account":"a","currency":"micro_usd","#,
        r#""debit":"340282366920938463463374607431768211455","credit":"0"},"#,
        r#"{"account":"b","currency":"micro_usd","#,
        r#""debit":"0","credit":"340282366920938463463374607431768211455"}]}"#,
    );
    assert_eq!(json, wanted);
    let amount = "\"340282366920938463463374607431768211455\"";
    for wrong in [
        "\"340282366920938463463374607431768211456\"",
        "\"340282366920938463463374607431768211454\"",
        "\"+340282366920938463463374607431768211455\"",
        "\"-1\"",
        "\"1e3\"",
        "\" 1\"",
        "\"\"",
        "7",
        "null",
    ] {
        let json = json.replacen(amount, wrong, 1);
        assert!(
            serde_json::from_str::<Transaction>(&json).is_err(),
            "{json}"
        );
    }
    for (from, to) in [
        ("\"k\"", "\"\""),
        ("micro_usd", "usd"),
        ("{\"key\"", "{\"x\":1,\"key\""),
    ] {
        let json = json.replacen(from, to, 1);
        assert!(
            serde_json::from_str::<Transaction>(&json).is_err(),
            "{json}"
        );
    }
}

fn currency() -> impl Strategy<Value = Currency> {
    prop_oneof![
        Just(Currency::MicroUsd),
        Just(Currency::Io),
        Just(Currency::Ath)
    ]
}

/// Amounts with both ends of the range in them.
fn amount() -> impl Strategy<Value = u128> {
    prop_oneof![1u128..100, Just(u128::MAX), Just(1 << 127), any::<u128>()]
}

fn posting() -> impl Strategy<Value = Posting> {
    (currency(), amount(), any::<bool>()).prop_map(|(currency, amount, is_debit)| {
        let make: Side = if is_debit { debit } else { credit };
        make("a", currency, amount)
    })
}

/// What makes a posting of one side.
type Side = fn(&str, Currency, u128) -> Posting;

/// Lines that balance: each amount against its parts.
fn balanced() -> impl Strategy<Value = Vec<Posting>> {
    let part = (
        currency(),
        2u128..u128::MAX >> 8,
        any::<proptest::sample::Index>(),
        any::<bool>(),
    );
    proptest::collection::vec(part, 1..LINES_MAX / 3).prop_map(|parts| {
        let lines = parts.into_iter().flat_map(|(currency, whole, at, turned)| {
            let first = 1 + (at.index(1 << 20) as u128) % (whole - 1);
            let (one, two): (Side, Side) = if turned {
                (credit, debit)
            } else {
                (debit, credit)
            };
            [
                one("a", currency, whole),
                two("b", currency, first),
                two("c", currency, whole - first),
            ]
        });
        lines.collect()
    })
}

/// Whether both sides of a currency have the same sum, reckoned in halves of 64 bits.
fn agrees(postings: &[Posting], currency: Currency) -> bool {
    let side = |side: fn(&Posting) -> u128| {
        let of = postings
            .iter()
            .filter(|posting| posting.currency == currency);
        let (high, low) = of.fold((0u128, 0u128), |(high, low), posting| {
            let amount = side(posting);
            (high + (amount >> 64), low + (amount & u128::from(u64::MAX)))
        });
        (high + (low >> 64), low & u128::from(u64::MAX))
    };
    let (debits, credits) = (side(|p| p.debit), side(|p| p.credit));
    debits == credits && debits.0 <= u128::from(u64::MAX)
}

proptest! {
    #[test]
    fn lines_are_accepted_exactly_when_they_balance(lines in proptest::collection::vec(posting(), 2..6)) {
        let all = [Currency::MicroUsd, Currency::Io, Currency::Ath];
        let wanted = all.iter().all(|currency| agrees(&lines, *currency));
        prop_assert_eq!(Transaction::new("k", AT, lines).is_ok(), wanted);
    }

    #[test]
    fn what_balances_is_accepted_and_one_unit_more_is_not(
        lines in balanced(),
        at in any::<proptest::sample::Index>(),
    ) {
        let made = Transaction::new("k", AT, lines.clone());
        prop_assert!(made.is_ok(), "{:?}", made);
        let mut wrong = lines;
        let line = at.get(&wrong).clone();
        let spoilt = at.index(wrong.len());
        wrong[spoilt] = Posting {
            debit: line.debit + u128::from(line.debit > 0),
            credit: line.credit + u128::from(line.credit > 0),
            ..line
        };
        prop_assert!(Transaction::new("k", AT, wrong).is_err());
    }

    #[test]
    fn json_keeps_every_digit(lines in balanced()) {
        let made = Transaction::new("k", AT, lines).expect("it balances");
        let text = serde_json::to_string(&made).expect("plain data");
        let read: Transaction = serde_json::from_str(&text).expect("its own text");
        prop_assert_eq!(&read, &made);
        let value = serde_json::to_value(&made).expect("also as a tree");
        let read: Transaction = serde_json::from_value(value).expect("its own tree");
        prop_assert_eq!(read, made);
    }

    #[test]
    fn no_text_makes_a_wrong_amount(text in "[0-9+-]{0,45}") {
        let json = format!(r#"{{"account":"a","currency":"io","debit":"{text}","credit":"0"}}"#);
        if let Ok(read) = serde_json::from_str::<Posting>(&json) {
            prop_assert_eq!(read.debit.to_string(), match text.trim_start_matches('0') {
                "" => "0",
                digits => digits,
            });
        }
    }
}
