//! io.net: containers (`caas`) and machines (`vmaas`), prepaid from a balance.
//!
//! The network takes no idempotency keys, so a deployment or an extension whose answer is lost is
//! unknown and is looked up, never sent again. A deployment answers 404 for a while after it was
//! created; `Status` then says `NotFound` and the engine waits, because only a listing without
//! the tag shows that nothing was created.

mod deploy;
mod lifecycle;
mod location;
mod logs;
mod market;
mod observed;
pub mod wire;

use std::time::Duration;

use tandem_model::network::{LaunchVia, NetworkId, Payment, Product, RefundRule};
use tandem_model::secret::Secret;

use crate::adapter::{Adapter, Answer, Context, Step};
use crate::answer::{Reader, unsupported};
use crate::command::Command;
use crate::wire::{Method, RateClass, RateLimit, Repeat, WireRequest, WireResponse};

/// The network's name.
pub const NETWORK: NetworkId = NetworkId::from_static("ionet");
/// Containers.
pub const CAAS_PRODUCT: &str = "caas";
/// Machines.
pub const VMAAS_PRODUCT: &str = "vmaas";
/// Where the network is.
pub const BASE_URL: &str = "https://api.io.solutions";

/// Ports that can be opened on a machine. The network states no limit; this is ours.
const VM_PORTS_MAX: u16 = 16;
/// Replicas of a container deployment. The network states no limit; this is ours, so that all of
/// them fit on one page of workers.
const REPLICAS_MAX: u16 = 64;

static PRODUCTS: [Product; 2] = [
    Product {
        network: NETWORK,
        name: CAAS_PRODUCT,
        launch: LaunchVia::Container,
        nodes_are_linked: false,
        nodes_max: REPLICAS_MAX,
        gpus_per_node_max: 8,
        published_ports_max: 1,
        doubles_dollar: true,
        payment: Payment::Balance,
        prepaid_hours_min: 1,
        prepaid_hours_max: 8_760,
        extension_step_hours: 1,
        refund: RefundRule::None,
    },
    Product {
        network: NETWORK,
        name: VMAAS_PRODUCT,
        launch: LaunchVia::Ssh,
        nodes_are_linked: false,
        nodes_max: 1,
        gpus_per_node_max: 8,
        published_ports_max: VM_PORTS_MAX,
        doubles_dollar: false,
        payment: Payment::Balance,
        prepaid_hours_min: 1,
        prepaid_hours_max: 8_760,
        extension_step_hours: 1,
        refund: RefundRule::ProportionalAfterFirstHour,
    },
];

/// 300 requests a minute and key (`ionet-cloud` 0.4.1).
const RATE_LIMITS: [RateLimit; 1] = [RateLimit {
    class: RateClass::Any,
    requests: 300,
    per: Duration::from_secs(60),
}];

/// What the price of a machine is for. The network's samples say the whole configuration, its
/// client says one GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VmPriceUnit {
    /// All cards of the machine together.
    #[default]
    Configuration,
    /// One card.
    Gpu,
}

/// The adapter.
#[derive(Debug)]
pub struct IoNet {
    key: Secret,
    vm_price_unit: VmPriceUnit,
}

impl IoNet {
    /// An adapter that signs its requests with an API key.
    pub fn new(key: Secret, vm_price_unit: VmPriceUnit) -> Self {
        Self { key, vm_price_unit }
    }

    fn request(&self, method: Method, path: String, repeat: Repeat) -> WireRequest {
        WireRequest {
            method,
            path,
            query: Vec::new(),
            headers: vec![
                ("accept".to_owned(), "application/json".to_owned()),
                (wire::KEY_HEADER.to_owned(), self.key.expose().to_owned()),
            ],
            body: Vec::new(),
            repeat,
            rate: RateClass::Any,
            streams: false,
        }
    }

    fn get(&self, path: String) -> WireRequest {
        self.request(Method::Get, path, Repeat::Safe)
    }

    /// A request with a JSON body; never repeated, because the network has no idempotency keys.
    fn post<T: serde::Serialize>(&self, path: String, body: &T) -> WireRequest {
        let mut request = self.request(Method::Post, path, Repeat::Unsafe);
        request
            .headers
            .push(("content-type".to_owned(), "application/json".to_owned()));
        request.body = serde_json::to_vec(body).expect("texts, numbers and maps of them serialise");
        request
    }

    fn reader(&self, context: Context) -> Reader<'_> {
        Reader {
            words,
            secret: &self.key,
            wall: context.wall,
        }
    }
}

impl Adapter for IoNet {
    fn network(&self) -> NetworkId {
        NETWORK
    }

    fn products(&self) -> &[Product] {
        &PRODUCTS
    }

    fn rate_limits(&self) -> &[RateLimit] {
        &RATE_LIMITS
    }

    fn next(&self, command: &Command, answers: &[Answer], context: Context) -> Step {
        let step = match command {
            Command::Offers => Ok(self.offers(answers, context)),
            Command::Start(order) => self.start(order, answers, context),
            Command::Status { product, remote_id } => {
                self.status(product, remote_id, answers, context)
            }
            Command::List { tag_prefix } => self.list(tag_prefix, answers, context),
            Command::Extend {
                product,
                remote_id,
                hours,
                ..
            } => self.extend(product, remote_id, *hours, answers, context),
            Command::Stop { product, remote_id } => self.stop(product, remote_id, answers, context),
            Command::Logs { product, remote_id } => self.logs(product, remote_id, answers, context),
            Command::Balance => Err(unsupported(
                "io.net's API for enterprises has no call that reads the balance",
            )),
        };
        step.unwrap_or_else(Step::Done)
    }
}

/// The network's own words: `error`, `message` or `detail`, as text or as a list of field errors.
fn words(response: &WireResponse) -> Option<String> {
    let body: serde_json::Value = match serde_json::from_slice(&response.body) {
        Ok(body) => body,
        Err(_) => return std::str::from_utf8(&response.body).ok().map(str::to_owned),
    };
    let said = ["error", "message", "detail"]
        .iter()
        .find_map(|key| body.get(key))?;
    match said {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(errors) => Some(
            errors
                .iter()
                .map(field_error)
                .collect::<Vec<_>>()
                .join("; "),
        ),
        other => Some(other.to_string()),
    }
}

/// `{"loc":["body","duration_hours"],"msg":"…"}` as `body.duration_hours: …`.
fn field_error(error: &serde_json::Value) -> String {
    let place = error
        .get("loc")
        .and_then(|loc| loc.as_array())
        .map(|parts| {
            let texts = parts
                .iter()
                .map(|p| p.as_str().map_or_else(|| p.to_string(), str::to_owned));
            texts.collect::<Vec<_>>().join(".")
        });
    let message = error
        .get("msg")
        .and_then(|m| m.as_str())
        .unwrap_or("invalid");
    match place {
        Some(place) => format!("{place}: {message}"),
        None => message.to_owned(),
    }
}

/// A path below a product's prefix, with the id percent-encoded; fails for an unknown product.
fn deployment_path(
    product: &str,
    remote_id: &str,
    rest: &str,
) -> Result<String, crate::command::Outcome> {
    let prefix = match product {
        CAAS_PRODUCT => wire::CAAS,
        VMAAS_PRODUCT => wire::VMAAS,
        other => return Err(unsupported(format!("io.net has no product `{other}`"))),
    };
    Ok(format!(
        "{prefix}/deployment/{}{rest}",
        crate::wire::encode_segment(remote_id)
    ))
}
