//! Time that is bought, limited, or in doubt: prepaid hours, the customer's own limit, a network
//! or the broker itself under suspicion.

use gpu_probe::protocol::{Directive, EndCause};
use tandem_adapters::command::{FailureKind, Outcome};
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::network::NetworkId;
use tandem_model::placement::{Epoch, Observed, RemoteState};
use tandem_sla::incident::Health;

use super::super::story::{Story, at, two};
use super::super::*;
use super::{refusal, unknown};

/// Beats every 5 s and ticks, from a second to another; the orders given.
fn live(story: &mut Story, seconds: std::ops::RangeInclusive<u64>) -> Vec<(u64, Order)> {
    let mut orders = Vec::new();
    for second in seconds.step_by(5) {
        story.beat(second);
        orders.extend(story.tick(second).into_iter().map(|order| (second, order)));
    }
    orders
}

/// The placement with so many minutes served and left.
fn minutes(story: &Story, served: u32, left: u32) -> Box<Observed> {
    let mut observed = story.observed(RemoteState::Running);
    observed.minutes_served = Some(served);
    observed.minutes_remaining = Some(left);
    Box::new(observed)
}

#[test]
fn an_hour_more_is_bought_once_and_late() {
    let mut story = Story::running(&two());
    let orders = live(&mut story, 15..=2_200);
    let (second, order) = orders[0];
    assert_eq!((orders.len(), order), (1, Order::Extend(Epoch(1))));
    assert!(
        (2_095..=2_110).contains(&second),
        "25 min before the end: {second}"
    );
    let more = minutes(&story, 35, 85);
    story.step(
        second + 95,
        Input::Extended(Epoch(1), Outcome::Extended(more)),
    );
    assert_eq!(story.job.attempts[0].prepaid.bought_hours, 2);
    let next = live(&mut story, 2_205..=6_000);
    assert_eq!(next.len(), 1, "the next one, an hour later: {next:?}");
    assert_eq!(story.job.epoch(), Epoch(1));
}

#[test]
fn a_creation_that_waited_hours_for_its_turn_has_its_paid_time_before_it() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.created(7_200);
    story.bind(7_210);
    story.tick(7_210);
    let orders = live(&mut story, 7_215..=8_600);
    assert_eq!(orders, []);
    assert_eq!(story.beat_of(0, 8_605).directive, Directive::Continue);
}

#[test]
fn minutes_beyond_any_measure_do_no_harm() {
    let mut story = Story::running(&two());
    let absurd = minutes(&story, u32::MAX, u32::MAX);
    story.step(12, Input::Looked(Epoch(1), Outcome::Status(absurd)));
    live(&mut story, 15..=2_200);
    assert_eq!(story.job.doc.state, JobState::Running);
}

/// A look that is ordered at a second and answered two seconds later; whether it was due.
fn shown(story: &mut Story, second: u64, left: u32) -> bool {
    story.beat(second);
    let is_due = story.tick(second).contains(&Order::Look(Epoch(1)));
    let observed = Outcome::Status(minutes(story, 36, left));
    story.step(second + 2, Input::Looked(Epoch(1), observed));
    is_due
}

#[test]
fn a_purchase_of_unknown_fate_is_looked_at_and_not_made_twice() {
    let mut story = Story::running(&two());
    let asked = live(&mut story, 15..=2_200)[0].0;
    let orders = story.step(asked + 5, Input::Extended(Epoch(1), unknown()));
    assert!(orders.contains(&Order::Look(Epoch(1))), "{orders:?}");
    let more = Outcome::Status(minutes(&story, 36, 85));
    story.step(asked + 10, Input::Looked(Epoch(1), more));
    let attempt = &story.job.attempts[0];
    assert_eq!((attempt.prepaid.bought_hours, attempt.extension), (2, None));
}

#[test]
fn a_purchase_is_made_again_only_after_two_unchanged_looks_120_s_apart_sent_after_its_answer() {
    let mut story = Story::running(&two());
    let asked = live(&mut story, 15..=2_200)[0].0;
    story.step(asked + 30, Input::Extended(Epoch(1), unknown()));
    let number = |story: &Story| story.job.attempts[0].extension.map(|e| e.number);
    let mut second = asked + 32;
    let mut looks = 0;
    while number(&story) == Some(1) {
        looks += u32::from(shown(&mut story, second, 24));
        second += 5;
        assert!(
            second < asked + 600,
            "it is settled before the time is lost"
        );
    }
    // The first look that counts is sent a minute after the purchase, the last one 120 s later.
    assert!(
        (asked + 180..=asked + 215).contains(&second),
        "{}",
        second - asked
    );
    assert!(looks <= 14, "{looks} looks");
    assert_eq!(number(&story), Some(2), "under a key of its own");
    assert_eq!(story.job.attempts[0].prepaid.bought_hours, 1);
}

