//! The one HTTP transport: everything between a network's adapter and its socket.
//!
//! It knows deadlines, retries, rate limits, the circuit breaker and size limits, and nothing of
//! what it carries. Headers and bodies are never logged. Redirects are not followed, so that a key
//! never goes to another host; a workload's public URL is never called through here.

mod http;
mod limits;
mod trace;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{Client, Url};
use tandem_model::network::NetworkId;
use tandem_model::time::Clock;
use tokio::time::Instant;

use crate::adapter::{Adapter, Answer, Context, Step, TransportFault};
use crate::answer::retry_after;
use crate::breaker::{Breaker, BreakerPolicy};
use crate::command::{Command, Outcome};
use crate::exchange::Exchange;
use crate::wire::{Repeat, WireRequest};

pub use http::{BODY_BYTES_MAX, STREAM_BYTES_MAX};
pub use trace::TraceId;

/// Longest time to make a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Times that one request is sent again.
const RETRIES_MAX: usize = 3;
/// Wait before the first retry; doubled for each further one, with jitter.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(500);
/// Longest wait before a retry, whatever the network asks for.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("tandem/", env!("CARGO_PKG_VERSION"));

/// How one network is reached.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// Where it is, such as `https://api.io.solutions`; a path in it is kept.
    pub base_url: String,
    /// Whether `http` is allowed: for a sandbox, because keys travel in clear.
    pub allows_plain_http: bool,
    /// Brokers that share the credentials.
    pub brokers: NonZeroU32,
    /// Longest time for one request, its answer included.
    pub request_timeout: Duration,
    /// Wait before the first retry.
    pub retry_wait: Duration,
    /// When calls are held back.
    pub breaker: BreakerPolicy,
}

impl TransportOptions {
    /// One broker, 30 s a request.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            allows_plain_http: false,
            brokers: NonZeroU32::MIN,
            request_timeout: Duration::from_secs(30),
            retry_wait: RETRY_WAIT_MIN,
            breaker: BreakerPolicy::default(),
        }
    }
}

