//! Two hundred starts at once, over real HTTP, while the networks break: no certain outcome is
//! wrong, and nothing is created twice.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_adapters::adapter::{Adapter, Context};
use tandem_adapters::breaker::BreakerPolicy;
use tandem_adapters::transport::{TraceId, Transport, TransportOptions};
use tandem_adapters::wire::RateLimit;
use tandem_adapters::{Answer, Command, Creation, Outcome, StartOrder, Step, registry};
use tandem_model::id::{InstallationId, JobId};
use tandem_model::launch::ContainerLaunch;
use tandem_model::network::{LaunchVia, NetworkId, Product};
use tandem_model::offer::Offer;
use tandem_model::placement::{Epoch, PlacementTag};
use tandem_model::time::{Clock, WallTime, WorldTime};
use tandem_sandbox::{Options, Running, serve};

/// Starts of one product under one fault.
const STARTS: u32 = 200;
const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f load";

/// An adapter without its rate limits, which would spread the load over a minute.
struct Unlimited(Arc<dyn Adapter>);

impl Adapter for Unlimited {
    fn network(&self) -> NetworkId {
        self.0.network()
    }
    fn products(&self) -> &[Product] {
        self.0.products()
    }
    fn rate_limits(&self) -> &[RateLimit] {
        &[]
    }
    fn next(&self, command: &Command, answers: &[Answer], context: Context) -> Step {
        self.0.next(command, answers, context)
    }
}

struct SandboxClock(Arc<Running>);

impl Clock for SandboxClock {
    fn world(&self) -> WorldTime {
        self.0.now().world
    }
    fn wall(&self) -> WallTime {
        self.0.now().wall
    }
}

struct Bench {
    running: Arc<Running>,
    client: reqwest::Client,
    jobs: u64,
}

impl Bench {
    async fn start() -> Self {
        let mut options = Options::new("127.0.0.1:0".parse().unwrap(), 11);
        options.world.rate_limits = false;
        options.world.nodes = 100_000;
        Self {
            running: Arc::new(serve(options).await.unwrap()),
            client: reqwest::Client::new(),
            jobs: 0,
        }
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}/sandbox/{path}", self.running.url());
        let answer = self.client.request(method, url).json(body).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}: {body}");
        answer.json().await.unwrap()
    }

    /// A transport as brokers use it, with quick retries.
    fn transport(&self, adapter: &Unlimited, breaker: BreakerPolicy) -> Arc<Transport> {
        let base = match adapter.network().as_str() {
            "aethir" => self.running.aethir_url(),
            _ => self.running.ionet_url(),
        };
        let mut options = TransportOptions::new(base);
        options.allows_plain_http = true;
        options.retry_wait = Duration::from_millis(20);
        options.breaker = breaker;
        let clock = Arc::new(SandboxClock(Arc::clone(&self.running)));
        Arc::new(Transport::new(adapter, options, clock).unwrap())
    }

    fn order(&mut self, product: &Product, offer: &Offer) -> StartOrder {
        self.jobs += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.jobs.to_be_bytes());
        let what = match product.launch {
            LaunchVia::Container => Creation::Container(ContainerLaunch {
                image: "docker.io/library/nginx:1".to_owned(),
                registry: None,
                entrypoint: vec!["run".to_owned()],
                args: Vec::new(),
                env: BTreeMap::new(),
                secret_env: BTreeMap::new(),
                port: 8080,
            }),
            LaunchVia::Ssh => Creation::Machine {
                ssh_public_key: PUBLIC_KEY.to_owned(),
                ports: vec![8080],
            },
        };
        StartOrder {
            tag: PlacementTag {
                installation: InstallationId::from_parts(1, &[9; 10]),
                job: JobId::from_parts(self.jobs, &random),
                epoch: Epoch(1),
            },
            nodes: 1,
            gpus_per_node: offer.gpus_per_node,
            hours: product.prepaid_hours_min,
            what,
            offer: offer.clone(),
        }
    }

    /// Ids of what carries each name, without what was cancelled before it was paid.
    async fn created(&self) -> BTreeMap<String, Vec<String>> {
        let truth = self.control("GET", "truth", &Value::Null).await;
        let mut created: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for deployment in truth["deployments"].as_array().unwrap() {
            if deployment["status"] != "cancelled" {
                let text = |field: &str| deployment[field].as_str().unwrap().to_owned();
                let ids = created.entry(text("name")).or_default();
                ids.push(text("remote_id"));
            }
        }
        created
    }
}

fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(60)
}

