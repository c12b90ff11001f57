//! Putting a broker together and taking it apart: disk, keys, clock, networks, engine, HTTP.
//!
//! [`Broker::start`] either returns a broker that is ready, or a failure after which nothing is
//! left running. [`Broker::stop`] turns requests away first, lets what is under way end, gives the
//! claims back for the next start, and ends within [`STOP_TIMEOUT`].

mod ahead;
mod folder;
mod installation;
mod keepers;
mod rented;
mod seen;
mod terms;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gpu_probe::protocol::CheckpointStore;
use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;
use tandem_model::time::Clock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::failure::Failure;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::engine::handle::EngineHandle;
use crate::engine::metrics::EngineMetrics;
use crate::engine::runner;
use crate::engine::terms::Terms;
use crate::http::metrics::Metrics;
use crate::http::server::{self, AgentBinary};
use crate::http::state::{ApiLimits, ApiState};
use crate::policies::Policies;
use crate::sales::Sales;
use crate::store::sqlite::SqliteStore;
use crate::vault::Vault;
pub use folder::{back_up, store_file};
pub use installation::Kind;
use rented::Sandbox;
use terms::{local_url, terms};

/// Longest time for the end of everything.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(25);
/// Time in which whoever sends requests here can notice that `/readyz` fails.
const DRAIN_WAIT: Duration = Duration::from_millis(500);
/// Longest time for the engine to give its claims back.
const ENGINE_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Which networks are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum World {
    /// The configured ones.
    Live,
    /// Both emulated ones, inside this process.
    SandboxInside {
        /// How many times faster than the wall clock the world runs, 1 to 10.
        speed: u32,
        /// Seed of the emulated world.
        seed: u64,
    },
    /// Both emulated ones of a `tandem sandbox` elsewhere.
    SandboxAt(String),
}

impl World {
    const fn kind(&self) -> Kind {
        match self {
            Self::Live => Kind::Live,
            Self::SandboxInside { .. } | Self::SandboxAt(_) => Kind::Sandbox,
        }
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The operator's choices.
    pub config: Config,
    /// Which networks are used.
    pub world: World,
    /// Whether an admin key is made although it is not the first start.
    pub new_admin_key: bool,
}

/// A broker that runs.
pub struct Broker {
    address: SocketAddr,
    admin_key: Option<Secret>,
    network_names: Vec<String>,
    sandbox: Option<Sandbox>,
    http: server::Running,
    engine: JoinHandle<()>,
    stop_engine: CancellationToken,
    stop_rest: CancellationToken,
    rest: Vec<JoinHandle<()>>,
}

/// What lies on the disk, opened.
struct Disk {
    store: Arc<SqliteStore>,
    vault: Arc<Vault>,
    policies: Arc<Policies>,
    sales: Arc<Sales>,
    checkpoint_store: CheckpointStore,
    agent: AgentBinary,
}

fn start_failure(message: String) -> Failure {
    Failure::new(ErrorCode::START_FAILED, message)
}

/// The agent's executable: the one given, the one beside us, or ourselves (decision 2).
fn agent_path(given: Option<&PathBuf>) -> std::io::Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.clone());
    }
    let own = std::env::current_exe()?;
    let beside = own.with_file_name("gpu-probe");
    Ok(if beside.is_file() { beside } else { own })
}

fn agent(given: Option<&PathBuf>) -> Result<AgentBinary, Failure> {
    let path = agent_path(given);
    path.and_then(|path| AgentBinary::read(&path))
        .map_err(|error| {
            let shown = given.map_or("beside this program".into(), |p| p.display().to_string());
            start_failure(format!(
                "the agent's executable ({shown}) cannot be read: {error}"
            ))
            .hint("set agent.path, or put `gpu-probe` beside `tandem`")
        })
}

fn checkpoints(config: &Config) -> Result<CheckpointStore, Failure> {
    if let Some(store) = &config.checkpoint_store {
        return Ok(store.clone());
    }
    let folder = folder::checkpoint_folder(&config.data_dir)?;
    Ok(CheckpointStore {
        url: format!("file://{}", folder.display()),
        endpoint: None,
        region: None,
        access_key_id: None,
        secret_access_key: None,
        allow_http: false,
    })
}

impl Disk {
    async fn open(options: &Options) -> Result<Self, Failure> {
        let config = &options.config;
        let vault = folder::open_vault(&config.master_key)?;
        let store = folder::open_store(&config.data_dir)?;
        installation::check_key(&store, &vault).await?;
        installation::check_kind(&store, options.world.kind()).await?;
        let policies = installation::policies(&store).await?;
        let sales = Sales::open(&store)
            .await
            .map_err(installation::store_failed)?;
        Ok(Self {
            policies: Arc::new(policies),
            sales: Arc::new(sales),
            store: Arc::new(store),
            vault: Arc::new(vault),
            checkpoint_store: checkpoints(config)?,
            agent: agent(config.agent_path.as_ref())?,
        })
    }
}

/// The clock: from where the store left it, with the sandbox's when there is one.
async fn start_clock(disk: &Disk, sandbox: Option<&Sandbox>) -> Result<Arc<SystemClock>, Failure> {
    let seen = installation::seen_world(&*disk.store).await?;
    let Some(sandbox) = sandbox else {
        return Ok(Arc::new(SystemClock::not_before(1, seen)));
    };
    if sandbox.inside.is_some() {
        sandbox.clock.catch_up(seen).await?;
    }
    let time = sandbox.clock.pass(seen).await?;
    let clock = SystemClock::not_before(1, seen);
    if clock.follow(time.world, time.rate_permille) {
        tracing::warn!(
            "the sandbox's time lies before what the store has seen; it is taken from there on"
        );
    }
    Ok(Arc::new(clock))
}

