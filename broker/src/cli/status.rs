//! `tandem status` and `tandem healthcheck`: is it there, is it ready, what does it wait for.

use std::time::Duration;

use serde_json::json;
use tandem_model::error::ErrorCode;

use super::connection::Connection;
use super::failure::Failure;
use super::offers::{networks, standing};
use super::output::{say, tell};
use crate::api::{ReadyView, VersionView};
use crate::client::Answer;

/// Longest time for one health check.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// Arguments of `tandem status`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
}

/// Says how a broker and its networks stand; fails when it is not ready.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let client = arguments.connection.client()?;
    let ready: Answer<ReadyView> = client.open("/readyz").await?;
    let version: Answer<VersionView> = client.open("/version").await?;
    let market = match client.has_key() {
        true => Some(networks(&client).await),
        false => None,
    };
    if json {
        let known = market.as_ref().and_then(|m| m.as_ref().ok());
        say(&serde_json::to_string_pretty(&json!({
            "url": client.url(),
            "ready": ready.view.ready,
            "checks": ready.document["checks"],
            "version": version.document,
            "networks": known.map(|page| page.document["networks"].clone()),
        }))?)?;
    } else {
        let VersionView { name, version, .. } = &version.view;
        let word = if ready.view.ready {
            "ready"
        } else {
            "not ready"
        };
        say(&format!("{name} {version} at {}: {word}", client.url()))?;
        for (check, state) in &ready.view.checks {
            say(&format!("  {check:<10} {state}"))?;
        }
        match &market {
            Some(Ok(page)) => {
                for network in &page.view.networks {
                    say(&format!("  {}", standing(network)))?;
                }
            }
            Some(Err(error)) => tell(&format!("note: the networks are not known: {error}")),
            None => tell("note: with an API key, the networks are shown, too"),
        }
    }
    if ready.view.ready {
        return Ok(());
    }
    let wrong = ready.view.checks.iter().filter(|(_, state)| *state != "ok");
    let wrong: Vec<String> = wrong
        .map(|(check, state)| format!("{check}: {state}"))
        .collect();
    let message = format!("the broker is not ready ({})", wrong.join("; "));
    Err(Failure::new(ErrorCode::BROKER_UNREACHABLE, message)
        .hint("its log says more; docs/operating.md, \"What to do when\"")
        .into())
}

/// Succeeds when the address answers with a success; for supervisors of containers.
pub async fn health(url: &str) -> anyhow::Result<()> {
    let unhealthy = |why: String| {
        let message = format!("{url} is not healthy: {why}");
        Failure::new(ErrorCode::BROKER_UNREACHABLE, message)
    };
    let http = reqwest::Client::builder()
        .timeout(HEALTH_TIMEOUT)
        .no_proxy();
    let http = http.build().map_err(|e| unhealthy(e.to_string()))?;
    let answer = http
        .get(url)
        .send()
        .await
        .map_err(|e| unhealthy(e.to_string()))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(unhealthy(status.to_string()).into()),
    }
}