/// Starts all orders at once and gives what came out, by name.
async fn start_all(
    adapter: &Arc<Unlimited>,
    transport: &Arc<Transport>,
    orders: Vec<StartOrder>,
) -> BTreeMap<String, Outcome> {
    let mut running = tokio::task::JoinSet::new();
    for order in orders {
        let (adapter, transport) = (Arc::clone(adapter), Arc::clone(transport));
        running.spawn(async move {
            let name = order.tag.to_string();
            let command = Command::Start(Box::new(order));
            let trace = TraceId::new([7; 16]);
            let outcome = transport
                .perform(adapter.as_ref(), &command, trace, deadline())
                .await;
            (name, outcome)
        });
    }
    running.join_all().await.into_iter().collect()
}

/// What is wrong between the outcomes and the truth.
fn lies(
    outcomes: &BTreeMap<String, Outcome>,
    created: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let nothing = Vec::new();
    let lie = |(name, outcome): (&String, &Outcome)| {
        let ids = created.get(name).unwrap_or(&nothing);
        let is_true = match outcome {
            Outcome::Started { remote_id } => ids.as_slice() == [remote_id.clone()],
            Outcome::Failed(_) => ids.is_empty(),
            Outcome::Unknown { .. } => ids.len() <= 1,
            _ => false,
        };
        (!is_true).then(|| format!("{name}: {outcome:?}, created {ids:?}"))
    };
    outcomes.iter().filter_map(lie).collect()
}

fn faults() -> Vec<Value> {
    let errors = ["error_before", "error_after"].into_iter();
    let mut faults: Vec<Value> = errors
        .flat_map(|kind| ["error", "cut", "seed"].map(|answer| (kind, answer)))
        .map(|(kind, answer)| json!({"kind": kind, "answer": answer, "count": 60}))
        .collect();
    faults.push(json!({"kind": "phantom_capacity", "count": 60}));
    for kind in ["crash", "silent", "slow", "stale_status", "reallocate"] {
        faults.push(json!({"kind": kind}));
    }
    faults.push(json!({"kind": "lying_gpu", "count": 60}));
    faults
}

/// A breaker that opens soon, and one that lets every request meet the fault.
const BREAKERS: [BreakerPolicy; 2] = [
    BreakerPolicy {
        failures_to_open: 5,
        open_for: Duration::from_millis(50),
    },
    BreakerPolicy {
        failures_to_open: u32::MAX,
        open_for: Duration::ZERO,
    },
];

async fn no_outcome_lies(network: &str) {
    let adapters = registry::all_with("sandbox");
    let adapter = adapters.iter().find(|a| a.network().as_str() == network);
    let adapter = Arc::new(Unlimited(Arc::clone(adapter.unwrap())));
    let cases = BREAKERS
        .into_iter()
        .flat_map(|breaker| faults().into_iter().map(move |fault| (breaker, fault)));
    for (number, (breaker, fault)) in cases.enumerate() {
        let product = &adapter.products()[number % adapter.products().len()];
        let started = under_load(&adapter, product, breaker, &fault).await;
        // Most starts got through, so the fault met a load.
        let most = STARTS as usize / 2;
        assert!(
            started >= most || breaker == BREAKERS[0],
            "{fault}: {started}"
        );
    }
}

/// Starts under one fault in a fresh sandbox; gives how many started.
async fn under_load(
    adapter: &Arc<Unlimited>,
    product: &Product,
    breaker: BreakerPolicy,
    fault: &Value,
) -> usize {
    let mut bench = Bench::start().await;
    let transport = bench.transport(adapter, breaker);
    let trace = TraceId::new([7; 16]);
    let market = transport
        .perform(adapter.as_ref(), &Command::Offers, trace, deadline())
        .await;
    let Outcome::Offers { offers, .. } = market else {
        panic!("{market:?}")
    };
    let own = offers.iter().filter(|offer| offer.product == product.name);
    let offer = own.max_by_key(|offer| offer.nodes_available).unwrap();
    let orders = (0..STARTS).map(|_| bench.order(product, offer)).collect();
    let mut body = fault.clone();
    body["network"] = adapter.network().as_str().into();
    body["scope"] = "network".into();
    bench.control("POST", "faults", &body).await;
    let outcomes = start_all(adapter, &transport, orders).await;
    let lies = lies(&outcomes, &bench.created().await);
    assert!(lies.is_empty(), "{fault}, {breaker:?}: {lies:#?}");
    let started = outcomes.values();
    started
        .filter(|o| matches!(o, Outcome::Started { .. }))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_starts_at_once_at_ionet_never_lie_whatever_breaks() {
    no_outcome_lies("ionet").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_starts_at_once_at_the_aethir_style_network_never_lie_whatever_breaks() {
    no_outcome_lies("aethir").await;
}
