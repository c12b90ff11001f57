//! The HTTP side: parse, authorise, call one function, render. Agents only, so far.

pub mod agent;
pub mod problem;
pub mod server;
