//! From an error of the driver to what a report says of a measurement.

use crate::cuda::CudaError;
use crate::report::{Outcome, TEXT_LEN_MAX};

/// A measurement, or why there is none. An error that the card does not recover from, such as a
/// fault of a kernel or an uncorrectable memory error, is the card's failure; everything else, a
/// missed deadline included, only means that nothing was measured.
pub fn outcome_of<T>(result: Result<T, CudaError>) -> Outcome<T> {
    result.map_or_else(|error| outcome_of_error(&error), Outcome::Measured)
}

/// What a report says of a measurement that ended in an error.
pub fn outcome_of_error<T>(error: &CudaError) -> Outcome<T> {
    let reason = reason(&format!("{}: {error}", error.code()));
    let is_deadline = matches!(error, CudaError::Deadline { .. });
    if error.is_sticky() && !is_deadline {
        Outcome::Failed { reason }
    } else {
        Outcome::CouldNotRun { reason }
    }
}

/// A text as a report allows it: one line of bounded length.
pub(super) fn reason(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let end = (0..=TEXT_LEN_MAX.min(line.len()))
        .rev()
        .find(|end| line.is_char_boundary(*end));
    line.truncate(end.unwrap_or(0));
    line
}
