//! A job with its own clock, driven second by second: what the tests of the decisions share.

use std::time::Duration;

use gpu_probe::protocol::{
    BindRequest, EndCause, HeartbeatReply, HeartbeatRequest, Phase, ResultReport,
};
use gpu_probe::session::Grants;
use tandem_adapters::command::Outcome;
use tandem_model::gpu::GpuModel;
use tandem_model::id::{BootId, InstallationId, JobId, PlacementId, QuoteId};
use tandem_model::job::JobState;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, LaunchVia, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::placement::{Epoch, Observed, RemoteState};
use tandem_model::quote::Quote;
use tandem_model::secret::Secret;
use tandem_model::time::{WallTime, WorldTime};
use tandem_model::workload::Tier;
use tandem_pricing::files;
use tandem_sla::detect::Windows;

use super::*;
use crate::engine::job::Accepted;

const FILE: &str = "tandem: 1\nname: story\nrun: ./train\nresources:\n  gpu: RTX4090\n";

pub(super) fn offer(network: &'static str, key: &str) -> Offer {
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
pub(super) struct Story {
    pub(super) job: Job,
    boot: u64,
}

impl Story {
    pub(super) fn new(offers: &[Offer]) -> Self {
        let id = JobId::from_parts(1, &[1; 10]);
        let workload = files::read(FILE).unwrap().workload.unwrap();
        let rate = RatePerGpuHour::new(MicroUsd::from_cents(36));
        let accepted = Accepted {
            workload,
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
            ranked: offers.to_vec(),
        };
        let installation = InstallationId::from_parts(1, &[2; 10]);
        let job = Job::new(id, installation, accepted, Secret::new("secret"), at(0));
        Self { job, boot: 0 }
    }

    pub(super) fn step(&mut self, second: u64, input: Input) -> Vec<Order> {
        let moment = self.moment(second);
        step(&mut self.job, input, moment).orders
    }

    fn moment(&self, second: u64) -> Moment {
        Moment {
            now: at(second),
            windows: Windows::DEFAULT,
            fresh: PlacementId::from_parts(second, &[4; 10]),
        }
    }

    /// What a tick tells.
    pub(super) fn told(&mut self, second: u64) -> Vec<String> {
        let moment = self.moment(second);
        let decided = step(&mut self.job, Input::Tick, moment);
        decided.told.into_iter().map(|(_, words)| words).collect()
    }

    pub(super) fn tick(&mut self, second: u64) -> Vec<Order> {
        self.step(second, Input::Tick)
    }

    pub(super) fn created(&mut self, second: u64) -> Vec<Order> {
        let remote_id = format!("remote-{}", self.job.epoch());
        self.step(
            second,
            Input::Created(
                self.job.epoch(),
                Outcome::Started { remote_id },
                LaunchVia::Container,
            ),
        )
    }

    pub(super) fn bind(&mut self, second: u64) {
        self.boot += 1;
        for rank in 0..self.job.workload.resources.nodes {
            let request = BindRequest {
                job: self.job.id,
                epoch: self.job.epoch(),
                rank,
                boot_id: BootId::from_parts(self.boot, &[5; 10]),
                container: "c".into(),
                agent_version: "0".into(),
            };
            let session = &mut self.job.session;
            session
                .bind(&request, &Grants::default(), at(second))
                .unwrap();
        }
    }

    pub(super) fn beat(&mut self, second: u64) {
        self.beat_of(0, second);
    }

    pub(super) fn beat_of(&mut self, rank: u16, second: u64) -> HeartbeatReply {
        let request = HeartbeatRequest {
            job: self.job.id,
            epoch: self.job.epoch(),
            rank,
            boot_id: BootId::from_parts(self.boot, &[5; 10]),
            sequence: second,
            phase: Phase::Running,
            progress: None,
            uptime_ms: 0,
            log_tail: Vec::new(),
        };
        self.job.session.heartbeat(&request, at(second))
    }

    pub(super) fn report(&mut self, second: u64, exit_code: i32, cause: EndCause) {
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
    pub(super) fn running(offers: &[Offer]) -> Self {
        Self::new(offers).run()
    }

    /// Brings it there.
    pub(super) fn run(self) -> Self {
        let mut story = self;
        assert_eq!(story.tick(0), [Order::Create(Epoch(1))]);
        story.created(1);
        story.bind(10);
        story.tick(10);
        assert_eq!(story.job.state, JobState::Running);
        story
    }

    pub(super) fn observed(&self, state: RemoteState) -> Observed {
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

pub(super) fn at(second: u64) -> WorldTime {
    WorldTime::default().after(Duration::from_secs(second))
}

pub(super) fn two() -> Vec<Offer> {
    vec![offer("ionet", "1"), offer("aethir", "2")]
}
