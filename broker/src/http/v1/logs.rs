//! `GET /v1/jobs/{id}/logs`: what a workload printed, as text, as JSON, or as it comes.

use std::time::Duration;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;

use super::events::{last_event_id, not_acceptable};
use super::stream::{self, Frame, Read, Source};
use super::{asks_for, job_of, takes};
use crate::api::described::{JobIdText, LogCursorText, PageLimit, StreamEvent};
use crate::api::{LogChunkView, LogPage, PAGE_ITEMS_MAX, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::store::LogChunk;

/// How often logs are read: they come with heartbeats, which no commit tells of.
const POLL: Duration = Duration::from_secs(1);
/// The header that says where to go on after a page of plain text.
const NEXT: &str = "x-next-after";

/// A place in a job's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    epoch: Epoch,
    rank: u16,
    sequence: u64,
}

impl Cursor {
    fn of(chunk: &LogChunk) -> Self {
        Self {
            epoch: chunk.epoch,
            rank: chunk.rank,
            sequence: chunk.sequence,
        }
    }

    /// Reads `<epoch>.<rank>.<sequence>`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let cursor = Self {
            epoch: Epoch(plain(parts.next()?)?),
            rank: plain(parts.next()?)?,
            sequence: plain(parts.next()?)?,
        };
        parts.next().is_none().then_some(cursor)
    }
}

/// A number as this broker writes it: without a sign and without leading zeros.
fn plain<N: std::str::FromStr + ToString>(text: &str) -> Option<N> {
    let number: N = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.epoch, self.rank, self.sequence)
    }
}

fn view(chunk: LogChunk) -> LogChunkView {
    LogChunkView {
        cursor: Cursor::of(&chunk).to_string(),
        epoch: chunk.epoch,
        rank: chunk.rank,
        at: chunk.at.into(),
        text: chunk.text,
    }
}

async fn page(
    shared: &Shared,
    job: JobId,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Vec<LogChunk>, Problem> {
    let after = after.map(|c| (c.epoch, c.rank, c.sequence));
    Ok(shared.state.store.logs(job, after, limit).await?)
}

struct Logs {
    after: Option<Cursor>,
}

impl Source for Logs {
    fn read<'a>(&'a mut self, shared: &'a Shared, job: JobId) -> Read<'a> {
        Box::pin(async move {
            let chunks = page(shared, job, self.after, PAGE_ITEMS_MAX).await?;
            self.after = chunks.last().map(Cursor::of).or(self.after);
            let frame = |chunk| {
                let view = view(chunk);
                Frame {
                    id: view.cursor.clone(),
                    event: "log",
                    data: serde_json::to_string(&view).unwrap_or_default(),
                }
            };
            Ok(chunks.into_iter().map(frame).collect())
        })
    }

    fn poll(&self) -> Duration {
        POLL
    }
}

/// Gives what a job printed
///
/// As JSON, as plain text with `Accept: text/plain`, or with `follow=true` as server-sent events
/// that end when the job has ended and resume after `Last-Event-ID`.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/logs",
    operation_id = "job_logs",
    tag = "jobs",
    params(
        ("id" = JobIdText, Path, description = "The job"),
        ("after" = Option<LogCursorText>, Query, description = "`next` of the page before, or a chunk's `cursor`"),
        ("limit" = Option<PageLimit>, Query, description = "Chunks of the page, 1 to 200; 50 when absent"),
        ("follow" = Option<bool>, Query, description = "Whether to go on as it comes"),
        ("Last-Event-ID" = Option<LogCursorText>, Header, nullable = false, description = "Resumes a stream; `after` wins"),
    ),
    responses(
        (status = 200, description = "A page, or a stream", content(
            (LogPage = "application/json"),
            (String = "text/plain"),
            (StreamEvent = "text/event-stream"),
        )),
        (status = 204, description = "The job has ended and nothing is new: do not come back"),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["jobs:read"])),
)]
pub(in crate::http) async fn logs(
    shared: Data<Shared>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::JobsRead).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after = params.read("after", "the `next` of a page of this log", Cursor::parse)?;
    let follow: bool = params.parsed("follow", "true or false")?.unwrap_or(false);
    params.finish()?;
    let headers = request.headers();
    let resumed = last_event_id(headers, Cursor::parse)?;
    let job = job_of(&shared, caller.account, &id).await?;
    if follow {
        let after = after.or(resumed);
        return stream::open(shared, caller, job.id, Logs { after }).await;
    }
    let mut chunks = page(&shared, job.id, after, limit + 1).await?;
    let more = chunks.len() > limit as usize;
    chunks.truncate(limit as usize);
    let next = chunks.last().map(Cursor::of).or(after);
    let next = next.map(|cursor| cursor.to_string());
    if asks_for(headers, "text/plain") {
        let text: String = chunks.into_iter().map(|chunk| chunk.text).collect();
        let mut response = HttpResponse::Ok();
        if let Some(next) = next {
            response.insert_header((NEXT, next));
        }
        return Ok(response
            .content_type("text/plain; charset=utf-8")
            .body(text));
    }
    if !takes(headers, "application/json") {
        return Err(not_acceptable("application/json or text/plain"));
    }
    let items = chunks.into_iter().map(view).collect();
    Ok(HttpResponse::Ok().json(LogPage { items, next, more }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_is_three_plain_numbers() {
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.65536.3",
            "-1.0.0",
            "01.0.0",
            "+1.0.0",
            "a.b.c",
        ] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_from_its_text(epoch: u32, rank: u16, sequence: u64) {
            let cursor = Cursor { epoch: Epoch(epoch), rank, sequence };
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            if let Some(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
