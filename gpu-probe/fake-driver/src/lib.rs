//! A library that answers as `libcuda.so.1` does, without a GPU: test double and forger. For tests
//! alone.
//!
//! It runs the PTX that it is given on an interpreter and refuses binaries as a driver does that has
//! none for the card. Time is virtual: each launch takes what the card of the specification would
//! take, so that rates come out as that card's; `fake_cuda_now_ns` tells the time. The
//! specification (`spec::Spec`, JSON in `FAKE_CUDA_SPEC` or given to `fake_cuda_configure`) can
//! lie: names, memory, results, clocks, failures.
//!
//! The same file answers as `libnvidia-ml.so.1` too, with the functions that the probe cannot do
//! without and some that it can.
//!
//! The two kernels of the VRAM proof are computed here rather than interpreted, because a MiB of
//! them is half a billion instructions.

#![allow(
    unsafe_code,
    reason = "the whole library is foreign functions; each trusts its caller as the driver does"
)]

mod code;
mod cost;
mod device;
mod graph;
mod memory;
mod module;
mod native;
mod nvml;
mod spec;
mod state;
mod stream;
