//! `tandem classify`: what a file is and needs, with the evidence line by line.

use serde::Serialize;
use tandem_pricing::classify::{Classification, classify};
use tandem_pricing::files::{DocumentFormat, FileError};

use super::output::{say, table, tell};
use super::workload;

/// The document that `--json` prints: the classification, then whether the file can be submitted.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    classification: Classification,
    format: DocumentFormat,
    can_be_submitted: bool,
    /// Why not; empty when it can.
    problems: Vec<FileError>,
}

/// Classifies a file of any format.
pub fn run(path: &str, json: bool) -> anyhow::Result<()> {
    let document = workload::look(path)?;
    let classification = classify(&document);
    if json {
        let problems = document.submittable().err().map(|e| e.0);
        let report = Report {
            classification,
            format: document.format,
            can_be_submitted: problems.is_none(),
            problems: problems.unwrap_or_default(),
        };
        return say(&serde_json::to_string_pretty(&report)?);
    }
    print(&classification)?;
    match document.submittable() {
        Ok(_) => tell(&format!("next: `tandem check {path}`")),
        Err(errors) => tell(&format!("note: it cannot be submitted as it is: {errors}")),
    }
    Ok(())
}

fn print(classification: &Classification) -> anyhow::Result<()> {
    let value = serde_json::to_value(classification)?;
    let text = |v: &serde_json::Value| match v {
        serde_json::Value::String(s) => s.clone(),
        serde_json::Value::Null => "-".into(),
        serde_json::Value::Array(all) if all.is_empty() => "-".into(),
        serde_json::Value::Array(all) => all
            .iter()
            .map(|v| v.as_str().unwrap_or("?").to_owned())
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    say(&format!(
        "{} ({} % sure)",
        text(&value["class"]),
        text(&value["confidence"])
    ))?;
    let mut needs = table(&["need", ""]);
    for (name, need) in value["needs"].as_object().into_iter().flatten() {
        needs.add_row([name.replace('_', " "), text(need)]);
    }
    say(&needs.to_string())?;
    let tiers: Vec<String> = value["tiers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(tier, fits)| format!("{tier}: {}", if fits == true { "fits" } else { "no" }))
        .collect();
    say(&format!("tiers that fit the need: {}", tiers.join(", ")))?;
    let mut rows = table(&["line", "from", "evidence", "points to"]);
    for item in value["evidence"].as_array().into_iter().flatten() {
        rows.add_row([
            text(&item["line"]),
            text(&item["source"]),
            text(&item["text"]),
            text(&item["points_to"]),
        ]);
    }
    say(&rows.to_string())
}
