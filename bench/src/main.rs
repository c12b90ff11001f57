//! The command line of the benchmarks; `cargo xtask bench` builds and runs it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark talks to the person in the terminal, and ends when it cannot be set up"
)]

mod engine;
mod quote;

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
}

fn main() {
    match Arguments::parse().what {
        What::Engine => engine::run(),
        What::Quote(arguments) => quote::run(&arguments),
    }
}
