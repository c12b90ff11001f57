//! Why a file of the price lab is refused.

use tandem_model::error::ErrorCode;

/// A file that is refused whole, with the first thing that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{input}{}: {}{text}", at(*.line), named(.field))]
pub struct LabError {
    /// Name of the file.
    pub input: String,
    /// Line, counted from 1; 0 for the file as a whole.
    pub line: u32,
    /// The column or parameter; empty for the whole line.
    pub field: String,
    /// What is wrong.
    pub text: String,
}

fn at(line: u32) -> String {
    match line {
        0 => String::new(),
        line => format!(":{line}"),
    }
}

fn named(field: &str) -> String {
    if field.is_empty() {
        String::new()
    } else {
        format!("`{field}` ")
    }
}

impl LabError {
    /// The stable code of a refused file.
    pub const CODE: ErrorCode = ErrorCode::LAB_FILE_REFUSED;

    pub(super) fn new(input: &str, line: u32, field: &str, text: impl Into<String>) -> Self {
        Self {
            input: input.to_owned(),
            line,
            field: field.to_owned(),
            text: text.into(),
        }
    }
}
