//! Nouns of Tandem: what is said between rooms. No I/O, no async, no clock, no randomness.
//!
//! A type lives here when two rooms need it or when it is persisted; everything else stays in its
//! room. Decisions live in `pricing`, `sla` and `settlement`; effects live in `adapters`,
//! `sandbox`, `gpu-probe` and `broker`.
//!
//! ```
//! use tandem_model::gpu::GpuModel;
//! use tandem_model::money::{MicroUsd, RatePerGpuHour};
//!
//! let h100 = GpuModel::parse("H100_SXM5").expect("an io.net alias of the catalogue");
//! assert_eq!(h100.facts().vram_gb, 80);
//! let rate = RatePerGpuHour::new(MicroUsd::from_cents(250));
//! assert_eq!(rate.charge_for(3_600_000_000).unwrap(), MicroUsd::from_cents(250));
//! ```

pub mod error;
pub mod gpu;
pub mod id;
pub mod interval;
pub mod job;
pub mod launch;
pub mod money;
pub mod near;
pub mod network;
pub mod offer;
pub mod placement;
pub mod quote;
pub mod secret;
pub mod time;
pub mod token;
pub mod workload;
