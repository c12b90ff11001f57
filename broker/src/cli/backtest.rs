//! `tandem policy backtest`: what would have come of a policy, or of two, on past demand and prices.

use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table};
use tandem_model::error::ErrorCode;
use tandem_model::time::WallTime;
use tandem_pricing::lab::{
    Backtest, ELASTICITY_PERMILLE_MAX, Files, LabError, Metric, Parameters, PolicyReport, Scenario,
    Sums, backtest, figures, page,
};
use tandem_pricing::policy::{Policy, PolicyProblems};

use super::failure::Failure;
use super::output::{read_text, say, table, tell};
use super::words::moment;

/// Largest file of the lab.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Most files of one kind.
const FILES_MAX: usize = 64;
/// The name that stands for the policy that is compiled in.
const STANDARD: &str = "standard";
/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// Arguments of `tandem policy backtest`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A policy file; `standard` is the one that is compiled in.
    policy: String,
    /// A second policy, replayed on the same tasks and draws.
    other: Option<String>,
    /// Demand: our columns or Alibaba's GPU trace of 2023. Without it, a synthetic fortnight.
    #[arg(long, value_name = "FILE")]
    demand: Option<String>,
    /// Prices and supply: our columns or GCP's price changes. May be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    prices: Vec<String>,
    /// Days after the first task at which the prices begin to change.
    #[arg(long, value_name = "DAYS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3_650))]
    prices_from_day: u64,
    /// Availability traces that cut the supply of a card. May be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    supply: Vec<String>,
    /// Share of quotes accepted by price, instead of the elasticity.
    #[arg(long, value_name = "FILE", conflicts_with = "elasticity")]
    conversion: Option<String>,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Elasticity of acceptance: at 1.5, a price 1 % higher is accepted 1.5 % less. At most 20.
    #[arg(long, value_name = "E", value_parser = permille)]
    elasticity: Option<u32>,
    /// The moment at which the replay starts; promotions look at it.
    #[arg(long, value_name = "TIME", default_value = "2026-11-02T00:00:00Z", value_parser = begin)]
    start: WallTime,
    /// Write a page with charts.
    #[arg(long, value_name = "FILE")]
    html: Option<String>,
}

/// A decimal number with at most three decimals, as permille.
fn permille(text: &str) -> Result<u32, String> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let fits = digits(whole) && digits(rest) && whole.len() <= 3 && rest.len() <= 3;
    let number = format!("{whole}{rest:0<3}").parse().ok();
    number
        .filter(|n| fits && *n <= ELASTICITY_PERMILLE_MAX)
        .ok_or_else(|| {
            let most = ELASTICITY_PERMILLE_MAX / 1_000;
            format!("a number from 0 to {most} with at most three decimals, such as 1.5")
        })
}

fn begin(text: &str) -> Result<WallTime, String> {
    let moment: jiff::Timestamp = text
        .parse()
        .map_err(|_| "a moment such as 2027-03-01T00:00:00Z".to_owned())?;
    Ok(WallTime::from_micros(moment.as_microsecond()))
}

/// Replays and prints what came of it.
pub fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let policy = policy(&arguments.policy)?;
    let other = arguments.other.as_deref().map(self::policy).transpose()?;
    let scenario = scenario(&arguments)?;
    let mut parameters = Parameters::standard(arguments.seed, arguments.start);
    if let Some(elasticity) = arguments.elasticity {
        parameters.elasticity_permille = elasticity;
    }
    let began = Instant::now();
    let result = backtest(&policy, other.as_ref(), &scenario, parameters);
    tell(&format!(
        "replayed {} tasks under {} in {} ms",
        result.inputs.tasks,
        if other.is_some() {
            "two policies"
        } else {
            "one policy"
        },
        began.elapsed().as_millis()
    ));
    if let Some(path) = &arguments.html {
        write(path, &page::html(&result))?;
        tell(&format!("wrote {path}"));
    }
    if json {
        return say(&serde_json::to_string_pretty(&result)?);
    }
    print(&result)?;
    for policy in [Some(&policy), other.as_ref()].into_iter().flatten() {
        tell_promotions_off(policy, arguments.start, result.inputs.days);
    }
    Ok(())
}

/// Names the promotions that had no part in a replay of so many days.
fn tell_promotions_off(policy: &Policy, start: WallTime, days: usize) {
    let days_s = DAY_S.saturating_mul(u64::try_from(days).unwrap_or(u64::MAX));
    let end = start.after(Duration::from_secs(days_s));
    for (id, from, until) in policy.promotions_off(start, end) {
        let [start, end, from, until] = [start, end, from, until].map(|at| moment(at.into()));
        let again = from.replace(' ', "T");
        tell(&format!(
            "note: `{}` gives {id} from {from} until {until}, and the replay went from {start} until {end}; to see it: --start {again}",
            policy.name()
        ));
    }
}

fn policy(path: &str) -> anyhow::Result<Policy> {
    if path == STANDARD {
        return Ok(Policy::standard());
    }
    let text = read_text(
        path,
        FILE_BYTES_MAX,
        "give the path of a policy, or `standard`",
    )?;
    Policy::parse(&text).map_err(|problems| {
        Failure::new(PolicyProblems::CODE, format!("{path}: {problems}"))
            .hint("docs/policies.md documents every field")
            .into()
    })
}

