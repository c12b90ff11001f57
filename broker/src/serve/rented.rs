//! The networks of a broker: the configured ones, or the emulated ones of a sandbox.

use std::sync::Arc;
use std::time::Duration;

use tandem_adapters::adapter::Adapter;
use tandem_adapters::ionet::VmPriceUnit;
use tandem_adapters::registry::{self, Credentials};
use tandem_adapters::ssh::SshKeyPair;
use tandem_adapters::transport::TransportOptions;
use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;
use tandem_model::time::Clock;
use tandem_sandbox::Options as SandboxOptions;

use super::World;
use super::world::SandboxClock;
use crate::cli::failure::Failure;
use crate::config::Config;
use crate::networks::Networks;

/// Wait before a network of a sandbox is asked again.
const SANDBOX_RETRY_WAIT: Duration = Duration::from_millis(100);
/// How long a network of a sandbox that failed is left alone: its world may run ten times faster
/// than the wall.
const SANDBOX_REST: Duration = Duration::from_millis(1_500);
/// Key of the emulated io.net, and access key of the emulated Aethir-style network.
const SANDBOX_KEY: &str = "sandbox";
/// Secret key of the emulated Aethir-style network.
const SANDBOX_SECRET_KEY: &str = "sandbox-secret";

/// A sandbox that is used.
pub(super) struct Sandbox {
    /// Where it is.
    pub(super) url: String,
    /// Its clock.
    pub(super) clock: SandboxClock,
    /// It, when it runs inside this process.
    pub(super) inside: Option<tandem_sandbox::Running>,
}

/// Refuses live networks where none is configured, before anything is written.
pub(super) fn check(config: &Config, world: &World) -> Result<(), Failure> {
    if *world != World::Live || config.ionet.is_some() || config.aethir.is_some() {
        return Ok(());
    }
    let message = "no network is configured, so there is nothing to rent";
    Err(Failure::new(ErrorCode::START_FAILED, message).hint(
        "`tandem serve --sandbox` uses emulated networks; for live ones set networks.ionet.api_key or the keys of networks.aethir",
    ))
}

/// Starts the sandbox inside, or finds the one elsewhere; none for live networks.
pub(super) async fn sandbox(world: &World) -> Result<Option<Sandbox>, Failure> {
    let (url, inside) = match world {
        World::Live => return Ok(None),
        World::SandboxAt(url) => (url.trim_end_matches('/').to_owned(), None),
        World::SandboxInside { speed, seed } => {
            let mut options = SandboxOptions::new(([127, 0, 0, 1], 0).into(), *seed);
            options.speed_permille = speed * 1_000;
            let running = tandem_sandbox::serve(options).await.map_err(|error| {
                let message = format!("the sandbox did not start: {error:#}");
                Failure::new(ErrorCode::START_FAILED, message)
            })?;
            (running.url(), Some(running))
        }
    };
    let clock = SandboxClock::of(&url)?;
    Ok(Some(Sandbox { url, clock, inside }))
}

/// Joins every network to its transport.
pub(super) fn networks(
    config: &Config,
    sandbox: Option<&Sandbox>,
    key: SshKeyPair,
    clock: &Arc<dyn Clock>,
) -> Result<Networks, Failure> {
    let all = match sandbox {
        Some(sandbox) => emulated(&sandbox.url),
        None => live(config),
    };
    Networks::new(all, key, clock).map_err(|error| {
        Failure::new(
            ErrorCode::START_FAILED,
            format!("a network cannot be used: {error}"),
        )
    })
}

type Joined = (Arc<dyn Adapter>, TransportOptions);

fn emulated(url: &str) -> Vec<Joined> {
    let both = [
        (
            ionet(Secret::new(SANDBOX_KEY), VmPriceUnit::default()),
            url.to_owned(),
        ),
        (
            aethir(SANDBOX_KEY.to_owned(), Secret::new(SANDBOX_SECRET_KEY)),
            format!("{url}/aethir"),
        ),
    ];
    both.into_iter()
        .map(|(adapter, url)| {
            let mut options = TransportOptions::new(url);
            options.allows_plain_http = true;
            options.retry_wait = SANDBOX_RETRY_WAIT;
            options.breaker.open_for = SANDBOX_REST;
            (adapter, options)
        })
        .collect()
}

fn live(config: &Config) -> Vec<Joined> {
    let first = config.ionet.as_ref().map(|network| {
        let adapter = ionet(network.api_key.clone(), network.vm_price_unit);
        (adapter, options(&network.url))
    });
    let second = config.aethir.as_ref().map(|network| {
        let adapter = aethir(network.access_key.clone(), network.secret_key.clone());
        (adapter, options(&network.url))
    });
    first.into_iter().chain(second).collect()
}

/// The configuration lets plain HTTP through for this machine alone.
fn options(url: &str) -> TransportOptions {
    let mut options = TransportOptions::new(url);
    options.allows_plain_http = url.starts_with("http:");
    options
}

fn ionet(key: Secret, vm_price_unit: VmPriceUnit) -> Arc<dyn Adapter> {
    registry::adapter(Credentials::IoNet { key, vm_price_unit })
}

fn aethir(access_key: String, secret_key: Secret) -> Arc<dyn Adapter> {
    registry::adapter(Credentials::Aethir {
        access_key,
        secret_key,
    })
}
