//! `/v1/denials`: what rules about places denied, day by day.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use tandem_model::id::AccountId;

use super::number;
use crate::api::described::{AccountsText, PageLimit};
use crate::api::{DenialView, Page, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;

/// Whose denials are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    All,
    One(AccountId),
}

impl Whose {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            id => id.parse().ok().map(Self::One),
        }
    }
}

/// Lists denials
///
/// What rules about places and kinds of data refused when the account asked for quotes, the newest
/// first: one for each rule, subject and day (UTC), with how often. Those of the caller's account;
/// `admin` may name another, or `all`.
#[utoipa::path(
    get,
    path = "/v1/denials",
    operation_id = "list_denials",
    tag = "quotes",
    params(
        ("account" = Option<AccountsText>, Query, description = "Another account's or `all`, with `admin`"),
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<u64>, Query, format = Int64, minimum = 0, maximum = 9_007_199_254_740_991.0, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<DenialView>),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["quotes"])),
)]
pub(in crate::http) async fn list(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<Page<DenialView>>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::Quotes).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after = params.read("after", "the `next` of a page of denials", number)?;
    let whose = params.read("account", "the id of an account, or `all`", Whose::parse)?;
    params.finish()?;
    let whose = whose.unwrap_or(Whose::One(caller.account));
    if whose != Whose::One(caller.account) {
        caller.may(Scope::Admin)?;
    }
    let account = match whose {
        Whose::All => None,
        Whose::One(account) => Some(account),
    };
    let tenants = &shared.state.tenants;
    let mut denials = tenants.denials(account, after, limit + 1).await?;
    let more = denials.len() > limit as usize;
    denials.truncate(limit as usize);
    let last = denials.last().map(|denial| denial.sequence.to_string());
    Ok(Json(Page {
        items: denials.into_iter().map(DenialView::from).collect(),
        next: last.filter(|_| more),
    }))
}
