//! Workload files: text in, a workload or every problem of the file out.
//!
//! Our own format, SkyPilot tasks, dstack configurations, Akash deployments, io.net recipes and
//! Kubernetes objects become workloads. Others, and scripts, are recognised by name; they can be
//! classified but not submitted. Nothing is dropped in silence: an
//! unknown field is an error, a known field that has no effect becomes a [`Note`].

mod akash;
mod argv;
pub(crate) mod build;
pub(crate) mod cursor;
mod draft;
mod dstack;
mod foreign;
mod gpu;
mod ionet;
mod kubernetes;
mod limits;
pub(crate) mod problem;
mod quantity;
mod script;
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
    within_limits(text)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if script::is_marked(text) {
        return Ok(script::document(text));
    }
    let mut roots = match build::parse(text) {
        Ok(roots) => roots,
        Err(_) if script::looks_like_one(text) => return Ok(script::document(text)),
        Err(error) => return Err(error.into()),
    };
    let format = match roots.first().map(|first| &first.body) {
        None => {
            return Err(refused_whole(
                ErrorCode::WORKLOAD_SYNTAX,
                "the file is empty",
            ));
        }
        Some(Body::Map(_)) => foreign::recognise(&roots[0]),
        Some(Body::List(items)) if items.iter().any(|i| matches!(i.body, Body::Map(_))) => {
            DocumentFormat::Unrecognised
        }
        Some(Body::Scalar(_)) if script::looks_like_one(text) => {
            return Ok(script::document(text));
        }
        Some(_) => {
            let text = "a mapping of fields belongs at the top of the file";
            return Err(refused_whole(ErrorCode::WORKLOAD_SYNTAX, text));
        }
    };
    let mut problems = Problems::default();
    let main = match format {
        DocumentFormat::Kubernetes => kubernetes::main_document(&roots),
        _ => 0,
    };
    let draft = reader_of(format, &mut roots, given, &mut problems);
    refuse_more_documents(format, &roots, &mut problems);
    let (refusals, notes) = problems.finish();
    let mut lines = FieldLines::new();
    if let Some(root) = roots.get(main) {
        record_lines(root, String::new(), &mut lines);
    }
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

fn refused_whole(code: ErrorCode, text: impl Into<String>) -> FileErrors {
    let start = Place { line: 1, column: 1 };
    FileErrors::from(FileError::at(code, "", start, text.into()))
}

fn within_limits(text: &str) -> Result<(), FileErrors> {
    let code = ErrorCode::WORKLOAD_TOO_LARGE;
    if text.len() > FILE_BYTES_MAX {
        let bytes = text.len();
        let text = format!("{bytes} bytes; at most {FILE_BYTES_MAX} are read");
        return Err(refused_whole(code, text));
    }
    if text.bytes().filter(|b| *b == b'\n').count() > LINES_MAX {
        return Err(refused_whole(code, format!("more than {LINES_MAX} lines")));
    }
    Ok(())
}

fn reader_of(
    format: DocumentFormat,
    roots: &mut [Node],
    given: &BTreeMap<String, String>,
    p: &mut Problems,
) -> Option<Workload> {
    if format == DocumentFormat::Kubernetes {
        return kubernetes::read(roots, p);
    }
    let root = roots.first_mut()?;
    match format {
        DocumentFormat::Tandem => tandem::read(&Field::root(root), p),
        DocumentFormat::Skypilot => skypilot::read(root, given, p),
        DocumentFormat::Dstack => dstack::read(&Field::root(root), given, p),
        DocumentFormat::Akash => akash::read(&Field::root(root), p),
        DocumentFormat::IonetRecipe => ionet::read(&Field::root(root), given, p),
        _ => None,
    }
}

fn refuse_more_documents(format: DocumentFormat, roots: &[Node], p: &mut Problems) {
    if format.can_be_submitted()
        && !format.documents_belong_together()
        && let Some(second) = roots.get(1)
    {
        let mut field = Field::root(second);
        field.path = "documents[1]".into();
        p.unsupported(
            &field,
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
            "submit a file that begins with `tandem: 1`, a SkyPilot task, a dstack configuration, an \
             Akash SDL, an io.net recipe or a Kubernetes manifest"
                .into(),
        );
        Err(error.into())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_containers;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_kubernetes;
#[cfg(test)]
mod tests_semantics;
