//! `tandem quote`: firm prices of every tier, or why there is none.

mod explanation;
mod unpriced;

use comfy_table::CellAlignment;
use tandem_model::error::ErrorCode;
use tandem_model::workload::Tier;

use super::connection::Connection;
use super::failure::Failure;
use super::output::{read_file, say, table, tell};
use super::words::{PROBED_WHILE_RUNNING, hourly, moment};
use crate::api::{QuoteReply, QuoteRequest, QuoteView, TierView};
use crate::client::failure::refused;
use crate::client::{Answer, Client, ClientError};

/// Arguments of `tandem quote`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Workload file; `-` is standard input.
    file: String,
    /// Only this tier: consumer, assured or enterprise.
    #[arg(long, value_parser = tier)]
    tier: Option<Tier>,
    /// Show what each rate is made of, what is promised, and why offers were refused.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Reads a tier's name.
pub fn tier(name: &str) -> Result<Tier, String> {
    Tier::parse(name).ok_or_else(|| "one of consumer, assured, enterprise".to_owned())
}

/// Asks for prices of a file.
pub async fn ask(
    client: &Client,
    file: &str,
    workload: &str,
    tier: Option<Tier>,
) -> Result<Answer<QuoteReply>, Failure> {
    let request = QuoteRequest {
        workload: workload.to_owned(),
        tier,
    };
    let asked = client.ask("/v1/quotes", &request).await;
    asked.map_err(|error| of_file(error, file))
}

/// A refusal that names the lines of the file.
pub fn of_file(error: ClientError, file: &str) -> Failure {
    match error {
        ClientError::Refused(problem) => refused(&problem, Some(file)),
        other => other.into(),
    }
}

/// Prints prices. Fails when no tier has one.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let workload = read_file(&arguments.file)?;
    let client = arguments.connection.client()?;
    let answer = ask(&client, &arguments.file, &workload, arguments.tier).await?;
    if json {
        say(&serde_json::to_string_pretty(&answer.document)?)?;
    } else {
        print(&answer.view, &arguments.file)?;
        if arguments.explain {
            explanation::print(&answer.view)?;
        }
    }
    match cheapest(&answer.view) {
        Some(_) => {
            if !json && !arguments.explain {
                tell("`--explain` shows what the rates are made of and what is promised");
            }
            tell(&format!("next: `tandem submit {} --watch`", arguments.file));
            Ok(())
        }
        None => Err(no_price(&answer.view, !json).into()),
    }
}

/// The tier that costs least in an hour; of two alike, the first.
pub fn cheapest(reply: &QuoteReply) -> Option<(&TierView, &QuoteView)> {
    let priced = reply
        .tiers
        .iter()
        .filter_map(|t| Some((t, t.quote.as_ref()?)));
    priced.min_by_key(|(_, quote)| hourly(quote.rate_micro_usd_per_gpu_hour, quote.gpus))
}

/// Why nothing can be bought; with the reason of every tier where they were not printed.
pub fn no_price(reply: &QuoteReply, is_printed: bool) -> Failure {
    let mut message = format!("no tier of {} has a price", reply.name);
    if !is_printed {
        let lines: String = unpriced::reasons(reply)
            .map(|reason| format!("\n  {reason}"))
            .collect();
        message.push_str(&format!(":{lines}"));
    }
    Failure::new(ErrorCode::NO_OFFER_FITS, message)
        .hint("`tandem check FILE` says where it could start, `tandem offers` what there is")
}

/// The prices of a file as a table, and why some tiers have none.
pub fn print(reply: &QuoteReply, file: &str) -> anyhow::Result<()> {
    let class = &reply.classification.class;
    say(&format!("{}: {}", reply.name, super::words::word(class)))?;
    if cheapest(reply).is_some() {
        say(&prices(reply))?;
    }
    for line in unpriced::lines(reply, file) {
        say(&line)?;
    }
    for line in explanation::beside(reply) {
        say(&line)?;
    }
    if reply.probe_while_running {
        say(PROBED_WHILE_RUNNING)?;
    }
    if !reply.secrets.is_empty() {
        let names = reply.secrets.join(", ");
        tell(&format!("note: it needs values for the secrets {names}"));
    }
    if reply.unfenced {
        tell(
            "note: the workload keeps its own checkpoints, so a moved job waits until the lost \
             instance is certainly gone",
        );
    }
    Ok(())
}

fn prices(reply: &QuoteReply) -> String {
    let head = [
        "tier",
        "on",
        "GPUs",
        "per GPU-hour",
        "per hour",
        "at most",
        "valid until",
    ];
    let mut rows = table(&head);
    for tier in &reply.tiers {
        if let Some(quote) = &tier.quote {
            rows.add_row(row(tier, quote));
        }
    }
    for column in 2..6 {
        if let Some(column) = rows.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    rows.to_string()
}

fn row(tier: &TierView, quote: &QuoteView) -> Vec<String> {
    let on = tier.ranked.first().map_or_else(String::new, |best| {
        let offer = &best.offer;
        format!(
            "{} {} in {}",
            offer.network,
            offer.gpu_name,
            offer.country.as_str()
        )
    });
    vec![
        tier.tier.as_str().to_owned(),
        on,
        quote.gpus.to_string(),
        quote.rate_micro_usd_per_gpu_hour.price().to_string(),
        hourly(quote.rate_micro_usd_per_gpu_hour, quote.gpus).to_string(),
        quote.not_to_exceed_micro_usd.to_string(),
        moment(quote.expires_at),
    ]
}
