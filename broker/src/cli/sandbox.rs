//! `tandem sandbox`: both emulated networks, until Ctrl-C.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use tandem_model::error::ErrorCode;
use tandem_sandbox::Options;
use tandem_sandbox::exec::ExecOptions;
use tandem_sandbox::world::Profile;

use super::failure::Failure;
use super::output::{say, tell};

/// Boot times.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum BootProfile {
    /// 2 to 5 seconds.
    Quick,
    /// Published times.
    Measured,
}

/// Arguments of `tandem sandbox`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:8700")]
    listen: SocketAddr,
    /// Seed of the world: same seed, same requests, same answers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times faster than the wall clock the world runs, 1 to 10.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10))]
    speed: u32,
    /// Boot times.
    #[arg(long, value_enum, default_value_t = BootProfile::Quick)]
    profile: BootProfile,
    /// Nodes of both networks together, up to a million.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    nodes: u32,
    /// Faults per running unit and hour, in thousandths, drawn from the seed; 0 for none.
    #[arg(long, default_value_t = 0, value_name = "PERMILLE")]
    random_faults_permille: u32,
    /// Devices in a thousand that are not the card they are sold as.
    #[arg(long, default_value_t = 0, value_name = "PERMILLE", value_parser = clap::value_parser!(u16).range(0..=1_000))]
    lying_permille: u16,
    /// Run what is deployed as real local processes in this folder. Anybody who can reach the
    /// address can then run programs as you.
    #[arg(long, value_name = "DIR")]
    exec: Option<PathBuf>,
    /// With --exec: only what has TANDEM_EXEC=1 in its environment; the rest is simulated.
    #[arg(long, requires = "exec")]
    exec_marked: bool,
}

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let mut options = Options::new(arguments.listen, arguments.seed);
    options.speed_permille = arguments.speed * 1_000;
    options.world.profile = match arguments.profile {
        BootProfile::Quick => Profile::Quick,
        BootProfile::Measured => Profile::Measured,
    };
    options.world.nodes = arguments.nodes;
    options.world.random_faults_permille = arguments.random_faults_permille;
    options.world.lying_permille = arguments.lying_permille;
    options.exec = arguments.exec.map(|work_dir| ExecOptions {
        work_dir,
        agent_path: None,
        only_marked: arguments.exec_marked,
    });
    let running = tandem_sandbox::serve(options).await.map_err(|error| {
        let message = format!("the sandbox cannot listen on {}: {error}", arguments.listen);
        Failure::new(ErrorCode::LISTEN_FAILED, message).hint("choose another with --listen")
    })?;
    if json {
        say(&serde_json::to_string_pretty(&serde_json::json!({
            "url": running.url(),
            "ionet_url": running.ionet_url(),
            "aethir_url": running.aethir_url(),
            "api_key": "sandbox",
        }))?)?;
    } else {
        say(&format!("both sandbox networks: {}", running.url()))?;
        say(&format!(
            "  io.net       IOCLOUD_BASE_URL={} IOCLOUD_API_KEY=sandbox",
            running.ionet_url()
        ))?;
        say(&format!(
            "  Aethir-style {} (access key sandbox)",
            running.aethir_url()
        ))?;
        say("  faults       POST /sandbox/faults, truth: GET /sandbox/truth")?;
    }
    tell("Ctrl-C ends it");
    crate::shutdown::asked().await;
    running.stop().await;
    Ok(())
}
