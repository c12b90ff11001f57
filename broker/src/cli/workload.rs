//! Opening a workload file for a command, with every problem of the file in the failure.

use tandem_model::error::ErrorCode;
use tandem_pricing::files::{self, Document, FileErrors};

use super::failure::Failure;
use super::output::read_file;

/// Reads any YAML or JSON, submittable or not.
pub fn look(path: &str) -> anyhow::Result<Document> {
    let text = read_file(path)?;
    files::look(&text).map_err(|errors| refused(path, &errors).into())
}

/// All problems of a file as one failure, `path:line:column` first as editors understand it.
pub fn refused(path: &str, errors: &FileErrors) -> Failure {
    let code = errors
        .0
        .first()
        .map_or(ErrorCode::WORKLOAD_SYNTAX, |e| e.code);
    let count = errors.0.len();
    let plural = if count == 1 { "" } else { "s" };
    let lines: Vec<String> = errors.0.iter().map(|e| format!("\n  {path}:{e}")).collect();
    Failure::new(
        code,
        format!("{count} problem{plural} in {path}:{}", lines.concat()),
    )
    .hint("docs/workload-file.md lists every field; `tandem check FILE` places nothing")
}
