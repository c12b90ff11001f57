//! What a policy does to a quote.

use super::*;
use crate::book::FreeKey;

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
    Desk::new(&workload, &found, &book, under(policy, &usage)).quote(fresh())
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
    let kinds: Vec<_> = quote.lines.iter().map(|l| l.kind.as_str()).collect();
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
