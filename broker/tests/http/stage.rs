//! A whole broker for one story: a store on the disk, the real engine, the real server on a free
//! port and, where a story needs a market, both networks of a sandbox.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use gpu_probe::verify::Policy;
use reqwest::Method;
use serde_json::{Value, json};
use tandem::clock::SystemClock;
use tandem::engine::metrics::EngineMetrics;
use tandem::engine::plan::LaunchSettings;
use tandem::engine::probe::ProbeTerms;
use tandem::engine::runner::{self, Parts};
use tandem::engine::terms::{AgentTokens, Rounds, Terms};
use tandem::http::metrics::Metrics;
use tandem::http::server::{self, AgentBinary, Running};
use tandem::http::state::{ApiLimits, ApiState};
use tandem::networks::Networks;
use tandem::policies::Policies;
use tandem::sales::Sales;
use tandem::store::BrokerId;
use tandem::store::sqlite::SqliteStore;
use tandem::vault::Vault;
use tandem::vault::first_admin::first_admin;
use tandem_adapters::ionet::VmPriceUnit;
use tandem_adapters::registry::{self, Credentials};
use tandem_adapters::ssh::SshKeyPair;
use tandem_adapters::transport::TransportOptions;
use tandem_model::id::{AccountId, InstallationId};
use tandem_model::money::Token;
use tandem_model::network::Product;
use tandem_model::secret::Secret;
use tandem_model::time::Clock;
use tandem_model::time::WallTime;
use tandem_model::token::TokenRate;
use tandem_pricing::jurisdiction::{Digester, Rules};
use tandem_pricing::quote::SeenByKind;
use tandem_sla::detect::Windows;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Answer;

/// The master key of every story.
pub(crate) const MASTER: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// What stands for the agent's program.
pub(crate) const PROGRAM: &[u8] = b"the agent's program";
/// How often something is looked for before a story gives up, a twentieth of a second apart.
const LOOKS_MAX: u32 = 1_200;

/// Who may reach the broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agents {
    /// The simulated agents of the sandbox.
    Simulated,
    /// Nobody but the story itself.
    Told,
}

/// What a story chooses.
#[derive(Clone)]
pub(crate) struct Choices {
    pub(crate) agents: Agents,
    pub(crate) market: bool,
    pub(crate) limits: ApiLimits,
    pub(crate) probe: ProbeTerms,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            agents: Agents::Simulated,
            market: true,
            probe: ProbeTerms::OFF,
            limits: ApiLimits {
                requests_per_second: count(10_000),
                burst: count(10_000),
                streams_per_account: 4,
            },
        }
    }
}

/// A limit.
pub(crate) fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("not zero")
}

/// The broker of one story.
pub(crate) struct Stage {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    pub(crate) vault: Arc<Vault>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) admin: String,
    pub(crate) account: AccountId,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) running: Option<Running>,
    stop: CancellationToken,
    engine: Option<JoinHandle<()>>,
    _sandbox: Option<tandem_sandbox::Running>,
}

async fn sandbox(choices: &Choices) -> Option<tandem_sandbox::Running> {
    if !choices.market {
        return None;
    }
    let mut options = tandem_sandbox::Options::new(([127, 0, 0, 1], 0).into(), 7);
    options.speed_permille = 10_000;
    Some(
        tandem_sandbox::serve(options)
            .await
            .expect("the sandbox starts"),
    )
}

type Joined = (Arc<dyn tandem_adapters::adapter::Adapter>, TransportOptions);

fn joined(sandbox: &tandem_sandbox::Running) -> Vec<Joined> {
    let (access_key, secret_key) = sandbox.aethir_keys();
    let ionet = Credentials::IoNet {
        key: Secret::new("sandbox"),
        vm_price_unit: VmPriceUnit::default(),
    };
    let aethir = Credentials::Aethir {
        access_key: access_key.to_owned(),
        secret_key,
    };
    [(ionet, sandbox.ionet_url()), (aethir, sandbox.aethir_url())]
        .map(|(credentials, url)| {
            let mut options = TransportOptions::new(url);
            options.allows_plain_http = true;
            (registry::adapter(credentials), options)
        })
        .into()
}

