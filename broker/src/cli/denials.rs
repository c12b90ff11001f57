//! `tandem denials`: what rules about places and kinds of data refused.

use super::connection::Connection;
use super::output::{say, table, tell};
use super::words::moment;
use crate::api::DenialView;
use crate::client::{Answer, encoded};

/// Characters of a file's SHA-256 that the table shows.
const SHA256_SHOWN: usize = 12;

/// Arguments of `tandem denials`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Those of another account, or of `all`, which only an admin sees.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Lists denials, the newest first.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let path = match &arguments.account {
        Some(account) => format!("/v1/denials?account={}", encoded(account)),
        None => "/v1/denials".to_owned(),
    };
    let denials: Answer<Vec<DenialView>> = arguments.connection.client()?.all(&path).await?;
    if json {
        return say(&serde_json::to_string_pretty(&denials.document)?);
    }
    if denials.view.is_empty() {
        tell("nothing was denied");
        return Ok(());
    }
    print(&denials.view, arguments.account.is_some())
}

fn print(denials: &[DenialView], with_account: bool) -> anyhow::Result<()> {
    let mut head = vec![
        "last",
        "rule",
        "about",
        "offers",
        "quotes",
        "file",
        "what changes it",
    ];
    if with_account {
        head.insert(0, "account");
    }
    let mut rows = table(&head);
    for denial in denials {
        let file = denial.workload_sha256.get(..SHA256_SHOWN);
        let mut row = vec![
            moment(denial.last_at),
            denial.rule.clone(),
            format!("{} in {}", denial.party, denial.about),
            denial.offers.to_string(),
            denial.count.to_string(),
            file.unwrap_or(&denial.workload_sha256).to_owned(),
            denial.change.clone(),
        ];
        if with_account {
            row.insert(0, denial.account.to_string());
        }
        rows.add_row(row);
    }
    say(&rows.to_string())
}