#[test]
fn a_purchase_that_shows_late_is_not_made_again() {
    let mut story = Story::running(&two());
    let asked = live(&mut story, 15..=2_200)[0].0;
    story.step(asked + 30, Input::Extended(Epoch(1), unknown()));
    for second in (asked + 32..asked + 170).step_by(15) {
        shown(&mut story, second, 24);
    }
    shown(&mut story, asked + 175, 83);
    let attempt = &story.job.attempts[0];
    assert_eq!((attempt.prepaid.bought_hours, attempt.extension), (2, None));
}

#[test]
fn a_purchase_that_a_broker_left_open_is_looked_for_from_its_successors_start() {
    let mut story = Story::running(&two());
    let asked = live(&mut story, 15..=2_200)[0].0;
    let taken_over = asked + 100;
    story.job.attempts[0].adopt(at(taken_over));
    let mut second = taken_over;
    while story.job.attempts[0]
        .extension
        .is_some_and(|e| e.number == 1)
    {
        shown(&mut story, second, 24);
        second += 15;
    }
    assert!(second >= taken_over + 120, "{}", second - taken_over);
    assert!(second < taken_over + 180, "{}", second - taken_over);
}

#[test]
fn a_look_under_way_is_not_counted_as_a_later_one() {
    let mut story = Story::running(&two());
    let asked = live(&mut story, 15..=2_200)[0].0;
    story.step(asked + 30, Input::Extended(Epoch(1), unknown()));
    assert_eq!(story.job.attempts[0].looked_at, Some(at(asked + 30)));
    story.flying = vec![Order::Look(Epoch(1))];
    story.beat(asked + 90);
    assert!(story.tick(asked + 90).is_empty());
    assert_eq!(story.job.attempts[0].looked_at, Some(at(asked + 30)));
}

#[test]
fn when_no_more_time_is_sold_the_work_is_saved_and_moved_before_the_end() {
    let mut story = Story::running(&two());
    let mut second = 15;
    while story.beat_of(0, second).directive == Directive::Continue {
        for order in story.tick(second) {
            if order == Order::Extend(Epoch(1)) {
                let no = refusal(FailureKind::NoCredit);
                story.step(second, Input::Extended(Epoch(1), no));
            }
        }
        second += 5;
        assert!(second < 3_600);
    }
    assert!(
        (3_000..=3_020).contains(&second),
        "10 min before the end: {second}"
    );
    assert_eq!(
        story.beat_of(0, second + 1).directive,
        Directive::CheckpointAndStop
    );
    story.report(second + 5, 0, EndCause::StopDirected);
    let orders = story.tick(second + 5);
    assert!(orders.contains(&Order::Create(Epoch(2))), "{orders:?}");
    assert!(
        story.job.doc.situation.failed_offers.is_empty(),
        "time that ran out is no fault of the machine"
    );
}

#[test]
fn a_job_ends_when_it_ran_as_long_as_its_file_allows() {
    let mut story = Story::running(&two());
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.workload.limits.max_duration_seconds = Some(100);
    live(&mut story, 15..=105);
    assert_eq!(story.job.doc.state, JobState::Running);
    live(&mut story, 110..=115);
    assert_eq!(story.job.doc.state, JobState::Cancelling);
    assert_eq!(story.beat_of(0, 116).directive, Directive::Stop);
}

/// What was charged for a story's job in all, in GPU-microseconds.
fn charged(story: &Story) -> u64 {
    story.job.attempts.iter().map(|a| a.charged_gpu_us).sum()
}

#[test]
fn no_more_than_the_limit_of_time_is_charged_however_late_the_stop_is_heard() {
    let mut story = Story::running(&two());
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.workload.limits.max_duration_seconds = Some(100);
    let gpus = u64::from(spec.quote.gpus);
    live(&mut story, 15..=140);
    story.report(145, 0, EndCause::StopDirected);
    story.tick(146);
    let proved: Duration = story.job.attempts.iter().map(|a| a.proved).sum();
    assert!(proved > Duration::from_secs(105), "{proved:?}");
    assert_eq!(charged(&story), 100_000_000 * gpus);
}

