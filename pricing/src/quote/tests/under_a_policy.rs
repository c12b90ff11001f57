//! What a policy does to a quote.

use super::*;
use crate::book::FreeKey;
use tandem_model::money::Token;
use tandem_model::token::TokenRate;

/// A policy of defaults and these rules.
fn policy(rules: &str) -> Policy {
    let text = format!(
        "tandem_policy: 1\nname: a\ndefaults: {{margin_basis_points: 1_000, rate_risk_basis_points: 0, \
         term_seconds: 7_200, valid_seconds: 60, assured_share_permille: 0, \
         replacement_rate_max_basis_points: 12_500}}\n\
         guard_rails: {{price_change_max_permille: 100, margin_min_basis_points: 0}}\nrules:\n{rules}"
    );
    Policy::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

fn priced(policy: &Policy, text: &str, offers: &[Offer]) -> QuoteReport {
    let document = files::read(text).unwrap_or_else(|e| panic!("{e}"));
    let found = classify(&document);
    let mut usage = Usage::default();
    let key = |gpu: &str| FreeKey {
        network: NetworkId::from_static("ionet"),
        gpu: GpuModel::by_id(gpu).unwrap(),
        grade: Grade::Consumer,
    };
    // Offers below have 32 free GPUs of a card.
    usage.rented.insert(key("rtx4090"), 32_000);
    let book = Book::build(offers).unwrap();
    let workload = document.workload.unwrap();
    let supply = supply(&book, &usage);
    Desk::new(&workload, &found, &book, under(policy, &supply)).quote(fresh())
}

#[test]
fn the_policy_decides_which_offer_is_cheapest_for_the_customer() {
    let policy = policy(
        "  - {id: scarce, priority: 1, set: {surge: {500: 0, 1_000: 10_000}}}\n\
         \x20 - {id: floor, priority: 1, match: {gpu: [RTX3090]}, set: {floor_micro_usd_per_gpu_hour: 700_000}}\n",
    );
    let offers = [offer("4090", "rtx4090", 40), offer("3090", "rtx3090", 50)];
    let report = priced(&policy, JOB, &offers);
    let consumer = tier(&report, Tier::Consumer);
    let quote = consumer.quote.clone().unwrap();
    // 0.41 doubled by the surcharge, with its margin, is 0.861; the floor makes 0.5125 to 0.70.
    assert_eq!(quote.offer.0, "ionet/caas/3090");
    let kinds: Vec<_> = quote.lines.iter().map(|l| &*l.kind).collect();
    let expected = [
        "compute",
        "network_fee",
        "failure_risk",
        "prepayment_risk",
        "margin",
        "adjustment",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(quote.rate.price().get(), 700_000);
    assert_eq!(quote.replacement_rate_max.price().get(), 875_000);
    assert_eq!(
        (quote.term_seconds, quote.not_to_exceed.get()),
        (7_200, 1_400_000)
    );
    let basis = consumer.basis.clone().unwrap();
    assert_eq!((basis.cost.get(), basis.subject.gpu_hours), (517_556, 2));
}

#[test]
fn a_limit_of_time_is_the_term_and_the_total_is_for_all_of_it() {
    let policy = policy("  - {id: none, priority: 1, set: {margin_basis_points: 1_000}}\n");
    for (seconds, hours) in [(3_600u32, 1), (36_000, 10)] {
        let text = format!("{JOB}limits: {{max_duration_seconds: {seconds}}}\n");
        let report = priced(&policy, &text, &[offer("a", "rtx4090", 40)]);
        let quote = tier(&report, Tier::Consumer).quote.clone().unwrap();
        let all = quote.rate.price().get() * i64::from(quote.gpus) * hours;
        assert_eq!(
            (quote.term_seconds, quote.not_to_exceed.get()),
            (seconds, all)
        );
    }
}

#[test]
fn what_a_policy_leaves_no_price_for_is_not_sold_and_says_so() {
    let policy =
        policy("  - {id: cap, priority: 1, set: {ceiling_micro_usd_per_gpu_hour: 409_999}}\n");
    let report = priced(&policy, JOB, &[offer("a", "rtx4090", 40)]);
    let consumer = tier(&report, Tier::Consumer);
    assert_eq!(consumer.quote, None);
    assert_eq!(consumer.refused[&Refusal::AbovePriceLimit], 1);
    assert_eq!(consumer.basis, None);
}

#[test]
fn the_longest_time_that_the_customer_allows_is_the_term_that_rules_are_matched_against() {
    let policy = policy(
        "  - {id: long, priority: 1, match: {gpu_hours: [\"21..\"], term_seconds: [\"36_001..\"]}, set: {margin_basis_points: 0}}\n",
    );
    let text = |seconds: u32| {
        format!(
            "tandem: 1\nname: a\nrun: ./x\nresources: {{gpu: any, gpus_per_node: 2}}\nlimits: {{max_duration_seconds: {seconds}}}\n"
        )
    };
    for (seconds, has_margin) in [(36_000, true), (36_001, false)] {
        let report = priced(&policy, &text(seconds), &[offer("a", "rtx3090", 40)]);
        let quote = tier(&report, Tier::Consumer).quote.clone().unwrap();
        let margin = quote.lines.iter().any(|line| line.kind == "margin");
        assert_eq!(margin, has_margin, "{seconds}");
    }
}

#[test]
fn a_promotion_that_gave_all_it_may_gives_nothing_and_a_discount_names_its_promotion() {
    let text = "tandem_policy: 1
name: a
defaults: {margin_basis_points: 1_000, rate_risk_basis_points: 0, term_seconds: 7_200, valid_seconds: 60, assured_share_permille: 0, replacement_rate_max_basis_points: 12_500}
guard_rails: {price_change_max_permille: 100, margin_min_basis_points: 0}
promotions:
  - {id: launch, discount_basis_points: 500, from: 1970-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z, total_cap_micro_usd: 1_000_000}
";
    let policy = Policy::parse(text).unwrap_or_else(|e| panic!("{e}"));
    let (launch, _, _) = policy.promotions().next().unwrap();
    let document = files::read(JOB).unwrap();
    let found = classify(&document);
    let workload = document.workload.unwrap();
    let book = Book::build(&[offer("a", "rtx4090", 40)]).unwrap();
    let supply = supply(&book, &Usage::default());
    let quoted = |exhausted| {
        let pricing = Pricing {
            exhausted,
            ..under(&policy, &supply)
        };
        let report = Desk::new(&workload, &found, &book, pricing).quote(fresh());
        tier(&report, Tier::Consumer).quote.clone().unwrap()
    };
    let (with, without) = (
        quoted(Exhausted::NONE),
        quoted(Exhausted::NONE.with(launch)),
    );
    assert_eq!(with.promotion.as_deref(), Some("launch"));
    assert!(with.given().unwrap().1 > MicroUsd::ZERO && with.rate < without.rate);
    assert_eq!(
        (without.promotion, without.lines.len()),
        (None, with.lines.len() - 1)
    );
}

#[test]
fn the_token_leg_is_what_the_network_is_paid_for_the_term_at_the_locked_rate() {
    let policy = policy("  - {id: a, priority: 1, set: {margin_basis_points: 0}}\n");
    let document = files::read(JOB).unwrap();
    let found = classify(&document);
    let workload = document.workload.unwrap();
    let book = Book::build(&[offer("a", "rtx4090", 40)]).unwrap();
    let supply = supply(&book, &Usage::default());
    let rate = TokenRate {
        token: Token::Io,
        nano_usd_per_token: 150_000_000,
        at: WallTime::from_micros(3),
    };
    let pricing = Pricing {
        token_rates: &[rate],
        ..under(&policy, &supply)
    };
    let report = Desk::new(&workload, &found, &book, pricing).quote(fresh());
    let quote = tier(&report, Tier::Consumer).quote.clone().unwrap();
    // $0.41 with the fee, for two hours, is $0.82: 5.46666667 IO at $0.15.
    assert_eq!(quote.token_legs.len(), 1);
    assert_eq!(
        (quote.token_legs[0].rate, quote.token_legs[0].base_units),
        (rate, 546_666_667)
    );
}
