//! `tandem config`: the defaults, what is in effect, and whether a file is right. And
//! `tandem backup`, which finds the store by the configuration.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use tandem_model::error::ErrorCode;

use super::failure::Failure;
use super::output::{say, tell};
use crate::config::{self, Config, ConfigError, DEFAULTS, Layers, Sources};
use crate::serve;

/// What is done with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every key with its value and where that came from; secrets are hidden.
    Show {
        /// Print the commented defaults instead: a file to start from.
        #[arg(long)]
        default: bool,
        /// Configuration file.
        #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Say whether a file would be accepted, with the variables that are set.
    Check {
        /// Configuration file.
        file: PathBuf,
    },
}

/// Arguments of `tandem backup`.
#[derive(Debug, clap::Args)]
pub struct BackupArguments {
    /// File to write; it must not exist.
    to: PathBuf,
    /// Configuration file.
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// A refused configuration as a failure.
pub fn refused(error: &ConfigError) -> Failure {
    Failure::new(ErrorCode::CONFIG_REFUSED, error.to_string())
        .hint("`tandem config show --default` prints every key with its meaning")
}

/// Reads and validates all sources.
pub fn load(sources: &Sources) -> Result<Config, Failure> {
    config::load(sources).map_err(|error| refused(&error))
}

/// Runs a command on the configuration.
pub fn run(command: ConfigCommand, json: bool) -> anyhow::Result<()> {
    let mut sources = Sources::from_process();
    match command {
        ConfigCommand::Show { default: true, .. } if !json => say(DEFAULTS.trim_end()),
        ConfigCommand::Show { default, config } => {
            if default {
                sources = Sources::default();
            } else {
                sources.file = config;
            }
            let layers = Layers::read(&sources).map_err(|error| refused(&error))?;
            if json {
                return say(&serde_json::to_string_pretty(&config::show_json(&layers))?);
            }
            say(config::show(&layers).trim_end())
        }
        ConfigCommand::Check { file } => {
            let shown = file.display().to_string();
            sources.file = Some(file);
            load(&sources)?;
            if json {
                return say(&serde_json::to_string_pretty(
                    &json!({ "file": shown, "ok": true }),
                )?);
            }
            say(&format!("{shown} is accepted"))
        }
    }
}

/// Copies the store into a new file, also while a broker works in it.
pub fn backup(arguments: BackupArguments, json: bool) -> anyhow::Result<()> {
    let mut sources = Sources::from_process();
    sources.file = arguments.config;
    let flag = arguments.data_dir.map(|dir| dir.display().to_string());
    sources.flag("--data-dir", "data_dir", flag);
    let config = load(&sources)?;
    serve::back_up(&config.data_dir, &arguments.to)?;
    let shown = arguments.to.display().to_string();
    if json {
        return say(&serde_json::to_string_pretty(&json!({ "file": shown }))?);
    }
    say(&format!("the store is copied to {shown}"))?;
    tell("keep it apart from the master key: together they open every secret");
    Ok(())
}
