//! Why the agent could not do its work, and the exit codes that say so.

use std::io;

use tandem_model::error::ErrorCode;

use super::config::ConfigError;

/// Exit code when the environment is incomplete (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;
/// Exit code when no workload was started (`EX_TEMPFAIL` of sysexits.h): another attempt may.
pub const EXIT_NOT_STARTED: u8 = 75;

/// Why the agent could not begin.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A variable is missing or refused.
    #[error("the environment is refused")]
    Config(#[from] ConfigError),
    /// A directory of the agent cannot be made.
    #[error("directory `{path}` cannot be made")]
    Directory {
        /// The directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    /// The runtime cannot be made.
    #[error("the agent's runtime cannot be made")]
    Runtime(#[source] io::Error),
    /// Signals cannot be received.
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
}

impl AgentError {
    /// The code under which it is explained.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::AGENT_CONFIG
    }
}
