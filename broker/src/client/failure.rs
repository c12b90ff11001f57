//! A client's errors as a command's failures: what failed, its code, and the next command.

use tandem_model::error::ErrorCode;

use super::{ClientError, CredentialsError};
use crate::api::{FieldProblem, ProblemView};
use crate::cli::failure::Failure;
use crate::cli::words::counted;

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::BadUrl(_) => Self::new(ErrorCode::USAGE, message)
                .hint("write it as http://127.0.0.1:8080, in --url or TANDEM_URL"),
            ClientError::NoKey(_) => Self::new(ErrorCode::API_KEY_UNKNOWN, message).hint(
                "start a broker with `tandem serve --sandbox`, which saves its key; of one that listens \
                 elsewhere, set TANDEM_URL; of another's, TANDEM_API_KEY=tdm_…",
            ),
            ClientError::Credentials(CredentialsError::Exposed(path)) => {
                Self::new(ErrorCode::API_KEY_UNKNOWN, message)
                    .hint(format!("chmod 600 {}", path.display()))
            }
            ClientError::Credentials(_) => Self::new(ErrorCode::API_KEY_UNKNOWN, message)
                .hint("correct or remove the file, or export TANDEM_API_KEY=tdm_…"),
            ClientError::Unreachable { .. } => Self::new(ErrorCode::BROKER_UNREACHABLE, message)
                .hint("start one with `tandem serve --sandbox`, or name another with TANDEM_URL"),
            ClientError::NotOurs { .. } => Self::new(ErrorCode::BROKER_UNREACHABLE, message)
                .hint("`tandem status` says what answers there"),
            ClientError::Refused(problem) => refused(&problem, None),
        }
    }
}

/// A refusal with all its fields; those of a workload file are named `file:line:column`.
pub fn refused(problem: &ProblemView, file: Option<&str>) -> Failure {
    let lines: String = problem.errors.iter().map(|e| line_of(e, file)).collect();
    let mut message = match (file, problem.errors.as_slice()) {
        (_, []) => problem.detail.clone(),
        // The request's own words name its only field already.
        (None, [only]) => format!("{}{}", problem.detail, hint_of(only)),
        (None, _) => format!("{}:{lines}", problem.detail),
        (Some(file), all) => {
            let count = counted(all.len() as u64, "problem");
            format!("{count} in {file}:{lines}")
        }
    };
    // A file's own problem says more than that the request is refused.
    let own = problem.errors.iter().find_map(|e| e.code.as_deref());
    let text = own.filter(|_| file.is_some()).unwrap_or(&problem.code);
    let known = ErrorCode::parse(text);
    if known.is_none() {
        message.push_str(&format!(
            "\n  its code is {text}, which is newer than this program"
        ));
    }
    let mut failure = Failure::new(known.unwrap_or(ErrorCode::BROKER_UNREACHABLE), message);
    failure.hint = problem
        .hint
        .clone()
        .or_else(|| next_step(problem.status, file));
    failure
}

fn hint_of(problem: &FieldProblem) -> String {
    let hint = problem.hint.as_ref();
    hint.map_or_else(String::new, |hint| format!(" ({hint})"))
}

/// A refused field in a line of its own; of a workload file, `file:line:column` first.
fn line_of(problem: &FieldProblem, file: Option<&str>) -> String {
    let place = match (file, problem.line) {
        (Some(file), Some(line)) => {
            let column = problem.column.map_or(String::new(), |c| format!(":{c}"));
            let path = problem.path.as_ref();
            let path = path.map_or(String::new(), |path| format!(": `{path}`"));
            format!("{file}:{line}{column}{path}")
        }
        _ => match problem.path.as_ref().unwrap_or(&problem.field) {
            field if field.is_empty() => "the body".to_owned(),
            field => format!("`{field}`"),
        },
    };
    format!("\n  {place}: {}{}", problem.detail, hint_of(problem))
}

/// What to do where the broker gave no hint of its own.
fn next_step(status: u16, file: Option<&str>) -> Option<String> {
    let hint = match status {
        400 | 422 if file.is_some() => {
            "docs/workload-file.md lists every field; `tandem check FILE` places nothing"
        }
        401 => {
            "export TANDEM_API_KEY with a key of this broker; `tandem serve --new-admin-key` makes one"
        }
        403 => "ask for a key with that scope: `tandem key create --scope …`",
        404 => "`tandem jobs` lists your jobs",
        429 | 503 => "wait a little and try again",
        _ => return None,
    };
    Some(hint.to_owned())
}
