//! Answers that are worked out ahead: those that would be found, for what was asked for lately.

use super::*;

/// Whether the answer to a request is at hand on a supply.
fn at_hand(request: Request, book: &Book, supply: &Supply) -> bool {
    let before = supply.answers_worked_out();
    answer(request, book, supply);
    supply.answers_worked_out() == before
}

/// Works ahead under the conditions of a request; how many answers were looked at.
fn work_ahead(request: Request, earlier: &Supply, book: &Book, supply: &Supply) -> usize {
    asked(request, book, supply, |desk| {
        earlier.answer_ahead(desk.search.on, || true)
    })
}

/// An offer of a book.
fn some_offer(book: &Book) -> Offer {
    let mut ids = (0..1_000).map(|key| OfferId(format!("ionet/caas/{key}")));
    let found = ids.find_map(|id| book.find(&id));
    found.unwrap().to_offer()
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
        mut then in CHOICES.map(|many| 0..many),
        another_policy in prop::bool::weighted(0.1),
    ) {
        let (earlier, later) = (Book::build(&earlier).unwrap(), Book::build(&later).unwrap());
        let known = fresh(&earlier);
        let requests = neighbours(Request(base));
        for request in &requests {
            answer(*request, &earlier, &known);
        }
        // The moment and the promises are those of another request.
        if !another_policy {
            then[2] = base[2];
        }
        let supply = fresh(&later);
        let ahead = work_ahead(Request(then), &known, &later, &supply);
        let is_kept = |request, book, supply| {
            asked(request, book, supply, |desk| {
                desk.pricing.places.customer.is_none() && desk.search.alike().is_some()
            })
        };
        let both = is_kept(Request(base), &earlier, &known) && is_kept(Request(then), &later, &supply);
        if both && !another_policy && known.products() == supply.products() {
            prop_assert!(ahead > 0);
        }
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
    let one = Book::build(&[some_offer(&book)]).unwrap();
    assert_eq!(work_ahead(base, &earlier, &one, &fresh(&one)), 0);
}

#[test]
fn the_order_in_which_products_are_met_does_not_matter() {
    let of = |offers: [(&'static str, &str); 2]| {
        let (book, _) = market();
        let any = some_offer(&book);
        let offers = offers.map(|(gpu, product)| Offer {
            id: OfferId(format!("ionet/{product}/{gpu}")),
            gpu: GpuModel::by_id(gpu).unwrap(),
            grade: Grade::Consumer,
            product: product.to_owned(),
            ..any.clone()
        });
        Book::build(&offers).unwrap()
    };
    let first = of([("rtx4090", "caas"), ("l4", "vmaas")]);
    let later = of([("rtx4090", "vmaas"), ("l4", "caas")]);
    let (earlier, supply) = (fresh(&first), fresh(&later));
    answer(with(&[]), &first, &earlier);
    assert_eq!(work_ahead(with(&[]), &earlier, &later, &supply), 1);
}

#[test]
fn what_was_asked_for_last_is_worked_out_first_and_the_rest_when_there_is_time() {
    let (book, earlier) = market();
    let (idle, wanted) = (with(&[]), with(&[(0, 10)]));
    answer(idle, &book, &earlier);
    let between = fresh(&book);
    assert_eq!(work_ahead(idle, &earlier, &book, &between), 1);
    answer(wanted, &book, &between);
    let supply = fresh(&book);
    let looks = std::cell::Cell::new(0);
    let once = || looks.replace(looks.get() + 1) == 0;
    let looked_at = asked(idle, &book, &supply, |desk| {
        between.answer_ahead(desk.search.on, once)
    });
    assert_eq!(looked_at, 1);
    assert!(at_hand(wanted, &book, &supply) && !at_hand(idle, &book, &supply));
}
