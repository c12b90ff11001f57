//! The agent beside the workload: its protocol, its decisions, the broker's side of both, and the
//! shell that makes a real process of it. And the GPU probe: what it reports ([`report`]), how it
//! proves it ([`exchange`], [`proof`]), what is made of it ([`verify`], [`verdict`]), and the probe
//! itself: the driver ([`cuda`]), the benchmarks ([`mod@bench`]), the prover ([`prover`]). A sandbox
//! has cards that are not there ([`emulate`]).
//!
//! All but [`shell`], [`cli`] and the probe itself is pure and knows no clock.

pub mod agent;
pub mod bench;
pub mod cli;
pub mod cuda;
pub mod emulate;
pub mod exchange;
pub mod hex;
pub mod kernels;
pub mod proof;
pub mod protocol;
pub mod prover;
pub mod report;
pub mod session;
pub mod shell;
pub mod verdict;
pub mod verify;
