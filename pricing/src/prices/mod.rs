//! Price files: catalogues in the column layout that SkyPilot made common, read without trust.
//!
//! A row is a machine type in a region with one price for on-demand and one for spot; each is an
//! offer of its own. Everything passes the [`crate::gate`]; what comes out as a [`Listing`] has
//! one card, a count, a country and a plausible price, and what does not is counted by defect with
//! its file and line. A file whose columns cannot be trusted is refused whole.

mod columns;
mod gpu_info;
mod growth;
mod listing;
mod machines;
mod regions;
mod repair;
mod report;
mod row;

use std::collections::BTreeMap;

pub use listing::Listing;
pub use report::{DefectCount, Report};

use crate::gate::{Age, Basis, Defect, Finding, Rules, memory_habit};
use columns::Columns;
use report::Tally;
use row::{Cell, GpuRow};

/// Largest file.
pub const FILE_BYTES_MAX: usize = 512 << 20;
/// Most rows of a file.
pub const ROWS_MAX: u64 = 5_000_000;
/// Longest value.
pub const FIELD_BYTES_MAX: usize = 64 << 10;
/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4_096;

/// Why a file is refused whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct FileProblem {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
}

/// What a file is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// The gate's rules.
    pub rules: Rules,
    /// How old the file's prices are; the files themselves do not say.
    pub age: Age,
}

impl Default for Checks {
    /// The gate's rules for catalogues, age unknown.
    fn default() -> Self {
        Self {
            rules: Rules::CATALOGUE,
            age: Age::Unknown,
        }
    }
}

/// A file that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Offers that passed the gate, in the order of their lines, on-demand before spot.
    pub listings: Vec<Listing>,
    /// What was counted.
    pub report: Report,
}

/// Hourly prices of machines that accelerators can be attached to: (machine type, zone) to
/// on-demand and spot.
type Hosts = BTreeMap<(String, String), (Cell, Cell)>;

/// What is gathered while a file is read.
#[derive(Default)]
struct Gathered {
    rows: Vec<GpuRow>,
    hosts: Hosts,
}

/// Reads a price file. `file` names it in findings; `progress` hears the bytes done from time to
/// time.
///
/// # Errors
/// Refused whole, with the line: larger than [`FILE_BYTES_MAX`], not UTF-8, a NUL, a header
/// without the needed columns or with one twice, a value longer than [`FIELD_BYTES_MAX`] or over
/// several lines, more than [`ROWS_MAX`] rows, no row at all.
pub fn read(
    file: &str,
    bytes: &[u8],
    checks: &Checks,
    mut progress: impl FnMut(usize),
) -> Result<Sheet, FileProblem> {
    let refuse = |line: u64, problem: String| FileProblem {
        file: file.to_owned(),
        line,
        problem,
    };
    let text = as_text(bytes).map_err(|(line, problem)| refuse(line, problem))?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut tally = Tally::new(file);
    let mut gathered = Gathered::default();
    let mut columns: Option<Columns> = None;
    loop {
        let more = reader.read_record(&mut record);
        let line = record.position().map_or(1, |at| line_at(text, at));
        if !more.map_err(|error| refuse(line, error.to_string()))? {
            break;
        }
        sane_values(&record).map_err(|problem| refuse(line, problem))?;
        let Some(columns) = &columns else {
            columns = Some(Columns::read(&record).map_err(|problem| refuse(line, problem))?);
            continue;
        };
        tally.report.rows += 1;
        if tally.report.rows > ROWS_MAX {
            return Err(refuse(line, format!("more than {ROWS_MAX} rows")));
        }
        if tally.report.rows.is_multiple_of(PROGRESS_ROWS) {
            let done = record.position().map_or(0, csv::Position::byte);
            progress(usize::try_from(done).unwrap_or(usize::MAX));
        }
        take(&record, line, columns, &mut tally, &mut gathered);
    }
    if columns.is_none() {
        return Err(refuse(1, "the file is empty: a header is needed".into()));
    }
    progress(bytes.len());
    let habit = habit(&gathered.rows);
    let listings = listing::all(&gathered, habit, checks, &mut tally);
    Ok(Sheet {
        listings,
        report: tally.finish(),
    })
}

/// The file as text without a byte order mark, or the line that is no text and why.
fn as_text(bytes: &[u8]) -> Result<&str, (u64, String)> {
    let line_of = |at: usize| {
        let before = bytes[..at].iter().filter(|b| **b == b'\n').count();
        u64::try_from(before).map_or(u64::MAX, |n| n + 1)
    };
    if bytes.len() > FILE_BYTES_MAX {
        return Err((1, format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err((line_of(at), "a NUL byte: this is no text".into()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = line_of(error.valid_up_to());
        (line, "not UTF-8: this is no text".to_owned())
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The line of a record: its position may lie before the end of the line above it and before
/// empty lines.
fn line_at(text: &str, at: &csv::Position) -> u64 {
    let from = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let breaks = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
    let lines = breaks.filter(|b| **b == b'\n').count();
    at.line() + u64::try_from(lines).unwrap_or(0)
}

/// No value is longer than any real one, and none goes over several lines: a quote that is never
/// closed would otherwise swallow the rest of the file in silence.
fn sane_values(record: &csv::StringRecord) -> Result<(), String> {
    for value in record {
        if value.len() > FIELD_BYTES_MAX {
            return Err(format!("a value of more than {FIELD_BYTES_MAX} bytes"));
        }
        if value.contains(['\n', '\r']) {
            return Err("a quote is opened and not closed on this line".into());
        }
    }
    Ok(())
}

/// Takes in one row: a GPU to sell, a host, or neither.
fn take(
    record: &csv::StringRecord,
    line: u64,
    columns: &Columns,
    tally: &mut Tally<'_>,
    gathered: &mut Gathered,
) {
    let repaired;
    let (values, is_repaired): (Vec<&str>, bool) = if record.len() == columns.len() {
        (record.iter().collect(), false)
    } else {
        let fields: Vec<&str> = record.iter().collect();
        match repair::repair(&fields, columns.kinds()) {
            Ok(values) => {
                repaired = values;
                (repaired.iter().map(String::as_str).collect(), true)
            }
            Err(problem) => {
                let count = format!("{} values", record.len());
                let code = match record.len() > columns.len() {
                    true => Defect::UnquotedComma,
                    false => Defect::MalformedRow,
                };
                tally.find(line, &Finding::new(code, "row", count, problem));
                tally.report.refused += 1;
                return;
            }
        }
    };
    if is_repaired {
        tally.find(line, &repair::finding(record, columns));
    }
    if let Some(row) = GpuRow::read(&values, line, columns, is_repaired) {
        gathered.rows.push(row);
    } else {
        row::host(&values, line, columns, tally, &mut gathered.hosts);
    }
}

/// Whether this file writes one GPU's memory or the machine's, when its rows agree.
fn habit(rows: &[GpuRow]) -> Option<Basis> {
    let mut found = rows.iter().filter_map(|row| {
        let gpus = *row.gpus.as_ref().ok()?;
        memory_habit(&row.gpu_name, row.memory_mib?, gpus)
    });
    let first = found.next()?;
    found.all(|basis| basis == first).then_some(first)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_growth;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_real;
