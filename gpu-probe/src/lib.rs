//! The agent beside the workload: its protocol, its decisions, the broker's side of both, and the
//! shell that makes a real process of it. And the GPU probe's formats and verifier: what a probe
//! reports ([`report`]), how it proves it ([`exchange`], [`proof`]), and what is made of it
//! ([`verify`], [`verdict`]).
//!
//! All but [`shell`] and [`cli`] is pure and knows no clock.

pub mod agent;
pub mod cli;
pub mod exchange;
pub mod hex;
pub mod proof;
pub mod protocol;
pub mod report;
pub mod session;
pub mod shell;
pub mod verdict;
pub mod verify;
