//! The engine's decisions, one story a test: inputs at given seconds, orders expected.

use gpu_probe::protocol::EndCause;
use tandem_adapters::command::{Failure, FailureKind, Outcome};
use tandem_model::error::ErrorCode;
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::network::LaunchVia;
use tandem_model::placement::{Epoch, RemoteState};

use super::story::{Story, offer, two};
use super::*;
use crate::engine::job::ATTEMPTS_MAX;

mod agents;
mod release;

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
fn a_refused_creation_takes_the_next_offer_at_once() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(
        1,
        Input::Created(
            Epoch(1),
            refusal(FailureKind::NoCapacity),
            LaunchVia::Container,
        ),
    );
    assert_eq!(story.job.state, JobState::Queued);
    assert_eq!(story.tick(2), [Order::Create(Epoch(2))]);
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn a_job_that_no_offer_has_room_for_says_so_once_and_asks_again_after_a_rest() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    story.tick(0);
    story.step(
        1,
        Input::Created(
            Epoch(1),
            refusal(FailureKind::NoCapacity),
            LaunchVia::Container,
        ),
    );
    let told = story.told(2);
    assert_eq!(told, ["waits 60 s: no offer is left: 1 had no room"]);
    for second in 3..62 {
        assert_eq!(story.told(second), [""; 0], "at {second}");
        assert_eq!(story.job.state, JobState::Queued);
    }
    story.tick(62);
    assert_eq!(story.tick(63), [Order::Create(Epoch(2))]);
}

#[test]
fn a_job_that_was_to_start_by_now_does_not_wait_for_room() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    story.job.workload.limits.start_by_seconds = Some(30);
    story.tick(0);
    story.step(
        1,
        Input::Created(
            Epoch(1),
            refusal(FailureKind::NoCapacity),
            LaunchVia::Container,
        ),
    );
    story.tick(30);
    assert_eq!(story.job.state, JobState::Queued);
    story.tick(31);
    assert_eq!(story.job.state, JobState::Failed);
    let cause = story.job.cause.unwrap();
    assert!(
        cause.contains("to start by now") && cause.contains("capacity"),
        "{cause}"
    );
}

#[test]
fn when_every_offer_was_refused_for_good_the_job_fails_with_all_causes() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    story.tick(0);
    story.step(
        1,
        Input::Created(
            Epoch(1),
            refusal(FailureKind::Refused),
            LaunchVia::Container,
        ),
    );
    assert!(story.tick(2).is_empty());
    assert_eq!(story.job.state, JobState::Failed);
    let cause = story.job.cause.unwrap();
    assert!(
        cause.contains("no offer is left: 1 failed before"),
        "{cause}"
    );
    assert!(cause.contains("the network refused the request"), "{cause}");
}

#[test]
fn a_network_that_refuses_our_key_is_left_as_a_whole() {
    let offers = [
        offer("ionet", "1"),
        offer("ionet", "2"),
        offer("aethir", "3"),
    ];
    let mut story = Story::new(&offers);
    story.tick(0);
    story.step(
        1,
        Input::Created(
            Epoch(1),
            refusal(FailureKind::Credentials),
            LaunchVia::Container,
        ),
    );
    story.tick(2);
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn an_unknown_creation_is_found_by_its_tag_and_not_made_twice() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(1, Input::Created(Epoch(1), unknown(), LaunchVia::Container));
    assert_eq!(story.tick(1), [Order::Find(Epoch(1))]);
    let observed = story.observed(RemoteState::Running);
    story.step(2, Input::Found(Epoch(1), Outcome::Listed(vec![observed])));
    assert_eq!(story.job.state, JobState::Starting);
    assert_eq!(story.job.attempts.len(), 1);
}

#[test]
fn an_unknown_creation_counts_as_never_made_only_after_two_empty_listings_120_s_apart() {
    let empty = || Input::Found(Epoch(1), Outcome::Listed(Vec::new()));
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(1, Input::Created(Epoch(1), unknown(), LaunchVia::Container));
    story.step(200, Input::Found(Epoch(1), unknown()));
    for second in [201, 260, 320] {
        story.step(second, empty());
        assert_eq!(story.job.state, JobState::Placing, "at {second}");
    }
    story.step(321, Input::Found(Epoch(1), unknown()));
    assert_eq!(
        story.job.state,
        JobState::Placing,
        "a failed listing proves nothing"
    );
    story.step(322, empty());
    assert_eq!(story.job.state, JobState::Queued);
}

