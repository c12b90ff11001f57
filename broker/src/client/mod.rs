//! The command line's side of the API: requests with deadlines, retries that cannot do a thing
//! twice, and refusals as the broker words them.

mod credentials;
pub mod failure;
mod stream;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tandem_model::secret::Secret;

use crate::api::{Moment, PAGE_ITEMS_MAX, Page, ProblemView, WORLD_TIME};
pub use credentials::{Credentials, CredentialsError};
pub use stream::EventStream;

/// Where a broker is when nothing else is said.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time for a request and its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Times that a request is sent again.
const RETRIES_MAX: u32 = 4;
/// Wait before the first repetition; it doubles.
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// Longest wait that a broker can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Most pages that are read of one list.
const PAGES_MAX: usize = 500;

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is no URL.
    #[error("`{0}` is no URL of a broker")]
    BadUrl(String),
    /// No API key is known.
    #[error("no API key is known for {0}")]
    NoKey(String),
    /// The saved keys cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Nothing answered, or the answer broke off.
    #[error("no broker answered at {url}: {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// What happened.
        why: String,
    },
    /// What answered is no broker, or of another age.
    #[error("what answers at {url} is no broker of this version: {why}")]
    NotOurs {
        /// Where.
        url: String,
        /// What was not understood.
        why: String,
    },
    /// The broker said no.
    #[error("{}", .0.detail)]
    Refused(Box<ProblemView>),
}

impl ClientError {
    /// Whether trying later may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 502..=504),
            _ => false,
        }
    }
}

/// A broker as a command reaches it.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: Option<Secret>,
    world_time: Arc<OnceLock<Moment>>,
}

/// An answer: the document as it came, so that fields which this program does not know stay in it,
/// and the same as a type.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// As it came.
    pub document: Value,
    /// As it is understood.
    pub view: T,
}

