//! Thousands of running jobs on the engine's kernel and the real embedded store: what the load
//! test and the benchmark share. The networks are lists of offers; nothing is rented.

#![allow(
    clippy::unwrap_used,
    reason = "a rig that cannot be set up ends the run"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gpu_probe::protocol::{BindRequest, HeartbeatRequest, Phase};
use tandem::engine::kernel::{Kernel, NetworkAnswer, Ticket};
use tandem::engine::message::{AgentRequest, JobSpec, QuoteTerms, Reply, Request};
use tandem::engine::plan::LaunchSettings;
use tandem::engine::probe::ProbeTerms;
use tandem::engine::step::{Input, Order};
use tandem::engine::terms::{AgentTokens, Rounds, Terms};
use tandem::store::sqlite::SqliteStore;
use tandem::store::{BrokerId, Changes, Store};
use tandem_adapters::command::Outcome;
use tandem_model::gpu::GpuModel;
use tandem_model::id::{AccountId, BootId, InstallationId, JobId, PlacementId, QuoteId};
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, LaunchVia, NetworkId, Payment, Product, RefundRule};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::placement::Epoch;
use tandem_model::quote::Quote;
use tandem_model::secret::Secret;
use tandem_model::time::{WallTime, WorldTime};
use tandem_model::workload::Tier;
use tandem_pricing::classify::{Classification, classify};
use tandem_pricing::files;
use tandem_pricing::jurisdiction::{Digester, Rules};
use tandem_pricing::quote::SeenByKind;
use tandem_sla::detect::Windows;

const FILE: &str = "tandem: 1\nname: load\nrun: ./train\nresources:\n  gpu: RTX4090\n";
/// Offers of each network.
const OFFERS: u32 = 200;

/// The two networks, the first the cheaper.
pub const NETWORKS: [&str; 2] = ["ionet", "aethir"];

/// A second of world time.
pub fn at(second: u64) -> WorldTime {
    WorldTime::default().after(Duration::from_secs(second))
}

/// The n-th job.
pub fn job_id(n: u64) -> JobId {
    JobId::from_parts(1_000 + n, &[1; 10])
}

fn product(network: &'static str) -> Product {
    Product {
        network: NetworkId::from_static(network),
        name: "caas",
        launch: LaunchVia::Container,
        nodes_are_linked: false,
        nodes_max: 1,
        gpus_per_node_max: 8,
        published_ports_max: 1,
        doubles_dollar: false,
        payment: Payment::Balance,
        prepaid_hours_min: 24,
        prepaid_hours_max: 720,
        extension_step_hours: 1,
        refund: RefundRule::None,
    }
}

fn offers(network: &'static str, cents: i32) -> Vec<Offer> {
    let offer = |key: u32| Offer {
        id: OfferId(format!("{network}/{key:04}")),
        network: NetworkId::from_static(network),
        product: "caas".into(),
        locator: key.to_string(),
        gpu: GpuModel::by_id("rtx4090").unwrap(),
        grade: Grade::Consumer,
        gpus_per_node: 1,
        divisible: true,
        nodes_available: 200,
        country: Country::parse("DE").unwrap(),
        price: RatePerGpuHour::new(MicroUsd::from_cents(cents)),
        fee_basis_points: 0,
        node_link: NodeLink::Pcie,
        fabric: Fabric::Public,
        observed_at: at(0),
    };
    (0..OFFERS).map(offer).collect()
}

