//! `tandem offers check`: reads price files and says what is wrong with them. No broker is asked.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use comfy_table::CellAlignment;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tandem_model::error::ErrorCode;
use tandem_model::time::Clock;
use tandem_pricing::gate::Age;
use tandem_pricing::prices::{self, Checks, FILE_BYTES_MAX, FileProblem, Report};
use tandem_pricing::reference::Date;

use crate::cli::failure::Failure;
use crate::cli::output::{say, table, tell};
use crate::clock::SystemClock;

/// Files from this size show a bar while they are read.
const BAR_FROM_BYTES: usize = 1 << 20;
/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// Arguments of `tandem offers check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Price files in SkyPilot's columns; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Day of the prices, such as 2026-05-20: more than 7 days old are refused.
    #[arg(long, value_name = "DATE", value_parser = day)]
    dated: Option<Date>,
}

fn day(text: &str) -> Result<Date, String> {
    Date::parse(text).ok_or_else(|| "a day of the calendar, such as 2026-05-20".to_owned())
}

/// Reads every file and prints one report of all.
pub(super) fn run(arguments: &Arguments, json: bool) -> anyhow::Result<()> {
    let today = Date::of(SystemClock::new(1).wall());
    let checks = Checks {
        age: arguments
            .dated
            .map_or(Age::Unknown, |dated| age(dated, today)),
        ..Checks::default()
    };
    let mut report = Report::default();
    for file in &arguments.files {
        let bytes = contents(file)?;
        let bar = bar(bytes.len());
        bar.set_message(file.clone());
        let done = |at: usize| bar.set_position(u64::try_from(at).unwrap_or(u64::MAX));
        let sheet = prices::read(file, &bytes, &checks, done).map_err(refused)?;
        bar.finish_and_clear();
        report = report.and(sheet.report);
    }
    if json {
        return say(&serde_json::to_string_pretty(&report)?);
    }
    show(&report)?;
    if arguments.dated.is_none() {
        tell("the files do not say how old their prices are; --dated DAY checks it");
    }
    Ok(())
}

/// The age of prices of a day; both days count from their beginnings.
fn age(dated: Date, today: Date) -> Age {
    let span = |days: u32| Duration::from_secs(u64::from(days) * DAY_SECONDS);
    match (today.days_since(dated), dated.days_since(today)) {
        (past, 0) => Age::Past(span(past)),
        (_, ahead) => Age::Future(span(ahead)),
    }
}

fn refused(problem: FileProblem) -> Failure {
    Failure::new(ErrorCode::PRICE_FILE, problem.to_string())
        .hint("nothing of the file was counted; price files have SkyPilot's columns, those of the price lab are read by `tandem policy backtest` (docs/offer-gate.md, docs/price-lab.md)")
}

/// The bytes of a file; no more than a price file may have.
fn contents(path: &str) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = if path == "-" {
        io::stdin().take(most + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        Failure::new(
            ErrorCode::FILE_UNREADABLE,
            format!("cannot read {path}: {error}"),
        )
        .hint("give the path of a price file, or - for standard input")
    })?;
    Ok(bytes)
}

/// A bar for a big file in a terminal; nothing elsewhere.
fn bar(bytes: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(bytes).unwrap_or(u64::MAX));
    if bytes < BAR_FROM_BYTES || !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes} {msg}") {
        bar.set_style(style);
    }
    bar
}

fn show(report: &Report) -> anyhow::Result<()> {
    say(&format!(
        "{} rows: {} offers, {} of them corrected; {} refused",
        report.rows, report.offers, report.corrected, report.refused
    ))?;
    if report.defects.is_empty() {
        return say("No defect was found.");
    }
    let mut rows = table(&["rows", "defect", "what it is", "the first"]);
    for defect in &report.defects {
        rows.add_row(vec![
            defect.count.to_string(),
            defect.code.to_string(),
            defect.code.title().to_owned(),
            defect.example.clone(),
        ]);
    }
    if let Some(column) = rows.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    say(&rows.to_string())?;
    say(advice(report))
}

/// What to do, in one sentence.
fn advice(report: &Report) -> &'static str {
    match (report.offers, report.refused) {
        (0, _) => "Nothing in these files can be quoted: look at the first of each defect.",
        (_, 0) => {
            "Every offer can be quoted: have the corrected ones mended where the files are made."
        }
        _ => {
            "What was refused is never quoted: have it mended where the files are made, and use the rest."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_of_tomorrow_lie_in_the_future_and_those_of_today_are_new() {
        let date = |text| Date::parse(text).unwrap();
        let today = date("2026-05-20");
        for (dated, wanted) in [
            ("2026-05-20", Age::Past(Duration::ZERO)),
            ("2026-05-18", Age::Past(Duration::from_secs(2 * 86_400))),
            ("2026-05-21", Age::Future(Duration::from_secs(86_400))),
        ] {
            assert_eq!(age(date(dated), today), wanted, "{dated}");
        }
        assert!(day("2026-02-30").is_err());
    }
}
