//! What happens around every request: its id and span, its deadline, panics, headers and counts.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::context;
use super::limiter::Left;
use super::problem::{Problem, X_REQUEST_ID};
use super::server::Shared;

/// Longest time for the making of an answer; a stream's answer is made when it begins.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Fields of the structured headers of draft-ietf-httpapi-ratelimit-headers.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Answers a request under an id, in time, whatever its handler does.
pub(super) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = format!("req_{}", crate::ids::token());
    let method = request.method().as_str().to_owned();
    let route = request.match_pattern().unwrap_or_else(|| "none".into());
    let shared = request.app_data::<Data<Shared>>().cloned();
    let span = tracing::info_span!(
        "request",
        request_id = id,
        http.request.method = method,
        http.route = route,
        traceparent = traceparent(request.headers()),
    );
    let started = Instant::now();
    let answering = async move { next.call(request).await };
    let caught = AssertUnwindSafe(answering).catch_unwind();
    let answer = async {
        match tokio::time::timeout(ANSWER_TIMEOUT, caught).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => Err(problem_of(&error)),
            Ok(Err(_)) => Err(Problem::defect(&"a handler panicked")),
            Err(_) => Err(Problem::busy(&"the answer took too long")),
        }
    };
    let answer = context::under(id.clone(), answer.instrument(span)).await;
    let status = answer
        .as_ref()
        .map_or_else(Problem::status, ServiceResponse::status);
    if let Some(shared) = shared {
        let metrics = &shared.state.metrics;
        metrics.answered(&method, &route, status.as_u16(), started.elapsed());
    }
    let mut response = answer?;
    dress(&mut response, &id);
    Ok(response)
}

/// An error of the framework as a problem.
fn problem_of(error: &actix_web::Error) -> Problem {
    match error.as_error::<Problem>() {
        Some(problem) => problem.clone(),
        None => Problem::defect(error),
    }
}

/// The trace that the caller says this is part of, when its form is right (W3C Trace Context §3.2).
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-').map(|part| {
        let hex = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (hex, part.len())
    });
    let form = [2, 32, 16, 2].map(|length| Some((true, length)));
    let is_right = form.into_iter().all(|part| parts.next() == part) && parts.next().is_none();
    is_right.then_some(text)
}

fn dress<B>(response: &mut ServiceResponse<B>, id: &str) {
    let left = response.request().extensions().get::<Left>().copied();
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(X_REQUEST_ID, id);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    if let Some(left) = left {
        let window = left.window_seconds;
        set(
            RATE_LIMIT_POLICY,
            &format!("\"key\";q={};w={window}", left.burst),
        );
        set(
            RATE_LIMIT,
            &format!("\"key\";r={};t={window}", left.remaining),
        );
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
