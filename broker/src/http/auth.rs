//! Who asks, and what they may do.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{HttpMessage, HttpRequest};
use tandem_model::error::ErrorCode;
use tandem_model::id::{AccountId, ApiKeyId};
use tandem_model::secret::Secret;
use tandem_model::time::WallTime;

use super::problem::Problem;
use super::server::Shared;
use crate::api::Scope;
use crate::store::tenants::KeyRecord;
use crate::vault::api_key;

/// The holder of a good API key.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key's account: every read is made for it.
    pub account: AccountId,
    /// The key.
    pub key: ApiKeyId,
    scopes: Vec<Scope>,
}

/// The text after `Bearer ` of the header, if any.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Secret::new(token))
}

impl Caller {
    /// Whether the key has a scope; `admin` has all.
    pub(super) fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Account and key, as what is recorded names who did it.
    pub(super) fn named(&self) -> String {
        format!("{} {}", self.account, self.key)
    }

    /// Refuses what the key may not do.
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.has(scope) {
            return Ok(());
        }
        let detail = format!("this API key lacks the scope `{scope}`");
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            ErrorCode::API_SCOPE,
            detail,
        ))
    }
}

/// Whether a key of this record is taken now.
fn is_good(record: &KeyRecord, now: WallTime) -> bool {
    record.revoked_at.is_none() && record.expires_at.is_none_or(|at| now < at)
}

impl Caller {
    /// Whoever asks, when the key is good and has the scope. Handlers call this before they look at
    /// anything else of the request.
    ///
    /// # Errors
    /// One problem for every key that is not good, another for a missing scope, another for too many
    /// requests.
    pub async fn admit(
        shared: &Shared,
        request: &HttpRequest,
        scope: Scope,
    ) -> Result<Self, Problem> {
        let caller = authenticate(shared, request).await?;
        caller.may(scope)?;
        Ok(caller)
    }

    /// Whether the key is still good: it may have been revoked, or have expired, since it was
    /// admitted.
    pub(super) async fn is_still_good(&self, shared: &Shared) -> Result<bool, Problem> {
        let state = &shared.state;
        let record = state.tenants.key(self.key).await?;
        let now = state.clock.wall();
        Ok(record.is_some_and(|record| is_good(&record, now)))
    }
}

async fn authenticate(shared: &Shared, request: &HttpRequest) -> Result<Caller, Problem> {
    // One answer for a missing, mistyped, unknown, expired and revoked key.
    let refused = || {
        let detail = "this needs `Authorization: Bearer` with a good API key";
        Problem::new(StatusCode::UNAUTHORIZED, ErrorCode::API_KEY, detail)
    };
    let state = &shared.state;
    let key = bearer(request.headers()).ok_or_else(refused)?;
    let id = api_key::id_of(key.expose()).map_err(|_| refused())?;
    let record = state.tenants.key(id).await?.ok_or_else(refused)?;
    let is_the_key = state.vault.is_api_key(&key, &record.hash);
    if !is_the_key || !is_good(&record, state.clock.wall()) {
        return Err(refused());
    }
    let (left, taken) = shared.requests.take(id);
    request.extensions_mut().insert(left);
    taken.map_err(|wait| {
        let detail = format!("this API key may make {} requests at once", left.burst);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::API_RATE, detail).retry_after(wait)
    })?;
    let scopes = record.scopes.iter().filter_map(|name| Scope::parse(name));
    Ok(Caller {
        account: record.account,
        key: id,
        scopes: scopes.collect(),
    })
}
