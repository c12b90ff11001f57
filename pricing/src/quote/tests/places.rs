//! Deadlines, budgets, distance, and rules about places.

use super::*;
use crate::book::Ask;
use tandem_model::quote::Quote;

fn consumer(rest: &str, offers: &[Offer]) -> TierReport {
    let text =
        format!("tandem: 1\nname: a\nrun: ./x\nresources: {{gpu: any}}\nlimits: {{{rest}}}\n");
    tier(&report_of(&text, offers), Tier::Consumer).clone()
}

fn rate(report: &TierReport) -> i64 {
    report
        .quote
        .as_ref()
        .map_or(0, |quote: &Quote| quote.rate.price().get())
}

#[test]
fn work_that_would_end_too_late_or_cost_too_much_is_refused_with_that_reason() {
    let market = [offer("a", "rtx4090", 40)];
    let late = "expected_seconds: 3600, finish_by_seconds: 4499";
    assert_eq!(consumer(late, &market).refused[&Refusal::TooLate], 1);
    let in_time = "expected_seconds: 3600, finish_by_seconds: 4500";
    assert!(consumer(in_time, &market).quote.is_some());
    let dear = "expected_seconds: 7200, budget_usd: 0.40";
    assert_eq!(consumer(dear, &market).refused[&Refusal::AboveBudget], 1);
    assert!(
        consumer("expected_seconds: 7200, budget_usd: 2", &market)
            .quote
            .is_some()
    );
}

#[test]
fn only_places_near_the_users_are_offered() {
    let near = Offer {
        country: Country::parse("FR").unwrap(),
        ..offer("near", "rtx4090", 60)
    };
    let far = Offer {
        country: Country::parse("AU").unwrap(),
        ..offer("far", "rtx4090", 40)
    };
    let report = consumer("near: {countries: [DE], round_trip_ms: 30}", &[near, far]);
    assert_eq!(report.quote.unwrap().offer.0, "ionet/caas/near");
    assert_eq!(report.refused[&Refusal::TooFar], 1);
}

#[test]
fn sanctioned_places_are_never_quoted_and_the_answer_says_that_it_was_a_rule() {
    let there = Offer {
        country: Country::parse("IR").unwrap(),
        ..offer("there", "rtx4090", 10)
    };
    let denied = consumer("", std::slice::from_ref(&there));
    assert_eq!(denied.refused[&Refusal::Jurisdiction], 1);
    assert_eq!(denied.no_quote.unwrap().code, Some(ErrorCode::PLACE_DENIED));
    let cheapest = consumer("", &[there, offer("here", "rtx4090", 40)]);
    assert_eq!(cheapest.quote.unwrap().offer.0, "ionet/caas/here");
}

#[test]
fn what_was_denied_is_told_by_rule_and_place_with_how_many_offers() {
    let there = |key: &str, gpu: &str, country: &str| Offer {
        country: Country::parse(country).unwrap(),
        ..offer(key, gpu, 10)
    };
    let market = [
        there("a", "rtx4090", "IR"),
        there("b", "rtx3090", "IR"),
        there("c", "rtx4090", "CU"),
        offer("d", "rtx4090", 40),
    ];
    let document = files::read(JOB).unwrap();
    let found = classify(&document);
    let workload = document.workload.unwrap();
    let (policy, usage) = (Policy::standard(), Usage::default());
    let book = Book::build(&market).unwrap();
    let of_all = supply(&book, &usage);
    let desk = Desk::new(&workload, &found, &book, under(&policy, &of_all));
    let denials = desk.denials(&desk.quote(fresh()), &DIGESTER);
    let told: Vec<_> = denials
        .iter()
        .map(|(denial, offers)| (denial.about.as_str(), *offers))
        .collect();
    assert_eq!(told, [("CU", 1), ("IR", 2)]);
    let restricted = files::read(&format!("{JOB}limits: {{data: restricted}}\n")).unwrap();
    let restricted = restricted.workload.unwrap();
    let places = DIGESTER.digest(None, DataClass::Restricted);
    let pricing = Pricing {
        places: &places,
        ..under(&policy, &of_all)
    };
    let desk = Desk::new(&restricted, &found, &book, pricing);
    let report = desk.quote(fresh());
    let none = tier(&report, Tier::Consumer).no_quote.clone().unwrap();
    assert_eq!(none.code, Some(ErrorCode::PLACE_DENIED), "{}", none.text);
    let denied: usize = desk
        .denials(&report, &DIGESTER)
        .iter()
        .map(|(_, n)| n)
        .sum();
    assert_eq!(denied, 4, "machines of consumer grade, wherever they stand");
    let nothing = Book::build(&market[3..]).unwrap();
    let of_none = supply(&nothing, &usage);
    let desk = Desk::new(&workload, &found, &nothing, under(&policy, &of_none));
    assert_eq!(desk.denials(&desk.quote(fresh()), &DIGESTER), []);
}

