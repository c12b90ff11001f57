//! What a person runs: `cargo xtask setup`, `kernels`, `test`, `bench`.
//!
//! Nothing here is part of the product. `setup` installs what the tests need and says what it
//! does; `test` runs every stage, prints its minutes and stops at the first that fails.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task runner talks to the person in the terminal"
)]

mod advisories;
mod bench;
mod gpu;
mod kernels;
mod process;
mod setup;
mod simulation;
mod stages;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set up, check and test Tandem")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need: OpenSSH server, Python packages, cargo-deny.
    Setup,
    /// Compile the GPU probe's CUDA kernels for every architecture.
    Kernels {
        /// Fail when what is committed differs, and write nothing.
        #[arg(long)]
        check: bool,
    },
    /// Set up, then run every check and every test.
    Test {
        /// Run only the stages whose name contains this.
        #[arg(long, conflicts_with = "gpu")]
        only: Option<String>,
        /// Run only what needs a GPU: repeated probes of card 0, recorded as fixtures.
        #[arg(long)]
        gpu: bool,
        #[command(flatten)]
        on_card: gpu::Arguments,
    },
    /// Run the broker, its store and both networks with everything that can go wrong, by seed.
    Simulate(simulation::Arguments),
    /// Measure in a release build, beside something measured in the same run.
    Bench {
        /// What is measured.
        #[command(subcommand)]
        what: bench::Benchmark,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup => setup::run(),
        Task::Kernels { check } => kernels::run(check),
        Task::Simulate(what) => simulation::run(&what),
        Task::Test {
            gpu: true, on_card, ..
        } => gpu::run(&on_card),
        Task::Test { only, .. } => stages::run(only.as_deref()),
        Task::Bench { what } => bench::run(&what),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
