//! `tandem serve`: the broker, until Ctrl-C or SIGTERM.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;

use super::configuration::load;
use super::failure::Failure;
use super::output::{say, tell};
use crate::client::{Credentials, DEFAULT_URL};
use crate::config::{Config, Sources, credentials_file};
use crate::serve::{Broker, Options, STOP_TIMEOUT, World};
use crate::{shutdown, telemetry};

/// Longest time for the last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Arguments of `tandem serve`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run both emulated networks inside; nothing is rented for real.
    #[arg(long, conflicts_with = "sandbox_url")]
    sandbox: bool,
    /// Use the emulated networks of a `tandem sandbox` elsewhere.
    #[arg(long, value_name = "URL", env = "TANDEM_SANDBOX_URL")]
    sandbox_url: Option<String>,
    /// How many times faster than the wall clock the sandbox's world runs, 1 to 10.
    #[arg(long, requires = "sandbox", value_name = "X", value_parser = clap::value_parser!(u32).range(1..=10))]
    speed: Option<u32>,
    /// Seed of the sandbox's world.
    #[arg(long, requires = "sandbox", value_name = "N")]
    seed: Option<u64>,
    /// Configuration file.
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Make another admin key, for when every key is lost.
    #[arg(long)]
    new_admin_key: bool,
    /// Do not save a new admin key in the credentials file of this user.
    #[arg(long)]
    no_save_key: bool,
}

impl Arguments {
    fn world(&self) -> World {
        match (&self.sandbox_url, self.sandbox) {
            (_, true) => World::SandboxInside {
                speed: self.speed.unwrap_or(1),
                seed: self.seed.unwrap_or(1),
            },
            (Some(url), false) => World::SandboxAt(url.clone()),
            (None, false) => World::Live,
        }
    }

    fn config(&self) -> Result<Config, Failure> {
        let mut sources = Sources::from_process();
        sources.file.clone_from(&self.config);
        sources.flag("--listen", "listen", self.listen.clone());
        let data_dir = self.data_dir.as_ref().map(|dir| dir.display().to_string());
        sources.flag("--data-dir", "data_dir", data_dir);
        load(&sources)
    }
}

/// Runs a broker to its end.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let config = arguments.config()?;
    let telemetry = telemetry::start(&config.telemetry).map_err(|error| {
        Failure::new(ErrorCode::START_FAILED, error.to_string())
            .hint("correct telemetry.otlp_endpoint, or leave it away")
    })?;
    let done = broker(&arguments, config, json).await;
    if tokio::time::timeout(FLUSH_TIMEOUT, telemetry.flush())
        .await
        .is_err()
    {
        tell("the collector did not take the last spans in time");
    }
    done
}

async fn broker(arguments: &Arguments, config: Config, json: bool) -> anyhow::Result<()> {
    let world = arguments.world();
    if world != World::Live && (config.ionet.is_some() || config.aethir.is_some()) {
        tell("note: with a sandbox, the live networks of the configuration are not used");
    }
    let options = Options {
        config,
        world,
        new_admin_key: arguments.new_admin_key,
    };
    let started = tokio::select! {
        started = Broker::start(options) => started?,
        () = shutdown::asked() => return Ok(()),
    };
    let mut broker = started;
    let saved = match arguments.no_save_key {
        true => None,
        false => save_key(&broker),
    };
    greet(&broker, saved, json)?;
    let failed = tokio::select! {
        () = shutdown::asked() => None,
        failure = broker.failed() => Some(failure),
    };
    tell("stopping: requests under way are answered, jobs go on by themselves");
    tokio::select! {
        ended = tokio::time::timeout(STOP_TIMEOUT, broker.stop()) => {
            if ended.is_err() {
                tell("not everything ended in time; claims run out by themselves");
            }
        }
        () = shutdown::asked() => tell("ended at once"),
    }
    failed.map_or(Ok(()), |failure| Err(failure.into()))
}

/// Saves a new admin key for this user's commands; the file, when it was.
fn save_key(broker: &Broker) -> Option<PathBuf> {
    let key = broker.admin_key()?;
    let path = credentials_file(&Sources::from_process().variables)?;
    match Credentials::at(path.clone()).save(&broker.url(), key) {
        Ok(()) => Some(path),
        Err(error) => {
            tell(&format!("note: the admin key was not saved: {error}"));
            None
        }
    }
}

/// Shows the admin key to a person. What goes to a log is kept for long, and by others: there, the
/// file that holds the key is named instead.
fn tell_key(key: &Secret, saved: Option<&Path>) {
    match saved {
        Some(path) if !std::io::stderr().is_terminal() => {
            tell(&format!("the admin key is in {}", path.display()));
        }
        Some(path) => {
            tell(&format!("\nadmin key, shown only now:\n  {}", key.expose()));
            tell(&format!(
                "  saved for your own commands in {}\n",
                path.display()
            ));
        }
        None => {
            tell(&format!("\nadmin key, shown only now:\n  {}", key.expose()));
            tell("  export TANDEM_API_KEY with it for your commands\n");
        }
    }
}

/// Says where the broker is and what to try next; the admin key is shown once.
fn greet(broker: &Broker, saved: Option<PathBuf>, json: bool) -> anyhow::Result<()> {
    let url = broker.url();
    if json {
        let mut ready = json!({
            "url": url,
            "networks": broker.networks(),
            "sandbox_url": broker.sandbox_url(),
        });
        if let Some(key) = broker.admin_key() {
            ready["admin_key"] = key.expose().into();
        }
        return say(&serde_json::to_string_pretty(&ready)?);
    }
    say(&format!("the broker is ready at {url}"))?;
    say(&format!("  networks  {}", broker.networks().join(", ")))?;
    if let Some(sandbox) = broker.sandbox_url() {
        say(&format!(
            "  sandbox   {sandbox} (nothing is rented for real)"
        ))?;
    }
    say(&format!("  API       {url}/docs"))?;
    if let Some(key) = broker.admin_key() {
        tell_key(key, saved.as_deref());
    }
    let prefix = match url.as_str() {
        DEFAULT_URL => String::new(),
        other => format!("TANDEM_URL={other} "),
    };
    tell(&format!(
        "next: `{prefix}tandem status`, `{prefix}tandem submit FILE --watch`; Ctrl-C ends it"
    ));
    Ok(())
}