fn scenario(arguments: &Arguments) -> anyhow::Result<Scenario> {
    let read = |path: &String| {
        let hint = "docs/price-lab.md documents the files of the price lab";
        read_text(path, FILE_BYTES_MAX, hint).map(|text| (path.clone(), text))
    };
    let all = |paths: &[String]| -> anyhow::Result<Vec<(String, String)>> {
        if paths.len() > FILES_MAX {
            let text = format!("more than {FILES_MAX} files of one kind");
            return Err(Failure::new(ErrorCode::USAGE, text).into());
        }
        paths.iter().map(read).collect()
    };
    let demand = arguments.demand.as_ref().map(read).transpose()?;
    let conversion = arguments.conversion.as_ref().map(read).transpose()?;
    let (prices, supply) = (all(&arguments.prices)?, all(&arguments.supply)?);
    let files = Files {
        demand: demand.as_ref().map(|(name, text)| (&**name, &**text)),
        prices: &prices,
        prices_delay_s: arguments.prices_from_day * DAY_S,
        supply: &supply,
        conversion: conversion.as_ref().map(|(name, text)| (&**name, &**text)),
    };
    Scenario::read(&files).map_err(|error| {
        Failure::new(LabError::CODE, error.to_string())
            .hint("docs/price-lab.md documents the files of the price lab")
            .into()
    })
}

fn write(path: &str, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).map_err(|error| {
        Failure::new(
            ErrorCode::FILE_UNREADABLE,
            format!("cannot write {path}: {error}"),
        )
        .hint("give a path in a folder that can be written to")
        .into()
    })
}

fn print(result: &Backtest) -> anyhow::Result<()> {
    let shares = result.policies.iter().zip(["first", "second"]);
    let names: Vec<String> = shares
        .map(|(report, place)| name(result, report, place))
        .collect();
    say(&totals(result, &names).to_string())?;
    let tier = |report: &PolicyReport| -> Vec<(String, Sums)> {
        let groups = report.by_tier.iter();
        groups
            .map(|(tier, sums)| (tier.as_str().to_owned(), sums.clone()))
            .collect()
    };
    let class = |report: &PolicyReport| -> Vec<(String, Sums)> {
        let groups = report.by_class.iter();
        groups
            .map(|(class, sums)| (class.as_str().replace('_', " "), sums.clone()))
            .collect()
    };
    say(&groups(result, &names, "tier", tier).to_string())?;
    say(&groups(result, &names, "class", class).to_string())?;
    let resamples = result.resamples;
    tell(&format!(
        "intervals: 5 % to 95 % of {resamples} resamples of the days; seed {}",
        result.parameters.seed
    ));
    if result.inputs.demand_is_synthetic {
        tell("note: this demand is synthetic; it compares policies, and says nothing of earnings");
    }
    Ok(())
}

/// A policy's name, with its place where both have one name.
fn name(result: &Backtest, report: &PolicyReport, place: &str) -> String {
    let same = result.policies.iter().filter(|r| r.name == report.name);
    match same.count() {
        1 => report.name.clone(),
        _ => format!("{} ({place})", report.name),
    }
}

fn totals(result: &Backtest, names: &[String]) -> Table {
    let mut head = vec!["all tasks"];
    head.extend(names.iter().map(String::as_str));
    head.extend(match result.difference {
        Some(_) => vec!["difference", "5 % to 95 % of it"],
        None => vec!["5 % to 95 %"],
    });
    let mut rows = table(&head);
    for metric in Metric::ALL {
        let mut row = vec![metric.label().to_owned()];
        let estimates = result
            .policies
            .iter()
            .filter_map(|r| r.estimates.get(&metric));
        row.extend(estimates.map(|estimate| metric.shown(estimate.value)));
        let first = result
            .policies
            .first()
            .and_then(|r| r.estimates.get(&metric));
        match (&result.difference, first) {
            (Some(all), _) => row.extend(all.get(&metric).into_iter().flat_map(|estimate| {
                let interval = metric.shown_interval(estimate, true);
                [metric.shown_change(estimate.value), interval]
            })),
            (None, Some(estimate)) => row.push(metric.shown_interval(estimate, false)),
            (None, None) => {}
        }
        rows.add_row(row);
    }
    right(&mut rows, 1..head.len());
    rows
}

fn groups(
    result: &Backtest,
    names: &[String],
    what: &str,
    of: impl Fn(&PolicyReport) -> Vec<(String, Sums)>,
) -> Table {
    let two = result.policies.len() > 1;
    let mut head = vec![what];
    head.extend(two.then_some("policy"));
    head.extend([
        "tasks", "sold", "too dear", "no room", "revenue", "margin", "credit",
    ]);
    let mut rows = table(&head);
    let reports: Vec<_> = result.policies.iter().map(of).collect();
    for index in 0..reports.iter().map(Vec::len).max().unwrap_or(0) {
        for (report, name) in reports.iter().zip(names) {
            let Some((label, sums)) = report.get(index) else {
                continue;
            };
            let mut row = vec![label.clone()];
            row.extend(two.then(|| name.clone()));
            let tasks = u128::from(sums.tasks);
            row.push(figures::whole(i128::from(sums.tasks)));
            let parts = [sums.accepted, sums.refused_price, sums.refused_capacity];
            row.extend(parts.map(|part| figures::share(u128::from(part), tasks)));
            let amounts = [
                sums.revenue_micro_usd,
                sums.margin_micro_usd,
                sums.expected_credit_micro_usd,
            ];
            row.extend(amounts.map(figures::dollars));
            rows.add_row(row);
        }
    }
    right(&mut rows, if two { 2 } else { 1 }..head.len());
    rows
}

fn right(rows: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = rows.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_elasticity_is_read_without_a_fraction_lost() {
        for (text, expected) in [("1.5", 1_500), ("0", 0), ("0.05", 50), ("20", 20_000)] {
            assert_eq!(permille(text), Ok(expected), "{text}");
        }
        for text in [
            "", ".", "-1", "1.", ".5", "20.001", "1.2345", "1e3", "+1", "99999", "é",
        ] {
            assert!(permille(text).is_err(), "{text}");
        }
    }
}
