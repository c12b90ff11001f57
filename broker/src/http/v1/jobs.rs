//! `/v1/jobs`: run, list, look, stop.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::secret::Secret;

use super::quotes::Priced;
use super::{job_of, job_view, off_thread, quotes, submission};
use crate::api::described::{IdempotencyKeyText, JobIdText, JobStateWord, PageLimit};
use crate::api::{CancelReply, JobRequest, JobSummary, JobView, Page, ProblemView, Scope};
use crate::engine::message::{JobSpec, Refused};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::idempotency::{Asked, Begun, IdempotencyKey, Once};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::ids::fresh;
use crate::store::PAGE_MAX;

const SUBMIT: Asked = Asked {
    route: "POST /v1/jobs",
    location: "/v1/jobs",
    is_secret: false,
};
/// Pages of the store that one filtered list looks through.
const PAGES_MAX: u32 = 4;

/// Runs a job
///
/// Takes a quote. The job is durable when this is answered. Send an `Idempotency-Key`, and a
/// repeated request gets the first answer for 24 hours.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    operation_id = "submit_job",
    tag = "jobs",
    params(("Idempotency-Key" = Option<IdempotencyKeyText>, Header, nullable = false, description = "A repeated request under it gets the first answer")),
    request_body = JobRequest,
    responses(
        (status = 201, description = "Accepted", body = JobView),
        (status = 409, description = "The quote was accepted before, or its capacity is gone: `fresh_quote` says what it costs now", body = ProblemView, content_type = "application/problem+json"),
        (status = 410, description = "The quote has expired", body = ProblemView, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["jobs:write"])),
)]
pub(in crate::http) async fn submit(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::JobsWrite).await?;
    let key = IdempotencyKey::of(&request)?;
    let body: Body<JobRequest> = Body::read(&request, payload).await?;
    let account = caller.account;
    let once = match Once::begin(&shared, SUBMIT, account, key, body.sha256).await? {
        Begun::Again(answer) => return Ok(answer),
        Begun::First(once) => once,
    };
    let job = fresh(shared.state.clock.as_ref(), JobId::from_parts);
    let (state, request) = (shared.clone(), body.value);
    let (spec, fresh, file) = off_thread(move || {
        let spec = submission::spec(&state.state, account, &request, job)?;
        let fresh = submission::fresh_quote(&state.state, &spec, &request.workload)?;
        Ok((spec, fresh, request.workload))
    })
    .await?;
    if let Some(fresh) = fresh {
        return Err(gone(&shared, &spec, fresh).await?);
    }
    let view = job_view::accepted(job, &spec);
    let agreed = spec.clone();
    let text = serde_json::to_string(&view).map_err(|error| Problem::defect(&error))?;
    let answer = Secret::new(text);
    let reply = once.record(StatusCode::CREATED, &answer);
    match shared.state.engine.accept(job, spec, reply).await {
        Ok(_) => {
            let (class, version) = (agreed.classification.class, agreed.terms.policy_version);
            shared.state.metrics.accepted.inc();
            let sales = &shared.state.sales;
            sales.accepted(&agreed.quote, class, version);
            Ok(once.answer(StatusCode::CREATED, &answer))
        }
        Err(refused) => {
            shared.state.sales.give_back(&agreed.quote);
            match refused {
                Refused::UsedBefore => used_before(&once).await,
                Refused::NotBacked => Err(not_backed(&shared, agreed, file).await?),
                Refused::Revoked(_) => {
                    let taken = taken_before(&shared, &agreed).await?;
                    Err(taken.unwrap_or_else(|| refused.into()))
                }
                other => Err(other.into()),
            }
        }
    }
}

/// The answer to who comes second: another broker may have answered the same request meanwhile.
async fn used_before(once: &Once<'_>) -> Result<HttpResponse, Problem> {
    let earlier = once.earlier().await?;
    earlier.ok_or_else(|| {
        Problem::from(Refused::UsedBefore)
            .hint("look for the job with GET /v1/jobs, or ask for a new quote")
    })
}

/// The answer where the backstop was given to others: what the workload costs now.
async fn not_backed(
    shared: &Data<Shared>,
    spec: JobSpec,
    file: String,
) -> Result<Problem, Problem> {
    let state = shared.clone();
    let (spec, fresh) = off_thread(move || {
        let fresh = submission::priced_again(&state.state, &spec, &file)?;
        Ok((spec, fresh))
    })
    .await?;
    gone(shared, &spec, fresh).await
}

