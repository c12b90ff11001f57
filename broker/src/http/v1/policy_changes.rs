//! `POST /v1/policies` and `/v1/policies/rollback`: the next version, guard-railed, stored with its
//! answer, and then in force.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;
use tandem_pricing::policy::{self, Applied, ApplyError, Change, Version, Violation};

use super::off_thread;
use super::policies::{grid, refused, views};
use crate::api::described::IdempotencyKeyText;
use crate::api::{
    FieldProblem, PolicyApplied, PolicyRequest, PolicyView, ProblemView, RollbackRequest, Scope,
};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::idempotency::{Asked, Begun, IdempotencyKey, Once};
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::store::{Rule, StoreError};

const APPLY: Asked = Asked {
    route: "POST /v1/policies",
    location: "/v1/policies",
    is_secret: false,
};
const ROLLBACK: Asked = Asked {
    route: "POST /v1/policies/rollback",
    location: "/v1/policies",
    is_secret: false,
};

/// Applies a document
///
/// It is in force when the answer comes, for every quote that is asked for from then on. Refused,
/// with nothing changed, when it has a problem, breaks a guard rail that is not waived, is in force
/// already, or when another version was applied first. A repeated `Idempotency-Key` gets the first
/// answer.
#[utoipa::path(
    post,
    path = "/v1/policies",
    operation_id = "apply_policy",
    tag = "policies",
    params(("Idempotency-Key" = Option<IdempotencyKeyText>, Header, nullable = false, description = "A repeated request under it gets the first answer")),
    request_body = PolicyRequest,
    responses(
        (status = 201, description = "In force", body = PolicyApplied),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn apply(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::Policies).await?;
    let key = IdempotencyKey::of(&request)?;
    let body: Body<PolicyRequest> = Body::read(&request, payload).await?;
    let once = match Once::begin(&shared, APPLY, caller.account, key, body.sha256).await? {
        Begun::Again(answer) => return Ok(answer),
        Begun::First(once) => once,
    };
    let asked = body.value;
    let wanted = Wanted {
        document: Document::Text(asked.text),
        author: caller.named(),
        note: asked.note,
        waived_because: asked.waived_because,
        base: asked.base,
        revokes_quotes: false,
    };
    change(&shared, &once, wanted).await
}

/// Takes an earlier document up again
///
/// As a new version, by the same guard rails. With `revoke`, quotes that were made by the versions
/// in between and not accepted yet are refused from then on.
#[utoipa::path(
    post,
    path = "/v1/policies/rollback",
    operation_id = "roll_policy_back",
    tag = "policies",
    params(("Idempotency-Key" = Option<IdempotencyKeyText>, Header, nullable = false, description = "A repeated request under it gets the first answer")),
    request_body = RollbackRequest,
    responses(
        (status = 201, description = "In force", body = PolicyApplied),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn rollback(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::admit(&shared, &request, Scope::Policies).await?;
    let key = IdempotencyKey::of(&request)?;
    let body: Body<RollbackRequest> = Body::read(&request, payload).await?;
    let once = match Once::begin(&shared, ROLLBACK, caller.account, key, body.sha256).await? {
        Begun::Again(answer) => return Ok(answer),
        Begun::First(once) => once,
    };
    let asked = body.value;
    let target = shared.state.tenants.policy(Some(asked.number)).await?;
    let target = target.ok_or_else(|| Problem::field("/number", "there is no such version"))?;
    let wanted = Wanted {
        document: Document::Version(target),
        author: caller.named(),
        note: asked.note,
        waived_because: asked.waived_because,
        base: asked.base,
        revokes_quotes: asked.revoke,
    };
    change(&shared, &once, wanted).await
}

enum Document {
    Text(String),
    Version(Version),
}

/// A change of policy as it was asked for.
struct Wanted {
    document: Document,
    author: String,
    note: String,
    waived_because: Option<String>,
    base: Option<u32>,
    revokes_quotes: bool,
}

fn conflict(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, ErrorCode::POLICY_CONFLICT, detail)
        .hint("compare the document with the version in force, then apply it again")
}

async fn change(
    shared: &Data<Shared>,
    once: &Once<'_>,
    wanted: Wanted,
) -> Result<HttpResponse, Problem> {
    let state = shared.clone();
    let applied = off_thread(move || next(&state, &wanted)).await?;
    let view = PolicyApplied {
        version: PolicyView::from(&applied.live.version),
        diff: serde_json::to_value(&applied.diff).map_err(|error| Problem::defect(&error))?,
        waived: views(&applied.waived),
    };
    let text = serde_json::to_string(&view).map_err(|error| Problem::defect(&error))?;
    let answer = Secret::new(text);
    let reply = once.record(StatusCode::CREATED, &answer);
    let (policies, store) = (&shared.state.policies, &shared.state.tenants);
    let (number, digest) = (view.version.number, view.version.digest);
    match policies
        .clone()
        .adopt(store.clone(), applied.live, reply)
        .await
    {
        Ok(()) => {
            let author = view.version.author;
            tracing::info!(number, digest, author, "a pricing policy is in force");
            Ok(once.answer(StatusCode::CREATED, &answer))
        }
        Err(StoreError::Refused {
            rule: Rule::PolicyNumber,
            ..
        }) => Err(conflict(format!(
            "version {number} was made by somebody else meanwhile"
        ))),
        Err(error @ StoreError::Refused { .. }) => {
            once.earlier().await?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The next version, or why the one in force stays.
fn next(shared: &Shared, wanted: &Wanted) -> Result<Applied, Problem> {
    let state = &shared.state;
    let live = state.policies.current();
    let number = live.version.number;
    if wanted.base.is_some_and(|base| base != number) {
        return Err(conflict(format!("version {number} is in force")));
    }
    let grid = grid(state);
    let change = Change {
        author: &wanted.author,
        note: &wanted.note,
        now: state.clock.wall(),
        waived_because: wanted.waived_because.as_deref(),
        grid: &grid,
    };
    let applied = match &wanted.document {
        Document::Text(text) => policy::apply(&live, text, &change),
        Document::Version(target) => policy::rollback(&live, target, &change),
    };
    let mut applied = applied.map_err(|error| why(&error))?;
    applied.live.version.revokes_quotes = wanted.revokes_quotes;
    Ok(applied)
}

fn why(error: &ApplyError) -> Problem {
    match error {
        ApplyError::Refused(problems) => refused(problems),
        ApplyError::Unchanged(_) => {
            Problem::new(StatusCode::CONFLICT, error.code(), error.to_string())
        }
        ApplyError::GuardRails(violations) => rails(violations),
        ApplyError::Field { field } => {
            Problem::field(format!("/{field}"), error.to_string()).code(error.code())
        }
        ApplyError::NoNumber | ApplyError::Damaged(_) => Problem::defect(error),
    }
}

fn rails(violations: &[Violation]) -> Problem {
    let field = |violation: &Violation| FieldProblem {
        field: "/text".into(),
        code: Some(ErrorCode::POLICY_GUARD_RAILS.to_string()),
        detail: violation.to_string(),
        ..FieldProblem::default()
    };
    Problem::fields(violations.iter().map(field).collect())
        .code(ErrorCode::POLICY_GUARD_RAILS)
        .hint("go there in smaller steps, or waive the guard rails with a reason")
}