#[test]
fn guarded_data_stay_off_machines_whose_owner_can_read_them() {
    let market = [offer("c", "rtx4090", 10), datacenter("d", "l40s", 90)];
    let restricted = consumer("data: restricted", &market);
    assert_eq!(restricted.quote.unwrap().offer.0, "ionet/caas/d");
    assert_eq!(restricted.refused[&Refusal::DataOnConsumer], 1);
}

#[test]
fn a_short_job_pays_for_the_prepaid_time_that_it_leaves() {
    let market = [offer("a", "rtx4090", 40)];
    let minutes = consumer("expected_seconds: 600", &market);
    let hours = consumer("expected_seconds: 36000", &market);
    assert!(
        rate(&minutes) > 5 * rate(&hours),
        "{} {}",
        rate(&minutes),
        rate(&hours)
    );
    let stranded = minutes.quote.unwrap().lines.into_iter();
    let kinds: Vec<_> = stranded.map(|line| line.kind).collect();
    assert!(kinds.iter().any(|kind| kind == "prepayment_risk"));
}

#[test]
fn a_product_on_which_the_work_cannot_start_is_counted_as_that() {
    let broken = Offer {
        product: "broken".into(),
        ..offer("b", "rtx4090", 10)
    };
    let report = consumer("", &[broken, offer("a", "rtx4090", 40)]);
    assert_eq!(report.refused[&Refusal::CannotStart], 1);
    assert_eq!(report.fitting, 1);
}

#[test]
fn a_customer_who_may_buy_nothing_is_told_no_price_at_all() {
    let places = DIGESTER.digest(Country::parse("IR"), DataClass::Internal);
    let document = files::read(JOB).unwrap();
    let found = classify(&document);
    let workload = document.workload.unwrap();
    let (policy, usage) = (Policy::standard(), Usage::default());
    let book = Book::build(&[offer("a", "rtx4090", 40), offer("b", "rtx3090", 10)]).unwrap();
    let supply = supply(&book, &usage);
    let pricing = Pricing {
        places: &places,
        ..under(&policy, &supply)
    };
    let desk = Desk::new(&workload, &found, &book, pricing);
    let report = desk.quote(fresh());
    for tier in &report.tiers {
        assert_eq!(tier.quote, None);
        assert_eq!(tier.refused.values().sum::<usize>(), 2);
        assert_eq!(desk.counterfactuals(tier), []);
    }
    // Nor is a job of his placed: the ask that placements share forbids every place.
    let ask = Ask::of(Tier::Consumer, &workload, &found, None).under(&places);
    assert_eq!(
        book.rank(&ask, |_, _| free(), WorldTime::default())
            .fitting(),
        0
    );
}

/// An aisle that is sold as it is.
fn free() -> crate::book::AislePrice {
    crate::book::AislePrice::Sold(crate::book::Sale {
        rate: crate::cost::Curve::SAME,
        useful: crate::cost::Curve::SAME,
        speed_permille: 1_000,
        price_max: None,
    })
}
