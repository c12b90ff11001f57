//! From files and offers to accepted quotes: the demo's reading of `pricing`.

use std::collections::BTreeMap;

use comfy_table::Table;
use tandem_model::offer::Offer;
use tandem_model::workload::{Tier, Workload};
use tandem_pricing::classify::classify;
use tandem_pricing::files as workload_files;

use super::files::File;
use super::stage::Stage;
use super::{REAL_JOB, REAL_STEPS};
use crate::cli::output::table;
use crate::engine::job::Accepted;
use crate::engine::plan;

/// Columns of the table of files.
const COLUMNS: [&str; 6] = ["file", "class", "GPUs", "consumer", "enterprise", "taken"];
/// Steps of a simulated job; one takes a world second.
const SIMULATED_STEPS: u64 = 60;

/// What was considered.
pub struct Considered {
    /// A row a file.
    pub table: Table,
    /// To be placed.
    pub accepted: Vec<Accepted>,
    /// Why the others are not, counted.
    pub not_placed: BTreeMap<String, usize>,
}

/// Classifies and prices every file.
pub fn consider(stage: &Stage, files: &[File], offers: &[Offer]) -> anyhow::Result<Considered> {
    let mut rows = table(&COLUMNS);
    let mut accepted = Vec::new();
    let mut not_placed = BTreeMap::new();
    for file in files {
        let (row, outcome) = one(stage, file, offers);
        rows.add_row(row);
        match outcome {
            Ok(job) => accepted.push(job),
            Err(reason) => *not_placed.entry(reason).or_default() += 1,
        }
    }
    Ok(Considered {
        table: rows,
        accepted,
        not_placed,
    })
}

/// One file: its row, and the quote taken or why none is.
fn one(stage: &Stage, file: &File, offers: &[Offer]) -> (Vec<String>, Result<Accepted, String>) {
    let mut row = vec![file.name.clone()];
    let outcome = priced(stage, file, offers, &mut row);
    row.resize(COLUMNS.len(), "-".to_owned());
    (row, outcome)
}

/// Fills the row as far as the file gets.
fn priced(
    stage: &Stage,
    file: &File,
    offers: &[Offer],
    row: &mut Vec<String>,
) -> Result<Accepted, String> {
    let document = workload_files::look(&file.text).map_err(|_| "it is not YAML")?;
    let classification = classify(&document);
    row.push(classification.class.as_str().to_owned());
    let workload = document
        .submittable()
        .map_err(|_| "its format or one of its fields cannot be submitted")?
        .clone();
    if plan::code_missing(&workload).is_some() {
        return Err("its code is a folder that is not here".into());
    }
    let startable = stage.startable(&workload, offers);
    if startable.is_empty() {
        return Err("it can start on no product".into());
    }
    let quotes = stage.quotes(&workload, &classification, &startable);
    let price = |tier: Tier| {
        let quoted = quotes.iter().find(|q| q.quote.tier == tier);
        quoted.map_or("-".to_owned(), |q| q.quote.rate.price().to_string())
    };
    let gpus = quotes
        .first()
        .map_or("-".to_owned(), |q| q.quote.gpus.to_string());
    row.extend([gpus, price(Tier::Consumer), price(Tier::Enterprise)]);
    let taken = quotes
        .into_iter()
        .filter(|q| workload.tier.is_none_or(|tier| tier == q.quote.tier))
        .min_by_key(|q| (q.quote.rate.price(), q.quote.tier))
        .ok_or("no offer fits")?;
    row.push(taken.quote.tier.as_str().to_owned());
    Ok(Accepted {
        workload: prepared(workload),
        quote: taken.quote,
        ranked: taken.ranked,
    })
}

/// Tells the sandbox what runs for real and how long the rest pretends to work.
fn prepared(mut workload: Workload) -> Workload {
    let mut set = |name: &str, value: String| workload.env.insert(name.to_owned(), value);
    if workload.name == REAL_JOB {
        set("TANDEM_EXEC", "1".to_owned());
        set("STEPS", REAL_STEPS.to_string());
    } else {
        set("TANDEM_SIM_STEPS", SIMULATED_STEPS.to_string());
    }
    workload
}
