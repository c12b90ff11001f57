//! Decisions about workload files, launch plans, classes and prices. Pure: no I/O, clock or async.

pub mod classify;
pub mod files;
pub mod lab;
pub mod launch;
pub mod policy;
pub mod quote;
