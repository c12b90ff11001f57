//! `tandem policy check` and `tandem policy diff`: what can be said of policies without a broker.

use clap::Subcommand;
use serde::Serialize;
use tandem_adapters::registry;
use tandem_model::network::NetworkId;
use tandem_model::time::Clock;
use tandem_pricing::policy::{
    Diff, EntryChanges, Example, FieldChange, Grid, Outcome, Policy, PolicyDigest, PolicyProblems,
    Problem, Violation, diff, guard,
};

use super::failure::Failure;
use super::output::{read_file, say, table, tell};
use crate::clock::SystemClock;

/// Commands about pricing policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say whether a policy file would be accepted, and if not, every place to mend.
    Check {
        /// Policy file; `-` is standard input.
        file: String,
    },
    /// Say what changes from one policy file to another: rules, prices, guard rails.
    Diff {
        /// The policy before.
        old: String,
        /// The policy after.
        new: String,
    },
}

/// Runs a command about policies.
pub fn run(command: PolicyCommand, json: bool) -> anyhow::Result<()> {
    match command {
        PolicyCommand::Check { file } => check(&file, json),
        PolicyCommand::Diff { old, new } => compare(&old, &new, json),
    }
}

/// What is said of a file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    name: Option<String>,
    digest: PolicyDigest,
    rules: usize,
    promotions: usize,
    problems: Vec<Problem>,
}

fn networks() -> Vec<NetworkId> {
    let mut networks: Vec<_> = registry::all_with("unused")
        .iter()
        .flat_map(|adapter| adapter.products())
        .map(|product| product.network.clone())
        .collect();
    networks.dedup();
    networks
}

fn read(text: &str) -> Result<Policy, PolicyProblems> {
    let policy = Policy::parse(text)?;
    policy.unknown_networks(&networks())?;
    Ok(policy)
}

/// All problems of a file as one failure, `path:line:column` first as editors understand it.
fn refused(path: &str, PolicyProblems(problems): &PolicyProblems) -> Failure {
    let count = problems.len();
    let plural = if count == 1 { "" } else { "s" };
    let lines: Vec<String> = problems.iter().map(|p| format!("\n  {path}:{p}")).collect();
    Failure::new(
        PolicyProblems::CODE,
        format!("{count} problem{plural} in {path}:{}", lines.concat()),
    )
    .hint("docs/policies.md documents every field")
}

/// Checks one file. Fails when it is refused.
fn check(path: &str, json: bool) -> anyhow::Result<()> {
    let text = read_file(path)?;
    let read = read(&text);
    let policy = read.as_ref().ok();
    let report = Report {
        file: path.to_owned(),
        name: policy.map(|policy| policy.name().to_owned()),
        digest: PolicyDigest::of(&text),
        rules: policy.map_or(0, |policy| policy.rules().count()),
        promotions: policy.map_or(0, |policy| policy.promotions().count()),
        problems: read.as_ref().err().map_or(Vec::new(), |e| e.0.clone()),
    };
    if json {
        say(&serde_json::to_string_pretty(&report)?)?;
    }
    let policy = read.map_err(|problems| refused(path, &problems))?;
    if json {
        return Ok(());
    }
    say(&format!(
        "{} would be accepted: {} rules, {} promotions, digest {}",
        policy.name(),
        report.rules,
        report.promotions,
        report.digest
    ))?;
    let mut rows = table(&["priority", "rule"]);
    for (_, id, priority) in policy.rules() {
        rows.add_row([priority.to_string().as_str(), id]);
    }
    say(&rows.to_string())
}

/// What changes, and what its guard rails say.
#[derive(Debug, Serialize)]
struct Comparison {
    #[serde(flatten)]
    diff: Diff,
    violations: Vec<Violation>,
}

/// Compares two files. A broken guard rail is part of the answer, not a failure.
fn compare(old: &str, new: &str, json: bool) -> anyhow::Result<()> {
    let load = |path: &str| -> anyhow::Result<Policy> {
        Ok(read(&read_file(path)?).map_err(|problems| refused(path, &problems))?)
    };
    let (old, new) = (load(old)?, load(new)?);
    let grid = Grid::standard(SystemClock::new(1).wall(), &networks());
    let diff = diff(&old, &new, &grid);
    let violations = guard(&old, &new, &diff).err().unwrap_or_default();
    if json {
        let comparison = Comparison { diff, violations };
        return say(&serde_json::to_string_pretty(&comparison)?);
    }
    print(&diff)?;
    for violation in &violations {
        say(&format!("guard rail: {violation}"))?;
    }
    if violations.is_empty() {
        say("the guard rails of both policies allow this change")?;
    }
    tell("note: costs are a stand-in of 2 cents an hour for each GB of a card's memory");
    Ok(())
}

fn print(diff: &Diff) -> anyhow::Result<()> {
    let mut rows = table(&["what", "field", "before", "after"]);
    let mut add = |what: &str, change: &FieldChange| {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        rows.add_row([
            what,
            change.field.as_str(),
            &text(&change.old),
            &text(&change.new),
        ]);
    };
    diff.fields.iter().for_each(|change| add("", change));
    for (what, entries) in [("rule", &diff.rules), ("promotion", &diff.promotions)] {
        for changed in &entries.changed {
            let what = format!("{what} {}", changed.id);
            changed.fields.iter().for_each(|change| add(&what, change));
        }
    }
    say(&rows.to_string())?;
    say_entries("rules", &diff.rules)?;
    say_entries("promotions", &diff.promotions)?;
    let prices = &diff.prices;
    say(&format!(
        "prices: {} compared, {} dearer, {} cheaper, {} the same, {} new, {} lost",
        prices.compared,
        prices.dearer,
        prices.cheaper,
        prices.same,
        prices.newly_sold,
        prices.no_longer_sold
    ))?;
    say_example("largest rise", &prices.largest_rise)?;
    say_example("largest fall", &prices.largest_fall)?;
    say_example("smallest margin", &prices.smallest_margin)?;
    say_example("first lost", &prices.first_lost)?;
    for (what, ids) in [
        ("rules", &prices.rules_without_effect),
        ("promotions", &prices.promotions_without_effect),
    ] {
        if !ids.is_empty() {
            let ids = ids.join(", ");
            say(&format!("{what} that decide nothing on the grid: {ids}"))?;
        }
    }
    Ok(())
}

fn say_entries(what: &str, entries: &EntryChanges) -> anyhow::Result<()> {
    for (verb, ids) in [("added", &entries.added), ("removed", &entries.removed)] {
        if !ids.is_empty() {
            say(&format!("{what} {verb}: {}", ids.join(", ")))?;
        }
    }
    Ok(())
}

fn say_example(what: &str, example: &Option<Example>) -> anyhow::Result<()> {
    let Some(example) = example else {
        return Ok(());
    };
    let price = |outcome: &Outcome| match outcome {
        Outcome::Sold(priced) => priced.price.to_string(),
        Outcome::NotSold(reason) => format!("no price ({reason})"),
    };
    say(&format!(
        "{what}: {} -> {} at a cost of {} for {}",
        price(&example.old),
        price(&example.new),
        example.cost,
        example.subject
    ))
}
