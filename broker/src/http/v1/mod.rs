//! The handlers of `/v1`, a file for each noun.

pub(super) mod accounts;
pub(super) mod classifications;
pub(super) mod conversion;
pub(super) mod denials;
pub(super) mod events;
pub(super) mod job_probes;
mod job_view;
pub(super) mod jobs;
pub(super) mod keys;
pub(super) mod ledger;
pub(super) mod logs;
pub(super) mod nodes;
pub(super) mod offers;
pub(super) mod policies;
pub(super) mod policy_backtest;
pub(super) mod policy_changes;
pub(super) mod policy_shadow;
pub mod quotes;
pub(super) mod receipts;
mod startable;
mod stream;
mod submission;

use actix_web::http::header::{ACCEPT, HeaderMap};
use actix_web::web;

use super::context;
use super::params::Params;
use super::problem::Problem;
use super::server::Shared;
use crate::api::FieldProblem;
use crate::api::described::NAME_CHARS_MAX;
use crate::store::JobRecord;
use tandem_model::gpu::GpuModel;
use tandem_model::id::{AccountId, JobId};

/// Does what takes long on a thread of its own.
///
/// # Errors
/// The problem of the work; a defect when it panicked.
pub async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let (id, span) = (context::request_id(), tracing::Span::current());
    web::block(move || span.in_scope(|| context::under_sync(id, work)))
        .await
        .map_err(|error| Problem::defect(&error))?
}

/// A job of an account. Another account's, a missing one and a text that is no id are all the same.
async fn job_of(shared: &Shared, account: AccountId, id: &str) -> Result<JobRecord, Problem> {
    let id: JobId = id.parse().map_err(|_| Problem::not_found())?;
    let found = shared.state.store.job(account, id).await?;
    found.ok_or_else(Problem::not_found)
}

/// Refuses a name that cannot be shown.
fn check_name(name: &str) -> Result<(), Problem> {
    check_line("/name", name, NAME_CHARS_MAX)
}

/// Refuses a line of text that cannot be shown.
fn check_line(field: &str, text: &str, chars_max: usize) -> Result<(), Problem> {
    let count = text.chars().count();
    let is_plain = !text.chars().any(char::is_control) && text.trim() == text;
    if is_plain && (1..=chars_max).contains(&count) {
        return Ok(());
    }
    let detail =
        format!("not 1 to {chars_max} characters without control characters and outer spaces");
    Err(Problem::field(field, detail))
}

/// Takes the cards that the parameter `gpu` can mean, an id of the catalogue included.
fn cards(params: &mut Params) -> Result<Option<Vec<GpuModel>>, Problem> {
    let Some(name) = params.text("gpu") else {
        return Ok(None);
    };
    let found = GpuModel::matching(&name);
    let by_id = GpuModel::by_id(&name).map(|model| vec![model]);
    let cards = Some(found).filter(|all| !all.is_empty()).or(by_id);
    match cards {
        Some(cards) => Ok(Some(cards)),
        None => Err(Problem::fields(vec![FieldProblem {
            field: "gpu".to_owned(),
            detail: "not the name of a card".to_owned(),
            hint: GpuModel::near(&name).map(|near| format!("did you mean `{near}`?")),
            ..FieldProblem::default()
        }])),
    }
}

/// Highest number of a row: what every reader of JSON keeps exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// The number of a row, as a page's `next` has it.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n| *n <= NUMBER_MAX)
}

/// Whether the client takes a media type; one that says nothing takes all.
fn takes(headers: &HeaderMap, wanted: &str) -> bool {
    let mut lines = headers.get_all(ACCEPT).peekable();
    let kind = wanted.split('/').next().unwrap_or_default();
    lines.peek().is_none() || asks_for(headers, wanted) || {
        let whole = format!("{kind}/*");
        named(headers, &whole) || named(headers, "*/*")
    }
}

/// Whether the client names a media type itself.
fn asks_for(headers: &HeaderMap, wanted: &str) -> bool {
    named(headers, wanted)
}

fn named(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get_all(ACCEPT)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case(wanted))
}
