//! Decisions about silence, failover and, later, objectives, credits and reports. Pure: no I/O,
//! no async, no clock; every function takes the moment it decides for.
//!
//! ```
//! use std::time::Duration;
//! use tandem_model::time::WorldTime;
//! use tandem_sla::detect::{standing, Standing, Windows};
//!
//! let sent = WorldTime::from_micros(0);
//! let now = sent.after(Duration::from_secs(7));
//! assert_eq!(standing(&Windows::DEFAULT, sent, sent, now), Standing::Heard);
//! ```

pub mod detect;
pub mod failover;
pub mod incident;
pub mod promise;
