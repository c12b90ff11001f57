//! Everything that the demo sets up and takes down: folder, sandbox, networks, engine, agents' side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use gpu_probe::protocol::CheckpointStore;
use serde_json::Value;
use tandem_adapters::command::{Command, Outcome};
use tandem_adapters::ionet::VmPriceUnit;
use tandem_adapters::registry::{self, Credentials};
use tandem_adapters::ssh::SshKeyPair;
use tandem_adapters::transport::TransportOptions;
use tandem_model::id::{InstallationId, JobId, QuoteId};
use tandem_model::offer::Offer;
use tandem_model::quote::Quote;
use tandem_model::secret::Secret;
use tandem_model::time::Clock;
use tandem_model::workload::Workload;
use tandem_pricing::classify::Classification;
use tandem_pricing::launch;
use tandem_pricing::quote::{self, Policy, TierReport};
use tandem_sandbox::exec::ExecOptions;
use tandem_sandbox::{Options, Running as Sandbox};
use tandem_sla::detect::Windows;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;
use crate::cli::output::tell;
use crate::clock::SystemClock;
use crate::engine::Board;
use crate::engine::driver::Engine;
use crate::engine::job::{Accepted, Job};
use crate::engine::plan::LaunchSettings;
use crate::http::server::{self, AgentBinary, AgentSide, Running as Http};
use crate::ids;
use crate::networks::Networks;

/// Deadline of a call to the sandbox's own control.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait before a network in the sandbox is asked again.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// A quote with the offers behind it.
#[derive(Debug)]
pub struct Quoted {
    /// The quote.
    pub quote: Quote,
    /// Offers that fit its tier, best first.
    pub ranked: Vec<Offer>,
}

/// What the sandbox knows of all that was rented in it.
pub struct Truth {
    /// GPU-seconds that really ran.
    pub gpu_seconds: u64,
    /// Things that are rented still.
    pub still_rented: usize,
    /// Each thing, as `GET /sandbox/truth` gives it.
    pub deployments: Vec<Value>,
}

/// What is set up.
pub struct Stage {
    folder: Folder,
    sandbox: Sandbox,
    http: Http,
    engine: Engine,
    installation: InstallationId,
    drivers: TaskTracker,
    client: reqwest::Client,
}

