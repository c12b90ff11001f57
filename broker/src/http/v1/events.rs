//! `GET /v1/jobs/{id}/events`: what happened, as a page or as it happens.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;

use super::stream::{self, Frame, Read, Source};
use super::{asks_for, job_of, job_view, takes};
use crate::api::described::{JobIdText, PageLimit, StreamEvent};
use crate::api::{EventView, PAGE_ITEMS_MAX, Page, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;

/// Media type of server-sent events.
pub(super) const EVENT_STREAM: &str = "text/event-stream";
/// How often events are read when no commit tells of news: other brokers may write them.
const POLL: Duration = Duration::from_secs(5);

struct Events {
    after: u64,
}

impl Source for Events {
    fn read<'a>(&'a mut self, shared: &'a Shared, job: JobId) -> Read<'a> {
        Box::pin(async move {
            let events = page(shared, job, self.after, PAGE_ITEMS_MAX).await?;
            self.after = events.last().map_or(self.after, |event| event.sequence);
            let frame = |event: &EventView| Frame {
                id: event.sequence.to_string(),
                event: "job",
                data: serde_json::to_string(event).unwrap_or_default(),
            };
            Ok(events.iter().map(frame).collect())
        })
    }

    fn poll(&self) -> Duration {
        POLL
    }
}

async fn page(
    shared: &Shared,
    job: JobId,
    after: u64,
    limit: u32,
) -> Result<Vec<EventView>, Problem> {
    let records = shared.state.store.events(job, after, limit).await?;
    records.iter().map(job_view::event).collect()
}

/// The sequence of an event; the store counts with 63 bits.
fn sequence_of(text: &str) -> Option<u64> {
    let sequence: i64 = text.parse().ok()?;
    sequence.try_into().ok()
}

/// Where a client that comes back goes on. What cannot be read is refused even where no stream is
/// asked for.
pub(super) fn last_event_id<T>(
    headers: &HeaderMap,
    reader: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    match value.to_str().ok().and_then(reader) {
        Some(place) => Ok(Some(place)),
        None => Err(Problem::field(
            "Last-Event-ID",
            "not the id of an event of this stream",
        )),
    }
}

/// Tells what happened to a job
///
/// A page of JSON, or with `Accept: text/event-stream` a stream that ends when the job has ended
/// and resumes after `Last-Event-ID`.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/events",
    operation_id = "job_events",
    tag = "jobs",
    params(
        ("id" = JobIdText, Path, description = "The job"),
        ("after" = Option<u64>, Query, description = "Only events with a higher sequence"),
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("Last-Event-ID" = Option<u64>, Header, nullable = false, description = "Resumes a stream; `after` wins"),
    ),
    responses(
        (status = 200, description = "A page, or a stream", content(
            (Page<EventView> = "application/json"),
            (StreamEvent = "text/event-stream"),
        )),
        (status = 204, description = "The job has ended and nothing is new: do not come back"),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["jobs:read"])),
)]
pub(in crate::http) async fn events(
    shared: Data<Shared>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::JobsRead).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after = params.read("after", "the sequence of an event", sequence_of)?;
    params.finish()?;
    let headers = request.headers();
    let resumed = last_event_id(headers, sequence_of)?;
    let job = job_of(&shared, caller.account, &id).await?;
    if asks_for(headers, EVENT_STREAM) {
        let after = after.or(resumed).unwrap_or(0);
        return stream::open(shared, caller, job.id, Events { after }).await;
    }
    if !takes(headers, "application/json") {
        return Err(not_acceptable("application/json or text/event-stream"));
    }
    let mut items = page(&shared, job.id, after.unwrap_or(0), limit + 1).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let last = items.last().map(|event| event.sequence.to_string());
    let next = last.filter(|_| more);
    Ok(HttpResponse::Ok().json(Page { items, next }))
}

/// None of what the client takes can be given.
pub(super) fn not_acceptable(offered: &str) -> Problem {
    let detail = format!("this is given as {offered}");
    Problem::new(StatusCode::NOT_ACCEPTABLE, ErrorCode::API_BODY, detail)
}
