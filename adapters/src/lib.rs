//! Network adapters: pure translation to and from each compute network, and the one transport.
//!
//! An [`Adapter`] only turns a [`Command`] into requests and their answers into an [`Outcome`]; it
//! sends nothing, reads no clock and keeps nothing between calls. `transport` (HTTP) and `ssh` are
//! the only code of this crate that does I/O. To add a network: one folder here, one line in
//! `registry`.

pub mod adapter;
pub mod aethir;
mod answer;
pub mod breaker;
pub mod command;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod decimal;
mod exchange;
pub mod ionet;
mod lenient;
pub mod registry;
pub mod ssh;
pub mod transport;
pub mod wire;

pub use adapter::{Adapter, Answer, Context, Step, TransportFault};
pub use answer::retry_after;
pub use command::{Command, Creation, Failure, FailureKind, Outcome, StartOrder};
pub use exchange::Exchange;
pub use wire::{Method, RateClass, Repeat, WireRequest, WireResponse};
