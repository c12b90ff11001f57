//! A served agents' side with two placed jobs, and the bodies that their agents send.

use std::sync::Arc;

use gpu_probe::protocol::checkpoint_key;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use tandem::clock::SystemClock;
use tandem::engine::Board;
use tandem::engine::driver::Engine;
use tandem::engine::job::{Accepted, Job};
use tandem::engine::plan::LaunchSettings;
use tandem::http::server::{self, AgentBinary, AgentSide, Running};
use tandem::networks::Networks;
use tandem_adapters::ssh::SshKeyPair;
use tandem_model::gpu::GpuModel;
use tandem_model::id::{BootId, InstallationId, JobId, PlacementId, QuoteId};
use tandem_model::job::JobState;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::{Fabric, NodeLink, Offer, OfferId};
use tandem_model::placement::Epoch;
use tandem_model::quote::Quote;
use tandem_model::secret::Secret;
use tandem_model::time::{Clock, WallTime};
use tandem_model::workload::{Tier, Workload};
use tandem_sla::detect::Windows;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Number of the first job.
pub(crate) const JOB: u64 = 1;
/// Number of the second.
pub(crate) const OTHER: u64 = 2;

const FILE: &str = "tandem: 1\nname: story\nrun: ./train\nresources:\n  gpu: RTX4090\n";

/// The server and its client.
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    pub(crate) agent_sha256: String,
    engine: Engine,
    _running: Running,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) authenticate: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    /// The body, which must be a problem document with this code.
    pub(crate) fn is_problem(&self, code: &str) -> Value {
        assert_eq!(
            self.content_type, "application/problem+json",
            "{}",
            self.text
        );
        let problem: Value = serde_json::from_str(&self.text).expect("a problem is JSON");
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(problem["status"], self.status, "{}", self.text);
        problem
    }
}

fn offer() -> Offer {
    Offer {
        id: OfferId("ionet/1".into()),
        network: NetworkId::from_static("ionet"),
        product: "caas".into(),
        locator: "1".into(),
        gpu: GpuModel::by_id("rtx4090").expect("in the catalogue"),
        grade: Grade::Consumer,
        gpus_per_node: 1,
        divisible: true,
        nodes_available: 1,
        country: Country::parse("DE").expect("a country"),
        price: RatePerGpuHour::new(MicroUsd::from_cents(36)),
        fee_basis_points: 0,
        node_link: NodeLink::Pcie,
        fabric: Fabric::Public,
        observed_at: tandem_model::time::WorldTime::default(),
    }
}

fn workload() -> Workload {
    let read = tandem_pricing::files::read(FILE).expect("a good file");
    read.workload.expect("a workload")
}

fn job(number: u64, clock: &SystemClock) -> Job {
    let (id, workload) = (job_id(number), workload());
    let accepted = Accepted {
        workload,
        quote: Quote {
            id: QuoteId::from_parts(1, &[3; 10]),
            tier: Tier::Consumer,
            offer: offer().id,
            rate: offer().price,
            gpus: 1,
            term_seconds: 86_400,
            not_to_exceed: MicroUsd::from_cents(900),
            lines: Vec::new(),
            expires_at: WallTime::default(),
        },
        ranked: vec![offer()],
    };
    let secret = Secret::new(format!("secret of job {number}"));
    let installation = InstallationId::from_parts(1, &[2; 10]);
    let mut job = Job::new(id, installation, accepted, secret, clock.world());
    job.state = JobState::Running;
    place(&mut job, clock);
    job
}

fn place(job: &mut Job, clock: &SystemClock) {
    let id = PlacementId::from_parts(1, &[4; 10]);
    let epoch = job.open_attempt(offer(), id, clock.world()).placement.epoch;
    job.session.raise_epoch(epoch, 1).expect("epochs rise");
}

fn job_id(number: u64) -> JobId {
    JobId::from_parts(number, &[1; 10])
}

fn boot(epoch: u32) -> BootId {
    BootId::from_parts(epoch.into(), &[5; 10])
}

