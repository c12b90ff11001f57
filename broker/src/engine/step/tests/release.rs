//! What was rented is given back, in every order of answers.

use tandem_adapters::command::{FailureKind, Outcome};
use tandem_model::job::JobState;
use tandem_model::placement::{Epoch, RemoteState};

use super::super::release::TRIES_MAX;
use super::super::story::{Story, at, two};
use super::super::*;
use super::{refusal, unknown};
use crate::engine::job::Rented;

fn started() -> Outcome {
    Outcome::Started {
        remote_id: "remote-1".into(),
    }
}

fn stop_answered(story: &mut Story, second: u64, outcome: Outcome) {
    story.step(second, Input::Stopped(Epoch(1), outcome));
}

fn seen(story: &mut Story, second: u64, state: RemoteState) -> Vec<Order> {
    let observed = Box::new(story.observed(state));
    story.step(second, Input::Looked(Epoch(1), Outcome::Status(observed)))
}

#[test]
fn a_creation_that_works_after_the_job_was_cancelled_is_stopped_until_it_ended() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.job.doc.cancel_asked = true;
    story.tick(1);
    story.tick(2);
    assert_eq!(story.job.doc.state, JobState::Cancelled);
    assert!(!story.job.is_settled(), "its creation was not answered");
    let created = Input::Created(Epoch(1), started());
    assert_eq!(story.step(3, created), [Order::Stop(Epoch(1))]);
    stop_answered(&mut story, 4, Outcome::Stopping);
    assert!(!story.job.is_settled(), "taken is not done");
    assert_eq!(story.tick(8), [Order::Look(Epoch(1))]);
    seen(&mut story, 9, RemoteState::Stopped);
    assert!(story.job.is_settled());
    assert!(story.tick(1_000).is_empty());
}

#[test]
fn an_unknown_creation_of_a_cancelled_job_is_looked_for_until_two_listings_were_empty() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.job.doc.cancel_asked = true;
    story.tick(1);
    let created = Input::Created(Epoch(1), unknown());
    assert_eq!(story.step(2, created), [Order::Find(Epoch(1))]);
    let mut settled_at = None;
    for second in 3..2_000 {
        if story.job.is_settled() {
            settled_at = Some(second);
            break;
        }
        if story.tick(second).contains(&Order::Find(Epoch(1))) {
            story.step(second, Input::Found(Epoch(1), Outcome::Listed(Vec::new())));
        }
    }
    assert!(settled_at.is_some_and(|s| s > 122), "{settled_at:?}");
    assert_eq!(story.job.doc.state, JobState::Cancelled);
}

#[test]
fn a_stop_that_failed_is_asked_again_with_growing_pauses_and_a_last_time() {
    let mut story = Story::running(&two());
    story.job.doc.cancel_asked = true;
    let mut stops = Vec::new();
    let mut last_words = Vec::new();
    for second in 11..20_000 {
        let decided = story.decide(second, Input::Tick);
        last_words.extend(decided.told.into_iter().map(|told| told.what));
        if decided.orders.contains(&Order::Stop(Epoch(1))) {
            stops.push(second);
            stop_answered(&mut story, second, refusal(FailureKind::NetworkFault));
        }
    }
    assert_eq!(stops.len() as u32, TRIES_MAX);
    assert_eq!(&stops[..5], [11, 16, 26, 46, 86]);
    assert_eq!(story.job.attempts[0].rented, Rented::GivenUp);
    assert!(story.job.is_settled(), "its driver ends");
    let words = last_words.last().unwrap();
    let tag = story.job.attempts[0].placement.tag.to_string();
    assert!(words.contains("ionet") && words.contains(&tag), "{words}");
    assert_eq!(story.job.doc.state, JobState::Cancelled);
}

#[test]
fn a_stop_that_waits_for_its_turn_at_its_network_is_no_try() {
    let mut story = Story::running(&two());
    story.job.doc.cancel_asked = true;
    assert!(story.tick(11).contains(&Order::Stop(Epoch(1))));
    story.flying = vec![Order::Stop(Epoch(1))];
    for second in 12..20_000 {
        assert!(!story.tick(second).contains(&Order::Stop(Epoch(1))));
    }
    assert_eq!(story.job.attempts[0].rented, Rented::Exists);
    story.flying.clear();
    assert_eq!(story.tick(20_000), [Order::Stop(Epoch(1))]);
}

