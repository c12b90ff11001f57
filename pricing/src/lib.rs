//! Decisions about workload files, launch plans, classes, offers, costs and prices. Pure: no I/O, clock or async.

pub mod backstop;
pub mod book;
pub mod classify;
pub mod cost;
pub mod countries;
pub mod failures;
pub mod files;
mod fixed;
pub mod gate;
pub mod jurisdiction;
pub mod lab;
pub mod launch;
pub mod policy;
pub mod prices;
pub mod probes;
pub mod quote;
pub mod reference;
