//! `tandem logs`: what a workload printed, page by page, and on as it comes.

use std::io::{IsTerminal, Write};

use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;

use super::connection::Connection;
use super::failure::Failure;
use super::output::{say, tell};
use super::watch::{LOOK_EVERY, look};
use crate::api::{LogChunkView, LogPage, PAGE_ITEMS_MAX};
use crate::client::{Answer, Client, ClientError, encoded};

/// For so many looks in a row a broker may be away before following ends.
const AWAY_LOOKS_MAX: u32 = 60;

/// Arguments of `tandem logs`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The job.
    id: JobId,
    /// Go on as it comes, until the job ends.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Prints a job's log to stdout.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    if json && arguments.follow {
        let message = "--json prints one document at the end, -f prints as it comes: give one";
        return Err(Failure::new(ErrorCode::USAGE, message).into());
    }
    let client = arguments.connection.client()?;
    let mut reader = Reader {
        client,
        id: arguments.id,
        after: None,
    };
    if json {
        let items = reader.all().await?;
        return say(&serde_json::to_string_pretty(
            &serde_json::json!({ "items": items }),
        )?);
    }
    reader.print_all().await?;
    if arguments.follow {
        tokio::select! {
            ended = reader.follow() => ended?,
            _ = tokio::signal::ctrl_c() => tell("the job goes on"),
        }
    }
    Ok(())
}

struct Reader {
    client: Client,
    id: JobId,
    after: Option<String>,
}

impl Reader {
    async fn page(&mut self) -> Result<Answer<LogPage>, ClientError> {
        let mut path = format!("/v1/jobs/{}/logs?limit={PAGE_ITEMS_MAX}", self.id);
        if let Some(after) = &self.after {
            path.push_str(&format!("&after={}", encoded(after)));
        }
        let page: Answer<LogPage> = self.client.get(&path).await?;
        if page.view.next.is_some() {
            self.after.clone_from(&page.view.next);
        }
        Ok(page)
    }

    async fn all(&mut self) -> Result<Vec<serde_json::Value>, ClientError> {
        let mut items = Vec::new();
        loop {
            let mut page = self.page().await?;
            if let Some(serde_json::Value::Array(part)) = page.document.get_mut("items") {
                items.append(part);
            }
            if !page.view.more {
                return Ok(items);
            }
        }
    }

    /// Prints everything that is there.
    async fn print_all(&mut self) -> anyhow::Result<()> {
        loop {
            let page = self.page().await?;
            for chunk in &page.view.items {
                print(chunk)?;
            }
            if !page.view.more {
                return Ok(());
            }
        }
    }

    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut away = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // The state is read before the log, so that the last lines of an ended job are seen.
            let state = match look(&self.client, self.id).await {
                Ok(job) => job.view.summary.state,
                Err(error) if error.may_pass() && away < AWAY_LOOKS_MAX => {
                    away += 1;
                    continue;
                }
                Err(error) => return Err(Failure::from(error).into()),
            };
            away = 0;
            self.print_all().await?;
            if state.is_terminal() {
                return Ok(());
            }
        }
    }
}

fn print(chunk: &LogChunkView) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let text = match out.is_terminal() {
        true => harmless(&chunk.text),
        false => chunk.text.clone(),
    };
    for line in text.split_inclusive('\n') {
        let written = match chunk.rank {
            0 => write!(out, "{line}"),
            rank => write!(out, "[node {rank}] {line}"),
        };
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            other => other?,
        }
    }
    Ok(())
}

/// Without control characters that move a terminal's cursor or change its settings: a host can
/// print anything.
fn harmless(text: &str) -> String {
    let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cannot_steer_the_terminal() {
        let text = "a\u{1b}]0;title\u{7}b\tc\r\n\u{9b}2J";
        assert_eq!(harmless(text), "a]0;titleb\tc\r\n2J");
    }
}
