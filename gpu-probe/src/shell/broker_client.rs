//! Calls to the broker: one deadline each, bounded bodies, no redirects.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;

use super::error::AgentError;
use crate::agent::CallError;
use crate::protocol::{Problem, REPLY_BYTES_MAX};

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Most idle connections kept; calls are few.
const IDLE_CONNECTIONS_MAX: usize = 2;

/// The broker, as an agent reaches it.
#[derive(Debug, Clone)]
pub(super) struct BrokerClient {
    http: reqwest::Client,
    base_url: String,
    token: Secret,
}

/// Why a call failed; only its text is used.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
    #[error("status {0}")]
    Status(u16),
    #[error("an answer of more than {REPLY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("an answer that cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl BrokerClient {
    pub(super) fn new(base_url: String, token: Secret) -> Result<Self, AgentError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(AgentError::Client)?;
        Ok(Self {
            http,
            base_url,
            token,
        })
    }

    /// Sends a body and reads the reply; everything that is neither a reply nor a refusal by the
    /// protocol counts as no answer.
    pub(super) async fn call<B: Serialize, R: DeserializeOwned>(
        &self,
        path: &'static str,
        body: &B,
        deadline: Duration,
    ) -> Result<R, CallError> {
        match self.exchange(path, body, deadline).await {
            Ok((status, bytes)) if (200..300).contains(&status) => {
                serde_json::from_slice(&bytes).map_err(|e| silent(path, &Failure::Unreadable(e)))
            }
            Ok((status, bytes)) => {
                let problem = serde_json::from_slice::<Problem>(&bytes).unwrap_or_default();
                let fenced = problem.code == ErrorCode::AGENT_FENCED.as_str();
                if status == Problem::FENCED_STATUS && fenced {
                    tracing::warn!(path, detail = problem.detail, "the broker refused");
                    return Err(CallError::Refused {
                        live_epoch: problem.live_epoch,
                    });
                }
                Err(silent(path, &Failure::Status(status)))
            }
            Err(failure) => Err(silent(path, &failure)),
        }
    }

    async fn exchange<B: Serialize>(
        &self,
        path: &'static str,
        body: &B,
        deadline: Duration,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let url = format!("{}{path}", self.base_url);
        let request = self
            .http
            .post(url)
            .timeout(deadline)
            .bearer_auth(self.token.expose());
        let mut reply = request
            .json(body)
            .send()
            .await
            .map_err(Failure::Transport)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(Failure::Transport)? {
            if bytes.len() + chunk.len() > REPLY_BYTES_MAX {
                return Err(Failure::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((reply.status().as_u16(), bytes))
    }
}

fn silent(path: &'static str, failure: &Failure) -> CallError {
    let source = std::error::Error::source(failure).map(ToString::to_string);
    tracing::warn!(path, %failure, source, "the broker gave no answer");
    CallError::Unreachable
}
