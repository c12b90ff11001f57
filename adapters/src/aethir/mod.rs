//! The Aethir-style network: enterprise servers in data centres, ordered and prepaid one by one.
//!
//! Aethir publishes no ordering API; `docs/aethir-style-api.md` is Tandem's own design in its
//! style. Every creating call carries a number of ours, so that asking again is always safe: an
//! order is created and paid once however often its exchange is repeated.

mod market;
mod order;
pub mod quality;
pub mod token;
pub mod wire;

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tandem_model::network::{LaunchVia, NetworkId, Payment, Product, RefundRule};
use tandem_model::secret::Secret;

use crate::adapter::{Adapter, Answer, Context, Step};
use crate::answer::{Doing, Reader};
use crate::command::{Command, Outcome};
use crate::wire::{Method, RateClass, RateLimit, Repeat, WireRequest, WireResponse};

/// The network's name.
pub const NETWORK: NetworkId = NetworkId::from_static("aethir");
/// Servers by the hour.
pub const ON_DEMAND_PRODUCT: &str = "on-demand";
/// Servers by the settlement period.
pub const RESERVE_PRODUCT: &str = "reserve";

/// Servers of one order. The API states no limit; this is ours.
const SERVERS_MAX: u16 = 64;
/// GPUs of one server.
const GPUS_PER_SERVER_MAX: u16 = 16;
/// Ports that a server can publish: it has its own address. The API states no limit; this is ours.
const PORTS_MAX: u16 = 64;

const fn product(name: &'static str, step_hours: u32, refund_seconds: u32) -> Product {
    Product {
        network: NETWORK,
        name,
        launch: LaunchVia::Ssh,
        nodes_are_linked: true,
        nodes_max: SERVERS_MAX,
        gpus_per_node_max: GPUS_PER_SERVER_MAX,
        published_ports_max: PORTS_MAX,
        doubles_dollar: false,
        payment: Payment::PerOrder {
            window_seconds: wire::PAYMENT_WINDOW_SECONDS,
        },
        prepaid_hours_min: step_hours,
        prepaid_hours_max: 8_760,
        extension_step_hours: step_hours,
        refund: RefundRule::PeriodOnProviderFault {
            period_seconds: refund_seconds,
        },
    }
}

static PRODUCTS: [Product; 2] = [
    product(ON_DEMAND_PRODUCT, 1, 3_600),
    product(
        RESERVE_PRODUCT,
        wire::SETTLEMENT_PERIOD_HOURS,
        wire::SETTLEMENT_PERIOD_HOURS * 3_600,
    ),
];

/// One bulk read in 5 s and key.
const RATE_LIMITS: [RateLimit; 1] = [RateLimit {
    class: RateClass::Bulk,
    requests: 1,
    per: Duration::from_secs(5),
}];

/// The adapter.
#[derive(Debug)]
pub struct Aethir {
    access_key: String,
    secret_key: Secret,
}

impl Aethir {
    /// An adapter that signs its requests with an access key and its secret key.
    pub fn new(access_key: impl Into<String>, secret_key: Secret) -> Self {
        Self {
            access_key: access_key.into(),
            secret_key,
        }
    }

    /// A request under the API's base path. Every call of the API is safe to repeat, because each
    /// creating one carries a number of ours and the others have no second effect.
    fn request(&self, method: Method, path: &str, context: Context) -> WireRequest {
        let nonce = format!("{:016x}", context.nonce);
        let token = token::make(&self.access_key, &self.secret_key, context.wall, &nonce);
        WireRequest {
            method,
            path: format!("{}{path}", wire::BASE_PATH),
            query: Vec::new(),
            headers: vec![
                ("accept".to_owned(), "application/json".to_owned()),
                (token::ACCESS_KEY_HEADER.to_owned(), self.access_key.clone()),
                (token::TOKEN_HEADER.to_owned(), token),
            ],
            body: Vec::new(),
            repeat: Repeat::Safe,
            rate: RateClass::Any,
            streams: false,
        }
    }

    fn get(&self, path: &str, context: Context) -> WireRequest {
        self.request(Method::Get, path, context)
    }

    /// A page of a bulk read.
    fn page(&self, path: &str, current: usize, context: Context) -> WireRequest {
        let mut request = self.get(path, context);
        request.rate = RateClass::Bulk;
        request.query = vec![
            ("current".to_owned(), current.to_string()),
            ("size".to_owned(), wire::PAGE_SIZE_MAX.to_string()),
        ];
        request
    }

    fn post<T: serde::Serialize>(&self, path: &str, body: &T, context: Context) -> WireRequest {
        let mut request = self.request(Method::Post, path, context);
        request
            .headers
            .push(("content-type".to_owned(), "application/json".to_owned()));
        request.body = serde_json::to_vec(body).expect("texts and numbers serialise");
        request
    }

    fn reader(&self, context: Context) -> Reader<'_> {
        Reader {
            words,
            secret: &self.secret_key,
            wall: context.wall,
        }
    }
}

/// The `data` of an answer whose code says that all is well.
fn data<T: DeserializeOwned>(
    reader: &Reader<'_>,
    answer: &Answer,
    doing: Doing,
) -> Result<T, Outcome> {
    let response = reader.accept(answer, doing)?;
    let envelope: wire::Envelope<T> = reader.json(response, doing)?;
    match envelope {
        wire::Envelope {
            code: wire::CODE_OK,
            data: Some(data),
            ..
        } => Ok(data),
        other => {
            let why = format!(
                "HTTP 200 with code {} and no data: {}",
                other.code, other.msg
            );
            Err(reader.not_understood(doing, &why))
        }
    }
}

/// The network's own words: `msg` and `code`.
fn words(response: &WireResponse) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        code: u32,
        #[serde(default)]
        msg: String,
    }
    match serde_json::from_slice::<Said>(&response.body) {
        Ok(said) => Some(format!("{} (code {})", said.msg, said.code)),
        Err(_) => std::str::from_utf8(&response.body).ok().map(str::to_owned),
    }
}

impl Adapter for Aethir {
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
            Command::Offers => self.offers(answers, context),
            Command::Start(order) => self.start(order, answers, context),
            Command::Status { remote_id, .. } => self.status(remote_id, answers, context),
            Command::List { tag_prefix } => self.list(tag_prefix, answers, context),
            Command::Extend {
                remote_id,
                hours,
                minutes_before,
                ..
            } => self.extend(remote_id, *hours, *minutes_before, answers, context),
            Command::Stop { remote_id, .. } => self.stop(remote_id, answers, context),
            Command::Logs { remote_id, .. } => self.logs(remote_id, answers, context),
            Command::Balance => self.balance(answers, context),
        };
        step.unwrap_or_else(Step::Done)
    }
}