fn api_state(
    options: &Options,
    disk: Disk,
    terms: &Terms,
    engine: EngineHandle,
    clock: Arc<dyn Clock>,
) -> ApiState {
    let limits = options.config.limits;
    ApiState {
        engine,
        store: disk.store.clone(),
        tenants: disk.store,
        installation: terms.installation,
        are_probed: terms.probe.at_start,
        probe_policy: Arc::new(options.config.probe.policy(options.world != World::Live)),
        vault: disk.vault,
        clock,
        products: terms.products.clone(),
        token_rates: options.config.token_rates.clone(),
        windows: terms.windows,
        places: Arc::clone(&terms.places),
        policies: disk.policies,
        sales: disk.sales,
        agent: disk.agent,
        checkpoint_store: Some(disk.checkpoint_store),
        limits: ApiLimits {
            requests_per_second: limits.requests_per_second,
            burst: limits.burst,
            streams_per_account: limits.streams_per_account as usize,
        },
        metrics: Metrics::new(),
    }
}

impl Broker {
    /// Starts everything. Must be called inside a Tokio runtime.
    pub async fn start(options: Options) -> Result<Self, Failure> {
        rented::check(&options.config, &options.world)?;
        let listen = options.config.listen;
        let (listener, address) = server::listen(listen).map_err(|error| {
            let message = format!("the broker cannot listen on {listen}: {error}");
            Failure::new(ErrorCode::LISTEN_FAILED, message).hint("choose another with --listen")
        })?;
        let disk = Disk::open(&options).await?;
        let sandbox = rented::sandbox(&options.world).await?;
        let clock = start_clock(&disk, sandbox.as_ref()).await?;
        let as_clock: Arc<dyn Clock> = clock.clone();
        let key = installation::ssh_key(&*disk.store, &disk.vault).await?;
        let networks = rented::networks(&options.config, sandbox.as_ref(), key, &as_clock)?;
        let network_names = networks.names().map(ToString::to_string).collect();
        let terms = terms(&options, &disk, &networks, &clock, address).await?;
        let wanted = options.new_admin_key;
        let admin_key = installation::admin_key(&*disk.store, &disk.vault, &*clock, wanted).await?;
        let (stop_engine, stop_rest) = (CancellationToken::new(), CancellationToken::new());
        let engine_metrics = EngineMetrics::default();
        let (handle, engine) = runner::start(runner::Parts {
            store: disk.store.clone(),
            networks: Arc::new(networks),
            clock: Arc::clone(&clock),
            terms: terms.clone(),
            policies: Arc::clone(&disk.policies),
            metrics: engine_metrics.clone(),
            stop: stop_engine.clone(),
        })
        .await
        .map_err(installation::store_failed)?;
        let denials_kept = options.config.denials_kept;
        let rest = keepers::start(
            &disk,
            &handle,
            sandbox.as_ref(),
            &clock,
            denials_kept,
            &stop_rest,
        );
        let state = api_state(&options, disk, &terms, handle, as_clock);
        state
            .metrics
            .register(|registry| engine_metrics.register(registry));
        let http = server::serve(listener, state).map_err(|error| {
            // The engine ends with its token; what was claimed is given back.
            stop_engine.cancel();
            stop_rest.cancel();
            start_failure(format!("the HTTP server did not start: {error}"))
        })?;
        Ok(Self {
            address,
            admin_key,
            network_names,
            sandbox,
            http,
            engine,
            stop_engine,
            stop_rest,
            rest,
        })
    }

    /// Where it is reached on this machine.
    pub fn url(&self) -> String {
        local_url(self.address)
    }

    /// The admin key that was made at this start, if one was.
    pub fn admin_key(&self) -> Option<&Secret> {
        self.admin_key.as_ref()
    }

    /// Names of its networks.
    pub fn networks(&self) -> &[String] {
        &self.network_names
    }

    /// Where the sandbox is, when one is used.
    pub fn sandbox_url(&self) -> Option<&str> {
        self.sandbox.as_ref().map(|sandbox| sandbox.url.as_str())
    }

    /// Returns when the engine ended by itself, which it does only when it cannot go on.
    pub async fn failed(&mut self) -> Failure {
        let why = match (&mut self.engine).await {
            Ok(()) => "it gave up; the log says why".to_owned(),
            Err(error) => error.to_string(),
        };
        start_failure(format!("the engine ended: {why}"))
            .hint("is the disk full? jobs go on by themselves meanwhile; start the broker again")
    }

    /// Ends everything, in the order in which nothing is lost.
    pub async fn stop(mut self) {
        self.http.drain();
        tokio::time::sleep(DRAIN_WAIT).await;
        self.http.stop().await;
        self.stop_engine.cancel();
        if !self.engine.is_finished() {
            let ended = tokio::time::timeout(ENGINE_STOP_TIMEOUT, &mut self.engine).await;
            if ended.is_err() {
                tracing::warn!("the engine did not end in time; its claims run out by themselves");
                self.engine.abort();
            }
        }
        self.stop_rest.cancel();
        for task in self.rest {
            // A task that panicked has said so.
            let _ended = task.await;
        }
        if let Some(inside) = self.sandbox.and_then(|sandbox| sandbox.inside) {
            inside.stop().await;
        }
    }
}
