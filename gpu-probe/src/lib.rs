//! The agent beside the workload: its protocol, its decisions, the broker's side of both, and the
//! shell that makes a real process of it. And the GPU probe: what a rented card is, shown by work.
//!
//! [`agent`] and [`session`] are pure and know no clock; [`shell`] is the only place of theirs with
//! effects. Of the probe, [`proof`], [`verify`] and [`report`] are pure; [`cuda`] alone speaks to a
//! driver, for the benchmarks in [`bench`] and the proofs in [`prover`].

pub mod agent;
pub mod bench;
pub mod cli;
pub mod cuda;
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
