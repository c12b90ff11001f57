//! The kernels that the probe ships, run from their own PTX and compared with a plain reference of
//! `docs/gpu-probe.md`, for every architecture they are built for.
//!
//! What sm_90a does by `wgmma` is not interpreted; its other kernels are.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps nothing fails, which is what it is for"
)]

mod memory;
mod proofs;
mod reference;
mod setting;
mod tensor;
mod timing;
