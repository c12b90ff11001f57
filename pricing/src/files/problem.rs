//! What a reader says about a file: every problem with its place, every field that has no effect.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use tandem_model::error::ErrorCode;

use super::PROBLEMS_MAX;
use super::cursor::Field;
use super::tree::Place;

/// One thing that is wrong with a workload file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileError {
    /// Its code: TDM-1001 to TDM-1005.
    pub code: ErrorCode,
    /// Path of the field (`resources.gpu`, `commands[2]`); empty for the whole file.
    pub field: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub text: String,
    /// What to write instead, where something is known.
    pub hint: Option<String>,
}

impl FileError {
    pub(super) fn at(code: ErrorCode, field: &str, place: Place, text: String) -> Self {
        Self {
            code,
            field: field.to_owned(),
            line: place.line,
            column: place.column,
            text,
            hint: None,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: ", self.line, self.column, self.code)?;
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a workload file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct FileErrors(pub Vec<FileError>);

impl fmt::Display for FileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} problem{plural} in the workload file")?;
        self.0.iter().try_for_each(|e| write!(f, "\n{e}"))
    }
}

impl From<FileError> for FileErrors {
    fn from(error: FileError) -> Self {
        Self(vec![error])
    }
}

/// A field that is accepted and has no effect here, or not the one it has elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Path of the field.
    pub field: String,
    /// Line, counted from 1.
    pub line: u32,
    /// What happens instead.
    pub text: String,
}

/// Collects problems and notes while a file is read; reading goes on after each.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub(crate) errors: Vec<FileError>,
    pub(super) notes: Vec<Note>,
}

impl Problems {
    fn push(&mut self, code: ErrorCode, field: &Field<'_>, text: String, hint: Option<String>) {
        if self.errors.len() < PROBLEMS_MAX {
            let mut error = FileError::at(code, &field.path, field.place, text);
            error.hint = hint;
            self.errors.push(error);
        }
    }

    /// The value is outside what is allowed.
    pub(crate) fn invalid(&mut self, field: &Field<'_>, text: impl Into<String>) {
        self.push(ErrorCode::WORKLOAD_FIELD_INVALID, field, text.into(), None);
    }

    /// A field is not there that `parent` needs, or several do not go together; `name` is blamed.
    pub(crate) fn missing(&mut self, parent: &Field<'_>, name: &str, text: impl Into<String>) {
        let dot = if parent.path.is_empty() { "" } else { "." };
        let field = Field {
            path: format!("{}{dot}{name}", parent.path),
            ..parent.clone()
        };
        self.invalid(&field, text);
    }

    /// The field is known but cannot be honoured.
    pub(super) fn unsupported(&mut self, field: &Field<'_>, text: &str, instead: &str) {
        let hint = (!instead.is_empty()).then(|| instead.to_owned());
        self.push(
            ErrorCode::WORKLOAD_FIELD_UNSUPPORTED,
            field,
            text.to_owned(),
            hint,
        );
    }

    /// The format has no such field.
    pub(super) fn unknown(&mut self, field: &Field<'_>, near: Option<&str>) {
        let nameless = field.path.is_empty() || field.path.ends_with('.');
        let text = match nameless {
            true => "a field without a name".to_owned(),
            false => "no such field here".to_owned(),
        };
        let hint = near.map(|n| format!("did you mean `{n}`?"));
        self.push(ErrorCode::WORKLOAD_FIELD_UNKNOWN, field, text, hint);
    }

    /// A list or text is longer than allowed.
    pub(crate) fn too_large(&mut self, field: &Field<'_>, text: String) {
        self.push(ErrorCode::WORKLOAD_TOO_LARGE, field, text, None);
    }

    /// The field is accepted without its usual effect.
    pub(super) fn note(&mut self, field: &Field<'_>, text: impl Into<String>) {
        self.notes.push(Note {
            field: field.path.clone(),
            line: field.place.line,
            text: text.into(),
        });
    }

    /// Sorted by place.
    pub(crate) fn finish(mut self) -> (Vec<FileError>, Vec<Note>) {
        self.errors.sort_by_key(|e| (e.line, e.column));
        self.notes.sort_by_key(|n| n.line);
        (self.errors, self.notes)
    }
}

/// Line of every field by its path.
pub type FieldLines = BTreeMap<String, u32>;
