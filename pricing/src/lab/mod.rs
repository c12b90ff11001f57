//! The price lab: what would have come of a policy, or of two, on given demand, prices and supply.
//!
//! [`Demand::parse`], [`History::parse`], [`Availability::parse`] and [`Conversion::parse`] read
//! files, [`Scenario`] holds them together, and [`backtest`] replays policies on it. Everything is
//! whole numbers and drawn by a seed: the same input gives the same bytes. [`page`] draws the result.
//! `docs/price-lab.md` says what is assumed and what that means.

mod accept;
mod bootstrap;
mod cards;
mod csv;
mod demand;
mod draw;
pub mod figures;
mod gcp;
mod history;
mod market;
pub mod page;
mod parameters;
mod problem;
mod replay;
mod report;
mod risk;
mod scenario;
mod shelves;
mod spot;
pub mod synthetic;
mod tally;

pub use accept::{
    BUCKETS_MAX, CONVERSION_FILE, Conversion, RATIO_PERMILLE_MAX, RATIO_STEP_PERMILLE,
    conversion_table, ratio_permille_from,
};
pub use bootstrap::{Estimate, Estimates, Metric};
pub use cards::STAND_INS;
pub use csv::{LINE_BYTES_MAX, ROWS_MAX};
pub use demand::{CLASS_OF_QOS, Demand, DemandFormat, Need, SECONDS_MAX, TASK_GPUS_MAX, Task};
pub use gcp::GPUS_PER_ZONE;
pub use history::{History, LANE_GPUS_MAX, LANES_MAX, Lane, STEPS_MAX, Step};
pub use parameters::{BLOCK_DAYS, ByTier, ELASTICITY_PERMILLE_MAX, Parameters, RESAMPLES};
pub use problem::LabError;
pub use report::{Backtest, DayReport, InputsReport, PolicyReport, backtest};
pub use scenario::{Files, InputDigest, Role, Scenario};
pub use spot::{Availability, TRACE_STEPS_MAX};
pub use tally::{Lines, Occupancy, Sums};

#[cfg(test)]
mod tests;