fn products() -> Vec<Product> {
    let all = registry::all_with("unused");
    all.iter().flat_map(|a| a.products().to_vec()).collect()
}

fn terms(choices: &Choices, url: &str, networks: &Networks, vault: &Arc<Vault>) -> Terms {
    let vault = Arc::clone(vault);
    let broker_url = match choices.agents {
        Agents::Simulated => url.to_owned(),
        // Nothing listens on the discard port.
        Agents::Told => "http://127.0.0.1:9".to_owned(),
    };
    Terms {
        installation: InstallationId::from_parts(1, &[1; 10]),
        broker: BrokerId(uuid::Uuid::new_v4()),
        windows: Windows::DEFAULT,
        places: Arc::new(Digester::of(Rules::default())),
        seen: SeenByKind::new(),
        rounds: Rounds::DEFAULT,
        products: choices.market.then(products).unwrap_or_default(),
        ssh_public_key: networks.ssh_public_key(),
        launch: LaunchSettings {
            agent_url: format!("{broker_url}/agent/v1/binary"),
            broker_url,
            agent_sha256: AgentBinary::of(PROGRAM.to_vec()).sha256,
            time_factor: 10,
        },
        probe: choices.probe,
        tokens: AgentTokens::new(move |job, epoch| vault.agent_token(job, epoch)),
    }
}

/// A database of its own, with the keys to it.
fn disk() -> (tempfile::TempDir, Arc<SqliteStore>, Arc<Vault>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&folder.path().join("tandem.db")).expect("a fresh database");
    let vault = Vault::new(&Secret::new(MASTER)).expect("a good key");
    (folder, Arc::new(store), Arc::new(vault))
}

async fn policies(store: &SqliteStore, clock: &dyn Clock) -> Arc<Policies> {
    let opened = Policies::open(store, clock.wall()).await;
    Arc::new(opened.expect("a fresh store"))
}

impl Stage {
    /// A broker with both networks and their simulated agents.
    pub(crate) async fn open() -> Self {
        Self::with(Choices::default()).await
    }

    /// A broker that rents, whose agents are told by the story.
    pub(crate) async fn told() -> Self {
        Self::with(Choices {
            agents: Agents::Told,
            ..Choices::default()
        })
        .await
    }

    /// A broker without networks, for what needs no market.
    pub(crate) async fn bare() -> Self {
        Self::with(Choices {
            market: false,
            ..Choices::default()
        })
        .await
    }

    pub(crate) async fn with(choices: Choices) -> Self {
        let (folder, store, vault) = disk();
        let clock = Arc::new(SystemClock::new(10));
        let as_clock: Arc<dyn Clock> = clock.clone();
        let first = first_admin(&*store, &vault, &*clock).await;
        let (account, admin) = first.unwrap().expect("it is the first start");
        let sandbox = sandbox(&choices).await;
        let all = sandbox.as_ref().map(joined).unwrap_or_default();
        let networks = Networks::new(all, SshKeyPair::generate(), &as_clock).expect("good");
        let (listener, url) = listening();
        let terms = terms(&choices, &url, &networks, &vault);
        let stop = CancellationToken::new();
        let policies = policies(&store, &*as_clock).await;
        let (handle, engine) = runner::start(Parts {
            store: store.clone(),
            networks: Arc::new(networks),
            clock,
            terms: terms.clone(),
            policies: Arc::clone(&policies),
            metrics: EngineMetrics::default(),
            stop: stop.clone(),
        })
        .await
        .expect("the store can be read");
        let state = ApiState {
            are_probed: terms.probe.at_start,
            probe_policy: Arc::new(Policy::sandbox()),
            engine: handle,
            store: store.clone(),
            tenants: store.clone(),
            vault: vault.clone(),
            policies,
            clock: as_clock,
            installation: terms.installation,
            products: products(),
            sales: sales(&store).await,
            token_rates: token_rates(),
            windows: Windows::DEFAULT,
            places: terms.places,
            agent: AgentBinary::of(PROGRAM.to_vec()),
            checkpoint_store: None,
            limits: choices.limits,
            metrics: Metrics::new(),
        };
        let stage = Self {
            running: Some(server::serve(listener, state).expect("the server starts")),
            client: reqwest::Client::new(),
            admin: admin.expose().to_owned(),
            engine: Some(engine),
            _sandbox: sandbox,
            url,
            vault,
            store,
            account,
            folder,
            stop,
        };
        stage.market(&choices).await;
        stage
    }

