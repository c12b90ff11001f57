//! The HTTP side: parse, authorise, call one function, render.
//!
//! `/v1` is for customers and operators, `/agent/v1` for the agents beside workloads, and a few
//! addresses beside them for machines that watch over this one. Everything that is not a success
//! is a problem document. `routes` lists every address; `around` is what happens to every request.

pub mod agent;
mod around;
pub mod auth;
pub mod body;
mod cohort;
mod context;
mod exchanges;
pub mod idempotency;
mod kept;
mod limiter;
pub mod metrics;
pub mod openapi;
mod params;
mod probes;
pub mod problem;
pub mod routes;
pub mod server;
mod service;
pub mod state;
pub mod v1;
