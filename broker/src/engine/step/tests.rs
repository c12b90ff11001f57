//! The engine's decisions, one story a test: inputs at given seconds, orders expected.

use gpu_probe::protocol::EndCause;
use tandem_adapters::command::{Failure, FailureKind, Outcome};
use tandem_model::error::ErrorCode;
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::placement::{Epoch, RemoteState};

use super::story::{Story, market, offer, two};
use super::*;
use crate::engine::job::ATTEMPTS_MAX;

mod agents;
mod assured;
mod release;
mod terms;
mod time;

fn refusal(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure {
        kind,
        code: ErrorCode::NETWORK_REFUSED,
        detail: "no".into(),
        retry_after: None,
    })
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        code: ErrorCode::NETWORK_UNREACHABLE,
        detail: "cut".into(),
    }
}

#[test]
fn a_refused_creation_takes_the_next_offer_in_the_same_commit() {
    let mut story = Story::new(&two());
    story.tick(0);
    let refused = Input::Created(Epoch(1), refusal(FailureKind::NoCapacity));
    assert_eq!(story.step(1, refused), [Order::Create(Epoch(2))]);
    assert_eq!(story.job.doc.state, JobState::Placing);
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn a_job_that_no_offer_has_room_for_says_so_once_and_asks_again_after_a_rest() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    story.tick(0);
    let refused = Input::Created(Epoch(1), refusal(FailureKind::NoCapacity));
    let told = story.decide(1, refused).told;
    assert_eq!(
        told.last().map(|told| told.what.as_str()),
        Some("waits for an offer: no offer is left: 1 had no room")
    );
    for second in 2..61 {
        assert_eq!(story.told(second), [""; 0], "at {second}");
        assert_eq!(story.job.doc.state, JobState::Queued);
    }
    assert_eq!(story.tick(61), [Order::Create(Epoch(2))]);
}

#[test]
fn a_job_that_was_to_start_by_now_does_not_wait_for_room() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.workload.limits.start_by_seconds = Some(30);
    story.tick(0);
    let refused = Input::Created(Epoch(1), refusal(FailureKind::NoCapacity));
    story.step(1, refused);
    story.tick(30);
    assert_eq!(story.job.doc.state, JobState::Queued);
    story.tick(31);
    assert_eq!(story.job.doc.state, JobState::Failed);
    let cause = story.job.doc.cause.unwrap();
    assert!(
        cause.contains("to start by now") && cause.contains("capacity"),
        "{cause}"
    );
}

#[test]
fn a_job_whose_only_offer_is_refused_again_and_again_fails_with_the_causes() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    story.tick(0);
    let mut second = 0;
    while !story.job.doc.state.is_terminal() {
        second += 1;
        let epoch = story.job.epoch();
        if story.job.doc.state == JobState::Placing {
            let refused = Input::Created(epoch, refusal(FailureKind::Refused));
            story.step(second, refused);
        } else {
            story.tick(second);
        }
        assert!(second < 3_600);
    }
    assert!(second > 11 * 60, "it rests between its tries");
    assert_eq!(story.job.attempts.len(), ATTEMPTS_MAX);
    let cause = story.job.doc.cause.unwrap();
    assert!(cause.contains("all 12 attempts failed"), "{cause}");
    assert!(cause.contains("the network refused the request"), "{cause}");
}

