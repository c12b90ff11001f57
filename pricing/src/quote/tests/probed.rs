//! What probes showed of machines, in quotes.

use super::*;
use crate::probes::{ProbedKind, ProbesSeen, Shown, TimedSpeed};
use tandem_model::network::{LaunchVia, Payment, Product, RefundRule};

fn kind(o: &Offer) -> ProbedKind {
    ProbedKind {
        network: o.network.clone(),
        product: o.product.clone(),
        gpu: o.gpu,
        grade: o.grade,
    }
}

/// So many verdicts of a speed by a measured reference, and so many that failed.
fn seen(passed: u64, permille: u32, failed: u64) -> ProbesSeen {
    let speed = TimedSpeed {
        permille,
        is_referenced: true,
    };
    let mut seen = ProbesSeen::default();
    (0..passed).for_each(|_| seen.add(Shown::Passed(Some(speed))));
    (0..failed).for_each(|_| seen.add(Shown::Failed));
    seen
}

fn usage(probes: &[(&Offer, ProbesSeen)]) -> Usage {
    let mut usage = Usage::default();
    for (o, seen) in probes {
        usage.seen.probes.insert(kind(o), *seen);
    }
    usage
}

/// What probes may have showed of the kinds of these offers: passed, their speed, failed.
pub(super) fn usage_of(offers: &[Offer], probes: &[(u64, u32, u64)]) -> Usage {
    let shown = probes
        .iter()
        .map(|(passed, speed, failed)| seen(*passed, *speed, *failed));
    let probes: Vec<_> = offers.iter().zip(shown).collect();
    usage(&probes)
}

/// A product that sells time by the day and pays nothing back.
fn by_the_day() -> Product {
    Product {
        network: NetworkId::from_static("ionet"),
        name: "caas",
        launch: LaunchVia::Container,
        nodes_are_linked: true,
        nodes_max: 8,
        gpus_per_node_max: 8,
        published_ports_max: 1,
        doubles_dollar: false,
        payment: Payment::Balance,
        prepaid_hours_min: 24,
        prepaid_hours_max: 720,
        extension_step_hours: 24,
        refund: RefundRule::None,
    }
}

fn of(text: &str, offers: &[Offer], usage: &Usage) -> QuoteReport {
    on(&[], text, offers, usage)
}

fn on(products: &[Product], text: &str, offers: &[Offer], usage: &Usage) -> QuoteReport {
    let policy = Policy::standard();
    let document = files::read(text).unwrap_or_else(|e| panic!("{e}"));
    let found = classify(&document);
    let book = Book::build(offers).unwrap();
    let workload = document.workload.unwrap();
    let supply = Supply::of(&book, products, usage.clone());
    Desk::new(&workload, &found, &book, under(&policy, &supply)).quote(fresh())
}

fn best(report: &QuoteReport, of: Tier) -> (i64, i64) {
    let report = tier(report, of);
    assert!(report.fitting > 0, "{:?}", report.refused);
    let hit = report.ranked[0];
    (
        hit.rate.price().get(),
        hit.useful_hour_micro_usd.get() / i64::from(hit.gpus),
    )
}

#[test]
fn good_verdicts_and_none_give_the_same_prices() {
    let offers = [
        offer("r", "rtx4090", 40),
        datacenter("a", "a100-sxm4-80gb", 150),
    ];
    let good = usage(&[
        (&offers[0], seen(100, 1_000, 0)),
        (&offers[1], seen(3, 1_000, 0)),
    ]);
    let nothing = of(JOB, &offers, &Usage::default());
    assert_eq!(of(JOB, &offers, &good), nothing);
}

