//! `/v1/keys`: API keys of an account. A key itself is shown once, when it is made.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tandem_model::id::{AccountId, ApiKeyId};
use tandem_model::secret::Secret;

use super::check_name;
use crate::api::described::{AccountIdText, ApiKeyIdText, IdempotencyKeyText, PageLimit};
use crate::api::{KeyRequest, KeyView, NewKeyView, Page, ProblemView, SCOPES, Scope, SecretText};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::idempotency::{Asked, Begun, IdempotencyKey, Once};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::ids::fresh;
use crate::store::StoreError;
use crate::store::tenants::KeyRecord;
use crate::vault::api_key;

const CREATE: Asked = Asked {
    route: "POST /v1/keys",
    location: "/v1/keys",
    is_secret: true,
};

/// Makes an API key
///
/// The answer is the only place where the key is shown. Its scopes must be among those of the key
/// that asks. For a repeated `Idempotency-Key` the answer is kept for 24 hours, sealed with the
/// installation's master key.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "create_key",
    tag = "accounts",
    params(("Idempotency-Key" = Option<IdempotencyKeyText>, Header, nullable = false, description = "A repeated request under it gets the first answer")),
    request_body = KeyRequest,
    responses(
        (status = 201, description = "Made", body = NewKeyView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["keys:admin"])),
)]
pub(in crate::http) async fn create(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::KeysAdmin).await?;
    let key = IdempotencyKey::of(&request)?;
    let body: Body<KeyRequest> = Body::read(&request, payload).await?;
    // Before the answer of an earlier request may be given again: it holds a key with these scopes,
    // and another key of the account may have asked for it.
    let account = whose(&shared, &caller, body.value.account).await?;
    let scopes = scopes(&caller, &body.value.scopes)?;
    let once = match Once::begin(&shared, CREATE, caller.account, key, body.sha256).await? {
        Begun::Again(answer) => return Ok(answer),
        Begun::First(once) => once,
    };
    let (record, key) = made(&shared, &body.value, account, scopes)?;
    let view = NewKeyView {
        view: KeyView::from(&record),
        key: SecretText(key),
    };
    let text = serde_json::to_string(&view).map_err(|error| Problem::defect(&error))?;
    let answer = Secret::new(text);
    let reply = once.record(StatusCode::CREATED, &answer);
    match shared.state.tenants.add_key(record, reply).await {
        Ok(()) => Ok(once.answer(StatusCode::CREATED, &answer)),
        Err(error @ StoreError::Refused { .. }) => {
            once.earlier().await?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The account that is meant: the caller's own, or for `admin` any that exists.
async fn whose(
    shared: &Shared,
    caller: &Caller,
    named: Option<AccountId>,
) -> Result<AccountId, Problem> {
    let account = named.unwrap_or(caller.account);
    if account == caller.account {
        return Ok(account);
    }
    caller.may(Scope::Admin)?;
    match shared.state.tenants.account(account).await? {
        Some(_) => Ok(account),
        None => Err(Problem::field("/account", "there is no such account")),
    }
}

fn made(
    shared: &Shared,
    request: &KeyRequest,
    account: AccountId,
    scopes: Vec<String>,
) -> Result<(KeyRecord, Secret), Problem> {
    check_name(&request.name)?;
    if request.expires_in_seconds == Some(0) {
        return Err(Problem::field("/expires_in_seconds", "not at least 1"));
    }
    let state = &shared.state;
    let now = state.clock.wall();
    let id = fresh(state.clock.as_ref(), ApiKeyId::from_parts);
    let key = api_key::fresh(id);
    let expires = |s| now.after(Duration::from_secs(u64::from(s)));
    let record = KeyRecord {
        id,
        account,
        name: request.name.clone(),
        hash: state.vault.api_key_hash(&key),
        scopes,
        created_at: now,
        expires_at: request.expires_in_seconds.map(expires),
        revoked_at: None,
    };
    Ok((record, key))
}

/// Known scopes, none twice, none that the caller lacks.
fn scopes(caller: &Caller, wanted: &[String]) -> Result<Vec<String>, Problem> {
    if wanted.is_empty() || wanted.len() > SCOPES.len() {
        let detail = format!("not 1 to {} scopes", SCOPES.len());
        return Err(Problem::field("/scopes", detail));
    }
    for (index, name) in wanted.iter().enumerate() {
        let field = format!("/scopes/{index}");
        let Some(scope) = Scope::parse(name) else {
            let all = SCOPES.map(Scope::as_str).join(", ");
            return Err(Problem::field(field, format!("not one of {all}")));
        };
        if wanted[..index].contains(name) {
            return Err(Problem::field(field, "named twice"));
        }
        caller.may(scope)?;
    }
    Ok(wanted.to_vec())
}

/// Lists API keys
///
/// Those of the caller's account; `admin` may name another.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "list_keys",
    tag = "accounts",
    params(
        ("account" = Option<AccountIdText>, Query, description = "Another account's, with `admin`"),
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<ApiKeyIdText>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<KeyView>),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["keys:admin"])),
)]
pub(in crate::http) async fn list(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<Page<KeyView>>, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::KeysAdmin).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after: Option<ApiKeyId> = params.parsed("after", "the `next` of a page of keys")?;
    let named: Option<AccountId> = params.parsed("account", "the id of an account")?;
    params.finish()?;
    let account = named.unwrap_or(caller.account);
    if account != caller.account {
        caller.may(Scope::Admin)?;
    }
    let mut keys = shared.state.tenants.keys(account, after, limit + 1).await?;
    let more = keys.len() > limit as usize;
    keys.truncate(limit as usize);
    let last = keys.last().map(|key| key.id.to_string());
    Ok(Json(Page {
        items: keys.iter().map(KeyView::from).collect(),
        next: last.filter(|_| more),
    }))
}

/// Revokes an API key
///
/// At once and for ever. A key can revoke itself.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "revoke_key",
    tag = "accounts",
    params(("id" = ApiKeyIdText, Path, description = "The key's id, not the key")),
    responses(
        (status = 204, description = "Revoked, now or before"),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["keys:admin"])),
)]
pub(in crate::http) async fn revoke(
    shared: Data<Shared>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::KeysAdmin).await?;
    let id: ApiKeyId = id.parse().map_err(|_| Problem::not_found())?;
    let tenants = &shared.state.tenants;
    let account = if caller.has(Scope::Admin) {
        let key = tenants.key(id).await?;
        key.ok_or_else(Problem::not_found)?.account
    } else {
        caller.account
    };
    let now = shared.state.clock.wall();
    if tenants.revoke_key(account, id, now).await? {
        tracing::info!(key = %id, by = %caller.key, "an API key was revoked");
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Problem::not_found())
    }
}