    /// Waits until both networks were read, where they are to be.
    async fn market(&self, choices: &Choices) {
        if !choices.market {
            return;
        }
        self.until("offers of both networks", "/v1/offers", |page| {
            let networks = page["networks"].as_array().cloned().unwrap_or_default();
            networks.len() == 2 && networks.iter().all(|n| n["offers"] != 0)
        })
        .await;
    }

    /// Asks again until the answer is as wanted; it is returned.
    pub(crate) async fn until(
        &self,
        what: &str,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        for _ in 0..LOOKS_MAX {
            let answer = self.get(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            last = answer.json();
            if wanted(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} never came: {last}");
    }

    /// A request with the admin's key.
    pub(crate) fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.bearer_auth(&self.admin)
    }

    /// A request with another key.
    pub(crate) fn ask_as(&self, key: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.bearer_auth(key)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.ask(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.ask(Method::POST, path).json(&body)).await
    }

    /// Makes an account and a key of it with these scopes.
    pub(crate) async fn tenant(&self, name: &str, scopes: &[&str]) -> (String, String) {
        self.tenant_of(json!({"name": name}), scopes).await
    }

    /// The same for an account described in full.
    pub(crate) async fn tenant_of(&self, account: Value, scopes: &[&str]) -> (String, String) {
        let account = self.post("/v1/accounts", account).await;
        assert_eq!(account.status, 201, "{}", account.text);
        let id = account.json()["id"].as_str().expect("an id").to_owned();
        let key = json!({"name": "k", "scopes": scopes, "account": id});
        let key = self.post("/v1/keys", key).await;
        assert_eq!(key.status, 201, "{}", key.text);
        let text = key.json()["key"].as_str().expect("a key").to_owned();
        (id, text)
    }

    /// A quote's token for a workload on the consumer tier.
    pub(crate) async fn quote(&self, workload: &str) -> String {
        let body = json!({"workload": workload, "tier": "consumer"});
        let answer = self.post("/v1/quotes", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let reply = answer.json();
        let quote = &reply["tiers"][0]["quote"];
        let token = quote["quote_token"].as_str();
        token.unwrap_or_else(|| panic!("{reply}")).to_owned()
    }

    /// A job that runs a workload; its id.
    pub(crate) async fn job(&self, workload: &str, secrets: Value) -> String {
        let token = self.quote(workload).await;
        let body = json!({"quote_token": token, "workload": workload, "secrets": secrets});
        let answer = self.post("/v1/jobs", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Every job of the first account.
    pub(crate) async fn jobs(&self) -> usize {
        let page = self.get("/v1/jobs").await.json();
        page["items"].as_array().map_or(0, Vec::len)
    }

    /// Ends the engine, as a crash of the broker's inside would.
    pub(crate) async fn end_engine(&mut self) {
        self.stop.cancel();
        if let Some(engine) = self.engine.take() {
            engine.await.expect("it ends well");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What tokens cost on this stage.
fn token_rates() -> Vec<TokenRate> {
    vec![TokenRate {
        token: Token::Io,
        nano_usd_per_token: 150_000_000,
        at: WallTime::from_micros(7),
    }]
}

/// A free port, and its address.
fn listening() -> (std::net::TcpListener, String) {
    let (listener, address) = server::listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    (listener, format!("http://{address}"))
}

async fn sales(store: &SqliteStore) -> Arc<Sales> {
    Arc::new(Sales::open(store).await.expect("the store can be read"))
}