#[test]
fn a_slower_kind_costs_the_same_by_the_hour_and_more_by_the_useful_hour() {
    let offers = [offer("r", "rtx4090", 40)];
    let (rate, useful) = best(&of(JOB, &offers, &Usage::default()), Tier::Consumer);
    assert_eq!(rate, useful);
    // 20 verdicts of 800 beside 20 assumed of 1,000.
    let slow = usage(&[(&offers[0], seen(20, 800, 0))]);
    let (slow_rate, slow_useful) = best(&of(JOB, &offers, &slow), Tier::Consumer);
    let exact = (slow_rate * 1_000 + 899) / 900;
    // The ratio itself is rounded up.
    assert!(
        (0..=1).contains(&(slow_useful - exact)),
        "{slow_useful}, {exact}"
    );
    // It runs longer, so that a failure undoes a little more; nothing else changes.
    assert!((0..rate / 100).contains(&(slow_rate - rate)), "{slow_rate}");
}

#[test]
fn a_slower_kind_is_passed_by_one_that_is_a_little_dearer() {
    let offers = [offer("4090", "rtx4090", 40), offer("3090", "rtx3090", 43)];
    let first = |usage: &Usage| {
        let report = of(JOB, &offers, usage);
        let quote = tier(&report, Tier::Consumer).quote.clone().unwrap();
        quote.offer.0
    };
    assert_eq!(first(&Usage::default()), "ionet/caas/4090");
    let slower = usage(&[(&offers[0], seen(20, 800, 0))]);
    assert_eq!(first(&slower), "ionet/caas/3090");
    let both = usage(&[
        (&offers[0], seen(20, 800, 0)),
        (&offers[1], seen(20, 800, 0)),
    ]);
    assert_eq!(first(&both), "ionet/caas/4090");
    // Placements are chosen from the same speeds.
    let book = Book::build(&offers).unwrap();
    let document = files::read(JOB).unwrap();
    let found = classify(&document);
    let w = document.workload.unwrap();
    let placed = |usage: &Usage| {
        let supply = supply(&book, usage);
        let effort = Effort::of(&w, found.class, 86_400);
        let ask = crate::book::Ask::of(Tier::Consumer, &w, &found, None);
        let price = |aisle: &_, _| supply.cost_price(&effort, aisle);
        let found = book.search(&ask, price, WorldTime::default());
        book.view(found.best[0].row).id().0
    };
    assert_eq!(placed(&Usage::default()), "ionet/caas/4090");
    assert_eq!(placed(&slower), "ionet/caas/3090");
}

#[test]
fn deadline_and_budget_look_at_the_measured_speed() {
    let offers = [offer("r", "rtx4090", 40)];
    let with = |limits: &str| format!("{JOB}limits: {{expected_seconds: 3600, {limits}}}\n");
    let refused = |text: &str, usage: &Usage| {
        let report = of(text, &offers, usage);
        tier(&report, Tier::Consumer).refused.clone()
    };
    let slow = usage(&[(&offers[0], seen(20, 800, 0))]);
    // 900 s to start, and 3,600 / 0.9 = 4,000 s of work.
    for (seconds, late) in [(4_899, true), (4_900, false)] {
        let text = with(&format!("finish_by_seconds: {seconds}"));
        assert_eq!(refused(&text, &Usage::default()).len(), 0);
        let found = refused(&text, &slow).contains_key(&Refusal::TooLate);
        assert_eq!(found, late, "{seconds}");
    }
    let rate = |usage: &Usage| {
        best(
            &of(&with("finish_by_seconds: 86400"), &offers, usage),
            Tier::Consumer,
        )
        .0
    };
    // The budget is stated in whole cents, so it is looked at with a cent to both sides.
    let needed = rate(&slow) * 4_000 / 3_600;
    for (cents, dear) in [(needed / 10_000, true), (needed / 10_000 + 1, false)] {
        let text = with(&format!("budget_usd: {}.{:02}", cents / 100, cents % 100));
        let found = refused(&text, &slow).contains_key(&Refusal::AboveBudget);
        assert_eq!(found, dear, "{cents} of {needed}");
    }
    let text = with(&format!("budget_usd: 0.{:02}", needed / 10_000));
    assert_eq!(refused(&text, &Usage::default()).len(), 0, "{needed}");
}

