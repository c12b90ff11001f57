//! The engine: load, decide, commit, perform, record.
//!
//! `step` decides on one job and is pure; `kernel` holds all jobs of this broker and turns
//! decisions into commits, answers and orders, also pure; `runner` gives it time, a store and
//! networks, and is the only part with effects.

pub mod attempt;
pub mod commands;
mod desk;
pub mod handle;
pub mod job;
pub mod kernel;
pub mod market;
pub mod message;
pub mod metrics;
pub mod plan;
pub mod planner;
pub mod planted;
pub mod probe;
pub mod records;
pub mod renewal;
pub mod runner;
pub mod step;
pub mod terms;
pub mod view;
