//! The tier that starts on consumer hardware and falls back to enterprise.

use super::*;

const LONG: &str = "tandem: 1\nname: a\nrun: ./x\nresources: {gpu: any, gpus_per_node: 8}\nlimits: {max_duration_seconds: 259200}\n";

fn of(text: &str, offers: &[Offer], usage: &Usage) -> TierReport {
    let policy = Policy::standard();
    let document = files::read(text).unwrap_or_else(|e| panic!("{e}"));
    let found = classify(&document);
    let book = Book::build(offers).unwrap();
    let workload = document.workload.unwrap();
    let supply = supply(&book, usage);
    let desk = Desk::new(&workload, &found, &book, under(&policy, &supply));
    tier(&desk.quote(fresh()), Tier::Assured).clone()
}

fn line(quote: &tandem_model::quote::Quote, kind: &str) -> i64 {
    let found = quote.lines.iter().find(|line| line.kind == kind);
    found.map_or(0, |line| line.micro_usd_per_gpu_hour.get())
}

fn market() -> [Offer; 2] {
    [
        offer("r", "rtx4090", 40),
        datacenter("a", "a100-sxm4-80gb", 150),
    ]
}

#[test]
fn a_backstop_that_begins_anew_costs_more_than_one_that_goes_on() {
    let goes_on = "checkpoints: {interval_seconds: 600}\n";
    let backstop = |text: &str| {
        let report = of(text, &market(), &Usage::default());
        line(&report.quote.unwrap(), "backstop")
    };
    let (anew, on) = (backstop(LONG), backstop(&format!("{LONG}{goes_on}")));
    // All of a failed run instead of half of it.
    assert!(anew * 100 > on * 140 && on > 0, "{anew} {on}");
}

#[test]
fn assured_costs_the_consumer_price_and_the_backstop_at_the_measured_failure_rate() {
    let report = of(LONG, &market(), &Usage::default());
    let quote = report.quote.unwrap();
    assert_eq!(quote.offer.0, "ionet/caas/r");
    let backstop = line(&quote, "backstop");
    assert!(backstop > 200_000, "{backstop}");
    // What would be paid on the backstop may be paid: 1.5 times its cost.
    assert!(quote.replacement_rate_max.price().get() > 1_500_000);
    let mut reliable = Usage::default();
    let key = (NetworkId::from_static("ionet"), false);
    let calm = crate::failures::Seen {
        failures: 0,
        gpu_seconds: 3_600_000_000,
    };
    reliable.seen.machines.insert(key, calm);
    let cheaper = of(LONG, &market(), &reliable).quote.unwrap();
    let less = line(&cheaper, "backstop");
    assert!(0 < less && less < backstop / 10, "{less} of {backstop}");
    assert!(cheaper.rate < quote.rate);
}

#[test]
fn the_capacity_of_a_backstop_is_that_of_every_offer_that_fits() {
    let single = |at: u32| Offer {
        gpus_per_node: 1,
        nodes_available: 1,
        ..datacenter(&format!("a{at}"), "a100-sxm4-80gb", 150)
    };
    let mut offers: Vec<Offer> = (0..12_000).map(single).collect();
    offers.push(offer("r", "rtx4090", 40));
    // A quarter of 12,000 may back this tier.
    let promised = |assured_gpus| Usage {
        assured_gpus,
        ..Usage::default()
    };
    assert!(of(JOB, &offers, &promised(2_999)).quote.is_some());
    let refused = of(JOB, &offers, &promised(3_000));
    let why = refused.no_quote.unwrap().text;
    assert!(why.contains("of 12000 free enterprise GPUs"), "{why}");
}