/// The refusal of a quote whose promise cannot be kept any more, with a fresh one.
async fn gone(shared: &Shared, spec: &JobSpec, fresh: Priced) -> Result<Problem, Problem> {
    if let Some(taken) = taken_before(shared, spec).await? {
        return Ok(taken);
    }
    let reply = quotes::recorded(&shared.state, spec.account, fresh).await?;
    Ok(submission::capacity_gone(reply))
}

/// What who took the quote before is told, and did not hear so: his job, so that he is not led to
/// order twice.
async fn taken_before(shared: &Shared, spec: &JobSpec) -> Result<Option<Problem>, Problem> {
    let store = &shared.state.store;
    let job = store.job_of_quote(spec.account, spec.quote.id).await?;
    Ok(job.map(|job| {
        let used = Problem::from(Refused::UsedBefore);
        used.hint(format!("it became job {job}: GET /v1/jobs/{job}"))
    }))
}

/// Lists jobs
///
/// In the order of their acceptance. Go on with `after` set to the `next` of the page before.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    params(
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<JobIdText>, Query, description = "`next` of the page before"),
        ("state" = Option<JobStateWord>, Query, description = "Only jobs in this state"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<JobSummary>),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["jobs:read"])),
)]
pub(in crate::http) async fn list(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<Page<JobSummary>>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::JobsRead).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let mut after: Option<JobId> = params.parsed("after", "the `next` of a page of jobs")?;
    let state = params.read("state", "a state of a job", state_of)?;
    params.finish()?;
    let wanted = limit as usize;
    let mut items = Vec::new();
    for _ in 0..PAGES_MAX {
        // One more than wanted tells whether there is a next page.
        let ask = state.map_or(limit + 1, |_| PAGE_MAX);
        let store = &shared.state.store;
        let page = store.jobs(caller.account, after, ask).await?;
        let is_last = page.len() < ask as usize;
        for record in page {
            if items.len() == wanted {
                return Ok(Json(Page {
                    items,
                    next: after.map(|id| id.to_string()),
                }));
            }
            after = Some(record.id);
            if state.is_none_or(|state| state == record.state) {
                items.push(job_view::summary(&record)?);
            }
        }
        if is_last {
            return Ok(Json(Page { items, next: None }));
        }
    }
    let next = after.map(|id| id.to_string());
    Ok(Json(Page { items, next }))
}

fn state_of(name: &str) -> Option<JobState> {
    let is_it = |state: &JobState| serde_json::to_value(state).is_ok_and(|v| v == name);
    JobState::ALL.into_iter().find(is_it)
}

/// Shows a job
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    operation_id = "show_job",
    tag = "jobs",
    params(("id" = JobIdText, Path, description = "The job")),
    responses(
        (status = 200, description = "Everything that is known of it", body = JobView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["jobs:read"])),
)]
pub(in crate::http) async fn show(
    shared: Data<Shared>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<Json<JobView>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::JobsRead).await?;
    let record = job_of(&shared, caller.account, &id).await?;
    job_view::view(shared.state.store.as_ref(), record)
        .await
        .map(Json)
}

/// Stops a job
///
/// Asks for the stop and answers at once with the state after it; what is rented is given back
/// soon after. A job that has ended stays as it ended.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/cancel",
    operation_id = "cancel_job",
    tag = "jobs",
    params(("id" = JobIdText, Path, description = "The job")),
    responses(
        (status = 200, description = "Where it stands now", body = CancelReply),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["jobs:write"])),
)]
pub(in crate::http) async fn cancel(
    shared: Data<Shared>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<Json<CancelReply>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::JobsWrite).await?;
    let record = job_of(&shared, caller.account, &id).await?;
    let id = record.id;
    if record.state.is_terminal() {
        let state = record.state;
        return Ok(Json(CancelReply { id, state }));
    }
    match shared.state.engine.cancel(caller.account, id).await {
        Ok(state) => Ok(Json(CancelReply { id, state })),
        // It ended between the two looks, or another broker holds it.
        Err(Refused::NotFound) => {
            let now = job_of(&shared, caller.account, &id.to_string()).await?;
            if now.state.is_terminal() {
                let state = now.state;
                return Ok(Json(CancelReply { id, state }));
            }
            Err(Problem::busy(&"another broker works on this job"))
        }
        Err(other) => Err(other.into()),
    }
}
