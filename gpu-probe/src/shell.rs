//! The agent as a process: the only place here with a clock, files, sockets and processes.
//!
//! [`run()`] turns what it sees into inputs of [`crate::agent::step`] and performs its actions.
//!
//! What it cannot do: a workload of an agent that was killed without warning computes on until
//! its machine or container ends, or until the next agent of the same job starts in the same
//! `TANDEM_HOME` and kills it. It cannot publish meanwhile: only an agent can.

mod archive;
mod broker_client;
mod clock;
mod config;
mod error;
mod health;
mod output;
mod probe;
mod process;
mod restore;
mod run;
mod store;
mod sweep;
mod upload;
mod watch;
mod workload;

pub use config::{Config, ConfigError, VARIABLES};
pub use error::{AgentError, EXIT_CONFIG, EXIT_NOT_STARTED};
pub use run::run;
