//! `tandem receipt`: what was agreed, or what came of a probe, checked against the broker's public
//! key or one kept before.

use std::path::PathBuf;

use anyhow::Context as _;
use gpu_probe::report::Kind;
use serde_json::json;
use tandem_model::id::JobId;
use tandem_model::time::in_words;

use super::connection::Connection;
use super::output::{say, tell};
use super::words::{device, made, moment, word};
use crate::api::{ReceiptKeys, ReceiptReply};
use crate::engine::probe::ProbeReceipt;
use crate::vault::receipt::{self, Claims, Receipt};

/// Arguments of `tandem receipt`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The job whose receipt is fetched.
    #[arg(required_unless_present = "file")]
    job: Option<JobId>,
    /// A receipt that was kept, of a job or of a probe, instead of asking for one.
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
    let claims = receipt::verify(&text, &keys.keys)?;
    if json {
        let claims = match &claims {
            Claims::Agreed(receipt) => serde_json::to_value(receipt)?,
            Claims::Probed(receipt) => serde_json::to_value(receipt)?,
        };
        let document = json!({ "receipt": text.trim(), "verified": true, "claims": claims });
        return say(&serde_json::to_string_pretty(&document)?);
    }
    match &claims {
        Claims::Agreed(receipt) => print(receipt)?,
        Claims::Probed(receipt) => say(&probed(receipt))?,
    }
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
        "  at most         {} in {}",
        quote.not_to_exceed,
        in_words(quote.term_seconds.into())
    ))?;
    if let Some(most) = quote.renewal_rate_max {
        let most = most.price();
        say(&format!("  then at most    {most} per GPU-hour"))?;
    }
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

/// What a receipt of a probe says, and what it does not.
fn probed(receipt: &ProbeReceipt) -> String {
    let digest = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let mut lines = vec![
        format!(
            "{} of {}, attempt {}, node {}",
            receipt.probe, receipt.job, receipt.epoch.0, receipt.rank
        ),
        format!(
            "  sold as         {} on {}",
            receipt.sold_as, receipt.network
        ),
        format!(
            "  made            {}, {}",
            made(receipt.kind == Kind::Spot),
            word(&receipt.kind)
        ),
        format!("  judged          {}", moment(receipt.judged_at.into())),
        format!("  outcome         {}", word(&receipt.outcome)),
        format!("  shown           {}", shown(receipt.proof_level)),
    ];
    if let Some(speed) = receipt.speed_permille {
        lines.push(format!("  speed           {speed} of 1000"));
    }
    for shown in &receipt.devices {
        let shown = device(shown.uuid, shown.model.as_deref(), shown.failed);
        lines.push(format!("  device          {shown}"));
    }
    for reason in &receipt.reasons {
        let (effect, code) = (word(&reason.effect), reason.code);
        lines.push(format!("  {effect:<15} {code} ({})", reason.detail));
    }
    let challenge = receipt.challenge_id.map(|id| id.to_string());
    let report = receipt.report_sha256.map(|digest| digest.to_string());
    lines.push(format!("  challenge       {}", digest(challenge)));
    lines.push(format!("  report          SHA-256 {}", digest(report)));
    lines.push(
        "  it proves that this installation judged the node so at that time, and nothing since"
            .to_owned(),
    );
    lines.join("\n")
}

/// A proof level in words.
fn shown(level: u8) -> String {
    let what = match level {
        0 => "the machine's own word",
        1 => {
            "timed proofs of work and memory, which a real card elsewhere may have made: not verified hardware"
        }
        2 => "timed proofs over days and beside its like: not verified hardware",
        3 => "timed proofs, and the maker's attestation",
        _ => "more than this program knows",
    };
    format!("level {level}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::receipt::tests::probe_receipt;

    #[test]
    fn a_receipt_says_whether_the_work_ran_when_its_node_was_probed() {
        let of = |kind| {
            probed(&ProbeReceipt {
                kind,
                ..probe_receipt()
            })
        };
        let (start, running) = (of(Kind::Quick), of(Kind::Spot));
        assert!(
            start.contains("  made            at the start, quick\n"),
            "{start}"
        );
        assert!(
            running.contains("  made            while running, spot\n"),
            "{running}"
        );
    }
}
