//! Starting and stopping the HTTP side, with every limit named.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::around::around;
use super::limiter::{Requests, Streams};
use super::problem::Problem;
use super::routes;
pub use super::state::AgentBinary;
use super::state::ApiState;

/// Longest time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time that a connection is kept for a next request.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Longest time for requests under way when the server stops, in seconds.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 5;
/// Threads that answer requests.
const WORKERS: usize = 2;
/// Most open connections of one thread.
const CONNECTIONS_MAX: usize = 4_096;

/// What all routes share.
pub struct Shared {
    /// What they answer from.
    pub state: ApiState,
    pub(super) requests: Requests,
    pub(super) streams: Streams,
    pub(super) in_flight: super::idempotency::InFlight,
    pub(super) probes: super::exchanges::Exchanges,
    /// What is wrong with the store, if anything.
    pub(super) store_trouble: super::kept::Kept<Option<&'static str>>,
    /// How many devices are banned, if the store says it.
    pub(super) devices_banned: super::kept::Kept<Option<u64>>,
    /// True once the server is about to stop.
    pub(super) draining: watch::Receiver<bool>,
}

/// A started server.
pub struct Running {
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
    draining: watch::Sender<bool>,
}

impl Running {
    /// Says that this process is about to stop: `/readyz` fails and streams end, while requests
    /// are still answered, so that a load balancer can turn away first.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Drains, answers what is under way and ends.
    pub async fn stop(self) {
        self.drain();
        self.handle.stop(true).await;
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the HTTP server did not end well");
        }
    }
}

/// Takes an address; port 0 takes a free one. The address taken is returned.
pub fn listen(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    let taken = listener.local_addr()?;
    Ok((listener, taken))
}

/// Serves every route on a listener.
pub fn serve(listener: TcpListener, state: ApiState) -> std::io::Result<Running> {
    serve_with(listener, state, |_| {})
}

/// Serves every route on a listener, and beside them those that `more` registers: under the same
/// limits, with the same things done around every request.
pub fn serve_with(
    listener: TcpListener,
    state: ApiState,
    more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<Running> {
    let (draining_to, draining) = watch::channel(false);
    let shared = Data::new(Shared {
        requests: Requests::new(&state.limits),
        streams: Streams::new(&state.limits, state.metrics.streams.clone()),
        in_flight: super::idempotency::InFlight::default(),
        probes: super::exchanges::Exchanges::default(),
        store_trouble: super::kept::Kept::default(),
        devices_banned: super::kept::Kept::default(),
        draining,
        state,
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .wrap(from_fn(around))
            .configure(routes::configure)
            .configure(more.clone())
            .default_service(web::to(|| async { Err::<&str, _>(Problem::not_found()) }))
    })
    .workers(WORKERS)
    .max_connections(CONNECTIONS_MAX)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(Running {
        handle: server.handle(),
        task: tokio::spawn(server),
        draining: draining_to,
    })
}