#[test]
fn a_job_is_stopped_when_its_budget_is_used_up_and_charged_no_more_than_that() {
    let mut story = Story::running(&two());
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    let gpus = u64::from(spec.quote.gpus);
    // A hundred seconds of all GPUs.
    let budget = spec.quote.rate.charge_for(100_000_000 * gpus).unwrap();
    spec.workload.limits.budget_micro_usd = Some(budget);
    live(&mut story, 15..=105);
    assert_eq!(story.job.doc.state, JobState::Running);
    live(&mut story, 110..=140);
    assert_eq!(story.job.doc.state, JobState::Cancelling);
    assert_eq!(story.beat_of(0, 141).directive, Directive::Stop);
    story.report(145, 0, EndCause::StopDirected);
    story.tick(146);
    let paid: i64 = story.job.attempts.iter().map(|a| a.charged.get()).sum();
    assert_eq!(paid, budget.get());
}

#[test]
fn a_job_whose_limit_has_passed_unproved_is_asked_again_later_and_never_at_once() {
    let mut story = Story::running(&two());
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.workload.limits.max_duration_seconds = Some(5);
    // Silent since its start: nothing is proved, and the clock is past the limit.
    for second in [16, 20, 24] {
        let wake = story.decide(second, Input::Tick).wake;
        assert!(wake.is_some_and(|wake| wake > at(second)), "{wake:?}");
    }
}

#[test]
fn a_purchase_under_way_is_settled_when_its_attempt_is_left() {
    let mut story = Story::running(&two());
    let orders = live(&mut story, 15..=2_115);
    assert_eq!(orders[0].1, Order::Extend(Epoch(1)));
    let owed = pay::extend_key(&story.job.attempts[0], 1);
    story.step(2_116, Input::Extended(Epoch(1), unknown()));
    // Its machine is lost before anybody knows whether the hour was sold.
    let mut settled = Vec::new();
    for second in 2_117..2_200 {
        settled.extend(story.decide(second, Input::Tick).settled);
    }
    assert_eq!(story.job.epoch(), Epoch(2));
    assert!(settled.contains(&owed), "{settled:?}");
}

#[test]
fn while_a_network_or_the_broker_is_in_doubt_nobody_is_left_and_nobody_is_placed_there() {
    let ionet = NetworkId::from_static("ionet");
    for doubt in [
        Health::Confirming { since: at(20) },
        Health::OwnFault { since: at(20) },
    ] {
        let mut story = Story::running(&two());
        story.health.insert(ionet.clone(), doubt);
        for second in 11..=200 {
            story.tick(second);
            assert_eq!(story.job.epoch(), Epoch(1), "{doubt:?}");
        }
        assert_eq!(story.job.doc.state, JobState::Suspect);
        story.beat(201);
        story.tick(201);
        assert_eq!(story.job.doc.state, JobState::Running, "as if nothing was");

        story
            .health
            .insert(ionet.clone(), Health::Incident { since: at(20) });
        story.tick(300);
        let last = story.job.last().unwrap();
        assert_eq!(last.placement.network.as_str(), "aethir");
    }
}

#[test]
fn a_services_replacement_starts_first_and_a_jobs_does_not() {
    let file = "tandem: 1\nname: web\nkind: service\nport: 8000\nrun: ./serve\nresources:\n  gpu: RTX4090\n";
    let mut story = Story::of(file, &two()).run();
    story.tick(26);
    // Its agent is heard no more, but its host says that it restarts: its lease still holds.
    story.report(27, 143, EndCause::Terminated);
    let orders = story.tick(27);
    assert!(orders.contains(&Order::Create(Epoch(2))), "{orders:?}");
}

#[test]
fn work_that_is_redone_is_charged_once() {
    let mut story = Story::running(&two());
    live(&mut story, 15..=110);
    // Nothing was kept when its machine was lost: 100 s proved, nothing charged.
    for second in 111..=150 {
        story.tick(second);
    }
    assert_eq!(story.job.epoch(), Epoch(2));
    assert_eq!(story.job.attempts[0].proved.as_secs(), 100);
    assert_eq!(story.job.charged(), MicroUsd::ZERO);
    story.created(151);
    story.bind(160);
    story.tick(160);
    live(&mut story, 165..=260);
    story.report(260, 0, EndCause::Workload);
    story.tick(260);
    assert_eq!(story.job.doc.state, JobState::Succeeded);
    assert_eq!(
        story.job.charged(),
        MicroUsd::from_cents(1),
        "100 s of 0.36 $/h"
    );
}
