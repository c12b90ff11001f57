//! Both networks' HTTP APIs over one emulated, seeded world.
//!
//! [`world::World`] is a pure machine: a request and a moment go in, a response comes out; it has
//! no clock, no I/O and no randomness but its seed, so the same requests at the same times give the
//! same bytes. `ionet` and `aethir` are the networks' surfaces over it, `control` is the surface of
//! the sandbox itself. `http`, `exec` and `shell` around it do the I/O: sockets, real processes,
//! SSH. What is emulated and what is assumed is told in `docs/sandbox.md`.

mod aethir;
mod clock;
mod control;
pub mod exec;
mod fields;
pub mod http;
mod ionet;
mod ssh;
pub mod world;

pub use http::{Options, Running, serve};
