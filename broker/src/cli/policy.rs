//! `tandem policy`: check and compare documents without a broker; apply, list, roll back and watch
//! them on one.

pub mod conversion;
mod render;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_model::network::NetworkId;
use tandem_model::time::Clock as _;
use tandem_pricing::policy::{self, Grid, Policy, PolicyProblems};

use super::connection::Connection;
use super::failure::Failure;
use super::output::{read_file, say, table, tell};
use super::quote::of_file;
use super::words::moment;
use crate::api::{
    PolicyApplied, PolicyDiffReply, PolicyRequest, PolicyText, PolicyView, RollbackRequest,
    ShadowView, ViolationView,
};
use crate::client::Answer;
use crate::clock::SystemClock;
use crate::policies::NETWORKS;
use render::{changes, report};

/// Note of a change that gives none.
const NO_NOTE: &str = "no note";

/// What is done with pricing policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say what is wrong with a policy file, with line and column. Asks no broker.
    Check {
        /// Policy file; `-` is standard input.
        file: String,
    },
    /// Say what a policy file would change: against the policy in force, or against another file,
    /// which asks no broker.
    Diff {
        /// Policy file; with a second file, the one before.
        file: String,
        /// The policy file after.
        other: Option<String>,
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
    /// Say what would have come of a policy, or of two, on past demand and prices.
    Backtest(super::backtest::Arguments),
    /// Put a policy file into force.
    Apply {
        /// Policy file; `-` is standard input.
        file: String,
        /// Why, for the history.
        #[arg(long, default_value = NO_NOTE)]
        note: String,
        /// Waive the guard rails, for this reason.
        #[arg(long, value_name = "REASON")]
        waive: Option<String>,
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
    /// List the versions, the newest first.
    History {
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
    /// Print how many quotes were made and taken at which price, as a table for
    /// `tandem policy backtest --conversion`.
    Conversion(conversion::Arguments),
    /// Take an earlier version's document up again.
    Rollback {
        /// The version.
        number: u32,
        /// Why, for the history.
        #[arg(long, default_value = NO_NOTE)]
        note: String,
        /// Waive the guard rails, for this reason.
        #[arg(long, value_name = "REASON")]
        waive: Option<String>,
        /// Refuse quotes that were made by the versions in between; otherwise they are good until
        /// they expire.
        #[arg(long)]
        revoke: bool,
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
    /// Print the document of a version.
    Show {
        /// The version; without one, the one in force.
        number: Option<u32>,
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
    /// Price every quote by a second policy as well, which decides nothing.
    Shadow {
        /// Policy file to put into the shadow; `-` is standard input.
        #[arg(required_unless_present_any = ["off", "report"])]
        file: Option<String>,
        /// Take the policy out of the shadow.
        #[arg(long, conflicts_with_all = ["file", "report"])]
        off: bool,
        /// Show what it would have changed.
        #[arg(long, conflicts_with = "file")]
        report: bool,
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
}

/// Runs a command on policies.
pub async fn run(command: PolicyCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        PolicyCommand::Check { file } => check(&file, as_json),
        PolicyCommand::Diff {
            file,
            other: Some(other),
            ..
        } => compare(&file, &other, as_json),
        PolicyCommand::Diff {
            file,
            other: None,
            connection,
        } => difference(&file, connection, as_json).await,
        PolicyCommand::Backtest(arguments) => super::backtest::run(arguments, as_json),
        PolicyCommand::Apply {
            file,
            note,
            waive,
            connection,
        } => {
            let request = PolicyRequest {
                text: read_file(&file)?,
                note,
                waived_because: waive,
                base: None,
            };
            let client = connection.client()?;
            let applied = client.create("/v1/policies", &request).await;
            in_force(&applied.map_err(|error| of_file(error, &file))?, as_json)
        }
        PolicyCommand::History { connection } => history(connection, as_json).await,
        PolicyCommand::Conversion(arguments) => conversion::run(arguments, as_json).await,
        PolicyCommand::Rollback {
            number,
            note,
            waive,
            revoke,
            connection,
        } => {
            let request = RollbackRequest {
                number,
                note,
                waived_because: waive,
                base: None,
                revoke,
            };
            let client = connection.client()?;
            let applied = client.create("/v1/policies/rollback", &request).await?;
            in_force(&applied, as_json)
        }
        PolicyCommand::Show { number, connection } => show(number, connection, as_json).await,
        PolicyCommand::Shadow {
            file,
            off,
            report: _,
            connection,
        } => shadow(file, off, connection, as_json).await,
    }
}

fn print(document: &Value) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(document)?)
}

fn refused(file: &str, problems: &PolicyProblems) -> Failure {
    let count = problems.0.len();
    let plural = if count == 1 { "" } else { "s" };
    let lines: String = problems
        .0
        .iter()
        .map(|p| format!("\n  {file}:{p}"))
        .collect();
    let message = format!("{count} problem{plural} in the policy:{lines}");
    Failure::new(PolicyProblems::CODE, message).hint("docs/policies.md lists every field")
}

fn read(file: &str) -> anyhow::Result<Policy> {
    let text = read_file(file)?;
    Ok(Policy::parse(&text).map_err(|problems| refused(file, &problems))?)
}

fn check(file: &str, as_json: bool) -> anyhow::Result<()> {
    let policy = read(file)?;
    let (name, digest) = (policy.name(), policy.digest());
    if as_json {
        let networks: Vec<_> = policy.networks().collect();
        return print(&json!({ "name": name, "digest": digest, "networks": networks }));
    }
    say(&format!("{file}: `{name}` has no problem ({digest})"))?;
    tell(&format!("next: `tandem policy diff {file}`"));
    Ok(())
}

/// Two files, on the reference costs.
fn compare(old: &str, new: &str, as_json: bool) -> anyhow::Result<()> {
    let (before, after) = (read(old)?, read(new)?);
    let now = SystemClock::new(1).wall();
    let grid = Grid::standard(now, &NETWORKS.map(NetworkId::from_static));
    let diff = policy::diff(&before, &after, &grid);
    let broken = policy::guard(&before, &after, &diff)
        .err()
        .unwrap_or_default();
    let violations: Vec<_> = broken.iter().map(ViolationView::from).collect();
    let diff = serde_json::to_value(&diff)?;
    if as_json {
        return print(&json!({ "diff": diff, "violations": violations }));
    }
    changes(&diff, &violations)
}

async fn difference(file: &str, connection: Connection, as_json: bool) -> anyhow::Result<()> {
    let request = PolicyText {
        text: read_file(file)?,
    };
    let asked = connection
        .client()?
        .ask("/v1/policies/diff", &request)
        .await;
    let answer: Answer<PolicyDiffReply> = asked.map_err(|error| of_file(error, file))?;
    if as_json {
        return print(&answer.document);
    }
    let reply = &answer.view;
    say(&format!(
        "against version {}, which is in force",
        reply.base
    ))?;
    changes(&reply.diff, &reply.violations)?;
    for network in &reply.unknown_networks {
        tell(&format!("note: this broker has no network `{network}`"));
    }
    let waive = if reply.violations.is_empty() {
        ""
    } else {
        " --waive REASON"
    };
    tell(&format!(
        "next: `tandem policy apply {file} --note NOTE{waive}`"
    ));
    Ok(())
}

fn in_force(applied: &Answer<PolicyApplied>, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print(&applied.document);
    }
    let view = &applied.view;
    changes(&view.diff, &view.waived)?;
    say(&format!("version {} is in force", view.version.number))?;
    if view.version.number > 1 {
        let before = view.version.number - 1;
        tell(&format!("back: `tandem policy rollback {before}`"));
    }
    Ok(())
}

async fn history(connection: Connection, as_json: bool) -> anyhow::Result<()> {
    let all: Answer<Vec<PolicyView>> = connection.client()?.all("/v1/policies").await?;
    if as_json {
        return print(&all.document);
    }
    let mut rows = table(&["version", "applied", "by", "note", "digest"]);
    for version in &all.view {
        let mut note = version.note.clone();
        if let Some(target) = version.rolls_back_to {
            let revoked = if version.revokes_quotes {
                ", quotes revoked"
            } else {
                ""
            };
            note.push_str(&format!(" (back to {target}{revoked})"));
        }
        if let Some(reason) = &version.waived_because {
            note.push_str(&format!(" (guard rails waived: {reason})"));
        }
        rows.add_row([
            version.number.to_string(),
            moment(version.applied_at),
            version.author.clone(),
            note,
            version.digest.chars().take(12).collect(),
        ]);
    }
    say(&rows.to_string())?;
    tell("next: `tandem policy show NUMBER`");
    Ok(())
}

async fn show(number: Option<u32>, connection: Connection, as_json: bool) -> anyhow::Result<()> {
    let path = match number {
        Some(number) => format!("/v1/policies/{number}"),
        None => "/v1/policies/current".to_owned(),
    };
    let shown: Answer<PolicyView> = connection.client()?.get(&path).await?;
    if as_json {
        return print(&shown.document);
    }
    let view = &shown.view;
    tell(&format!(
        "version {}, applied {} by {}: {}",
        view.number,
        moment(view.applied_at),
        view.author,
        view.note
    ));
    say(view.text.as_deref().unwrap_or_default().trim_end())
}

async fn shadow(
    file: Option<String>,
    off: bool,
    connection: Connection,
    as_json: bool,
) -> anyhow::Result<()> {
    const PATH: &str = "/v1/policies/shadow";
    let client = connection.client()?;
    if off {
        let _: Answer<Value> = client.settle(Method::DELETE, PATH).await?;
        if as_json {
            return print(&json!({ "shadow": null }));
        }
        return say("no policy is in the shadow");
    }
    let Some(file) = file else {
        let seen: Answer<ShadowView> = client.get(PATH).await?;
        if as_json {
            return print(&seen.document);
        }
        return report(&seen.view);
    };
    let request = PolicyText {
        text: read_file(&file)?,
    };
    let put: Answer<ShadowView> = client
        .put(PATH, &request)
        .await
        .map_err(|error| of_file(error, &file))?;
    if as_json {
        return print(&put.document);
    }
    say(&format!("`{}` is in the shadow", put.view.name))?;
    tell("next: `tandem policy shadow --report`, and `--off` to end it");
    Ok(())
}
