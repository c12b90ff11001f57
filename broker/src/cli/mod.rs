//! The command line: argument types, and one file a command.

pub mod backtest;
pub mod check;
pub mod classify;
pub mod configuration;
pub mod connection;
pub mod demo;
pub mod denials;
pub mod explain;
pub mod failure;
pub mod jobs;
pub mod keys;
pub mod logs;
pub mod nodes;
pub mod offers;
pub mod output;
pub mod policy;
pub mod probe;
pub mod quote;
pub mod receipt;
pub mod sandbox;
pub mod serve;
pub mod status;
pub mod submit;
pub mod watch;
pub mod words;
pub mod workload;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::client::ClientError;
use crate::telemetry;
use failure::Failure;

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
    /// Run the broker.
    Serve(serve::Arguments),
    /// Run both emulated networks.
    Sandbox(sandbox::Arguments),
    /// Show firm prices of a workload file on every tier.
    Quote(quote::Arguments),
    /// Run a workload file: quote, choose a tier, accept.
    Submit(submit::Arguments),
    /// List jobs.
    Jobs(jobs::ListArguments),
    /// Show a job, or watch it until it ends.
    Job(jobs::ShowArguments),
    /// Print what a job's workload printed.
    Logs(logs::Arguments),
    /// Show what came of the probes of a job's GPUs, with signed receipts.
    Probe(probe::Arguments),
    /// List the GPUs that probes saw, show one with its history, ban one or lift its ban.
    Nodes(nodes::Arguments),
    /// Show and check the signed receipt of what was agreed, or any receipt that was kept.
    Receipt(receipt::Arguments),
    /// Ask for a job to be stopped.
    Cancel(jobs::CancelArguments),
    /// Show what the networks offer now.
    Offers(offers::Arguments),
    /// Show what rules about places and kinds of data refused.
    Denials(denials::Arguments),
    /// Check, compare, apply and roll back pricing policies.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Make, list and revoke API keys.
    #[command(subcommand)]
    Key(keys::KeyCommand),
    /// Make and list accounts.
    #[command(subcommand)]
    Account(keys::AccountCommand),
    /// Say whether a broker is ready, and how its networks stand.
    Status(status::Arguments),
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(configuration::ConfigCommand),
    /// Copy the store into a file, also while a broker works in it.
    Backup(configuration::BackupArguments),
    /// Succeed when an address answers well; for supervisors of containers.
    #[command(hide = true)]
    Healthcheck {
        /// The address.
        url: String,
    },
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
    match arguments.command {
        // The broker starts its own, by its configuration.
        Command::Serve(_) => {}
        // What goes wrong in the demo is its story.
        Command::Demo(_) => telemetry::init("off"),
        _ => telemetry::init(telemetry::COMMAND_FILTER),
    }
    let done = perform(arguments.command, arguments.json).await;
    done.map_err(|error| match error.downcast::<ClientError>() {
        Ok(error) => Failure::from(error).into(),
        Err(other) => other,
    })
}

async fn perform(command: Command, json: bool) -> anyhow::Result<()> {
    match command {
        Command::Demo(demo) => Box::pin(demo::run(demo, json)).await,
        Command::Serve(serve) => Box::pin(serve::run(serve, json)).await,
        Command::Sandbox(sandbox) => sandbox::run(sandbox, json).await,
        Command::Quote(quote) => quote::run(quote, json).await,
        Command::Submit(submit) => Box::pin(submit::run(submit, json)).await,
        Command::Jobs(jobs) => jobs::list(jobs, json).await,
        Command::Job(job) => Box::pin(jobs::show(job, json)).await,
        Command::Logs(logs) => Box::pin(logs::run(logs, json)).await,
        Command::Probe(probe) => probe::run(probe, json).await,
        Command::Nodes(nodes) => nodes::run(nodes, json).await,
        Command::Receipt(receipt) => receipt::run(receipt, json).await,
        Command::Cancel(cancel) => jobs::cancel(cancel, json).await,
        Command::Offers(offers) => offers::run(offers, json).await,
        Command::Denials(denials) => denials::run(denials, json).await,
        Command::Policy(policy) => Box::pin(policy::run(policy, json)).await,
        Command::Key(key) => keys::key(key, json).await,
        Command::Account(account) => keys::account(account, json).await,
        Command::Status(status) => status::run(status, json).await,
        Command::Healthcheck { url } => status::health(&url).await,
        local => at_once(local, json),
    }
}

/// Commands that neither wait nor ask anybody.
fn at_once(command: Command, json: bool) -> anyhow::Result<()> {
    match command {
        Command::Classify { file } => classify::run(&file, json),
        Command::Check { file } => check::run(&file, json),
        Command::Explain { code } => explain::run(code.as_deref(), json),
        Command::Config(config) => configuration::run(config, json),
        Command::Backup(backup) => configuration::backup(backup, json),
        Command::Completions { shell } => {
            // Into memory first: it panics where its reader goes away.
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tandem", &mut text);
            output::say(String::from_utf8_lossy(&text).trim_end())
        }
        other => unreachable!("{other:?} waits for somebody"),
    }
}
