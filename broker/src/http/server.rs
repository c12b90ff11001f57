//! Starting and stopping the HTTP side, with every limit named.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::error::JsonPayloadError;
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes, Data, JsonConfig};
use actix_web::{App, HttpServer, ResponseError};
use gpu_probe::protocol::{CheckpointStore, REQUEST_BYTES_MAX};
use sha2::{Digest, Sha256};
use tandem_model::error::ErrorCode;
use tokio::task::JoinHandle;

use super::agent;
use super::problem::Problem;
use crate::engine::handle::EngineHandle;
use crate::vault::Vault;

/// Longest time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for the body of a request and the making of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
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
    pub engine: EngineHandle,
    /// Proves agents' tokens and opens secrets.
    pub vault: std::sync::Arc<Vault>,
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
            .app_data(json_bodies())
            .wrap(from_fn(in_time))
            .service(agent_routes())
            .default_service(web::to(|| async {
                problem(StatusCode::NOT_FOUND, "there is nothing here").into_response()
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

fn problem(status: StatusCode, detail: impl Into<String>) -> Problem {
    Problem::new(status, ErrorCode::AGENT_REQUEST, detail)
}

fn agent_routes() -> actix_web::Scope {
    let only = |path: &str, route| {
        web::resource(path)
            .route(route)
            .default_service(web::to(|| async {
                let detail = "the path exists, but not for this method";
                problem(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
            }))
    };
    web::scope("/agent/v1")
        .service(only("/bind", web::post().to(agent::bind)))
        .service(only("/heartbeats", web::post().to(agent::heartbeat)))
        .service(only("/checkpoints", web::post().to(agent::checkpoint)))
        .service(only("/results", web::post().to(agent::result)))
        .service(only("/binary", web::get().to(agent::binary)))
}

/// Bodies within the protocol's limit; what cannot be read is refused as a problem.
fn json_bodies() -> JsonConfig {
    JsonConfig::default()
        .limit(REQUEST_BYTES_MAX)
        .error_handler(|error, _| {
            let (status, detail) = match &error {
                JsonPayloadError::ContentType => (
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "send the body as `Content-Type: application/json`".to_owned(),
                ),
                other => (other.status_code(), other.to_string()),
            };
            problem(status, detail).into()
        })
}

/// Gives a request its deadline, so that a client that sends its body drop by drop holds nothing.
async fn in_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let path = request.path().to_owned();
    match tokio::time::timeout(REQUEST_TIMEOUT, next.call(request)).await {
        Ok(answered) => answered,
        Err(_) => {
            tracing::debug!(path, "a request took too long");
            let detail = format!("not read within {} s", REQUEST_TIMEOUT.as_secs());
            Err(problem(StatusCode::REQUEST_TIMEOUT, detail).into())
        }
    }
}
