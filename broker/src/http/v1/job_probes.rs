//! `GET /v1/jobs/{id}/probes`: the verdicts on a job's nodes, signed.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};

use super::{job_of, job_view, number};
use crate::api::described::{JobIdText, PageLimit};
use crate::api::{JobProbeView, Page, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;

/// Lists verdicts of probes
///
/// What came of every probe of the job's nodes, oldest first, each with a signed receipt. A receipt
/// proves what this installation found and when, not that the hardware is what it says.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/probes",
    operation_id = "list_job_probes",
    tag = "jobs",
    params(
        ("id" = JobIdText, Path, description = "The job"),
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<u64>, Query, format = Int64, minimum = 0, maximum = 9_007_199_254_740_991.0, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<JobProbeView>),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["jobs:read"])),
)]
pub(in crate::http) async fn list(
    shared: Data<Shared>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<Json<Page<JobProbeView>>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::JobsRead).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after = params.read("after", "the `next` of a page of verdicts", number)?;
    params.finish()?;
    let job = job_of(&shared, caller.account, &id).await?;
    let state = &shared.state;
    let after = after.unwrap_or(0);
    let mut probes = state.store.probes(job.id, after, limit + 1).await?;
    let more = probes.len() > limit as usize;
    probes.truncate(limit as usize);
    let last = probes.last().map(|probe| probe.sequence.to_string());
    let views = probes.iter();
    let views = views.map(|probe| job_view::job_probe(probe, &state.vault));
    Ok(Json(Page {
        items: views.collect::<Result<_, _>>()?,
        next: last.filter(|_| more),
    }))
}
