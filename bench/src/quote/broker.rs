//! A whole broker in this process: a store on the disk, the real engine and server, and both
//! networks of a sandbox as its market.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::ServiceConfig;
use tandem::clock::SystemClock;
use tandem::engine::handle::EngineHandle;
use tandem::engine::metrics::EngineMetrics;
use tandem::engine::plan::LaunchSettings;
use tandem::engine::probe::ProbeTerms;
use tandem::engine::runner::{self, Parts};
use tandem::engine::terms::{AgentTokens, Rounds, Terms};
use tandem::http::metrics::Metrics;
use tandem::http::server::{self, AgentBinary};
use tandem::http::state::{ApiLimits, ApiState};
use tandem::networks::Networks;
use tandem::policies::Policies;
use tandem::sales::Sales;
use tandem::store::BrokerId;
use tandem::store::sqlite::SqliteStore;
use tandem::vault::Vault;
use tandem::vault::first_admin::first_admin;
use tandem_adapters::adapter::Adapter;
use tandem_adapters::ionet::VmPriceUnit;
use tandem_adapters::registry::{self, Credentials};
use tandem_adapters::ssh::SshKeyPair;
use tandem_adapters::transport::TransportOptions;
use tandem_model::id::{AccountId, InstallationId};
use tandem_model::secret::Secret;
use tandem_model::time::Clock;
use tandem_pricing::jurisdiction::{Digester, Rules};
use tandem_sla::detect::Windows;
use tokio_util::sync::CancellationToken;

use super::asks;

/// Seed of the sandbox.
const SEED: u64 = 7;
/// Limits that no measurement reaches.
const REQUESTS_PER_SECOND: u32 = 10_000_000;
/// Longest wait for the offers of both networks.
const MARKET_TIMEOUT: Duration = Duration::from_secs(30);

/// A broker that was made and does not serve yet.
pub(super) struct Broker {
    pub(super) state: ApiState,
    pub(super) account: AccountId,
    /// Its first API key.
    pub(super) key: Secret,
    pub(super) stop: CancellationToken,
    sandbox: tandem_sandbox::Running,
    _folder: tempfile::TempDir,
}

/// A broker that serves.
pub(super) struct Serving {
    pub(super) address: std::net::SocketAddr,
    running: server::Running,
    stop: CancellationToken,
    sandbox: tandem_sandbox::Running,
    _folder: tempfile::TempDir,
}

impl Broker {
    /// Makes one and waits until it has read both networks.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("tandem.db")).unwrap());
        let vault = Arc::new(Vault::new(&Secret::new("5a".repeat(32))).unwrap());
        let clock = Arc::new(SystemClock::new(1));
        let as_clock: Arc<dyn Clock> = clock.clone();
        let first = first_admin(&*store, &vault, &*clock).await.unwrap();
        let (account, key) = first.expect("it is the first start");
        let listen = ([127, 0, 0, 1], 0).into();
        let sandbox = tandem_sandbox::serve(tandem_sandbox::Options::new(listen, SEED));
        let sandbox = sandbox.await.unwrap();
        let networks = Networks::new(joined(&sandbox), SshKeyPair::generate(), &as_clock).unwrap();
        let terms = terms(&networks, &vault);
        let stop = CancellationToken::new();
        let policies = Arc::new(Policies::open(&*store, as_clock.wall()).await.unwrap());
        let parts = Parts {
            store: store.clone(),
            networks: Arc::new(networks),
            clock,
            terms: terms.clone(),
            policies: Arc::clone(&policies),
            metrics: EngineMetrics::default(),
            stop: stop.clone(),
        };
        let (engine, _) = runner::start(parts).await.unwrap();
        read_market(&engine).await;
        let state = ApiState {
            are_probed: false,
            probe_policy: Arc::default(),
            engine,
            sales: Arc::new(Sales::open(&*store).await.unwrap()),
            token_rates: Vec::new(),
            windows: terms.windows,
            tenants: store.clone(),
            policies,
            store,
            vault,
            clock: as_clock,
            installation: terms.installation,
            products: asks::products(),
            places: terms.places,
            agent: AgentBinary::of(Vec::new()),
            checkpoint_store: None,
            limits: ApiLimits {
                requests_per_second: NonZeroU32::new(REQUESTS_PER_SECOND).unwrap(),
                burst: NonZeroU32::new(REQUESTS_PER_SECOND).unwrap(),
                ..ApiLimits::default()
            },
            metrics: Metrics::new(),
        };
        Self {
            state,
            account,
            key,
            stop,
            sandbox,
            _folder: folder,
        }
    }

    /// Serves on a free port, with `more` beside the routes of every broker.
    pub(super) fn serve(
        self,
        more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Serving {
        let (listener, address) = server::listen(([127, 0, 0, 1], 0).into()).unwrap();
        Serving {
            address,
            running: server::serve_with(listener, self.state, more).unwrap(),
            stop: self.stop,
            sandbox: self.sandbox,
            _folder: self._folder,
        }
    }
}

impl Serving {
    /// Ends all of it.
    pub(super) async fn end(self) {
        self.running.stop().await;
        self.stop.cancel();
        self.sandbox.stop().await;
    }
}

fn joined(sandbox: &tandem_sandbox::Running) -> Vec<(Arc<dyn Adapter>, TransportOptions)> {
    let (access_key, secret_key) = sandbox.aethir_keys();
    let ionet = Credentials::IoNet {
        key: Secret::new(sandbox.ionet_key()),
        vm_price_unit: VmPriceUnit::default(),
    };
    let aethir = Credentials::Aethir {
        access_key: access_key.to_owned(),
        secret_key,
    };
    let both = [(ionet, sandbox.ionet_url()), (aethir, sandbox.aethir_url())];
    both.map(|(credentials, url)| {
        let mut options = TransportOptions::new(url);
        options.allows_plain_http = true;
        (registry::adapter(credentials), options)
    })
    .into()
}

fn terms(networks: &Networks, vault: &Arc<Vault>) -> Terms {
    let vault = Arc::clone(vault);
    Terms {
        installation: InstallationId::from_parts(1, &[1; 10]),
        broker: BrokerId(uuid::Uuid::new_v4()),
        windows: Windows::DEFAULT,
        places: Arc::new(Digester::of(Rules::default())),
        seen: Default::default(),
        rounds: Rounds::DEFAULT,
        products: asks::products(),
        ssh_public_key: networks.ssh_public_key(),
        launch: LaunchSettings {
            // Nothing is rented, so nobody calls.
            broker_url: "http://127.0.0.1:9".to_owned(),
            agent_url: "http://127.0.0.1:9".to_owned(),
            agent_sha256: "0".repeat(64),
            time_factor: 1,
        },
        probe: ProbeTerms::OFF,
        tokens: AgentTokens::new(move |job, epoch| vault.agent_token(job, epoch)),
    }
}

async fn read_market(engine: &EngineHandle) {
    let until = Instant::now() + MARKET_TIMEOUT;
    loop {
        let market = engine.market();
        let read = market.networks.values().filter(|n| n.read_at.is_some());
        if read.count() == 2 && !market.book.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "the sandbox's offers never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
