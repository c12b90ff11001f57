//! The prover's side of the exchange of `docs/gpu-probe.md`: the matrix proof, the VRAM proof, and
//! the signed report, on all cards of a machine at once.
//!
//! It knows no transport: whoever runs it passes a function that sends a message and returns the
//! verifier's answer. Nothing is kept for openings but seeds and keys: what was committed is
//! computed again when rows or blocks are picked.

mod exchange;
mod machine;
mod matrix;
mod tree;
mod vram;

pub use exchange::{Prover, ProverError, Send, Summaries};
pub use machine::{Machine, fresh_key};
pub use matrix::MatrixChain;
pub use vram::VramArea;
