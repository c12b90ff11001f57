//! `/v1/policies/shadow`: a policy that is asked beside the live one and decides nothing.

use actix_web::web::{Data, Json, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::off_thread;
use super::policies::parsed;
use crate::api::described::PageLimit;
use crate::api::{PolicyText, ProblemView, Scope, ShadowView};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::policies::Shadow;

fn view(shadow: &Shadow, limit: u32) -> ShadowView {
    let seen = shadow.seen();
    let shown = seen.differences.iter().take(limit as usize);
    ShadowView {
        name: shadow.candidate.name().to_owned(),
        digest: shadow.candidate.digest().to_string(),
        author: shadow.author.clone(),
        since: shadow.since.into(),
        quotes: seen.quotes,
        dearer: seen.dearer,
        cheaper: seen.cheaper,
        newly_sold: seen.newly_sold,
        no_longer_sold: seen.no_longer_sold,
        differences: shown
            .map(|difference| serde_json::to_value(difference).unwrap_or_default())
            .collect(),
    }
}

/// Puts a document into the shadow
///
/// It is asked beside the live policy for every quote from then on, and decides nothing. What was
/// counted for the one before is gone. It does not outlive the process.
#[utoipa::path(
    put,
    path = "/v1/policies/shadow",
    operation_id = "set_policy_shadow",
    tag = "policies",
    request_body = PolicyText,
    responses(
        (status = 200, description = "In the shadow", body = ShadowView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn set(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<ShadowView>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::Policies).await?;
    let body: Body<PolicyText> = Body::read(&request, payload).await?;
    let candidate = off_thread(move || parsed(&body.value.text)).await?;
    let author = format!("{} {}", caller.account, caller.key);
    let shadow = Shadow::new(candidate, author, shared.state.clock.wall());
    let view = view(&shadow, 0);
    shared.state.policies.set_shadow(Some(shadow));
    Ok(Json(view))
}

/// Shows what the policy in the shadow would have changed
#[utoipa::path(
    get,
    path = "/v1/policies/shadow",
    operation_id = "policy_shadow",
    tag = "policies",
    params(("limit" = Option<PageLimit>, Query, description = "Differences that are shown, 1 to 200; 50 when absent")),
    responses(
        (status = 200, description = "What it would have changed", body = ShadowView),
        (status = "4XX", description = "Refused, or nothing is in the shadow", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn show(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<ShadowView>, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    params.finish()?;
    let shadow = shared.state.policies.shadow().ok_or_else(|| {
        Problem::not_found().hint("`tandem policy shadow FILE` puts a policy into the shadow")
    })?;
    Ok(Json(view(&shadow, limit)))
}

/// Takes the policy out of the shadow
#[utoipa::path(
    delete,
    path = "/v1/policies/shadow",
    operation_id = "remove_policy_shadow",
    tag = "policies",
    responses(
        (status = 204, description = "Nothing is in the shadow now"),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn remove(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    shared.state.policies.set_shadow(None);
    Ok(HttpResponse::NoContent().finish())
}
