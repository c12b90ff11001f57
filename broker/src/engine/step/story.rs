//! A job with its own clock, driven second by second: what the tests of the decisions share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gpu_probe::protocol::{
    BindRequest, EndCause, HeartbeatReply, HeartbeatRequest, Phase, ResultReport,
};
use gpu_probe::session::Grants;
use tandem_adapters::command::Outcome;
use tandem_model::gpu::GpuModel;
use tandem_model::id::{AccountId, BootId, InstallationId, JobId, PlacementId, QuoteId};
use tandem_model::job::JobState;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, LaunchVia, NetworkId, Payment, Product, RefundRule};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::placement::{Epoch, Observed, RemoteState};
use tandem_model::quote::Quote;
use tandem_model::secret::Secret;
use tandem_model::time::{WallTime, WorldTime};
use tandem_model::workload::Tier;
use tandem_pricing::classify::classify;
use tandem_pricing::files;
use tandem_pricing::jurisdiction::{Digester, Rules};
use tandem_pricing::policy::Live;
use tandem_pricing::quote::SeenByKind;
use tandem_sla::detect::Windows;
use tandem_sla::incident::Health;

use super::*;
use crate::engine::market::{Market, NetworkReading};
use crate::engine::message::{JobSpec, QuoteTerms};
use crate::engine::plan::LaunchSettings;
use crate::engine::probe::ProbeTerms;
use crate::engine::terms::{AgentTokens, Rounds, Terms};
use crate::store::BrokerId;
use tandem_pricing::quote::Usage;

pub(in crate::engine) const FILE: &str =
    "tandem: 1\nname: story\nrun: ./train\nresources:\n  gpu: RTX4090\n";

