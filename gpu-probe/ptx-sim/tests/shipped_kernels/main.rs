//! The kernels that the probe ships, run from their own PTX and compared with a plain reference of
//! `docs/gpu-probe.md`, for every architecture they are built for.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod memory;
mod proofs;
mod reference;
mod setting;
mod tensor;
mod timing;