#[test]
fn a_network_that_refuses_our_key_is_left_as_a_whole() {
    let offers = [offer("ionet", "1"), offer("ionet", "2"), two().remove(1)];
    let mut story = Story::new(&offers);
    story.tick(0);
    story.step(
        1,
        Input::Created(Epoch(1), refusal(FailureKind::Credentials)),
    );
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn an_unknown_creation_is_found_by_its_tag_and_not_made_twice() {
    let mut story = Story::new(&two());
    story.tick(0);
    let orders = story.step(1, Input::Created(Epoch(1), unknown()));
    assert_eq!(orders, [Order::Find(Epoch(1))]);
    let observed = story.observed(RemoteState::Running);
    story.step(2, Input::Found(Epoch(1), Outcome::Listed(vec![observed])));
    assert_eq!(story.job.doc.state, JobState::Starting);
    assert_eq!(story.job.attempts.len(), 1);
}

#[test]
fn an_unknown_creation_counts_as_never_made_only_after_two_empty_listings_120_s_apart() {
    let empty = || Input::Found(Epoch(1), Outcome::Listed(Vec::new()));
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(1, Input::Created(Epoch(1), unknown()));
    story.step(200, Input::Found(Epoch(1), unknown()));
    for second in [201, 260, 320] {
        story.step(second, empty());
        assert_eq!(story.job.doc.state, JobState::Placing, "at {second}");
    }
    story.step(321, Input::Found(Epoch(1), unknown()));
    assert_eq!(
        story.job.doc.state,
        JobState::Placing,
        "a failed listing proves nothing"
    );
    assert!(story.step(322, empty()).contains(&Order::Create(Epoch(2))));
}

#[test]
fn a_network_that_answers_no_listing_holds_a_job_only_until_its_starts_deadline() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(1, Input::Created(Epoch(1), unknown()));
    let mut listings = 0;
    for second in 2..=900 {
        listings += story.tick(second).len();
        story.step(second, Input::Found(Epoch(1), unknown()));
        assert_eq!(story.job.doc.state, JobState::Placing);
    }
    assert!(listings <= 60, "{listings} listings in 15 minutes");
    assert!(story.tick(901).contains(&Order::Create(Epoch(2))));
    // It had been created after all: found by its tag, and stopped.
    let mut late = story.observed(RemoteState::Running);
    late.tag = Some(story.job.attempts[0].placement.tag.to_string());
    let orders = story.step(960, Input::Found(Epoch(1), Outcome::Listed(vec![late])));
    assert_eq!(orders, [Order::Stop(Epoch(1))]);
    assert_eq!(story.job.epoch(), Epoch(2));
    assert_eq!(
        story.job.doc.state,
        JobState::Placing,
        "the live attempt is not touched"
    );
}

#[test]
fn a_silent_agent_is_suspect_then_left_and_replaced_only_when_its_lease_is_over() {
    let mut story = Story::running(&two());
    story.beat(20);
    story.tick(20);
    assert!(story.tick(35).is_empty());
    assert_eq!(story.tick(36), [Order::Look(Epoch(1))]);
    assert_eq!(story.job.doc.state, JobState::Suspect);
    for second in 37..=52 {
        let due = (second - 36) % 5 == 0;
        assert_eq!(
            story.tick(second),
            vec![Order::Look(Epoch(1)); usize::from(due)],
            "at {second}"
        );
        assert_eq!(story.job.attempts.len(), 1);
    }
    // The fence and the next placement are one decision.
    assert_eq!(
        story.tick(53),
        [Order::Create(Epoch(2)), Order::Stop(Epoch(1))]
    );
}

#[test]
fn an_agent_that_is_heard_again_is_kept() {
    let mut story = Story::running(&two());
    story.tick(26);
    assert_eq!(story.job.doc.state, JobState::Suspect);
    story.beat(30);
    story.tick(30);
    assert_eq!(
        (story.job.doc.state, story.job.attempts.len()),
        (JobState::Running, 1)
    );
}

#[test]
fn the_networks_word_that_it_stopped_shortens_the_wait() {
    let mut story = Story::running(&two());
    story.tick(26);
    let failed = story.observed(RemoteState::Failed);
    let looked = Input::Looked(Epoch(1), Outcome::Status(Box::new(failed)));
    assert_eq!(
        story.step(27, looked),
        [Order::Create(Epoch(2)), Order::Stop(Epoch(1))],
        "its stop is asked for all the same"
    );
}

#[test]
fn a_look_that_fails_or_finds_nothing_changes_nothing() {
    let mut story = Story::running(&two());
    story.tick(26);
    for outcome in [refusal(FailureKind::NotFound), unknown()] {
        assert!(story.step(27, Input::Looked(Epoch(1), outcome)).is_empty());
        assert_eq!(story.job.doc.state, JobState::Suspect);
    }
}

#[test]
fn a_result_that_comes_while_its_lease_is_waited_out_is_not_run_again() {
    let mut story = Story::running(&two());
    story.tick(26);
    story.report(40, 0, EndCause::Workload);
    assert_eq!(story.tick(43), [Order::Stop(Epoch(1))]);
    assert_eq!(
        (story.job.doc.state, story.job.attempts.len()),
        (JobState::Succeeded, 1)
    );
    assert!(story.tick(44).is_empty(), "terminal is absorbing");
    story.report(45, 1, EndCause::Workload);
    story.tick(45);
    assert_eq!(story.job.doc.state, JobState::Succeeded);
}

#[test]
fn a_workload_that_fails_by_itself_is_not_moved() {
    let mut story = Story::running(&two());
    story.report(20, 3, EndCause::Workload);
    story.tick(20);
    assert_eq!(
        (story.job.doc.state, story.job.attempts.len()),
        (JobState::Failed, 1)
    );
    assert_eq!(
        story.job.doc.cause.as_deref(),
        Some("failed with exit code 3")
    );
}

