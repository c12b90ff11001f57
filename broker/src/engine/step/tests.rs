//! The engine's decisions, one story a test: a job, inputs at given seconds, orders expected.

use std::collections::VecDeque;
use std::time::Duration;

use gpu_probe::protocol::{BindRequest, EndCause, HeartbeatRequest, Phase, ResultReport};
use gpu_probe::session::{Grants, LeaseTerms, Session};
use tandem_adapters::command::{Failure, FailureKind, Outcome};
use tandem_model::error::ErrorCode;
use tandem_model::gpu::GpuModel;
use tandem_model::id::{BootId, InstallationId, JobId, PlacementId, QuoteId};
use tandem_model::job::JobState;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::placement::{Epoch, Observed, RemoteState};
use tandem_model::quote::Quote;
use tandem_model::secret::Secret;
use tandem_model::time::{WallTime, WorldTime};
use tandem_model::workload::Tier;
use tandem_pricing::files;
use tandem_sla::detect::Windows;
use tandem_sla::failover::Situation;

use super::*;

const FILE: &str = "tandem: 1\nname: story\nrun: ./train\nresources:\n  gpu: RTX4090\n";

fn offer(network: &'static str, key: &str) -> Offer {
    Offer {
        id: OfferId(format!("{network}/{key}")),
        network: NetworkId::from_static(network),
        product: "caas".into(),
        locator: key.into(),
        gpu: GpuModel::by_id("rtx4090").unwrap(),
        grade: Grade::Consumer,
        gpus_per_node: 1,
        divisible: true,
        nodes_available: 1,
        country: Country::parse("DE").unwrap(),
        price: RatePerGpuHour::new(MicroUsd::from_cents(36)),
        fee_basis_points: 0,
        node_link: NodeLink::Pcie,
        fabric: Fabric::Public,
        observed_at: WorldTime::default(),
    }
}

/// A job with its own clock.
struct Story {
    job: Job,
    boot: u64,
}

impl Story {
    fn new(offers: &[Offer]) -> Self {
        let id = JobId::from_parts(1, &[1; 10]);
        let workload = files::read(FILE).unwrap().workload.unwrap();
        let rate = RatePerGpuHour::new(MicroUsd::from_cents(36));
        let job = Job {
            id,
            installation: InstallationId::from_parts(1, &[2; 10]),
            quote: Quote {
                id: QuoteId::from_parts(1, &[3; 10]),
                tier: Tier::Consumer,
                offer: offers[0].id.clone(),
                rate,
                gpus: 1,
                term_seconds: 86_400,
                not_to_exceed: MicroUsd::from_cents(900),
                lines: Vec::new(),
                expires_at: WallTime::default(),
            },
            session: Session::new(id, workload.kind, LeaseTerms::default()),
            workload,
            ranked: offers.to_vec(),
            state: JobState::Queued,
            situation: Situation::default(),
            attempts: Vec::new(),
            agent_token: Secret::new("token"),
            pointer_went_back: false,
            log: VecDeque::new(),
            charged: MicroUsd::ZERO,
            output_sha256: None,
            cause: None,
            accepted_at: at(0),
            ended_at: None,
        };
        Self { job, boot: 0 }
    }

    fn step(&mut self, second: u64, input: Input) -> Vec<Order> {
        let fresh = PlacementId::from_parts(second, &[4; 10]);
        step(&mut self.job, input, Moment { now: at(second), windows: Windows::DEFAULT, fresh })
            .orders
    }

    fn tick(&mut self, second: u64) -> Vec<Order> {
        self.step(second, Input::Tick)
    }

    fn created(&mut self, second: u64) -> Vec<Order> {
        let remote_id = format!("remote-{}", self.job.epoch());
        self.step(second, Input::Created(Outcome::Started { remote_id }))
    }

    fn bind(&mut self, second: u64) {
        self.boot += 1;
        let request = BindRequest {
            job: self.job.id,
            epoch: self.job.epoch(),
            rank: 0,
            boot_id: BootId::from_parts(self.boot, &[5; 10]),
            container: "c".into(),
            agent_version: "0".into(),
        };
        self.job.session.bind(&request, &Grants::default(), at(second)).unwrap();
    }

    fn beat(&mut self, second: u64) {
        let request = HeartbeatRequest {
            job: self.job.id,
            epoch: self.job.epoch(),
            rank: 0,
            boot_id: BootId::from_parts(self.boot, &[5; 10]),
            sequence: second,
            phase: Phase::Running,
            progress: None,
            uptime_ms: 0,
            log_tail: Vec::new(),
        };
        self.job.session.heartbeat(&request, at(second));
    }

    fn report(&mut self, second: u64, exit_code: i32, cause: EndCause) {
        let report = ResultReport {
            job: self.job.id,
            epoch: self.job.epoch(),
            rank: 0,
            boot_id: BootId::from_parts(self.boot, &[5; 10]),
            exit_code: Some(exit_code),
            signal: None,
            step: 7,
            output_sha256: None,
            output_tail: String::new(),
            cause,
            detail: None,
        };
        self.job.session.result(&report, at(second)).unwrap();
    }