impl Client {
    /// A client of the broker at `url`, with a key when one is known.
    pub fn new(url: &str, key: Option<Secret>) -> Result<Self, ClientError> {
        let bad = || ClientError::BadUrl(url.chars().take(200).collect());
        let parsed = Url::parse(url).map_err(|_| bad())?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(bad());
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| ClientError::BadUrl(e.to_string()))?;
        Ok(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
            key,
            world_time: Arc::default(),
        })
    }

    /// Where the broker is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether a key is known.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The world time of the first answer, where that is not the wall's.
    pub fn world_time(&self) -> Option<Moment> {
        self.world_time.get().copied()
    }

    /// Reads something of `/v1`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, ClientError> {
        let request = self.authorised(Method::GET, path)?;
        self.typed(self.patiently(request).await?)
    }

    /// Reads a whole list of `/v1`, page by page.
    pub async fn all<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Answer<Vec<T>>, ClientError> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let (mut documents, mut views) = (Vec::new(), Vec::new());
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut page = format!("{path}{joint}limit={PAGE_ITEMS_MAX}");
            if let Some(cursor) = &after {
                page.push_str(&format!("&after={}", encoded(cursor)));
            }
            let mut answer: Answer<Page<T>> = self.get(&page).await?;
            if let Some(Value::Array(items)) = answer.document.get_mut("items").map(Value::take) {
                documents.extend(items);
            }
            views.append(&mut answer.view.items);
            after = answer.view.next;
            if after.is_none() {
                break;
            }
        }
        Ok(Answer {
            document: serde_json::json!({ "items": documents, "next": after }),
            view: views,
        })
    }

    /// Asks for something that writes nothing, such as a quote, or is the same however often it is
    /// done, such as a ban.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, ClientError> {
        let request = self.authorised(Method::POST, path)?.json(body);
        self.typed(self.patiently(request).await?)
    }

    /// Creates something once: the same idempotency key goes with every repetition.
    pub async fn create<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, ClientError> {
        let request = self
            .authorised(Method::POST, path)?
            .header("Idempotency-Key", uuid::Uuid::new_v4().to_string())
            .json(body);
        self.typed(self.patiently(request).await?)
    }

    /// Puts something in its place, which is the same however often it is done.
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, ClientError> {
        let request = self.authorised(Method::PUT, path)?.json(body);
        self.typed(self.patiently(request).await?)
    }

    /// Does something that is the same however often it is done, such as a revocation.
    pub async fn settle<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<Answer<T>, ClientError> {
        let request = self.authorised(method, path)?;
        self.typed(self.patiently(request).await?)
    }

    /// Reads something that needs no key, once. A refusal's document is an answer, too.
    pub async fn open<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, ClientError> {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let body = self.body(answer).await?;
        let value = serde_json::from_slice(&body).map_err(|e| self.not_ours(&e))?;
        self.typed(Some(value))
    }

    fn authorised(
        &self,
        method: Method,
        path: &str,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        let key = self
            .key
            .as_ref()
            .ok_or_else(|| ClientError::NoKey(self.url.clone()))?;
        let request = self.http.request(method, format!("{}{path}", self.url));
        Ok(request.bearer_auth(key.expose()))
    }

    /// Sends a request, and again while that may help.
    async fn patiently(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<Option<Value>, ClientError> {
        let mut wait = RETRY_WAIT;
        for _ in 0..RETRIES_MAX {
            let Some(again) = request.try_clone() else {
                break;
            };
            match self.once(again).await {
                Err((error, asked)) if error.may_pass() => {
                    tracing::debug!(%error, "sent again");
                    tokio::time::sleep(asked.unwrap_or(wait)).await;
                    wait *= 2;
                }
                other => return other.map_err(|(error, _)| error),
            }
        }
        self.once(request).await.map_err(|(error, _)| error)
    }

    /// Sends a request once; with an error comes how long the broker asks to wait.
    async fn once(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<Option<Value>, (ClientError, Option<Duration>)> {
        let alone = |error| (error, None);
        let answer = request
            .send()
            .await
            .map_err(|e| alone(self.unreachable(&e)))?;
        let (status, asked) = (answer.status(), retry_after(&answer));
        if let Some(at) = world_time(&answer) {
            self.world_time.get_or_init(|| at);
        }
        let body = self.body(answer).await.map_err(alone)?;
        if status.is_success() {
            if body.is_empty() {
                return Ok(None);
            }
            let value = serde_json::from_slice(&body).map_err(|e| alone(self.not_ours(&e)))?;
            return Ok(Some(value));
        }
        Err((self.refusal(status, &body), asked))
    }

    async fn body(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|e| self.unreachable(&e))? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(self.not_ours(&"its answer is too long"));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<ProblemView>(body) {
            Ok(mut problem) if !problem.code.is_empty() => {
                problem.status = status.as_u16();
                ClientError::Refused(Box::new(problem))
            }
            // A proxy on the way speaks for itself; it may be over soon.
            _ if matches!(status.as_u16(), 502..=504) => ClientError::Unreachable {
                url: self.url.clone(),
                why: format!("a proxy says {status}"),
            },
            _ => self.not_ours(&format!("it says {status}")),
        }
    }

    fn typed<T: DeserializeOwned>(
        &self,
        document: Option<Value>,
    ) -> Result<Answer<T>, ClientError> {
        let document = document.unwrap_or(Value::Null);
        let view = T::deserialize(&document).map_err(|e| self.not_ours(&e))?;
        Ok(Answer { document, view })
    }

    fn not_ours(&self, why: &dyn std::fmt::Display) -> ClientError {
        ClientError::NotOurs {
            url: self.url.clone(),
            why: why.to_string(),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        // The innermost cause says it best: "Connection refused (os error 111)".
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let why = if error.is_timeout() {
            "it took too long".to_owned()
        } else {
            cause.to_string()
        };
        ClientError::Unreachable {
            url: self.url.clone(),
            why,
        }
    }
}

fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let text = answer.headers().get("Retry-After")?.to_str().ok()?;
    let asked = Duration::from_secs(text.trim().parse().ok()?);
    Some(asked.min(RETRY_AFTER_MAX))
}

fn world_time(answer: &reqwest::Response) -> Option<Moment> {
    let text = answer.headers().get(WORLD_TIME)?.to_str().ok()?;
    serde_json::from_value(text.into()).ok()
}

/// A text as part of a query: everything but RFC 3986's unreserved characters is encoded.
pub fn encoded(text: &str) -> String {
    let byte = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(b).to_string()
        }
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests;
