//! Another term of work that runs already.

use super::*;

fn market() -> Vec<Offer> {
    vec![
        offer("r", "rtx4090", 40),
        datacenter("a", "a100-sxm4-80gb", 150),
        datacenter("h", "h100-sxm5-80gb", 250),
    ]
}

/// What is seen at a desk where the usual job is asked for, under a policy on a market.
fn at_desk<T>(policy: &Policy, offers: &[Offer], look: impl FnOnce(&Desk<'_>) -> T) -> T {
    let document = files::read(JOB).unwrap_or_else(|e| panic!("{e}"));
    let found = classify(&document);
    let workload = document.workload.unwrap();
    let book = Book::build(offers).unwrap();
    let supply = supply(&book, &Usage::default());
    look(&Desk::new(&workload, &found, &book, under(policy, &supply)))
}

/// What another term costs on an offer of this id and price, beside the quote that it was taken by.
fn asked(
    wanted: Tier,
    held: impl Fn(Offer) -> Offer,
    offers: &[Offer],
) -> (Option<TermPrice>, tandem_model::quote::Quote) {
    let policy = Policy::standard();
    let (quote, taken) = at_desk(&policy, &market(), |desk| {
        let quote = tier(&desk.quote(fresh()), wanted).quote.clone().unwrap();
        let taken = desk.book.find(&quote.offer).unwrap().to_offer();
        (quote, taken)
    });
    let held = held(taken);
    let price = at_desk(&policy, offers, |desk| desk.term_price(wanted, &held));
    (price, quote)
}

#[test]
fn on_a_market_that_did_not_move_another_term_costs_what_the_first_did() {
    for wanted in Tier::ALL {
        let (price, quote) = asked(wanted, |held| held, &market());
        let price = price.unwrap();
        assert_eq!(price.rate, quote.rate, "{wanted:?}");
        assert_eq!(price.cost, quote.cost(), "{wanted:?}");
        assert_eq!(price.replacement_rate_max, quote.replacement_rate_max);
    }
}

#[test]
fn a_machine_costs_what_its_network_asks_for_it_now() {
    let mut dearer = market();
    dearer[0].price = RatePerGpuHour::new(MicroUsd::from_cents(60));
    let (price, quote) = asked(Tier::Consumer, |held| held, &dearer);
    assert!(price.unwrap().cost.get() * 100 > quote.cost().get() * 145);
    // One that is rented whole is not listed: it costs what it did, while others of its kind are.
    let mut others = market();
    others[0].id.0 = "ionet/caas/other".into();
    others[0].price = RatePerGpuHour::new(MicroUsd::from_cents(60));
    let (price, quote) = asked(Tier::Consumer, |held| held, &others);
    assert_eq!(price.unwrap().rate, quote.rate);
    // Of another card under the same name nothing is believed.
    let mut swapped = others.clone();
    swapped.push(offer("r", "rtx3090", 10));
    let (price, quote) = asked(Tier::Consumer, |held| held, &swapped);
    assert_eq!(price.unwrap().rate, quote.rate);
}

#[test]
fn where_no_machine_of_the_kind_is_listed_nothing_says_what_it_costs() {
    let (price, _) = asked(Tier::Consumer, |held| held, &market()[1..]);
    assert_eq!(price, None);
    let broken = |held| Offer {
        product: "broken".into(),
        ..held
    };
    assert_eq!(asked(Tier::Consumer, broken, &market()).0, None);
    // Nor what the tier with a backstop does, where there is none.
    assert_eq!(asked(Tier::Assured, |held| held, &market()[..1]).0, None);
}

#[test]
fn what_the_policy_would_not_sell_anew_costs_its_cost_and_the_least_margin() {
    // A ceiling below what the machine costs; the least margin of this policy is nothing.
    let policy = bounded(1, Some(100_000));
    let price = at_desk(&policy, &market(), |desk| {
        assert!(tier(&desk.quote(fresh()), Tier::Consumer).quote.is_none());
        desk.term_price(Tier::Consumer, &market()[0]).unwrap()
    });
    assert_eq!(price.rate.price(), price.cost);
    assert!(price.cost.get() > 400_000, "{price:?}");
}

#[test]
fn a_quote_says_the_dearest_rate_of_later_terms_where_work_goes_on_to_them() {
    let quote = |limits: &str| {
        let report = report_of(&format!("{JOB}{limits}"), &market());
        tier(&report, Tier::Consumer).quote.clone().unwrap()
    };
    let without = quote("");
    assert_eq!(without.renewal_rate_max, Some(without.rate));
    let priced = quote("limits: {max_price_usd_per_gpu_hour: 2.5}\n");
    let most = RatePerGpuHour::new(MicroUsd::from_cents(250));
    assert_eq!(priced.renewal_rate_max, Some(most));
    let limited = quote("limits: {max_price_usd_per_gpu_hour: 2.5, max_duration_seconds: 86400}\n");
    assert_eq!(limited.renewal_rate_max, None);
}

#[test]
fn a_promotion_is_not_for_later_terms() {
    let standard = crate::policy::Live::standard(WallTime::default())
        .version
        .text;
    let text = format!(
        "{}\npromotions:\n  - {{id: launch, discount_basis_points: 500, \
         from: 1970-01-01T00:00:00Z, until: 2100-01-01T00:00:00Z}}\n",
        standard.trim_end()
    );
    let policy = Policy::parse(&text).unwrap_or_else(|e| panic!("{e}"));
    let quote = at_desk(&policy, &market(), |desk| {
        tier(&desk.quote(fresh()), Tier::Consumer).quote.clone()
    });
    let quote = quote.unwrap();
    assert!(quote.promotion.is_some());
    let full = tier(&report_of(JOB, &market()), Tier::Consumer)
        .quote
        .clone()
        .unwrap();
    assert!(quote.rate < full.rate);
    assert_eq!(quote.renewal_rate_max, Some(full.rate));
}

fn now(rate: i64, cost: i64) -> TermPrice {
    let rate = RatePerGpuHour::new(MicroUsd::new(rate));
    TermPrice {
        rate,
        cost: MicroUsd::new(cost),
        replacement_rate_max: rate,
    }
}

proptest! {
    #[test]
    fn a_rate_is_the_price_or_what_was_agreed_to_and_is_never_lowered_below_the_least_margin(
        most in 1i64..5_000, cost in 1i64..5_000, price in 1i64..7_000,
    ) {
        let policy = Policy::standard();
        let least = i64::from(policy.guard_rails().margin_min_basis_points);
        let agreed = RatePerGpuHour::new(MicroUsd::new(most));
        match renewed(&policy, agreed, &now(price, cost)) {
            Ok(rate) => {
                let rate = rate.price().get();
                prop_assert_eq!(rate, most.min(price));
                prop_assert!(rate == price || rate * 10_000 >= cost * (10_000 + least));
            }
            Err(why) => {
                prop_assert_eq!((why.price.get(), why.most.get()), (price, most));
                prop_assert!(price > most && most * 10_000 < cost * (10_000 + least));
            }
        }
    }
}