    /// Brings a fresh story to a running first attempt at second 10.
    fn running(offers: &[Offer]) -> Self {
        let mut story = Self::new(offers);
        assert_eq!(story.tick(0), [Order::Create(Epoch(1))]);
        story.created(1);
        story.bind(10);
        story.tick(10);
        assert_eq!(story.job.state, JobState::Running);
        story
    }

    fn observed(&self, state: RemoteState) -> Observed {
        Observed {
            remote_id: "remote-1".into(),
            tag: self.job.last().map(|a| a.placement.tag.to_string()),
            state,
            remote_word: format!("{state:?}").to_lowercase(),
            public_url: None,
            ssh: None,
            device: None,
            minutes_served: None,
            minutes_remaining: None,
            paid: None,
            nodes: Vec::new(),
        }
    }
}

fn at(second: u64) -> WorldTime {
    WorldTime::default().after(Duration::from_secs(second))
}

fn two() -> Vec<Offer> {
    vec![offer("ionet", "1"), offer("aethir", "2")]
}

fn refusal(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure {
        kind,
        code: ErrorCode::NETWORK_REFUSED,
        detail: "no".into(),
        retry_after: None,
    })
}

fn unknown() -> Outcome {
    Outcome::Unknown { code: ErrorCode::NETWORK_UNREACHABLE, detail: "cut".into() }
}

#[test]
fn a_refused_creation_takes_the_next_offer_at_once() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(1, Input::Created(refusal(FailureKind::NoCapacity)));
    assert_eq!(story.job.state, JobState::Queued);
    assert_eq!(story.tick(2), [Order::Create(Epoch(2))]);
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn when_every_offer_refused_the_job_fails_with_its_cause() {
    let mut story = Story::new(&[offer("ionet", "1")]);
    story.tick(0);
    story.step(1, Input::Created(refusal(FailureKind::NoCapacity)));
    assert!(story.tick(2).is_empty());
    assert_eq!(story.job.state, JobState::Failed);
    assert!(story.job.cause.unwrap().contains("no offer is left"));
}

#[test]
fn a_network_that_refuses_our_key_is_left_as_a_whole() {
    let offers = [offer("ionet", "1"), offer("ionet", "2"), offer("aethir", "3")];
    let mut story = Story::new(&offers);
    story.tick(0);
    story.step(1, Input::Created(refusal(FailureKind::Credentials)));
    story.tick(2);
    assert_eq!(story.job.last().unwrap().offer.network.as_str(), "aethir");
}

#[test]
fn an_unknown_creation_is_found_by_its_tag_and_not_made_twice() {
    let mut story = Story::new(&two());
    story.tick(0);
    assert_eq!(story.step(1, Input::Created(unknown())), [Order::Find]);
    let observed = story.observed(RemoteState::Running);
    story.step(2, Input::Found(Outcome::Listed(vec![observed])));
    assert_eq!(story.job.state, JobState::Starting);
    assert_eq!(story.job.attempts.len(), 1);
}

#[test]
fn an_unknown_creation_counts_as_never_made_only_after_two_empty_listings_120_s_apart() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.step(1, Input::Created(unknown()));
    for second in [2, 60, 120] {
        story.step(second, Input::Found(Outcome::Listed(Vec::new())));
        assert_eq!(story.job.state, JobState::Placing, "at {second}");
        assert_eq!(story.tick(second), [Order::Find], "at {second}");
    }
    story.step(121, Input::Found(unknown()));
    assert_eq!(story.job.state, JobState::Placing, "a failed listing proves nothing");
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
        assert_eq!(story.tick(second), vec![Order::Look; usize::from(due)], "at {second}");
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
    assert_eq!((story.job.state, story.job.attempts.len()), (JobState::Running, 1));
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
    assert_eq!((story.job.state, story.job.attempts.len()), (JobState::Succeeded, 1));
    assert!(story.tick(44).is_empty(), "terminal is absorbing");
}

#[test]
fn a_workload_that_fails_by_itself_is_not_moved() {
    let mut story = Story::running(&two());
    story.report(20, 3, EndCause::Workload);
    story.tick(20);
    assert_eq!((story.job.state, story.job.attempts.len()), (JobState::Failed, 1));
    assert_eq!(story.job.cause.as_deref(), Some("failed with exit code 3"));
}

#[test]
fn a_placement_that_its_host_terminates_is_moved() {
    let mut story = Story::running(&two());
    story.report(20, 143, EndCause::Terminated);
    assert_eq!(story.tick(20), [Order::Stop(Epoch(1))]);
    assert_eq!(story.job.state, JobState::Fencing);
    story.tick(21);
    assert_eq!(story.tick(22), [Order::Create(Epoch(2))]);
}

#[test]
fn a_placement_without_a_word_of_its_agent_is_left() {
    let mut story = Story::new(&two());
    story.tick(0);
    story.created(1);
    assert_eq!(story.tick(2), [Order::Look]);
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
        story.step(second, Input::Created(refusal(FailureKind::NoCapacity)));
    }
    assert_eq!((story.job.state, story.job.attempts.len()), (JobState::Failed, ATTEMPTS_MAX));
}
