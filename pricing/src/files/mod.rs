//! Workload files: text in, a workload or every problem of the file out.
//!
//! Three formats become workloads: our own, SkyPilot tasks and dstack configurations. Others are
//! recognised by name; they can be classified but not submitted. Nothing is dropped in silence: an
//! unknown field is an error, a known field that has no effect becomes a [`Note`].

pub(crate) mod build;
pub(crate) mod cursor;
mod draft;
mod dstack;
mod foreign;
mod gpu;
pub(crate) mod problem;
mod skypilot;
mod tandem;
pub(crate) mod tree;
pub(crate) mod units;

use std::collections::BTreeMap;

use tandem_model::error::ErrorCode;
use tandem_model::workload::Workload;

pub use foreign::DocumentFormat;
pub use problem::{FieldLines, FileError, FileErrors, Note};

use cursor::Field;
use problem::Problems;
use tree::{Body, Node, Place};

/// Largest file in bytes.
pub const FILE_BYTES_MAX: usize = 256 * 1_024;
/// Deepest nesting.
pub const DEPTH_MAX: usize = 32;
/// Most values of a file once aliases are followed.
pub const NODES_MAX: usize = 20_000;
/// Most bytes of text once aliases are followed.
pub const EXPANDED_BYTES_MAX: usize = 4 * FILE_BYTES_MAX;
/// Most lines of a file, and of its texts once aliases are followed.
pub const LINES_MAX: usize = 10_000;
/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Longest path of a field in bytes: its key with those around it.
pub const PATH_BYTES_MAX: usize = 2_048;
/// Longest single text in bytes.
pub const TEXT_MAX: usize = 128 * 1_024;
/// Most items of a list and fields of a mapping.
pub const LIST_MAX: usize = 1_000;
/// Most problems that are listed; further ones are not collected.
pub const PROBLEMS_MAX: usize = 100;

/// A file that could be read, whether or not it can be submitted.
#[derive(Debug, Clone)]
pub struct Document {
    /// The text as given.
    pub text: String,
    /// Its format.
    pub format: DocumentFormat,
    /// The workload; none when the format cannot be submitted or the file was refused.
    pub workload: Option<Workload>,
    /// Fields that are accepted without their usual effect.
    pub notes: Vec<Note>,
    /// Line of every field by its path.
    pub lines: FieldLines,
    /// Why the file is refused; empty when there is a workload.
    pub refusals: Vec<FileError>,
    /// The trees of its documents.
    pub(crate) roots: Vec<Node>,
    /// What was understood of a refused file; only the classifier looks at it.
    pub(crate) draft: Option<Workload>,
}

/// Reads a workload file; all of its problems are reported at once.
///
/// A file of a format that cannot be submitted gives a document without workload.
pub fn read(text: &str) -> Result<Document, FileErrors> {
    read_with(text, &BTreeMap::new())
}

/// [`read`] with values for variables that the file leaves open.
pub fn read_with(text: &str, given: &BTreeMap<String, String>) -> Result<Document, FileErrors> {
    let document = look_with(text, given)?;
    if document.refusals.is_empty() {
        Ok(document)
    } else {
        Err(FileErrors(document.refusals))
    }
}

/// Reads any YAML or JSON; a refused file still gives a document, which can be classified.
///
/// Fails only on what is no YAML or passes a limit.
pub fn look(text: &str) -> Result<Document, FileErrors> {
    look_with(text, &BTreeMap::new())
}

fn look_with(text: &str, given: &BTreeMap<String, String>) -> Result<Document, FileErrors> {
    let start = Place { line: 1, column: 1 };
    let refuse = |code, text: String| FileErrors::from(FileError::at(code, "", start, text));
    if text.len() > FILE_BYTES_MAX {
        return Err(refuse(
            ErrorCode::WORKLOAD_TOO_LARGE,
            format!("{} bytes; at most {FILE_BYTES_MAX} are read", text.len()),
        ));
    }
    if text.bytes().filter(|b| *b == b'\n').count() > LINES_MAX {
        return Err(refuse(
            ErrorCode::WORKLOAD_TOO_LARGE,
            format!("more than {LINES_MAX} lines"),
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.starts_with("#!") {
        let mut error = FileError::at(
            ErrorCode::WORKLOAD_SYNTAX,
            "",
            start,
            "a script, not a workload file".into(),
        );
        error.hint = Some(
            "put its text under `run: |` of a file that begins with `tandem: 1`, and what it asks of \
             a batch system (#SBATCH) under `resources`"
                .into(),
        );
        return Err(error.into());
    }
    let mut roots = build::parse(text)?;
    let Some(first) = roots.first() else {
        return Err(refuse(
            ErrorCode::WORKLOAD_SYNTAX,
            "the file is empty".into(),
        ));
    };
    if !matches!(first.body, Body::Map(_)) {
        return Err(refuse(
            ErrorCode::WORKLOAD_SYNTAX,
            "a mapping of fields belongs at the top of the file".into(),
        ));
    }
    let format = foreign::recognise(first);
    let mut problems = Problems::default();
    let draft = reader_of(format, &mut roots[0], given, &mut problems);
    refuse_more_documents(format, &roots, &mut problems);
    let (refusals, notes) = problems.finish();
    let mut lines = FieldLines::new();
    record_lines(&roots[0], String::new(), &mut lines);
    Ok(Document {
        text: text.to_owned(),
        format,
        workload: draft.clone().filter(|_| refusals.is_empty()),
        notes,
        lines,
        refusals,
        roots,
        draft,
    })
}

fn reader_of(
    format: DocumentFormat,
    root: &mut Node,
    given: &BTreeMap<String, String>,
    p: &mut Problems,
) -> Option<Workload> {
    match format {
        DocumentFormat::Tandem => tandem::read(&Field::root(root), p),
        DocumentFormat::Skypilot => skypilot::read(root, given, p),
        DocumentFormat::Dstack => dstack::read(&Field::root(root), given, p),
        _ => None,
    }
}

fn refuse_more_documents(format: DocumentFormat, roots: &[Node], p: &mut Problems) {
    if format.can_be_submitted()
        && let Some(second) = roots.get(1)
    {
        p.unsupported(
            &Field::root(second),
            &format!(
                "the file holds {} documents, and one {} is submitted at a time",
                roots.len(),
                format.title()
            ),
            "put each into a file of its own",
        );
    }
}

fn record_lines(node: &Node, path: String, lines: &mut FieldLines) {
    match &node.body {
        Body::Scalar(_) => {}
        Body::List(items) => {
            for (i, item) in items.iter().enumerate() {
                let path = format!("{path}[{i}]");
                lines.insert(path.clone(), item.place.line);
                record_lines(item, path, lines);
            }
        }
        Body::Map(entries) => {
            for (key, value) in entries {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", key.text);
                lines.insert(path.clone(), key.place.line);
                record_lines(value, path, lines);
            }
        }
    }
}

impl Document {
    /// The workload, or why the file cannot be submitted.
    pub fn submittable(&self) -> Result<&Workload, FileErrors> {
        if let Some(workload) = &self.workload {
            return Ok(workload);
        }
        if !self.refusals.is_empty() {
            return Err(FileErrors(self.refusals.clone()));
        }
        let mut error = FileError::at(
            ErrorCode::WORKLOAD_FIELD_UNSUPPORTED,
            "",
            Place { line: 1, column: 1 },
            format!(
                "a {} can be classified, but not submitted",
                self.format.title()
            ),
        );
        error.hint = Some(
            "submit a file that begins with `tandem: 1`, a SkyPilot task or a dstack configuration"
                .into(),
        );
        Err(error.into())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_semantics;