#[test]
fn assured_is_sold_only_while_enough_enterprise_gpus_are_free_and_says_so() {
    // 32 enterprise GPUs are free, and a quarter of them may back this tier: 8.
    let refused = of(
        JOB,
        &market(),
        &Usage {
            assured_gpus: 8,
            ..Usage::default()
        },
    );
    assert_eq!(refused.quote, None);
    let text = refused.no_quote.unwrap().text;
    assert!(
        text.contains("250 permille of 32 free enterprise GPUs"),
        "{text}"
    );
    let sold = of(
        JOB,
        &market(),
        &Usage {
            assured_gpus: 7,
            ..Usage::default()
        },
    );
    assert!(sold.quote.is_some());
    let alone = of(JOB, &market()[..1], &Usage::default());
    assert!(alone.no_quote.unwrap().text.contains("backstop"));
}

#[test]
fn neither_consumer_nor_assured_is_offered_where_enterprise_costs_less() {
    // Whole nodes of consumer cards: eight GPUs are paid where one is needed.
    let whole = Offer {
        divisible: false,
        ..offer("r", "rtx4090", 40)
    };
    let a100 = datacenter("a", "a100-sxm4-80gb", 150);
    let policy = Policy::parse(
        &include_str!("../../../../examples/policies/standard.yaml").replace(
            "rules:",
            "rules:\n  - {id: dear, priority: 900, match: {tier: [consumer]}, set: {margin_basis_points: 20_000}}",
        ),
    );
    let standard = report_of(JOB, &[whole.clone(), a100.clone()]);
    let consumer = tier(&standard, Tier::Consumer);
    // The consumer tier is of any grade: it takes the enterprise offer.
    assert_eq!(consumer.quote.clone().unwrap().offer.0, "ionet/caas/a");
    assert!(tier(&standard, Tier::Assured).quote.is_none());
    let Ok(policy) = policy else {
        panic!("{}", policy.unwrap_err());
    };
    let book = Book::build(&[whole, a100]).unwrap();
    let document = files::read(JOB).unwrap();
    let (found, supply) = (classify(&document), supply(&book, &Usage::default()));
    let workload = document.workload.unwrap();
    let desk = Desk::new(&workload, &found, &book, under(&policy, &supply));
    let report = desk.quote(fresh());
    for refused in [Tier::Consumer, Tier::Assured] {
        let none = tier(&report, refused).no_quote.clone().unwrap();
        assert!(
            none.text.contains("enterprise costs less: $1.73"),
            "{}",
            none.text
        );
    }
    assert!(tier(&report, Tier::Enterprise).quote.is_some());
}

#[test]
fn the_customers_limits_on_money_hold_for_what_he_pays_and_not_for_the_backstop() {
    // $1.50 for the backstop's hour; he pays about half a dollar.
    for limits in [
        "max_price_usd_per_gpu_hour: 1.00",
        "expected_seconds: 86400, budget_usd: 20",
    ] {
        let report = of(
            &format!("{JOB}limits: {{{limits}}}\n"),
            &market(),
            &Usage::default(),
        );
        assert!(report.quote.is_some(), "{limits}: {:?}", report.no_quote);
    }
}

/// The best offer of `assured`, one by one.
pub(super) fn brute_force(
    (desk, found): (&Desk<'_>, &Classification),
    offers: &[Offer],
    backstop: MicroUsd,
) -> Option<(i64, i64)> {
    let consumer = plain::rank(Tier::Consumer, desk.workload, found, offers, None);
    let assured = desk.list(Tier::Assured, Some(backstop));
    let alone = desk.list(Tier::Consumer, None);
    let needed = desk.search.inquiry.effort.gpus();
    let each = consumer.fitting.iter().filter(|fit| fit.gpus == needed);
    let each = each
        .filter(|fit| !fit.offer.is_enterprise())
        .filter_map(|fit| {
            let view = desk.book.find(&fit.offer.id)?;
            let item = assured.itemised(&view)?;
            let own = alone.itemised(&view)?;
            let waste = alone.cost(view.aisle()).unwrap().model.waste();
            (own.priced.cost < backstop).then(|| hour(&item, waste, fit.gpus))
        });
    each.min()
}
