//! `tandem classify`: what a file is and needs, with the evidence line by line.

use serde::Serialize;
use tandem_pricing::classify::{Classification, classify};
use tandem_pricing::files::{DocumentFormat, FileError};

use super::output::{say, table, tell};
use super::workload;

/// Most items of a list that a cell shows; `--json` has all.
const SHOWN_MAX: usize = 8;

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

/// A value as a cell of a table.
fn text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(s) => s.clone(),
        serde_json::Value::Null => "-".into(),
        serde_json::Value::Array(all) if all.is_empty() => "-".into(),
        serde_json::Value::Array(all) => {
            let shown: Vec<&str> = all
                .iter()
                .take(SHOWN_MAX)
                .map(|v| v.as_str().unwrap_or("?"))
                .collect();
            let shown = shown.join(", ");
            match all.len().saturating_sub(SHOWN_MAX) {
                0 => shown,
                more => format!("{shown} and {more} more"),
            }
        }
        other => other.to_string(),
    }
}

fn print(classification: &Classification) -> anyhow::Result<()> {
    let value = serde_json::to_value(classification)?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_list_is_cut_with_a_count() {
        assert_eq!(text(&json!(["a", "b"])), "a, b");
        assert_eq!(text(&json!(vec!["x"; SHOWN_MAX])), "x, x, x, x, x, x, x, x");
        let long = text(&json!(vec!["x"; SHOWN_MAX + 2]));
        assert_eq!(long, "x, x, x, x, x, x, x, x and 2 more");
        assert_eq!(text(&json!([])), "-");
    }
}
