//! What happens around every request: its id and span, its deadline, panics, headers and counts.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use futures_util::FutureExt as _;
use gpu_probe::protocol::PROBES_PATH;
use tandem_model::time::Clock;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::context;
use super::limiter::Left;
use super::problem::{Problem, X_REQUEST_ID};
use super::server::Shared;
use crate::api::{Moment, WORLD_TIME};

/// Longest time for the making of an answer; a stream's answer is made when it begins.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The same for a probe's message: its report waits for the checks of what was opened.
const PROBE_ANSWER_TIMEOUT: Duration = Duration::from_secs(55);
/// Fields of the structured headers of draft-ietf-httpapi-ratelimit-headers.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Less than this between world time and the wall's is no difference.
const APART_MIN_US: u64 = 5_000_000;

/// Answers a request under an id, in time, whatever its handler does.
pub(super) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = format!("req_{}", crate::ids::token());
    let method = known(request.method()).to_owned();
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
    let timeout = if route == PROBES_PATH {
        PROBE_ANSWER_TIMEOUT
    } else {
        ANSWER_TIMEOUT
    };
    let answering = async move { next.call(request).await };
    let caught = AssertUnwindSafe(answering).catch_unwind();
    let answer = async {
        match tokio::time::timeout(timeout, caught).await {
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
    if let Some(shared) = &shared {
        let metrics = &shared.state.metrics;
        metrics.answered(&method, &route, status.as_u16(), started.elapsed());
    }
    let mut response = answer?;
    dress(&mut response, &id);
    let apart = shared.and_then(|shared| world_time(&*shared.state.clock));
    if let Some(at) = apart.and_then(|at| HeaderValue::from_str(&at.to_string()).ok()) {
        let name = HeaderName::from_static(WORLD_TIME);
        response.headers_mut().insert(name, at);
    }
    Ok(response)
}

/// The world's time, where it is not the wall's.
fn world_time(clock: &dyn Clock) -> Option<Moment> {
    let (world, wall) = (clock.world(), clock.wall());
    let apart_us = world.micros().abs_diff(wall.micros());
    (apart_us >= APART_MIN_US).then(|| world.into())
}

/// The method, when it is one that somebody may mean; clients can send any word, and each word that
/// is counted costs memory (the name is that of the OpenTelemetry HTTP conventions).
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH => method.as_str(),
        Method::DELETE | Method::OPTIONS => method.as_str(),
        _ => "_OTHER",
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
    use actix_web::{App, ResponseError, web};
    use serde_json::Value;

    async fn panics() -> &'static str {
        panic!("hunter2 is what went wrong")
    }

    #[actix_web::test]
    async fn a_handler_that_panics_is_a_defect_that_tells_nothing_but_its_request() {
        let app = App::new()
            .wrap(from_fn(around))
            .route("/", web::get().to(panics))
            .route("/well", web::get().to(|| async { "well" }));
        let app = init_service(app).await;
        let request = TestRequest::get().uri("/").to_request();
        let service = &app;
        let error = actix_web::dev::Service::call(service, request)
            .await
            .map(|_| ())
            .expect_err("the framework renders it");
        let problem = error.as_error::<Problem>().expect("a problem");
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let response = problem.error_response();
        let id = response.headers().get(X_REQUEST_ID).cloned();
        let response = ServiceResponse::new(TestRequest::get().to_http_request(), response);
        let body: Value = read_body_json(response).await;
        assert_eq!(body["code"], "TDM-6009");
        assert_eq!(id.unwrap(), body["request_id"].as_str().unwrap());
        assert!(!body.to_string().contains("hunter2"));
        let next = TestRequest::get().uri("/well").to_request();
        assert_eq!(call_service(&app, next).await.status(), StatusCode::OK);
    }

    #[test]
    fn only_a_well_formed_traceparent_is_believed() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static("traceparent");
            headers.insert(name, HeaderValue::from_static(text));
            traceparent(&headers).map(str::to_owned)
        };
        assert_eq!(read(good).as_deref(), Some(good));
        for bad in [
            "",
            "00",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_that_are_no_method_are_counted_as_one() {
        assert_eq!(known(&Method::GET), "GET");
        assert_eq!(known(&Method::from_bytes(b"FLY").unwrap()), "_OTHER");
    }
}
