//! What agents said against what networks say: who is believed, what is proved, what is charged.

use gpu_probe::protocol::{Directive, EndCause};
use tandem_adapters::command::{FailureKind, Outcome};
use tandem_model::job::JobState;
use tandem_model::placement::{Epoch, ObservedNode, RemoteState, SshAddress};

use super::super::story::{Story, offer, two};
use super::super::*;
use super::refusal;

#[test]
fn a_result_is_read_before_the_networks_word_that_the_placement_ended() {
    // The container of a short job is gone before the engine looked at its result.
    let mut story = Story::new(&two());
    story.tick(0);
    story.created(1);
    story.bind(2);
    story.report(3, 0, EndCause::Workload);
    let ended = Box::new(story.observed(RemoteState::Completed));
    story.step(3, Input::Looked(Epoch(1), Outcome::Status(ended)));
    assert_eq!(
        (story.job.doc.state, story.job.attempts.len()),
        (JobState::Succeeded, 1)
    );
}

#[test]
fn a_refusal_that_comes_after_the_agent_spoke_is_not_believed() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.bind(5);
    story.step(
        6,
        Input::Created(Epoch(1), refusal(FailureKind::NetworkFault)),
    );
    assert_eq!(
        (story.job.doc.state, story.job.attempts.len()),
        (JobState::Running, 1)
    );
}

#[test]
fn one_silent_node_of_many_is_left_although_the_others_renew() {
    let mut offers = two();
    for offer in &mut offers {
        offer.nodes_available = 8;
    }
    let mut story = Story::new(&offers);
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.workload.resources.nodes = 2;
    spec.quote.gpus = 2;
    let mut story = story.run();
    for second in 11..=42 {
        story.beat_of(1, second);
        story.tick(second);
        assert_eq!(story.job.attempts.len(), 1);
    }
    story.beat_of(1, 43);
    story.tick(43);
    assert_eq!(story.job.doc.state, JobState::Fencing);
    assert!(!story.beat_of(1, 44).granted, "nobody renews any more");
    // The last renewal was given at second 43: its lease and the skew are waited out.
    story.tick(75);
    assert_eq!(story.job.doc.state, JobState::Fencing);
    assert!(story.tick(76).contains(&Order::Create(Epoch(2))));
}

#[test]
fn an_agent_whose_word_was_taken_over_before_the_tick_makes_the_job_run() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.created(1);
    story.bind(2);
    story.job.prove(false);
    assert_eq!(story.told(3), ["agent bound"]);
    assert_eq!(story.job.doc.state, JobState::Running);
}

#[test]
fn silence_is_not_charged_even_when_the_agent_comes_back() {
    let mut story = Story::running(&two());
    for second in [20, 30, 61, 71] {
        story.beat(second);
        story.tick(second);
    }
    let proved = story.job.last().unwrap().proved;
    assert_eq!(proved.as_secs(), 10 + 10 + 10, "not the 31 s of silence");
}

#[test]
fn agents_are_told_to_stop_once_their_placement_is_left_or_the_job_is_over() {
    let mut story = Story::running(&two());
    assert_eq!(story.beat_of(0, 11).directive, Directive::Continue);
    story.job.doc.cancel_asked = true;
    story.tick(12);
    assert_eq!(story.beat_of(0, 13).directive, Directive::Stop);
}

#[test]
fn a_start_over_ssh_that_fails_is_not_repeated_at_every_tick() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.job.attempts[0].starts_by_itself = false;
    let remote_id = "remote-1".to_owned();
    story.step(1, Input::Created(Epoch(1), Outcome::Started { remote_id }));
    let mut observed = story.observed(RemoteState::Running);
    let ssh = SshAddress {
        host: "h".into(),
        port: 22,
        user: "root".into(),
        host_key: None,
    };
    observed.nodes = vec![ObservedNode {
        device: None,
        log_key: None,
        public_url: None,
        ssh: Some(ssh),
        private_ip: None,
        remote_word: "running".into(),
    }];
    let looked = Input::Looked(Epoch(1), Outcome::Status(Box::new(observed)));
    assert_eq!(story.step(2, looked), [Order::Bootstrap(Epoch(1))]);
    let mut starts = Vec::new();
    for second in 3..40 {
        if story.tick(second).contains(&Order::Bootstrap(Epoch(1))) {
            starts.push(second);
            story.step(
                second,
                Input::Bootstrapped(Epoch(1), Err("no".into()), HostKeys::new()),
            );
        }
    }
    assert_eq!(starts, [17, 32]);
}

#[test]
fn what_is_told_of_a_lost_attempt_names_it_though_the_next_is_placed_at_once() {
    let mut story = Story::running(&two());
    let told = story.decide(43, Input::Tick).told;
    let epochs: Vec<_> = told.iter().map(|told| told.epoch.0).collect();
    assert_eq!(epochs, [1, 1, 1, 2], "{told:?}");
}

#[test]
fn only_gpus_that_are_rented_are_charged_and_none_beyond_the_quote() {
    let mut story = Story::new(&two());
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.quote.gpus = 8;
    let mut story = story.run();
    story.beat(15);
    story.report(20, 0, EndCause::Workload);
    story.tick(20);
    let attempt = &story.job.attempts[0];
    let proved_gpu_us = story.job.gpu_us(attempt, attempt.proved);
    assert_eq!(proved_gpu_us, 10_000_000, "one card ran for 10 s");

    // Eight cards of a whole node for a job that pays one are beyond our exposure.
    let mut whole = offer("ionet", "1");
    whole.gpus_per_node = 8;
    whole.divisible = false;
    let mut story = Story::new(&[whole]);
    assert_eq!(story.tick(0), []);
    assert_eq!(story.job.doc.state, JobState::Queued);
}