#[test]
fn starts_that_fail_are_priced_with_the_smallest_purchase_each() {
    let offers = [offer("r", "rtx4090", 40)];
    let risk = |usage: &Usage| {
        let report = on(&[by_the_day()], JOB, &offers, usage);
        let quote = tier(&report, Tier::Consumer).quote.clone().unwrap();
        let line = quote.lines.iter().find(|l| l.kind == "prepayment_risk");
        assert_eq!(
            quote
                .lines
                .iter()
                .map(|l| l.micro_usd_per_gpu_hour.get())
                .sum::<i64>(),
            quote.rate.price().get()
        );
        line.unwrap().micro_usd_per_gpu_hour.get()
    };
    let calm = risk(&Usage::default());
    // 25 failed beside 100 that passed and 20 assumed: 25 / 120 of a start is lost before each, and
    // each costs a day, which is as much as the work. 1.034 starts are expected in a day.
    let failing = risk(&usage(&[(&offers[0], seen(100, 1_000, 25))]));
    let more = failing - calm;
    let paid = 410_000 * 25 / 120;
    assert!(
        (paid..paid * 1_040 / 1_000).contains(&more),
        "{more}, {paid}"
    );
}

#[test]
fn a_slower_first_machine_makes_its_backstop_dearer_because_the_run_is_longer() {
    let offers = [
        offer("r", "rtx4090", 40),
        datacenter("a", "a100-sxm4-80gb", 150),
    ];
    let policy = Policy::standard();
    let document = files::read(JOB).unwrap();
    let found = classify(&document);
    let w = document.workload.unwrap();
    let book = Book::build(&offers).unwrap();
    let slow = usage(&[(&offers[0], seen(20, 800, 0))]);
    let supply = supply(&book, &slow);
    let desk = Desk::new(&w, &found, &book, under(&policy, &supply));
    let backstop = backstop_of(&desk);
    let report = desk.quote(fresh());
    let quote = tier(&report, Tier::Assured).quote.clone().unwrap();
    let line = |kind: &str| {
        let found = quote.lines.iter().find(|line| line.kind == kind);
        found.map_or(0, |line| line.micro_usd_per_gpu_hour.get())
    };
    let own = quote.cost().get() - line("backstop");
    let of_a_run = |seconds| {
        let share =
            crate::backstop::share_ppb(seconds, 1_388_889, crate::backstop::RUN_ANEW_PERMILLE);
        crate::backstop::cost(MicroUsd::new(own), backstop, share).get()
    };
    // A day at 900 of 1,000.
    assert_eq!(line("backstop"), of_a_run(96_000));
    assert!(of_a_run(96_000) > of_a_run(86_400));
}

#[test]
fn what_lost_its_grade_keeps_what_was_seen_of_it_and_backs_nothing() {
    let listed = datacenter("a", "a100-sxm4-80gb", 150);
    let before = usage(&[(&listed, seen(10, 800, 20))]);
    let as_listed = of(JOB, std::slice::from_ref(&listed), &before);
    let lost = Usage {
        grade_lost: [kind(&listed)].into(),
        ..before.clone()
    };
    let taken = Offer {
        grade: Grade::Consumer,
        ..listed.clone()
    };
    let offers = [offer("r", "rtx4090", 40), taken];
    let report = of(JOB, &offers, &lost);
    assert!(tier(&report, Tier::Enterprise).quote.is_none());
    let why = tier(&report, Tier::Assured).no_quote.clone().unwrap().text;
    assert!(why.contains("backstop"), "{why}");
    assert!(
        why.contains("a100-sxm4-80gb of ionet caas lost its grade"),
        "{why}"
    );
    // Its speed and its lost starts are those that were seen, in the other aisle too.
    let alone = &offers[1..];
    let useful = |report: &QuoteReport| {
        let (rate, useful) = best(report, Tier::Consumer);
        ((rate * 1_000 + useful / 2) / useful, rate)
    };
    let (speed, rate) = useful(&of(JOB, alone, &lost));
    assert_eq!(speed, 933, "20 assumed of 1,000 and 10 of 800");
    let forgotten = useful(&of(JOB, alone, &before));
    assert_eq!(forgotten.0, 1_000, "as if it were another kind");
    assert!(rate * 100 > forgotten.1 * 102, "{rate} {forgotten:?}");
    assert_eq!(useful(&as_listed).0, 933);
}
