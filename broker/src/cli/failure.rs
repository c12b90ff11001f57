//! How a command fails before a person: what failed, its code, and what to do next.

use std::fmt;

use tandem_model::error::ErrorCode;

/// A command's failure. `Display` is the message without the code.
#[derive(Debug)]
pub struct Failure {
    /// Stable code.
    pub code: ErrorCode,
    /// What failed, and for which subject.
    pub message: String,
    /// What to do; a command to type where there is one.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint of its own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The lines printed to stderr for any error that reached the top.
pub fn render(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  because: {cause}\n"));
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text.push_str(&format!("code: {0} (`tandem explain {0}`)\n", failure.code));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_code_and_the_command_that_explains_it() {
        let failure = Failure::new(ErrorCode::FILE_UNREADABLE, "cannot read x.yaml").hint("try -");
        assert_eq!(
            render(&anyhow::Error::new(failure)),
            "error: cannot read x.yaml\nhint: try -\ncode: TDM-5002 (`tandem explain TDM-5002`)\n"
        );
    }
}
