//! The command line of the benchmarks; `cargo xtask bench` builds and runs it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark talks to the person in the terminal, and ends when it cannot be set up"
)]

mod calibration;
mod engine;
mod probe;
mod quote;
mod sheet;
mod times;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measure, always beside something measured in the same run")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The engine beside the ceiling of its own store.
    Engine,
    /// Quotes beside a plain scan, a constant decision and another optimiser.
    Quote(quote::Arguments),
    /// The check of a GPU probe's report beside plain multiplication.
    Probe(probe::Arguments),
}

fn main() {
    match Arguments::parse().what {
        What::Engine => engine::run(),
        What::Quote(arguments) => quote::run(&arguments),
        What::Probe(arguments) => probe::run(&arguments),
    }
}
