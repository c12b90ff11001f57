//! Beside the API: whether the process lives and is ready, what it counts, what it is, and its own
//! documents. None of it needs a key or tells of a tenant.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::{Data, Json, Path};
use tandem_model::error::ErrorCode;

use super::openapi;
use super::problem::Problem;
use super::server::Shared;
use crate::api::{ProblemView, ReadyView, VersionView};

/// Longest time that the store may take to show that it can be written.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// The setting that is written for it.
const PROBE_SETTING: &str = "readiness_probe";
/// Documents that only change with the program.
const CACHED: (actix_web::http::header::HeaderName, &str) = (CACHE_CONTROL, "max-age=300");

/// Says that the process lives
///
/// Does not look at the store: a restart would not mend it.
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "service", responses((status = 200, description = "It lives", body = String)))]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Says whether requests should be sent here
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "service", responses(
    (status = 200, description = "Send them", body = ReadyView),
    (status = 503, description = "Do not", body = ReadyView),
))]
pub(super) async fn readyz(shared: Data<Shared>) -> HttpResponse {
    let ok = || "ok".to_owned();
    let mut checks = BTreeMap::from([
        ("serving".to_owned(), ok()),
        ("engine".to_owned(), ok()),
        ("store".to_owned(), ok()),
    ]);
    if *shared.draining.borrow() {
        checks.insert("serving".into(), "about to stop".into());
    }
    if shared.state.engine.changed().has_changed().is_err() {
        checks.insert("engine".into(), "stopped".into());
    }
    let trouble = shared.store_trouble.get(store_trouble(&shared)).await;
    if let Some(trouble) = trouble {
        checks.insert("store".into(), trouble.into());
    }
    let ready = checks.values().all(|check| check == "ok");
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    HttpResponse::build(status).json(ReadyView { ready, checks })
}

/// Writes to the store; what is wrong with it, if anything. A write is waited for on the disk, so
/// it is not made for each who asks.
async fn store_trouble(shared: &Shared) -> Option<&'static str> {
    let now = shared.state.clock.wall().micros().to_be_bytes().to_vec();
    let write = shared.state.tenants.set_setting(PROBE_SETTING, now);
    match tokio::time::timeout(STORE_TIMEOUT, write).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store cannot be written");
            Some("cannot be written")
        }
        Err(_) => Some("does not answer"),
    }
}

/// Gives what is counted, for Prometheus
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "service", responses((status = 200, description = "OpenMetrics 1.0 text", body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(shared: Data<Shared>) -> Result<HttpResponse, Problem> {
    let state = &shared.state;
    // A store that fails must not hide what else is counted.
    let banned = async { state.store.devices_banned().await.ok() };
    if let Some(banned) = shared.devices_banned.get(banned).await {
        state.metrics.set_devices_banned(banned);
    }
    let text = state
        .metrics
        .text(&state.engine.market(), state.clock.world())
        .map_err(|error| Problem::defect(&error))?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}

/// Says what runs here
#[utoipa::path(get, path = "/version", operation_id = "version", tag = "service", responses((status = 200, description = "Versions", body = VersionView)))]
pub(super) async fn version(shared: Data<Shared>) -> Json<VersionView> {
    Json(VersionView {
        name: env!("CARGO_PKG_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        api: "v1".into(),
        agent_sha256: shared.state.agent.sha256.clone(),
    })
}

/// Gives this document
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "service", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(CACHED)
        .content_type("application/json")
        .body(openapi::json())
}

/// Shows this document to people
#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "service", responses((status = 200, description = "A page without scripts", body = String, content_type = "text/html")))]
pub(super) async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(CACHED)
        .insert_header((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
        ))
        .content_type("text/html; charset=utf-8")
        .body(openapi::page())
}

/// Explains an error code
#[utoipa::path(
    get,
    path = "/errors/{code}",
    operation_id = "error_page", tag = "service",
    params(("code" = String, Path, pattern = "^TDM-[0-9]{4}$", example = "TDM-1003", description = "Such as `TDM-1003`")),
    responses(
        (status = 200, description = "What happened and what to do", body = String, content_type = "text/markdown"),
        (status = 404, description = "No such code", body = ProblemView, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn error_page(code: Path<String>) -> Result<HttpResponse, Problem> {
    let code = ErrorCode::parse(&code).ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok()
        .insert_header(CACHED)
        .content_type("text/markdown; charset=utf-8")
        .body(code.page()))
}
