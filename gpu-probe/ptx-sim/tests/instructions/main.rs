//! Each family of instructions against Rust's own arithmetic, in small kernels written by hand.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod barriers;
mod bits;
mod control;
mod conversions;
mod copies;
mod faults;
mod floats;
mod harness;
mod integers;
mod lanes;
mod matrices;
mod matrix_loads;
mod memory;
mod text;
