//! The broker: where the rooms are joined. Decisions live in `model`, `pricing`, `sla` and
//! `settlement`; this crate holds the engine's loop, the HTTP side, and the command line.
//!
//! ```
//! use tandem::clock::SystemClock;
//! use tandem_model::time::Clock;
//!
//! let clock = SystemClock::new(1);
//! assert!(clock.wall().unix_ms() > 0);
//! ```

pub mod api;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod demo;
pub mod denials;
pub mod engine;
pub mod http;
pub mod ids;
pub mod networks;
pub mod policies;
pub mod sales;
pub mod serve;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod vault;
