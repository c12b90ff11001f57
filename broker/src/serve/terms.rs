//! What the engine is told at its start: terms from the configuration, the store and the networks.

use std::net::SocketAddr;
use std::sync::Arc;

use tandem_pricing::jurisdiction::Digester;
use tandem_sla::detect::Windows;
use uuid::Uuid;

use super::{Disk, Options, installation, seen};
use crate::cli::failure::Failure;
use crate::clock::{FACTOR_MAX, SystemClock};
use crate::engine::plan::LaunchSettings;
use crate::engine::probe::ProbeTerms;
use crate::engine::terms::{AgentTokens, Rounds, Terms};
use crate::networks::Networks;
use crate::store::BrokerId;

/// The URL at which machines reach an address on which we listen.
pub(super) fn local_url(address: SocketAddr) -> String {
    let mut reached = address;
    if reached.ip().is_unspecified() {
        reached.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{reached}")
}

/// What follows from the configuration, the store and the networks.
pub(super) async fn terms(
    options: &Options,
    disk: &Disk,
    networks: &Networks,
    clock: &SystemClock,
    address: SocketAddr,
) -> Result<Terms, Failure> {
    let config = &options.config;
    let broker_url = config
        .public_url
        .clone()
        .unwrap_or_else(|| local_url(address));
    let vault = Arc::clone(&disk.vault);
    Ok(Terms {
        installation: installation::id(&*disk.store, clock).await?,
        broker: BrokerId(Uuid::new_v4()),
        windows: Windows::DEFAULT,
        rounds: Rounds {
            market: config.market_refresh,
            ..Rounds::DEFAULT
        },
        products: networks.all_products(),
        places: Arc::new(Digester::of(config.jurisdiction.clone())),
        seen: seen::load(&*disk.store)
            .await
            .map_err(installation::store_failed)?,
        ssh_public_key: networks.ssh_public_key(),
        launch: LaunchSettings {
            agent_url: format!("{broker_url}/agent/v1/binary"),
            broker_url,
            agent_sha256: disk.agent.sha256.clone(),
            time_factor: clock.factor().clamp(1, FACTOR_MAX),
        },
        probe: ProbeTerms {
            moments: vault.moment_key(),
            ..config.probe.terms(clock.factor().clamp(1, FACTOR_MAX))
        },
        tokens: AgentTokens::new(move |job, epoch| vault.agent_token(job, epoch)),
    })
}
