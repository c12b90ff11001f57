//! The HTTP API over real sockets, on a real store and the real engine: what good clients get, what
//! hostile ones do not, and what stays when requests are repeated, cut off or sent at once.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod agent;
mod agents;
mod bad_input;
mod client;
mod denials;
mod document;
mod isolation;
mod keys;
mod nodes;
mod policies;
mod probe_receipts;
mod probes;
mod promises;
mod quotes;
mod receipts;
mod running_probes;
mod secrets;
mod service;
mod stage;
mod streams;
mod twice;