/// An installation with both networks.
pub fn terms() -> Terms {
    Terms {
        installation: InstallationId::from_parts(1, &[2; 10]),
        broker: BrokerId(uuid::Uuid::from_bytes([9; 16])),
        windows: Windows::DEFAULT,
        places: Arc::new(Digester::of(Rules::default())),
        seen: SeenByKind::new(),
        rounds: Rounds::DEFAULT,
        products: NETWORKS.map(product).into(),
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

fn spec(
    n: u64,
    classification: &Classification,
    workload: &tandem_model::workload::Workload,
) -> JobSpec {
    JobSpec {
        account: AccountId::from_parts(1, &[6; 10]),
        workload: workload.clone(),
        classification: classification.clone(),
        quote: Quote {
            id: QuoteId::from_parts(n, &[3; 10]),
            tier: Tier::Consumer,
            offer: OfferId("ionet/0000".into()),
            rate: RatePerGpuHour::new(MicroUsd::from_cents(45)),
            gpus: 1,
            term_seconds: 86_400,
            replacement_rate_max: RatePerGpuHour::new(MicroUsd::from_cents(67)),
            renewal_rate_max: None,
            not_to_exceed: MicroUsd::from_cents(900),
            lines: Vec::new(),
            token_legs: Vec::new(),
            tax_country: None,
            promotion: None,
            objectives: None,
            expires_at: WallTime::default(),
        },
        secrets: BTreeMap::new(),
        terms: QuoteTerms::default(),
        accepted_at: at(0),
    }
}

/// A kernel with its store.
pub struct Rig {
    /// The engine.
    pub kernel: Kernel,
    /// Its store, on a file.
    pub store: Arc<SqliteStore>,
    placements: u64,
    tickets: u64,
}

impl Rig {
    /// An engine without jobs whose store lies in a folder.
    pub fn new(folder: &Path) -> Self {
        let store = Arc::new(SqliteStore::open(&folder.join("load.db")).unwrap());
        let mut kernel = Kernel::new(terms(), at(0));
        for (network, cents) in NETWORKS.into_iter().zip([36, 37]) {
            let read = NetworkAnswer::Offers(Ok((offers(network, cents), 0)));
            kernel.network_answered(&NetworkId::from_static(network), read, at(0));
        }
        Self {
            kernel,
            store,
            placements: 0,
            tickets: 0,
        }
    }

    /// Takes a request in.
    pub fn ask(&mut self, request: Request, now: WorldTime) {
        self.tickets += 1;
        self.kernel.receive(Ticket(self.tickets), request, now);
    }

    /// One turn with its commit; the orders and replies that follow, none when nothing is ready.
    pub async fn turn(&mut self, now: WorldTime) -> Option<(Vec<(JobId, Order)>, Vec<Reply>)> {
        let placements = &mut self.placements;
        let mut fresh = || {
            *placements += 1;
            PlacementId::from_parts(*placements, &[4; 10])
        };
        let mut turn = self.kernel.turn(now, &mut fresh)?;
        let changes = std::mem::take(&mut turn.changes);
        if changes != Changes::default() {
            self.store.commit(changes).await.unwrap();
        }
        let after = self.kernel.committed(turn);
        let replies = after.replies.into_iter().map(|(_, reply)| reply).collect();
        Some((after.orders, replies))
    }

    /// Brings so many jobs to running first attempts at second 1.
    pub async fn run(&mut self, jobs: u64) {
        let document = files::look(FILE).unwrap();
        let classification = classify(&document);
        let workload = document.submittable().unwrap().clone();
        for n in 0..jobs {
            let request = Request::Accept {
                job: job_id(n),
                spec: Box::new(spec(n, &classification, &workload)),
                reply: None,
            };
            self.ask(request, at(0));
        }
        let mut created = Vec::new();
        while let Some((orders, _)) = self.turn(at(0)).await {
            created.extend(orders);
        }
        assert_eq!(created.len() as u64, jobs);
        for (job, order) in created {
            let remote_id = format!("remote-{job}");
            let input = Input::Created(Epoch(1), Outcome::Started { remote_id });
            self.kernel.landed(job, order, input);
            self.ask(Request::Agent(AgentRequest::Bind(bind(job))), at(1));
        }
        while self.turn(at(1)).await.is_some() {}
    }

    /// Writes the heartbeats that wait; how many agents were answered with their lease renewed.
    pub async fn flush(&mut self, now: WorldTime) -> usize {
        let Some(mut flush) = self.kernel.flush(now) else {
            return 0;
        };
        let beats = std::mem::take(&mut flush.beats);
        let logs = std::mem::take(&mut flush.logs);
        self.store.flush_liveness(beats, logs).await.unwrap();
        let renewed = |reply: &Reply| matches!(reply, Reply::Agent(tandem::engine::message::AgentReply::Heartbeat(r)) if r.granted);
        let replies = flush.written();
        replies.iter().filter(|(_, reply)| renewed(reply)).count()
    }
}

/// The binding of a job's first agent.
pub fn bind(job: JobId) -> BindRequest {
    BindRequest {
        job,
        epoch: Epoch(1),
        rank: 0,
        boot_id: BootId::from_parts(1, &[5; 10]),
        container: "c".into(),
        agent_version: "0".into(),
    }
}

/// A heartbeat at a second; the workload ran since second 1.
pub fn beat(job: JobId, second: u64) -> Request {
    Request::Agent(AgentRequest::Heartbeat(HeartbeatRequest {
        job,
        epoch: Epoch(1),
        rank: 0,
        boot_id: BootId::from_parts(1, &[5; 10]),
        sequence: second,
        phase: Phase::Running,
        progress: None,
        uptime_ms: second * 1_000,
        worked_ms: (second - 1) * 1_000,
        log_tail: Vec::new(),
    }))
}

/// Resident memory of this process in MB, as the kernel counts it.
pub fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    let kb: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kb / 1_024
}
