//! `/v1/policies`: the pricing policy in force, its history, and what a document would change.
//! Changes are in `policy_changes`, the shadow in `policy_shadow`.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path, Payload};
use tandem_pricing::policy::{self, Grid, Live, Policy, PolicyProblems, Violation};

use super::off_thread;
use crate::api::described::PageLimit;
use crate::api::{
    FieldProblem, Page, PolicyCheckReply, PolicyDiffReply, PolicyText, PolicyView, ProblemView,
    Scope, ViolationView,
};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::http::state::ApiState;
use crate::policies;

/// Every problem of a document, each with its line and column.
pub(super) fn refused(problems: &PolicyProblems) -> Problem {
    let fields = problems.0.iter().map(FieldProblem::of_policy).collect();
    Problem::fields(fields)
        .code(PolicyProblems::CODE)
        .hint("docs/policies.md lists every field")
}

pub(super) fn parsed(text: &str) -> Result<Policy, Problem> {
    Policy::parse(text).map_err(|problems| refused(&problems))
}

/// On what policies are compared now.
pub(super) fn grid(state: &ApiState) -> Grid {
    let market = state.engine.market();
    let networks = state.products.iter().map(|product| &product.network);
    policies::grid(&market.offers, networks, state.clock.wall())
}

pub(super) fn views(violations: &[Violation]) -> Vec<ViolationView> {
    violations.iter().map(ViolationView::from).collect()
}

fn unknown(state: &ApiState, policy: &Policy) -> Vec<String> {
    let known = state.products.iter().map(|product| &product.network);
    policies::unknown_networks(policy, known)
}

/// Lists the versions of the pricing policy
///
/// The newest first, without their documents.
#[utoipa::path(
    get,
    path = "/v1/policies",
    operation_id = "list_policies",
    tag = "policies",
    params(
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<u32>, Query, format = Int64, minimum = 0, maximum = 4_294_967_295.0, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<PolicyView>),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn list(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<Page<PolicyView>>, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after: Option<u32> = params.parsed("after", "the `next` of a page of versions")?;
    params.finish()?;
    let mut versions = shared.state.tenants.policies(after, limit + 1).await?;
    let more = versions.len() > limit as usize;
    versions.truncate(limit as usize);
    let last = versions.last().map(|version| version.number.to_string());
    Ok(Json(Page {
        items: versions.iter().map(PolicyView::from).collect(),
        next: last.filter(|_| more),
    }))
}

/// Shows the pricing policy in force
#[utoipa::path(
    get,
    path = "/v1/policies/current",
    operation_id = "current_policy",
    tag = "policies",
    responses(
        (status = 200, description = "The version with its document", body = PolicyView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn current(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<PolicyView>, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    let live = shared.state.policies.current();
    Ok(Json(PolicyView::from(&live.version)))
}

/// Shows a version of the pricing policy
#[utoipa::path(
    get,
    path = "/v1/policies/{number}",
    operation_id = "show_policy",
    tag = "policies",
    params(("number" = u32, Path, description = "The version's number, from 1")),
    responses(
        (status = 200, description = "The version with its document", body = PolicyView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn show(
    shared: Data<Shared>,
    number: Path<String>,
    request: HttpRequest,
) -> Result<Json<PolicyView>, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    let number: u32 = number.parse().map_err(|_| Problem::not_found())?;
    let found = shared.state.tenants.policy(Some(number)).await?;
    let version = found
        .ok_or_else(|| Problem::not_found().hint("`tandem policy history` lists the versions"))?;
    Ok(Json(PolicyView::from(&version)))
}

/// Checks a document
///
/// Refused with every problem at once, each with its line and column.
#[utoipa::path(
    post,
    path = "/v1/policies/check",
    operation_id = "check_policy",
    tag = "policies",
    request_body = PolicyText,
    responses(
        (status = 200, description = "It has no problem", body = PolicyCheckReply),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn check(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<PolicyCheckReply>, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    let body: Body<PolicyText> = Body::read(&request, payload).await?;
    let reply = off_thread(move || {
        let policy = parsed(&body.value.text)?;
        Ok(PolicyCheckReply {
            name: policy.name().to_owned(),
            digest: policy.digest().to_string(),
            unknown_networks: unknown(&shared.state, &policy),
        })
    });
    reply.await.map(Json)
}

/// Says what a document would change
///
/// Against the version in force, on every subject that the two tell apart, at the costs of the
/// market. Nothing is written.
#[utoipa::path(
    post,
    path = "/v1/policies/diff",
    operation_id = "diff_policy",
    tag = "policies",
    request_body = PolicyText,
    responses(
        (status = 200, description = "The difference", body = PolicyDiffReply),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn diff(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<PolicyDiffReply>, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    let body: Body<PolicyText> = Body::read(&request, payload).await?;
    let live = shared.state.policies.current();
    let reply = off_thread(move || difference(&shared.state, &live, &body.value.text));
    reply.await.map(Json)
}

fn difference(state: &ApiState, live: &Live, text: &str) -> Result<PolicyDiffReply, Problem> {
    let policy = parsed(text)?;
    let diff = policy::diff(&live.policy, &policy, &grid(state));
    let broken = policy::guard(&live.policy, &policy, &diff).err();
    Ok(PolicyDiffReply {
        base: live.version.number,
        diff: serde_json::to_value(&diff).map_err(|error| Problem::defect(&error))?,
        violations: views(&broken.unwrap_or_default()),
        unknown_networks: unknown(state, &policy),
    })
}
