//! The Aethir-style network: enterprise servers in data centres, ordered and prepaid one by one.
//!
//! Aethir publishes no ordering API; `docs/aethir-style-api.md` is Tandem's own design in its style.

pub mod quality;
pub mod token;
pub mod wire;
