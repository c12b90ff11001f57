//! Answers that are worked out ahead: those that would be found, for what was asked for lately.

use super::*;

/// What is at hand on a supply for a request; none when it is worked out only now.
fn at_hand(request: Request, book: &Book, supply: &Supply) -> bool {
    let before = supply.answers_worked_out();
    answer(request, book, supply);
    supply.answers_worked_out() == before
}

/// Works ahead under the conditions of a request; how many answers are at hand.
fn work_ahead(request: Request, earlier: &Supply, book: &Book, supply: &Supply) -> usize {
    asked(request, book, supply, |desk| {
        earlier.answer_ahead(desk.search.on)
    })
}

fn fresh(book: &Book) -> Supply {
    Supply::of(book, &[], usage())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn an_answer_worked_out_ahead_is_the_answer_that_would_be_worked_out_when_asked_for(
        earlier in prop::collection::vec(any_offer(), 10..40),
        later in prop::collection::vec(any_offer(), 10..40),
        base in CHOICES.map(|many| 0..many),
        then in CHOICES.map(|many| 0..many),
    ) {
        let (earlier, later) = (Book::build(&earlier).unwrap(), Book::build(&later).unwrap());
        let known = fresh(&earlier);
        let requests = neighbours(Request(base));
        for request in &requests {
            answer(*request, &earlier, &known);
        }
        // The moment, the policy and the promises are those of another request.
        let supply = fresh(&later);
        work_ahead(Request(then), &known, &later, &supply);
        for request in requests.into_iter().chain(neighbours(Request(then))) {
            let expected = answer(request, &later, &fresh(&later));
            prop_assert_eq!(answer(request, &later, &supply), expected, "{:?}", request);
        }
    }
}

#[test]
fn what_was_asked_for_is_at_hand_on_the_next_market_with_what_a_change_would_save() {
    let (book, earlier) = market();
    let (first, second) = (with(&[]), with(&[(0, 10)]));
    let expected = answer(first, &book, &earlier);
    // Of the second nobody asked what a change would save.
    asked(second, &book, &earlier, |desk| {
        desk.quote(|| QuoteId::from_parts(1, &[3; 10]))
    });
    let supply = fresh(&book);
    assert_eq!(work_ahead(first, &earlier, &book, &supply), 2);
    assert_eq!(supply.answers_worked_out(), 2);
    let knows_others = |request| {
        asked(request, &book, &supply, |desk| {
            let tiers = &desk.search.answer().tiers;
            tiers.each_ref().map(draft::Draft::knows_others)
        })
    };
    // On `assured` no change is looked at.
    assert_eq!(knows_others(first), [true, false, true]);
    assert_eq!(knows_others(second), [false; 3]);
    assert_eq!(answer(first, &book, &supply), expected);
    assert!(at_hand(first, &book, &supply) && at_hand(second, &book, &supply));
    assert!(!at_hand(with(&[(0, 11)]), &book, &supply));
}

#[test]
fn promises_made_since_make_answers_of_their_own_on_the_same_market() {
    let (book, supply) = market();
    let (base, promised) = (with(&[]), with(&[(10, 2)]));
    answer(base, &book, &supply);
    assert_eq!(work_ahead(promised, &supply, &book, &supply), 1);
    assert!(at_hand(promised, &book, &supply));
    assert!(at_hand(base, &book, &supply));
}

#[test]
fn what_nobody_asks_for_any_more_is_forgotten_and_what_is_asked_for_stays() {
    let (book, mut last) = market();
    let (left, kept) = (with(&[]), with(&[(0, 10)]));
    answer(left, &book, &last);
    answer(kept, &book, &last);
    for reading in 1..=IDLE_READINGS_MAX + 1 {
        let supply = fresh(&book);
        let expected = if reading > IDLE_READINGS_MAX { 1 } else { 2 };
        let ahead = work_ahead(left, &last, &book, &supply);
        assert_eq!(ahead, expected, "reading {reading}");
        assert!(at_hand(kept, &book, &supply));
        last = supply;
    }
    assert!(!at_hand(left, &book, &last));
}

#[test]
fn another_policy_or_other_products_leave_nothing_ahead() {
    let (book, earlier) = market();
    let base = with(&[]);
    answer(base, &book, &earlier);
    assert_eq!(
        work_ahead(with(&[(2, 0)]), &earlier, &book, &fresh(&book)),
        0
    );
    let ids = (0..1_000).map(|key| OfferId(format!("ionet/caas/{key}")));
    let only = ids
        .into_iter()
        .find_map(|id| book.find(&id))
        .unwrap()
        .to_offer();
    let one = Book::build(&[only]).unwrap();
    assert_eq!(work_ahead(base, &earlier, &one, &fresh(&one)), 0);
}
