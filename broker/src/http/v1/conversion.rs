//! `GET /v1/policies/conversion`: how many quotes were made and taken at which price.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};

use crate::api::described::PageLimit;
use crate::api::{ConversionView, Page, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;

/// Counts quotes by price
///
/// Quotes made and taken by version of the policy, class, tier and price as a share of the
/// reference price. The counts are some seconds old, and those of a broker that crashed are lost.
#[utoipa::path(
    get,
    path = "/v1/policies/conversion",
    operation_id = "policy_conversion",
    tag = "policies",
    params(
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<u32>, Query, format = Int64, minimum = 0, maximum = 4_294_967_295.0, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<ConversionView>),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn list(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<Page<ConversionView>>, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after: Option<u32> = params.parsed("after", "the `next` of a page of counts")?;
    params.finish()?;
    let skip = after.unwrap_or(0);
    let mut counts = shared.state.tenants.conversion(skip, limit + 1).await?;
    let more = counts.len() > limit as usize;
    counts.truncate(limit as usize);
    let next = skip.saturating_add(limit).to_string();
    Ok(Json(Page {
        items: counts.iter().map(ConversionView::from).collect(),
        next: Some(next).filter(|_| more),
    }))
}
