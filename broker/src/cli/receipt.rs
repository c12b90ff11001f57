//! `tandem receipt`: what was agreed, checked against the broker's public key or one kept before.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;
use tandem_model::id::JobId;

use super::connection::Connection;
use super::output::{say, tell};
use crate::api::{ReceiptKeys, ReceiptReply};
use crate::vault::receipt::{self, Receipt};

/// Arguments of `tandem receipt`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The job whose receipt is fetched.
    #[arg(required_unless_present = "file")]
    job: Option<JobId>,
    /// A receipt that was kept, instead of asking for one.
    #[arg(long, value_name = "FILE", conflicts_with = "job")]
    file: Option<PathBuf>,
    /// Public keys that were kept, as `/.well-known/jwks.json` shows them; needs no broker with --file.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// Checks a receipt and shows what it says; fails when its signature does not fit.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let text = match (&arguments.file, &arguments.job) {
        (Some(file), _) => read(file)?,
        (None, Some(job)) => {
            let client = arguments.connection.clone().client()?;
            let path = format!("/v1/jobs/{job}/receipt");
            client.get::<ReceiptReply>(&path).await?.view.receipt
        }
        (None, None) => anyhow::bail!("name a job, or a file with --file"),
    };
    let keys: ReceiptKeys = match &arguments.keys {
        Some(file) => serde_json::from_str(&read(file)?)
            .with_context(|| format!("{} holds no keys of receipts", file.display()))?,
        None => {
            let client = arguments.connection.clone().client()?;
            client.open("/.well-known/jwks.json").await?.view
        }
    };
    let receipt = receipt::verify(&text, &keys.keys)?;
    if json {
        let document = json!({ "receipt": text.trim(), "verified": true, "claims": receipt });
        return say(&serde_json::to_string_pretty(&document)?);
    }
    print(&receipt)?;
    say(text.trim())?;
    tell("the signature fits; keep the last line and the keys to check it without a broker");
    Ok(())
}

fn print(receipt: &Receipt) -> anyhow::Result<()> {
    let quote = &receipt.quote;
    say(&format!("{} for {}", receipt.job, receipt.account))?;
    say(&format!("  tier            {}", quote.tier.as_str()))?;
    say(&format!("  offer           {}", quote.offer))?;
    say(&format!("  GPUs            {}", quote.gpus))?;
    for line in &quote.lines {
        let amount = line.micro_usd_per_gpu_hour;
        say(&format!("  {:<15} {amount} per GPU-hour", line.kind))?;
    }
    say(&format!(
        "  rate            {} per GPU-hour",
        quote.rate.price()
    ))?;
    say(&format!(
        "  at most         {} in {} h",
        quote.not_to_exceed,
        quote.term_seconds / 3_600
    ))?;
    let considered = &receipt.considered;
    say(&format!(
        "  chosen from     {} offers, of which {} fit; policy version {}",
        considered.offers, considered.fitting, receipt.policy_version
    ))?;
    say(&format!(
        "  workload        SHA-256 {}",
        receipt.workload_sha256
    ))
}
