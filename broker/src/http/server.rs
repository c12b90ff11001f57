//! Starting and stopping the HTTP side, with every limit named.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, JsonConfig};
use actix_web::{App, HttpServer, ResponseError};
use gpu_probe::protocol::CheckpointStore;
use sha2::{Digest, Sha256};
use tandem_model::error::ErrorCode;
use tokio::task::JoinHandle;

use super::agent;
use super::problem::Problem;
use crate::engine::driver::Engine;

/// Largest body of an agent's request.
const AGENT_BODY_BYTES_MAX: usize = 512 * 1024;
/// Longest time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for requests under way when the server stops, in seconds.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 2;
/// Threads that answer requests.
const WORKERS: usize = 2;
/// Most open connections of one thread.
const CONNECTIONS_MAX: usize = 4_096;

/// The agent's executable as it is served.
#[derive(Clone)]
pub struct AgentBinary {
    /// Its bytes.
    pub bytes: Bytes,
    /// Their SHA-256, 64 hex digits.
    pub sha256: String,
}

impl AgentBinary {
    /// Reads an executable.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let bytes = Bytes::from(std::fs::read(path)?);
        let sha256 = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Ok(Self { bytes, sha256 })
    }
}

/// What the agents' routes need.
pub struct AgentSide {
    /// The engine.
    pub engine: Engine,
    /// The executable served to start scripts.
    pub agent: AgentBinary,
    /// Where checkpoints are kept.
    pub checkpoint_store: Option<CheckpointStore>,
}

/// A started server.
pub struct Running {
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Answers what is under way and ends.
    pub async fn stop(self) {
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

/// Serves the agents' routes on a listener.
pub fn serve(listener: TcpListener, side: AgentSide) -> std::io::Result<Running> {
    let side = Data::new(side);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(side.clone())
            .app_data(
                JsonConfig::default()
                    .limit(AGENT_BODY_BYTES_MAX)
                    .error_handler(|error, _| {
                        let status = error.status_code();
                        Problem::new(status, ErrorCode::AGENT_REQUEST, error.to_string()).into()
                    }),
            )
            .service(
                web::scope("/agent/v1")
                    .route("/bind", web::post().to(agent::bind))
                    .route("/heartbeats", web::post().to(agent::heartbeat))
                    .route("/checkpoints", web::post().to(agent::checkpoint))
                    .route("/results", web::post().to(agent::result))
                    .route("/binary", web::get().to(agent::binary)),
            )
            .default_service(web::to(|| async {
                Problem::new(
                    StatusCode::NOT_FOUND,
                    ErrorCode::USAGE,
                    "there is nothing here",
                )
                .into_response()
            }))
    })
    .workers(WORKERS)
    .max_connections(CONNECTIONS_MAX)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    Ok(Running {
        handle,
        task: tokio::spawn(server),
    })
}
