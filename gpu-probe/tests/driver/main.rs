//! The probe against a library that answers as the CUDA driver does, honest and forged.
//!
//! The library is package `tandem-fake-driver`. Tests that need a process of the probe start the
//! real `gpu-probe` with `TANDEM_CUDA_LIBRARY`; tests of the exchange load a copy of the library of
//! their own, because a copy has its own state, and take the time from its virtual clock.

mod broken;
mod exchange;
mod fake;
mod forged;
mod process;