/// Why a transport cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The base URL is unusable.
    #[error("the base URL `{url}` {why}")]
    BaseUrl {
        /// As given, without user and password.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// The transport to one network, for one set of credentials.
pub struct Transport {
    network: NetworkId,
    client: Client,
    base: Url,
    limits: limits::Limits,
    breaker: Mutex<Breaker>,
    clock: Arc<dyn Clock>,
    request_timeout: Duration,
    retry_wait: Duration,
}

impl Transport {
    /// A transport for an adapter's network. `clock` gives the moments for signatures and
    /// observations; deadlines run on the runtime's own clock.
    pub fn new(
        adapter: &dyn Adapter,
        options: TransportOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TransportError> {
        let base = base_url(&options)?;
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .build()
            .map_err(TransportError::Client)?;
        Ok(Self {
            network: adapter.network(),
            client,
            base,
            limits: limits::Limits::new(adapter.rate_limits(), options.brokers),
            breaker: Mutex::new(Breaker::new(options.breaker)),
            clock,
            request_timeout: options.request_timeout,
            retry_wait: options.retry_wait,
        })
    }

    /// Carries out a command: sends what the adapter asks for until it has an outcome, at the
    /// latest at the deadline.
    pub async fn perform(
        &self,
        adapter: &dyn Adapter,
        command: &Command,
        trace: TraceId,
        deadline: Instant,
    ) -> Outcome {
        let mut exchange = Exchange::new(adapter, command);
        loop {
            match exchange.step(self.context()) {
                Step::Done(outcome) => return outcome,
                Step::Send(request) => {
                    let answer = self
                        .send_with_retries(&exchange, &request, trace, deadline)
                        .await;
                    exchange.answered(answer);
                }
            }
        }
    }

    /// Sends one request once, when our share of the network's limits has room for it.
    pub async fn send(&self, request: &WireRequest, trace: TraceId, deadline: Instant) -> Answer {
        self.limits.wait(request.rate, deadline).await?;
        self.send_now(request, trace, deadline).await
    }

    async fn send_now(&self, request: &WireRequest, trace: TraceId, deadline: Instant) -> Answer {
        let traceparent = trace.traceparent(rand::random());
        let url = http::url(&self.base, request).ok_or(TransportFault::NotSent)?;
        let headers = http::headers(request, &traceparent).ok_or(TransportFault::NotSent)?;
        if Instant::now() >= deadline {
            return Err(TransportFault::NotSent);
        }
        if !self.with_breaker(|breaker, now| breaker.admit(now)) {
            return Err(TransportFault::CircuitOpen);
        }
        let began = Instant::now();
        let until = deadline.min(began + self.request_timeout);
        let answer = http::send(&self.client, url, headers, request, until).await;
        let well = match &answer {
            Ok(response) => response.status < 500,
            Err(fault) => *fault == TransportFault::TooLarge,
        };
        self.with_breaker(|breaker, now| match well {
            true => breaker.succeeded(),
            false => breaker.failed(now),
        });
        tracing::debug!(
            network = %self.network,
            method = request.method.as_str(),
            path = request.path,
            trace = %trace,
            elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            status = answer.as_ref().ok().map(|response| response.status),
            fault = answer.as_ref().err().map(tracing::field::display),
            "request"
        );
        answer
    }

    async fn send_with_retries(
        &self,
        exchange: &Exchange<'_>,
        request: &WireRequest,
        trace: TraceId,
        deadline: Instant,
    ) -> Answer {
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(self.retry_wait)
            .with_max_delay(RETRY_WAIT_MAX)
            .with_max_times(RETRIES_MAX)
            .with_jitter()
            .build();
        let mut may_have_arrived = false;
        loop {
            // Waited for first and asked again then: a single-use token lives for seconds, and the
            // wait for our share of a limit can be longer.
            let answer = match self.limits.wait(request.rate, deadline).await {
                Err(fault) => Err(fault),
                Ok(()) => match exchange.step(self.context()) {
                    Step::Send(fresh) => self.send_now(&fresh, trace, deadline).await,
                    Step::Done(_) => Err(TransportFault::NotSent),
                },
            };
            let wait = if may_be_sent_again(&answer, request.repeat) {
                waits.next()
            } else {
                None
            };
            let asked = answer
                .as_ref()
                .ok()
                .and_then(|r| retry_after(r, self.clock.wall()));
            let Some(wait) = wait.map(|wait| asked.unwrap_or(wait).min(RETRY_WAIT_MAX)) else {
                return settle(answer, may_have_arrived);
            };
            if Instant::now() + wait >= deadline {
                return settle(answer, may_have_arrived);
            }
            may_have_arrived |= has_open_fate(&answer);
            tokio::time::sleep(wait).await;
        }
    }

    fn context(&self) -> Context {
        Context {
            wall: self.clock.wall(),
            world: self.clock.world(),
            nonce: rand::random(),
        }
    }

    fn with_breaker<T>(&self, f: impl FnOnce(&mut Breaker, std::time::Instant) -> T) -> T {
        // A panic while it was held cannot leave it half changed: every change is one assignment.
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut breaker, std::time::Instant::now())
    }
}

fn base_url(options: &TransportOptions) -> Result<Url, TransportError> {
    let refuse = |url: &str, why| TransportError::BaseUrl {
        url: url.to_owned(),
        why,
    };
    // The text itself is not shown: it may hold a password.
    let url = Url::parse(&options.base_url).map_err(|_| refuse("…", "is not a URL"))?;
    let shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    match url.scheme() {
        _ if url.username() != "" || url.password().is_some() => {
            Err(refuse(&shown, "must not hold a user or a password"))
        }
        _ if url.query().is_some() || url.fragment().is_some() => {
            Err(refuse(&shown, "must not hold a query or a fragment"))
        }
        "https" => Ok(url),
        "http" if options.allows_plain_http => Ok(url),
        "http" => Err(refuse(
            &shown,
            "is plain http, over which keys would travel in clear",
        )),
        _ => Err(refuse(&shown, "must start with https")),
    }
}

/// Whether a request may have been acted on although no clear answer came.
fn has_open_fate(answer: &Answer) -> bool {
    match answer {
        Ok(response) => response.status >= 500 || response.status == 408,
        Err(fault) => matches!(fault, TransportFault::MaybeSent | TransportFault::TooLarge),
    }
}

fn may_be_sent_again(answer: &Answer, repeat: Repeat) -> bool {
    match answer {
        Err(TransportFault::NotSent) => true,
        Err(TransportFault::MaybeSent) => repeat == Repeat::Safe,
        Err(_) => false,
        Ok(response) => repeat == Repeat::Safe && matches!(response.status, 408 | 429 | 500..=599),
    }
}

/// After an attempt that may have arrived, the certainty that a later one did not is no certainty
/// about the first; nor is an answer that never looked at what was asked.
fn settle(answer: Answer, may_have_arrived: bool) -> Answer {
    let says_nothing = match &answer {
        Ok(response) => matches!(response.status, 401 | 403 | 429),
        Err(_) => true,
    };
    if may_have_arrived && says_nothing {
        Err(TransportFault::MaybeSent)
    } else {
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::WireResponse;

    fn status(status: u16) -> Answer {
        Ok(WireResponse {
            status,
            ..WireResponse::default()
        })
    }

    #[test]
    fn an_unsafe_request_is_repeated_only_when_it_certainly_did_not_leave() {
        for (answer, safe, not_safe) in [
            (Err(TransportFault::NotSent), true, true),
            (Err(TransportFault::MaybeSent), true, false),
            (Err(TransportFault::TooLarge), false, false),
            (Err(TransportFault::CircuitOpen), false, false),
            (Err(TransportFault::RateLimited), false, false),
            (status(200), false, false),
            (status(404), false, false),
            (status(408), true, false),
            (status(409), false, false),
            (status(429), true, false),
            (status(503), true, false),
        ] {
            assert_eq!(may_be_sent_again(&answer, Repeat::Safe), safe, "{answer:?}");
            assert_eq!(
                may_be_sent_again(&answer, Repeat::Unsafe),
                not_safe,
                "{answer:?}"
            );
        }
    }

    #[test]
    fn an_attempt_that_may_have_arrived_is_not_forgotten() {
        let unknown = Err(TransportFault::MaybeSent);
        for later in [
            Err(TransportFault::NotSent),
            Err(TransportFault::CircuitOpen),
            status(429),
        ] {
            assert_eq!(settle(later.clone(), true), unknown);
            assert_eq!(settle(later.clone(), false), later);
        }
        assert_eq!(settle(status(409), true), status(409));
        assert_eq!(settle(status(200), true), status(200));
    }

    #[test]
    fn base_urls_that_would_leak_are_refused_without_showing_their_password() {
        let check = |url: &str, plain| {
            let mut options = TransportOptions::new(url);
            options.allows_plain_http = plain;
            base_url(&options)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert!(check("https://api.io.solutions", false).is_ok());
        assert!(check("http://127.0.0.1:1", true).is_ok());
        for bad in [
            "http://127.0.0.1:1",
            "https://u:hunter2@h",
            "https://h?a=hunter2",
            "ftp://h",
            "hunter2",
        ] {
            let error = check(bad, false).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
