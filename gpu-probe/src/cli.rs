//! The command line of `gpu-probe`: the agent, whose messages go to stderr, and `verify`.
//!
//! It is a library function because the broker can act as the agent where `gpu-probe` is missing.

mod verify;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{self, AgentError, Config, EXIT_CONFIG, VARIABLES};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
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
    /// Judge a stored report: 0 is pass, 1 fail, 2 could not run
    Verify(verify::VerifyArgs),
}

/// Runs the program with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("TANDEM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .init();
    let help = variables_help();
    let cli = Cli::command().mut_subcommand("agent", |agent| agent.after_help(help));
    let cli = Cli::from_arg_matches(&cli.get_matches()).unwrap_or_else(|error| error.exit());
    let command = match cli.command {
        Command::Agent { command } => command,
        Command::Verify(args) => return ExitCode::from(verify::run(&args)),
    };
    match run_agent(command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let mut causes = String::new();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                let _ = write!(causes, ": {cause}");
                source = cause.source();
            }
            tracing::error!(code = %error.code(), "{error}{causes}");
            ExitCode::from(EXIT_CONFIG)
        }
    }
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
