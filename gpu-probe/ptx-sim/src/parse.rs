//! PTX text to a [`crate::Module`]: tokens, directives, variables, and bodies of kernels.

mod body;
mod cursor;
mod lexer;
mod names;
mod operand;
mod variable;
mod whole;

pub use body::INSTRUCTIONS_MAX;
pub use lexer::TEXT_BYTES_MAX;
pub use names::REGISTERS_MAX;
pub(crate) use names::{Named, Names};
pub(crate) use operand::Operand;
pub use variable::VARIABLE_BYTES_MAX;
pub use whole::PARAM_BYTES_MAX;
pub(crate) use whole::module;

/// What in a PTX text is not known or not right, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("PTX line {line}: {what}")]
pub struct ParseError {
    /// The line of the text, from 1; 0 for the text as a whole.
    pub line: u32,
    /// What was found there.
    pub what: String,
}

impl ParseError {
    pub(crate) fn new(line: u32, what: String) -> Self {
        Self { line, what }
    }
}