/// The working folder: removed at the end, unless it is to be kept.
enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn open(keep: Option<&PathBuf>) -> anyhow::Result<Self> {
        Ok(match keep {
            Some(path) => {
                std::fs::create_dir_all(path)
                    .with_context(|| format!("cannot make the folder {}", path.display()))?;
                Self::Kept(std::path::absolute(path)?)
            }
            None => Self::Temporary(tempfile::tempdir().context("no temporary folder")?),
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// The agent's executable: the one given, the one beside us, or ourselves (decision 2).
fn agent_path(given: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.clone());
    }
    let own = std::env::current_exe().context("the path of this program is unknown")?;
    let beside = own.with_file_name("gpu-probe");
    Ok(if beside.is_file() { beside } else { own })
}

impl Stage {
    /// Sets everything up.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let folder = Folder::open(settings.keep.as_ref())?;
        let sandbox = open_sandbox(settings, folder.path()).await?;
        let clock = Arc::new(SystemClock::new(settings.speed));
        let networks = Arc::new(open_networks(&sandbox, &clock)?);
        let agent = AgentBinary::read(&agent_path(settings.agent.as_ref())?)
            .context("the agent cannot be read")?;
        let (listener, address) = server::listen(([127, 0, 0, 1], 0).into())?;
        let broker_url = format!("http://{address}");
        let engine = Engine {
            board: Board::default(),
            clock: Arc::clone(&clock),
            networks,
            launch: Arc::new(LaunchSettings {
                agent_url: format!("{broker_url}/agent/v1/binary"),
                broker_url,
                agent_sha256: agent.sha256.clone(),
                time_factor: settings.speed,
            }),
            windows: Windows::DEFAULT,
            heard: Arc::new(Notify::new()),
            stop: CancellationToken::new(),
        };
        let checkpoint_store = Some(checkpoint_folder(folder.path())?);
        let side = AgentSide {
            engine: engine.clone(),
            agent,
            checkpoint_store,
        };
        let http = server::serve(listener, side)?;
        let installation = ids::fresh(&*clock, InstallationId::from_parts);
        let client = reqwest::Client::builder()
            .timeout(CONTROL_TIMEOUT)
            .build()?;
        let drivers = TaskTracker::new();
        Ok(Self {
            folder,
            sandbox,
            http,
            engine,
            installation,
            drivers,
            client,
        })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where the sandbox listens.
    pub fn sandbox_url(&self) -> String {
        self.sandbox.url()
    }

    /// The live offers of every network.
    pub async fn offers(&self) -> anyhow::Result<Vec<Offer>> {
        let mut all = Vec::new();
        for network in self.engine.networks.names() {
            match self
                .engine
                .networks
                .perform(network, &Command::Offers)
                .await
            {
                Outcome::Offers { offers, unreadable } => {
                    for offer in unreadable {
                        tracing::warn!(%network, offer.locator, offer.reason, "unreadable offer");
                    }
                    all.extend(offers);
                }
                other => bail!("the offers of {network} could not be read: {other:?}"),
            }
        }
        Ok(all)
    }

    /// The offers on whose product the workload can start.
    pub fn startable(&self, workload: &Workload, offers: &[Offer]) -> Vec<Offer> {
        let mut known = BTreeMap::new();
        let can_start = |offer: &&Offer| {
            let key = (offer.network.clone(), offer.product.clone());
            *known.entry(key).or_insert_with(|| {
                let product = self.engine.networks.product(offer);
                product.is_some_and(|product| launch::obstacles(workload, product).is_empty())
            })
        };
        offers.iter().filter(can_start).cloned().collect()
    }

    /// A quote for every tier that can be sold.
    pub fn quotes(
        &self,
        workload: &Workload,
        classification: &Classification,
        offers: &[Offer],
    ) -> Vec<Quoted> {
        let clock = &*self.engine.clock;
        let fresh = || ids::fresh(clock, QuoteId::from_parts);
        let policy = Policy::default();
        let wall = clock.wall();
        let report = quote::quote(workload, classification, offers, &policy, wall, fresh);
        let with_offers = |(quote, tier): (&Quote, &TierReport)| Quoted {
            quote: quote.clone(),
            ranked: quote::rank(tier.tier, workload, classification, offers, &policy)
                .fitting
                .into_iter()
                .map(|candidate| candidate.offer)
                .collect(),
        };
        report.quoted().map(with_offers).collect()
    }

    /// Accepts a quote: the job is on the board, and a driver runs it.
    pub fn accept(&self, accepted: Accepted) -> JobId {
        let clock = &*self.engine.clock;
        let id = ids::fresh(clock, JobId::from_parts);
        let secret = Secret::new(ids::token());
        let job = Job::new(id, self.installation, accepted, secret, clock.world());
        self.engine.board.add(job);
        let engine = self.engine.clone();
        self.drivers.spawn(async move { engine.drive(id).await });
        id
    }

    /// Injects a fault into the sandbox; see `POST /sandbox/faults`.
    pub async fn fault(&self, fault: &Value) -> anyhow::Result<()> {
        let url = format!("{}/sandbox/faults", self.sandbox.url());
        let answer = self.client.post(url).json(fault).send().await?;
        let status = answer.status();
        if !status.is_success() {
            bail!(
                "the sandbox refused the fault ({status}): {}",
                answer.text().await?
            );
        }
        Ok(())
    }

    /// What really ran and what still runs, by the sandbox's own truth.
    pub async fn truth(&self) -> anyhow::Result<Truth> {
        let url = format!("{}/sandbox/truth", self.sandbox.url());
        let truth: Value = self.client.get(url).send().await?.json().await?;
        let deployments = truth["deployments"]
            .as_array()
            .context("truth without deployments")?
            .clone();
        Ok(Truth {
            gpu_seconds: deployments
                .iter()
                .filter_map(|d| d["gpu_seconds"].as_u64())
                .sum(),
            still_rented: deployments
                .iter()
                .filter(|d| d["ended_us"].is_null())
                .count(),
            deployments,
        })
    }

    /// Ends everything.
    pub async fn close(self) {
        self.engine.stop.cancel();
        self.drivers.close();
        self.drivers.wait().await;
        self.http.stop().await;
        self.sandbox.stop().await;
        if let Folder::Kept(path) = &self.folder {
            tell(&format!("the working folder is kept: {}", path.display()));
        }
    }
}

async fn open_sandbox(settings: &Settings, folder: &Path) -> anyhow::Result<Sandbox> {
    let mut options = Options::new(([127, 0, 0, 1], 0).into(), settings.seed);
    options.speed_permille = settings.speed * 1_000;
    options.exec = Some(ExecOptions {
        work_dir: folder.join("machines"),
        agent_path: None,
        only_marked: true,
    });
    tandem_sandbox::serve(options)
        .await
        .context("the sandbox did not start")
}

fn open_networks(sandbox: &Sandbox, clock: &Arc<SystemClock>) -> anyhow::Result<Networks> {
    let (access_key, secret_key) = sandbox.aethir_keys();
    let credentials = [
        (
            Credentials::IoNet {
                key: Secret::new(sandbox.ionet_key()),
                vm_price_unit: VmPriceUnit::default(),
            },
            sandbox.ionet_url(),
        ),
        (
            Credentials::Aethir {
                access_key: access_key.to_owned(),
                secret_key,
            },
            sandbox.aethir_url(),
        ),
    ];
    let all = credentials
        .into_iter()
        .map(|(credentials, url)| {
            let mut options = TransportOptions::new(url);
            options.allows_plain_http = true;
            options.retry_wait = RETRY_WAIT;
            (registry::adapter(credentials), options)
        })
        .collect();
    let clock: Arc<dyn Clock> = clock.clone();
    Ok(Networks::new(all, SshKeyPair::generate(), &clock)?)
}

/// The folder that stands for the bucket.
fn checkpoint_folder(folder: &Path) -> anyhow::Result<CheckpointStore> {
    let bucket = folder.join("bucket");
    std::fs::create_dir_all(&bucket).context("no folder for checkpoints")?;
    Ok(CheckpointStore {
        url: format!("file://{}", bucket.display()),
        endpoint: None,
        region: None,
        access_key_id: None,
        secret_access_key: None,
        allow_http: false,
    })
}