#[test]
fn a_placement_that_its_host_terminates_is_moved() {
    let mut story = Story::running(&two());
    story.report(20, 143, EndCause::Terminated);
    assert_eq!(
        story.tick(20),
        [Order::Create(Epoch(2)), Order::Stop(Epoch(1))],
        "its own end report is its fence"
    );
}

#[test]
fn a_placement_without_a_word_of_its_agent_is_left() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.created(1);
    assert!(story.tick(2).is_empty());
    assert_eq!(story.tick(31), [Order::Look(Epoch(1))]);
    assert_eq!(
        story.tick(902),
        [Order::Create(Epoch(2)), Order::Stop(Epoch(1))]
    );
}

#[test]
fn a_cancelled_job_waits_for_its_fence_and_is_charged_for_proved_time_only() {
    let mut story = Story::running(&two());
    for second in (20..=110).step_by(10) {
        story.beat(second);
        story.tick(second);
    }
    story.job.doc.cancel_asked = true;
    assert!(story.tick(111).contains(&Order::Stop(Epoch(1))));
    story.beat(120);
    story.tick(120);
    assert_eq!(story.job.doc.state, JobState::Cancelling);
    story.tick(200);
    assert_eq!(story.job.doc.state, JobState::Cancelled);
    // 110 s of 0.36 $/h: from the binding to the last beat, also after the stop was asked for.
    assert_eq!(story.job.charged(), MicroUsd::new(11_000));
}

#[test]
fn attempts_are_bounded() {
    let offers: Vec<_> = (0..50).map(|k| offer("ionet", &k.to_string())).collect();
    let mut story = Story::new(&offers);
    story.tick(0);
    for second in 1..100 {
        let epoch = story.job.epoch();
        story.step(second, Input::Created(epoch, refusal(FailureKind::Refused)));
    }
    assert_eq!(
        (story.job.doc.state, story.job.attempts.len()),
        (JobState::Failed, ATTEMPTS_MAX)
    );
}

/// Refuses every creation from second 1 on; the orders' seconds.
fn turned_away(story: &mut Story, kind: FailureKind, until: u64) -> Vec<u64> {
    let mut asked = Vec::new();
    for second in 1..until {
        let placing = story.job.doc.state == JobState::Placing;
        let input = match placing {
            true => Input::Created(story.job.epoch(), refusal(kind)),
            false => Input::Tick,
        };
        let orders = story.step(second, input);
        asked.extend(orders.iter().map(|_| second));
    }
    asked
}

#[test]
fn a_job_outlives_networks_that_take_nothing_in_for_hours() {
    for kind in [
        FailureKind::NetworkFault,
        FailureKind::NoCapacity,
        FailureKind::RateLimited,
    ] {
        let mut offers: Vec<_> = (0..50).map(|k| offer("ionet", &k.to_string())).collect();
        offers.extend((0..50).map(|k| offer("aethir", &k.to_string())));
        let mut story = Story::new(&offers);
        story.tick(0);
        let asked = turned_away(&mut story, kind, 4 * 3_600);
        assert!(!story.job.doc.state.is_terminal(), "{kind:?}");
        assert!(
            asked.len() < 24,
            "{kind:?} is asked less and less: {asked:?}"
        );
        let mut second = 4 * 3_600;
        while story.job.doc.state != JobState::Placing {
            second += 60;
            story.tick(second);
            assert!(second < 5 * 3_600, "{kind:?} is asked again");
        }
        story.created(second);
        assert_eq!(story.job.doc.state, JobState::Starting);
    }
}

#[test]
fn a_job_that_no_network_takes_in_is_given_up_at_last() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.workload.limits.start_by_seconds = Some(10 * 24 * 3_600);
    story.tick(0);
    turned_away(&mut story, FailureKind::NoCapacity, 3 * 24 * 3_600);
    assert_eq!(story.job.doc.state, JobState::Failed);
    let cause = story.job.doc.cause.unwrap();
    assert!(cause.contains("no network took it in 64 times"), "{cause}");
}

#[test]
fn a_machine_that_failed_is_remembered_while_the_market_is_empty() {
    let mut story = Story::running(&two());
    story.market = market(&[]);
    story.tick(43);
    assert_eq!(story.job.doc.state, JobState::Queued);
    story.market = market(&two());
    story.tick(103);
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn a_creation_that_is_refused_though_its_agent_spoke_is_looked_for() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.bind(3);
    story.tick(3);
    let refused = Input::Created(Epoch(1), refusal(FailureKind::NoCapacity));
    assert_eq!(story.step(4, refused), [Order::Find(Epoch(1))]);
    assert_eq!(story.job.doc.state, JobState::Running);
}
