//! What the shell must do for the world: carry agents' calls, and run real processes.

use std::collections::BTreeMap;

/// A call that a simulated agent makes to its broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCall {
    /// Names the call; given back with its reply.
    pub id: u64,
    /// Id of the container or server that calls.
    pub node: String,
    /// HTTP method; always `POST` today.
    pub method: &'static str,
    /// Path below the broker's URL.
    pub path: String,
    /// JSON.
    pub body: Vec<u8>,
    /// Bearer token.
    pub token: String,
    /// URL of the broker, without a slash at the end.
    pub broker_url: String,
}

/// The answer to an [`AgentCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentReply {
    /// The broker answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
    },
    /// No answer came.
    Unreachable,
}

/// What the shell must do to a real process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessOrder {
    /// Start it in a fresh directory of its own.
    Start {
        /// Id of the container or machine.
        unit: String,
        /// Program and arguments.
        argv: Vec<String>,
        /// Its environment, complete.
        env: BTreeMap<String, String>,
    },
    /// Kill it and everything it started.
    Kill {
        /// Id of the container or machine.
        unit: String,
    },
    /// Stop it in its tracks (SIGSTOP).
    Freeze {
        /// Id of the container or machine.
        unit: String,
    },
    /// Let it go on (SIGCONT).
    Thaw {
        /// Id of the container or machine.
        unit: String,
    },
}

/// Everything that the shell must do, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Calls to carry.
    pub agent_calls: Vec<AgentCall>,
    /// Processes to run.
    pub processes: Vec<ProcessOrder>,
}
