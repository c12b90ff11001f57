//! What a reader says about a policy file: every problem with its place.

use std::fmt;

use serde::Serialize;
use tandem_model::error::ErrorCode;

use crate::files::FileError;
use crate::files::tree::Place;

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        Self {
            line: place.line,
            column: place.column,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it is.
    pub position: Position,
    /// Path of the field (`rules[2].match.gpu[0]`); empty for the whole file.
    pub field: String,
    /// What is wrong.
    pub text: String,
    /// What to write instead, where something is known.
    pub hint: Option<String>,
    /// The second place, where two places contradict each other.
    pub other: Option<Position>,
}

impl Problem {
    pub(super) fn at(at: impl Into<Position>, field: &str, text: impl Into<String>) -> Self {
        Self {
            position: at.into(),
            field: field.to_owned(),
            text: text.into(),
            hint: None,
            other: None,
        }
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        Self {
            position: Position {
                line: error.line,
                column: error.column,
            },
            field: error.field,
            text: error.text,
            hint: error.hint,
            other: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.position)?;
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

/// Everything that is wrong with a policy file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct PolicyProblems(pub Vec<Problem>);

impl PolicyProblems {
    /// The stable code of a refused policy file.
    pub const CODE: ErrorCode = ErrorCode::POLICY_REFUSED;
}

impl fmt::Display for PolicyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} problem{plural} in the policy")?;
        self.0.iter().try_for_each(|p| write!(f, "\n{p}"))
    }
}