pub(in crate::engine) fn offer(network: &'static str, key: &str) -> Offer {
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

/// A job with its own clock, on a market that stands still.
pub(super) struct Story {
    pub(super) job: Job,
    pub(super) health: BTreeMap<NetworkId, Health>,
    terms: Terms,
    pub(super) policy: Live,
    pub(super) market: Market,
    pub(super) flying: Vec<Order>,
    taken: BTreeMap<OfferId, u32>,
    boot: u64,
}

/// A network whose market was read.
pub(super) fn market(offers: &[Offer]) -> Market {
    let networks = ["ionet", "aethir"].map(read).into();
    Market::of(offers.to_vec(), &[], Usage::default(), networks).expect("a few offers make a book")
}

fn read(network: &'static str) -> (NetworkId, NetworkReading) {
    let reading = NetworkReading {
        read_at: Some(at(0)),
        ..NetworkReading::default()
    };
    (NetworkId::from_static(network), reading)
}

/// A container product of a network, sold by the hour.
fn product(network: &'static str) -> Product {
    Product {
        network: NetworkId::from_static(network),
        name: "caas",
        launch: LaunchVia::Container,
        nodes_are_linked: true,
        nodes_max: 8,
        gpus_per_node_max: 8,
        published_ports_max: 1,
        doubles_dollar: false,
        payment: Payment::Balance,
        prepaid_hours_min: 1,
        prepaid_hours_max: 720,
        extension_step_hours: 1,
        refund: RefundRule::None,
    }
}

pub(in crate::engine) fn terms() -> Terms {
    Terms {
        installation: InstallationId::from_parts(1, &[2; 10]),
        broker: BrokerId(uuid::Uuid::from_bytes([9; 16])),
        windows: Windows::DEFAULT,
        places: Arc::new(Digester::of(Rules::default())),
        seen: SeenByKind::new(),
        rounds: Rounds::DEFAULT,
        products: vec![product("ionet"), product("aethir")],
        ssh_public_key: "ssh-ed25519 AAAA".into(),
        launch: LaunchSettings {
            broker_url: "http://broker".into(),
            agent_url: "http://broker/agent/v1/binary".into(),
            agent_sha256: "0".repeat(64),
            time_factor: 1,
        },
        probe: ProbeTerms::OFF,
        tokens: AgentTokens::new(|job, epoch| Secret::new(format!("{job} {epoch}"))),
    }
}

/// What was agreed for a file at 0.36 $ per GPU-hour.
pub(in crate::engine) fn spec(file: &str, offer: &Offer) -> JobSpec {
    let document = files::look(file).unwrap();
    let workload = document.submittable().unwrap().clone();
    let asked = &workload.resources;
    JobSpec {
        account: AccountId::from_parts(1, &[6; 10]),
        classification: classify(&document),
        quote: Quote {
            id: QuoteId::from_parts(1, &[3; 10]),
            tier: Tier::Consumer,
            offer: offer.id.clone(),
            rate: RatePerGpuHour::new(MicroUsd::from_cents(36)),
            gpus: u32::from(asked.gpus_per_node.max(1)) * u32::from(asked.nodes),
            term_seconds: 86_400,
            replacement_rate_max: RatePerGpuHour::new(MicroUsd::from_cents(54)),
            renewal_rate_max: None,
            not_to_exceed: MicroUsd::from_cents(900),
            lines: Vec::new(),
            token_legs: Vec::new(),
            tax_country: None,
            promotion: None,
            objectives: None,
            expires_at: WallTime::default(),
        },
        workload,
        secrets: BTreeMap::new(),
        terms: QuoteTerms::default(),
        accepted_at: at(0),
    }
}

impl Story {
    pub(super) fn new(offers: &[Offer]) -> Self {
        Self::of(FILE, offers)
    }

    /// A story of a file of one's own.
    pub(super) fn of(file: &str, offers: &[Offer]) -> Self {
        let terms = terms();
        let id = JobId::from_parts(1, &[1; 10]);
        let spec = Arc::new(spec(file, &offers[0]));
        Self {
            job: Job::new(id, terms.installation, spec),
            health: BTreeMap::new(),
            terms,
            policy: Live::standard(WallTime::default()),
            market: market(offers),
            flying: Vec::new(),
            taken: BTreeMap::new(),
            boot: 0,
        }
    }

    pub(super) fn planner(&self) -> Planner<'_> {
        Planner {
            terms: &self.terms,
            policy: &self.policy,
            market: &self.market,
            health: &self.health,
            taken: &self.taken,
        }
    }

    pub(super) fn decide(&mut self, second: u64, input: Input) -> Decided {
        let mut job = self.job.clone();
        let moment = Moment {
            now: at(second),
            fresh: PlacementId::from_parts(second, &[4; 10]),
            planner: self.planner(),
            flying: &self.flying,
        };
        let decided = step(&mut job, input, moment);
        self.job = job;
        decided
    }

    pub(super) fn step(&mut self, second: u64, input: Input) -> Vec<Order> {
        self.decide(second, input).orders
    }

    /// What a tick tells.
    pub(super) fn told(&mut self, second: u64) -> Vec<String> {
        let decided = self.decide(second, Input::Tick);
        decided.told.into_iter().map(|told| told.what).collect()
    }

    pub(super) fn tick(&mut self, second: u64) -> Vec<Order> {
        self.step(second, Input::Tick)
    }

    pub(super) fn created(&mut self, second: u64) -> Vec<Order> {
        let remote_id = format!("remote-{}", self.job.epoch());
        self.step(
            second,
            Input::Created(self.job.epoch(), Outcome::Started { remote_id }),
        )
    }

    pub(super) fn bind(&mut self, second: u64) {
        self.boot += 1;
        for rank in 0..self.job.nodes() {
            let request = BindRequest {
                job: self.job.id,
                epoch: self.job.epoch(),
                rank,
                boot_id: BootId::from_parts(self.boot, &[5; 10]),
                container: "c".into(),
                agent_version: "0".into(),
            };
            let session = &mut self.job.doc.session;
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
            uptime_ms: second * 1_000,
            worked_ms: second * 1_000,
            log_tail: Vec::new(),
        };
        self.job.doc.session.heartbeat(&request, at(second))
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
            worked_ms: second * 1_000,
            output_sha256: None,
            output_tail: String::new(),
            cause,
            detail: None,
        };
        self.job.doc.session.result(&report, at(second)).unwrap();
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
        assert_eq!(story.job.doc.state, JobState::Running);
        story
    }

    pub(super) fn observed(&self, state: RemoteState) -> Observed {
        let tag = self.job.last().map(|a| a.placement.tag.to_string());
        thing("remote-1", tag, state)
    }
}

/// Something as its network shows it.
pub(in crate::engine) fn thing(
    remote_id: &str,
    tag: Option<String>,
    state: RemoteState,
) -> Observed {
    Observed {
        remote_id: remote_id.into(),
        tag,
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

pub(in crate::engine) fn at(second: u64) -> WorldTime {
    WorldTime::default().after(Duration::from_secs(second))
}

/// An offer of each network, io.net's the cheaper.
pub(in crate::engine) fn two() -> Vec<Offer> {
    let mut dearer = offer("aethir", "2");
    dearer.price = RatePerGpuHour::new(MicroUsd::from_cents(37));
    vec![offer("ionet", "1"), dearer]
}
