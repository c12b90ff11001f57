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
        Input::Created(refusal(FailureKind::NoCapacity), LaunchVia::Container),
    );
    assert_eq!(story.job.state, JobState::Queued);
    assert_eq!(story.tick(2), [Order::Create(Epoch(2))]);
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn when_every_offer_refused_the_job_fails_with_its_cause() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    story.tick(0);
    story.step(
        1,
        Input::Created(refusal(FailureKind::NoCapacity), LaunchVia::Container),
    );
    assert!(story.tick(2).is_empty());
    assert_eq!(story.job.state, JobState::Failed);
    assert!(story.job.cause.unwrap().contains("no offer is left"));
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
        Input::Created(refusal(FailureKind::Credentials), LaunchVia::Container),
    );
    story.tick(2);
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn an_unknown_creation_is_found_by_its_tag_and_not_made_twice() {
    let mut story = Story::new(&two());
    story.tick(0);
    assert_eq!(
        story.step(1, Input::Created(unknown(), LaunchVia::Container)),
        [Order::Find]
    );
    let observed = story.observed(RemoteState::Running);
    story.step(2, Input::Found(Outcome::Listed(vec![observed])));
    assert_eq!(story.job.state, JobState::Starting);
    assert_eq!(story.job.attempts.len(), 1);
}

#[test]
fn an_unknown_creation_counts_as_never_made_only_after_two_empty_listings_120_s_apart() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(1, Input::Created(unknown(), LaunchVia::Container));
    for second in [2, 60, 120] {
        story.step(second, Input::Found(Outcome::Listed(Vec::new())));
        assert_eq!(story.job.state, JobState::Placing, "at {second}");
        assert_eq!(story.tick(second), [Order::Find], "at {second}");
    }
    story.step(121, Input::Found(unknown()));
    assert_eq!(
        story.job.state,
        JobState::Placing,
        "a failed listing proves nothing"
    );
    story.step(122, Input::Found(Outcome::Listed(Vec::new())));
    assert_eq!(story.job.state, JobState::Queued);
}

#[test]
fn a_silent_agent_is_suspect_then_left_and_replaced_only_when_its_lease_is_over() {
    let mut story = Story::running(&two());
    story.beat(20);
    story.tick(20);
    assert!(story.tick(35).is_empty());
    assert_eq!(story.tick(36), [Order::Look]);
    assert_eq!(story.job.state, JobState::Suspect);
    for second in 37..=52 {
        let due = (second - 36) % 5 == 0;
        assert_eq!(
            story.tick(second),
            vec![Order::Look; usize::from(due)],
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
    let orders = story.step(27, Input::Looked(Outcome::Status(Box::new(failed))));
    assert_eq!(orders, [Order::Stop(Epoch(1))]);
    assert_eq!(story.job.state, JobState::Queued);
    assert_eq!(story.tick(28), [Order::Create(Epoch(2))]);
}

#[test]
fn a_look_that_fails_or_finds_nothing_changes_nothing() {
    let mut story = Story::running(&two());
    story.tick(26);
    for outcome in [refusal(FailureKind::NotFound), unknown()] {
        assert!(story.step(27, Input::Looked(outcome)).is_empty());
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
    assert_eq!(story.tick(31), [Order::Look]);
    assert_eq!(story.tick(901), [Order::Stop(Epoch(1))]);
    story.tick(902);
    assert_eq!(story.tick(903), [Order::Create(Epoch(2))]);
}

#[test]
fn a_cancelled_job_waits_for_its_fence_and_is_charged_for_proved_time_only() {
    let mut story = Story::running(&two());
    story.beat(110);
    story.tick(110);
    assert_eq!(story.step(111, Input::CancelAsked), [Order::Stop(Epoch(1))]);
    story.beat(120);
    assert_eq!(story.tick(120), [Order::Look]);
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
        story.step(
            second,
            Input::Created(refusal(FailureKind::NoCapacity), LaunchVia::Container),
        );
    }
    assert_eq!(
        (story.job.state, story.job.attempts.len()),
        (JobState::Failed, ATTEMPTS_MAX)
    );
}
