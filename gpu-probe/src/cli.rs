//! The command line of `gpu-probe`: the agent, whose messages go to stderr, the probe, and `verify`.
//!
//! It is a library function because the broker can act as the agent where `gpu-probe` is missing.

mod info;
mod run;
mod tables;
mod verify;

pub use tables::table;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use crate::cuda::{EXIT_COULD_NOT_RUN, leave_if_work_left};
use crate::shell::{self, AgentError, Config, EXIT_CONFIG, VARIABLES};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tandem_model::error::ErrorCode;
use tracing_subscriber::EnvFilter;

/// Longest wait for threads that still read or write files when the agent exits.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// The program beside a rented GPU's workload.
#[derive(Debug, Parser)]
#[command(name = "gpu-probe", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a workload under a lease: restore, start, renew, save checkpoints, report the end
    Agent {
        /// The workload's command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Show the CUDA driver and its cards, as they describe themselves
    Info(info::Info),
    /// Measure the cards of this machine
    ///
    /// Ends with 0 when there is a report, 1 when a card did wrong, 69 when the probe could not run;
    /// there is a report all the same where only a proof could not be made.
    Run(run::Run),
    /// Judge a stored report: 0 is pass, 1 fail, 2 could not run
    Verify(verify::VerifyArgs),
}

/// Runs the program with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("TANDEM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(filter)
        .init();
    let help = variables_help();
    let cli = Cli::command().mut_subcommand("agent", |agent| agent.after_help(help));
    let cli = Cli::from_arg_matches(&cli.get_matches()).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Verify(arguments) => Ok(verify::run(&arguments)),
        Command::Agent { command } => {
            run_agent(command).map_err(|error| logged(error.code(), &error, EXIT_CONFIG))
        }
        Command::Info(arguments) => info::run(&arguments)
            .map(|()| 0)
            .map_err(|error| told(error.code(), &error, EXIT_COULD_NOT_RUN)),
        Command::Run(arguments) => {
            run::run(&arguments).map_err(|error| told(error.code(), &error, EXIT_COULD_NOT_RUN))
        }
    };
    let code = result.unwrap_or_else(|code| code);
    leave_if_work_left(code);
    ExitCode::from(code)
}

/// An error with its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// Logs an agent's error, and gives back the exit code.
fn logged(code: ErrorCode, error: &dyn std::error::Error, exit: u8) -> u8 {
    tracing::error!(code = %code, "{}", with_causes(error));
    exit
}

/// Tells a person of an error, and gives back the exit code.
fn told(code: ErrorCode, error: &dyn std::error::Error, exit: u8) -> u8 {
    let text = with_causes(error);
    // Nobody can be told that telling failed.
    let _ = writeln!(
        io::stderr(),
        "error: {text}\ncode: {code} (`tandem explain {code}`)"
    );
    exit
}

fn run_agent(command: Vec<String>) -> Result<u8, AgentError> {
    let host_name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let config = Config::read(|name| std::env::var(name).ok(), &host_name, command)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(AgentError::Runtime)?;
    let code = runtime.block_on(shell::run(config));
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    code
}

fn variables_help() -> String {
    let mut help = String::from("Environment:\n");
    for (name, meaning) in VARIABLES {
        let _ = writeln!(help, "  {name:<34} {meaning}");
    }
    help
}
