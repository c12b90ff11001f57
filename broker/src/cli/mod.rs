//! The command line: argument types, and one file a command.

pub mod check;
pub mod classify;
pub mod demo;
pub mod explain;
pub mod failure;
pub mod output;
pub mod sandbox;
pub mod workload;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

/// One API over two GPU networks.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, about, propagate_version = true)]
pub struct Arguments {
    /// Print one JSON document on stdout; progress and messages go to stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell the whole story: classify, price, place, lose a node, recover, with both sandbox networks.
    Demo(demo::Arguments),
    /// Say what a workload file is and needs, with the evidence line by line.
    Classify {
        /// Workload file; `-` is standard input.
        file: String,
    },
    /// Say whether and where a workload file would start, and what stands in the way.
    Check {
        /// Workload file; `-` is standard input.
        file: String,
    },
    /// Run both emulated networks.
    Sandbox(sandbox::Arguments),
    /// Explain an error code, or list them all.
    Explain {
        /// The code, for example TDM-1003.
        code: Option<String>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Runs a command to its end.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let json = arguments.json;
    match arguments.command {
        Command::Demo(demo) => demo::run(demo, json).await,
        Command::Classify { file } => classify::run(&file, json),
        Command::Check { file } => check::run(&file, json),
        Command::Sandbox(sandbox) => sandbox::run(sandbox, json).await,
        Command::Explain { code } => explain::run(code.as_deref(), json),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "tandem", &mut std::io::stdout());
            Ok(())
        }
    }
}