impl Api {
    pub(crate) fn start() -> Self {
        let clock = Arc::new(SystemClock::new(1));
        let board = Board::default();
        board.add(job(JOB, &clock));
        board.add(job(OTHER, &clock));
        let shared: Arc<dyn Clock> = clock.clone();
        let networks = Networks::new(Vec::new(), SshKeyPair::generate(), &shared);
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_tandem"));
        let agent = AgentBinary::read(program).expect("it was built");
        let (listener, address) = server::listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        let url = format!("http://{address}");
        let engine = Engine {
            board,
            clock,
            networks: Arc::new(networks.expect("no network is no mistake")),
            launch: Arc::new(LaunchSettings {
                broker_url: url.clone(),
                agent_url: format!("{url}/agent/v1/binary"),
                agent_sha256: agent.sha256.clone(),
                time_factor: 1,
            }),
            windows: Windows::DEFAULT,
            heard: Arc::new(Notify::new()),
            stop: CancellationToken::new(),
        };
        let agent_sha256 = agent.sha256.clone();
        let side = AgentSide {
            engine: engine.clone(),
            agent,
            checkpoint_store: None,
        };
        Self {
            _running: server::serve(listener, side).expect("the server starts"),
            client: reqwest::Client::new(),
            url,
            agent_sha256,
            engine,
        }
    }

    /// Looks at a job.
    pub(crate) fn job<R>(&self, number: u64, look: impl FnOnce(&mut Job) -> R) -> R {
        let looked = self.engine.board.with(job_id(number), look);
        looked.expect("the job is on the board")
    }

    /// What a job printed.
    pub(crate) fn log(&self, number: u64) -> Vec<String> {
        self.job(number, |job| job.log.iter().cloned().collect())
    }

    /// The token of an epoch.
    pub(crate) fn token(&self, number: u64, epoch: u32) -> String {
        self.job(number, |job| {
            job.agent_token(Epoch(epoch)).expose().to_owned()
        })
    }

    /// Fences the live epoch and places the next.
    pub(crate) fn replace(&self, number: u64) {
        let clock = Arc::clone(&self.engine.clock);
        self.job(number, |job| {
            job.session.fence(true, clock.world()).expect("confirmed");
            place(job, &clock);
        });
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.expect("an answer");
        let header = |name| {
            let value = answer.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Answer {
            status: answer.status().as_u16(),
            content_type: header(CONTENT_TYPE).unwrap_or_default(),
            authenticate: header(WWW_AUTHENTICATE),
            text: answer.text().await.expect("a body"),
        }
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        authorization: Option<&str>,
        body: Value,
    ) -> Answer {
        let mut request = self.client.post(format!("{}{path}", self.url)).json(&body);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        self.send(request).await
    }

    /// Posts with the right token; the answer must be a success.
    pub(crate) async fn ok(&self, path: &str, number: u64, epoch: u32, body: Value) -> Value {
        let header = format!("Bearer {}", self.token(number, epoch));
        let answer = self.post(path, Some(&header), body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).expect("an answer is JSON")
    }

    pub(crate) fn bind(&self, number: u64, epoch: u32) -> Value {
        json!({
            "job": job_id(number), "epoch": epoch, "rank": 0, "boot_id": boot(epoch),
            "container": "c", "agent_version": "0",
        })
    }

    pub(crate) fn beat(&self, number: u64, epoch: u32, sequence: u64, lines: &[&str]) -> Value {
        json!({
            "job": job_id(number), "epoch": epoch, "rank": 0, "boot_id": boot(epoch),
            "sequence": sequence, "phase": "running", "uptime_ms": 1, "log_tail": lines,
        })
    }

    pub(crate) fn checkpoint(&self, number: u64, epoch: u32, step: u64) -> Value {
        json!({
            "job": job_id(number), "epoch": epoch, "rank": 0, "boot_id": boot(epoch),
            "step": step, "key": checkpoint_key(job_id(number), Epoch(epoch), step),
            "sha256": "0".repeat(64), "bytes": 6,
        })
    }

    pub(crate) fn result(&self, number: u64, epoch: u32, tail: &str) -> Value {
        json!({
            "job": job_id(number), "epoch": epoch, "rank": 0, "boot_id": boot(epoch),
            "exit_code": 0, "step": 5, "output_tail": tail,
        })
    }
}