#[test]
fn a_network_that_answers_no_listing_holds_a_job_only_until_its_starts_deadline() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(1, Input::Created(Epoch(1), unknown(), LaunchVia::Container));
    let mut listings = 0;
    for second in 2..=900 {
        listings += story.tick(second).len();
        story.step(second, Input::Found(Epoch(1), unknown()));
        assert_eq!(story.job.state, JobState::Placing);
    }
    assert!(listings <= 60, "{listings} listings in 15 minutes");
    story.tick(901);
    story.tick(902);
    assert!(story.tick(903).contains(&Order::Create(Epoch(2))));
    // It had been created after all: found by its tag, and stopped.
    let mut late = story.observed(RemoteState::Running);
    late.tag = Some(story.job.attempts[0].placement.tag.to_string());
    let orders = story.step(960, Input::Found(Epoch(1), Outcome::Listed(vec![late])));
    assert_eq!(orders, [Order::Stop(Epoch(1))]);
    assert_eq!(story.job.epoch(), Epoch(2));
    assert_eq!(
        story.job.state,
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
    assert_eq!(story.job.state, JobState::Suspect);
    for second in 37..=52 {
        let due = (second - 36) % 5 == 0;
        assert_eq!(
            story.tick(second),
            vec![Order::Look(Epoch(1)); usize::from(due)],
            "at {second}"
        );
        assert_eq!(story.job.attempts.len(), 1);
    }
    assert_eq!(story.tick(53), [Order::Stop(Epoch(1))]);
    story.tick(54);
    assert_eq!(story.job.state, JobState::Queued);
    assert_eq!(story.tick(55), [Order::Create(Epoch(2))]);
}

#[test]
fn an_agent_that_is_heard_again_is_kept() {
    let mut story = Story::running(&two());
    story.tick(26);
    assert_eq!(story.job.state, JobState::Suspect);
    story.beat(30);
    story.tick(30);
    assert_eq!(
        (story.job.state, story.job.attempts.len()),
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
        [Order::Stop(Epoch(1))],
        "asked all the same"
    );
    assert_eq!(story.job.state, JobState::Queued);
    assert_eq!(story.tick(28), [Order::Create(Epoch(2))]);
}

#[test]
fn a_look_that_fails_or_finds_nothing_changes_nothing() {
    let mut story = Story::running(&two());
    story.tick(26);
    for outcome in [refusal(FailureKind::NotFound), unknown()] {
        assert!(story.step(27, Input::Looked(Epoch(1), outcome)).is_empty());
        assert_eq!(story.job.state, JobState::Suspect);
    }
}

#[test]
fn a_result_that_comes_while_its_lease_is_waited_out_is_not_run_again() {
    let mut story = Story::running(&two());
    story.tick(26);
    story.report(40, 0, EndCause::Workload);
    assert_eq!(story.tick(43), [Order::Stop(Epoch(1))]);
    assert_eq!(
        (story.job.state, story.job.attempts.len()),
        (JobState::Succeeded, 1)
    );
    assert!(story.tick(44).is_empty(), "terminal is absorbing");
    story.report(45, 1, EndCause::Workload);
    story.tick(45);
    assert_eq!(story.job.state, JobState::Succeeded);
}

#[test]
fn a_workload_that_fails_by_itself_is_not_moved() {
    let mut story = Story::running(&two());
    story.report(20, 3, EndCause::Workload);
    story.tick(20);
    assert_eq!(
        (story.job.state, story.job.attempts.len()),
        (JobState::Failed, 1)
    );
    assert_eq!(story.job.cause.as_deref(), Some("failed with exit code 3"));
}

#[test]
fn a_placement_that_its_host_terminates_is_moved() {
    let mut story = Story::running(&two());
    story.report(20, 143, EndCause::Terminated);
    assert_eq!(story.tick(20), [Order::Stop(Epoch(1))]);
    assert_eq!(
        story.job.state,
        JobState::Queued,
        "its own end report is its fence"
    );
    assert_eq!(story.tick(21), [Order::Create(Epoch(2))]);
}

#[test]
fn a_placement_without_a_word_of_its_agent_is_left() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.created(1);
    assert!(story.tick(2).is_empty());
    assert_eq!(story.tick(31), [Order::Look(Epoch(1))]);
    assert_eq!(story.tick(901), [Order::Stop(Epoch(1))]);
    story.tick(902);
    assert_eq!(story.tick(903), [Order::Create(Epoch(2))]);
}

#[test]
fn a_cancelled_job_waits_for_its_fence_and_is_charged_for_proved_time_only() {
    let mut story = Story::running(&two());
    for second in (20..=110).step_by(10) {
        story.beat(second);
        story.tick(second);
    }
    story.job.cancel_asked = true;
    assert!(story.tick(111).contains(&Order::Stop(Epoch(1))));
    story.beat(120);
    story.tick(120);
    assert_eq!(story.job.state, JobState::Cancelling);
    story.tick(200);
    assert_eq!(story.job.state, JobState::Cancelled);
    // 100 s of 0.36 $/h: from the binding to the last beat before the stop was asked for.
    assert_eq!(story.job.charged, MicroUsd::from_cents(1));
}

#[test]
fn attempts_are_bounded() {
    let offers: Vec<_> = (0..50).map(|k| offer("ionet", &k.to_string())).collect();
    let mut story = Story::new(&offers);
    for second in 0..100 {
        if story.tick(second).is_empty() {
            break;
        }
        let epoch = story.job.epoch();
        story.step(
            second,
            Input::Created(
                epoch,
                refusal(FailureKind::NoCapacity),
                LaunchVia::Container,
            ),
        );
    }
    assert_eq!(
        (story.job.state, story.job.attempts.len()),
        (JobState::Failed, ATTEMPTS_MAX)
    );
}