#[test]
fn a_stop_that_was_taken_and_not_carried_out_is_asked_again() {
    let mut story = Story::running(&two());
    story.report(20, 0, gpu_probe::protocol::EndCause::Workload);
    assert_eq!(story.tick(20), [Order::Stop(Epoch(1))]);
    stop_answered(&mut story, 21, Outcome::Stopping);
    assert_eq!(story.tick(25), [Order::Look(Epoch(1))]);
    assert!(seen(&mut story, 26, RemoteState::Running).is_empty());
    assert_eq!(story.tick(35), [Order::Stop(Epoch(1))]);
    assert_eq!(story.job.doc.state, JobState::Succeeded);
}

#[test]
fn what_the_network_does_not_know_or_has_ended_needs_no_stop() {
    for (state, answer) in [
        (RemoteState::Running, refusal(FailureKind::NotFound)),
        (RemoteState::Completed, refusal(FailureKind::Refused)),
        (RemoteState::Failed, Outcome::Stopping),
    ] {
        let mut story = Story::running(&two());
        seen(&mut story, 11, state);
        story.report(12, 0, gpu_probe::protocol::EndCause::Workload);
        story.tick(12);
        stop_answered(&mut story, 13, answer.clone());
        assert!(story.job.is_settled(), "{state:?}, {answer:?}");
    }
}

#[test]
fn an_answer_for_an_old_attempt_does_not_touch_the_live_one() {
    let mut story = Story::running(&two());
    story.tick(26);
    let orders = seen(&mut story, 27, RemoteState::Failed);
    assert!(orders.contains(&Order::Create(Epoch(2))));
    for input in [
        Input::Created(Epoch(1), refusal(FailureKind::NoCapacity)),
        Input::Looked(Epoch(1), refusal(FailureKind::NotFound)),
        Input::Found(Epoch(1), Outcome::Listed(Vec::new())),
        Input::Bootstrapped(Epoch(1), Ok(()), HostKeys::new()),
        Input::Created(Epoch(9), started()),
    ] {
        story.step(29, input);
        assert_eq!(
            (story.job.doc.state, story.job.epoch()),
            (JobState::Placing, Epoch(2))
        );
    }
    seen(&mut story, 30, RemoteState::Stopped);
    assert_eq!(story.job.doc.state, JobState::Placing);
    assert!(!story.job.attempts[1].bootstrapped);
}

#[test]
fn what_was_created_and_never_paid_is_released_and_its_offer_taken_again() {
    let mut story = Story::new(&two());
    story.tick(0);
    // The broker that ordered it died between the order and its payment.
    story.job.attempts[0].adopt(at(10));
    assert_eq!(story.tick(10), [Order::Find(Epoch(1))]);
    let unpaid = story.observed(RemoteState::AwaitingPayment);
    story.step(11, Input::Found(Epoch(1), Outcome::Listed(vec![unpaid])));
    for second in [30, 60, 130] {
        let orders = seen(&mut story, second, RemoteState::AwaitingPayment);
        assert!(!orders.contains(&Order::Stop(Epoch(1))), "at {second}");
        assert_eq!(story.job.doc.state, JobState::Starting, "at {second}");
    }
    assert_eq!(
        seen(&mut story, 131, RemoteState::AwaitingPayment),
        [Order::Create(Epoch(2)), Order::Stop(Epoch(1))]
    );
    assert_eq!(
        story.job.attempts[1].offer.id,
        story.job.attempts[0].offer.id
    );
}

#[test]
fn what_is_paid_a_little_later_is_kept() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.created(1);
    seen(&mut story, 100, RemoteState::AwaitingPayment);
    seen(&mut story, 130, RemoteState::Running);
    story.tick(131);
    assert_eq!(
        (story.job.doc.state, story.job.attempts.len()),
        (JobState::Starting, 1)
    );
}
