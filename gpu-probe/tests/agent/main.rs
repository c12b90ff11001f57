//! The real agent with real processes, a broker made of a real session, and a real bucket.

#![allow(clippy::unwrap_used, reason = "a test fails where its rig fails")]

mod away;
mod broker;
mod bucket;
mod ends;
mod paused;
mod probed;
mod probes;
mod rig;
mod training;
mod wire;
