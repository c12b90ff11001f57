//! `/v1/accounts`: tenants, made and listed by operators.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tandem_model::id::AccountId;
use tandem_model::network::Country;
use tandem_model::secret::Secret;
use tandem_pricing::countries;

use super::check_name;
use crate::api::described::{AccountIdText, IdempotencyKeyText, PageLimit};
use crate::api::{AccountRequest, AccountView, Page, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::idempotency::{Asked, Begun, IdempotencyKey, Once};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::ids::fresh;
use crate::store::StoreError;
use crate::store::tenants::AccountRecord;

const CREATE: Asked = Asked {
    route: "POST /v1/accounts",
    location: "/v1/accounts",
    is_secret: false,
};

/// Makes an account
///
/// Only with the scope `accounts:admin`. A repeated `Idempotency-Key` gets the first answer.
#[utoipa::path(
    post,
    path = "/v1/accounts",
    operation_id = "create_account",
    tag = "accounts",
    params(("Idempotency-Key" = Option<IdempotencyKeyText>, Header, nullable = false, description = "A repeated request under it gets the first answer")),
    request_body = AccountRequest,
    responses(
        (status = 201, description = "Made", body = AccountView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["accounts:admin"])),
)]
pub(in crate::http) async fn create(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::AccountsAdmin).await?;
    let key = IdempotencyKey::of(&request)?;
    let body: Body<AccountRequest> = Body::read(&request, payload).await?;
    let once = match Once::begin(&shared, CREATE, caller.account, key, body.sha256).await? {
        Begun::Again(answer) => return Ok(answer),
        Begun::First(once) => once,
    };
    check_name(&body.value.name)?;
    let country = country(body.value.country.as_deref())?;
    let clock = shared.state.clock.as_ref();
    let account = AccountRecord {
        id: fresh(clock, AccountId::from_parts),
        name: body.value.name,
        country,
        created_at: clock.wall(),
    };
    let text = serde_json::to_string(&AccountView::from(&account));
    let answer = Secret::new(text.map_err(|error| Problem::defect(&error))?);
    let reply = once.record(StatusCode::CREATED, &answer);
    match shared.state.tenants.add_account(account, reply).await {
        Ok(()) => Ok(once.answer(StatusCode::CREATED, &answer)),
        Err(error @ StoreError::Refused { .. }) => {
            once.earlier().await?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A country that exists, written as it is shown.
fn country(code: Option<&str>) -> Result<Option<Country>, Problem> {
    let Some(code) = code else {
        return Ok(None);
    };
    let found = countries::parse(code).filter(|country| country.as_str() == code);
    let detail = "not the two upper-case letters that ISO 3166-1 gave a country, such as DE";
    found
        .map(Some)
        .ok_or_else(|| Problem::field("/country", detail))
}

/// Lists accounts
///
/// Only with the scope `accounts:admin`.
#[utoipa::path(
    get,
    path = "/v1/accounts",
    operation_id = "list_accounts",
    tag = "accounts",
    params(
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<AccountIdText>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<AccountView>),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["accounts:admin"])),
)]
pub(in crate::http) async fn list(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<Page<AccountView>>, Problem> {
    Caller::admit(&shared, &request, Scope::AccountsAdmin).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after: Option<AccountId> = params.parsed("after", "the `next` of a page of accounts")?;
    params.finish()?;
    let mut accounts = shared.state.tenants.accounts(after, limit + 1).await?;
    let more = accounts.len() > limit as usize;
    accounts.truncate(limit as usize);
    let last = accounts.last().map(|account| account.id.to_string());
    Ok(Json(Page {
        items: accounts.iter().map(AccountView::from).collect(),
        next: last.filter(|_| more),
    }))
}
