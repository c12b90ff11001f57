//! The transport against servers that do what a polite peer does not.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tandem_adapters::aethir::{self, Aethir};
use tandem_adapters::breaker::BreakerPolicy;
use tandem_adapters::transport::{BODY_BYTES_MAX, TraceId, Transport};
use tandem_adapters::{Adapter, Command, FailureKind, Outcome};
use tandem_model::error::ErrorCode;
use tandem_model::placement::RemoteState;
use tandem_model::secret::Secret;
use tokio::net::TcpListener;
use tokio::time::Instant;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::common::{failure, machine, start};
use crate::server::{
    InTurn, StoppedClock, deploy, details, ionet, options, perform, raw_server, requests, running,
    status, transport,
};

fn with_retry_after(value: &str) -> ResponseTemplate {
    ResponseTemplate::new(429).insert_header("retry-after", value)
}

#[tokio::test]
async fn a_reading_held_back_is_repeated_after_seconds_and_after_a_date() {
    // The stopped clock stands at 2026-11-22 00:00:00 UTC: the date has just come.
    for value in ["0", "Sun, 22 Nov 2026 00:00:00 GMT"] {
        let server = details(vec![with_retry_after(value), running()]).await;
        let outcome = perform(&ionet(), &server.uri(), &status()).await;
        let Outcome::Status(seen) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(seen.state, RemoteState::Running);
    }
}

#[tokio::test]
async fn a_wait_that_passes_the_deadline_is_not_begun_and_is_told() {
    let server = details(vec![with_retry_after("25"), running()]).await;
    let adapter = ionet();
    let deadline = Instant::now() + Duration::from_secs(3);
    let outcome = transport(&adapter, &server.uri())
        .perform(&adapter, &status(), TraceId::new([7; 16]), deadline)
        .await;
    let held = failure(outcome);
    assert_eq!(held.kind, FailureKind::RateLimited);
    assert_eq!(held.retry_after, Some(Duration::from_secs(25)));
    assert_eq!(requests(&server).await.len(), 1);
}

#[tokio::test]
async fn a_server_error_is_repeated_for_a_reading_and_not_for_a_deployment() {
    let server = details(vec![
        ResponseTemplate::new(503),
        ResponseTemplate::new(500),
        running(),
    ])
    .await;
    let outcome = perform(&ionet(), &server.uri(), &status()).await;
    assert!(matches!(outcome, Outcome::Status(_)), "{outcome:?}");

    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(503))
        .mount(&server)
        .await;
    let outcome = perform(&ionet(), &server.uri(), &deploy()).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(requests(&server).await.len(), 1);
}

#[tokio::test]
async fn a_reading_that_always_fails_ends_after_four_requests() {
    let server = details(vec![ResponseTemplate::new(502)]).await;
    let outcome = perform(&ionet(), &server.uri(), &status()).await;
    assert_eq!(failure(outcome).kind, FailureKind::NetworkFault);
    assert_eq!(requests(&server).await.len(), 4);
}

#[tokio::test]
async fn a_repeated_order_carries_a_fresh_token_and_is_settled_by_the_network() {
    let server = MockServer::start().await;
    let order = serde_json::json!({"code": 135_000, "msg": "OK", "time": "", "data": {
        "orderId": "o-1", "clientOrderNo": "x", "status": "IN_SERVICE", "specId": "s",
        "mode": "OnDemand", "servers": 1, "hours": 1, "createdMs": 1, "payByMs": 2,
        "subtotal": "1", "discount": "0", "total": "1", "athUsdRate": "1", "athTotal": "1",
        "athPaid": "1", "refundedAth": "0"
    }});
    let answers = vec![
        ResponseTemplate::new(500),
        ResponseTemplate::new(200).set_body_json(order),
    ];
    Mock::given(method("POST"))
        .respond_with(InTurn::new(answers))
        .mount(&server)
        .await;
    let adapter = Aethir::new("ak", Secret::new("sk"));
    let command = start(aethir::NETWORK, "on-demand", "s", machine());
    let outcome = perform(&adapter, &server.uri(), &command).await;
    assert_eq!(
        outcome,
        Outcome::Started {
            remote_id: "o-1".to_owned()
        }
    );
    let seen = requests(&server).await;
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body, seen[1].body);
    assert_ne!(seen[0].headers["x-op-token"], seen[1].headers["x-op-token"]);
}

#[tokio::test]
async fn a_connection_cut_before_or_in_the_answer_leaves_a_deployment_unknown() {
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"deploy",
        "not http at all\r\n\r\n",
    ] {
        let base = raw_server(bytes.as_bytes().to_vec(), false).await;
        let outcome = perform(&ionet(), &base, &deploy()).await;
        assert!(
            matches!(outcome, Outcome::Unknown { .. }),
            "{bytes:?} gave {outcome:?}"
        );
        let outcome = perform(&ionet(), &base, &status()).await;
        assert_eq!(
            failure(outcome).kind,
            FailureKind::NetworkFault,
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn nobody_listening_is_a_certain_no_even_for_a_deployment() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let refused = failure(perform(&ionet(), &base, &deploy()).await);
    assert_eq!(refused.code, ErrorCode::NETWORK_UNREACHABLE);
}

#[tokio::test]
async fn a_body_that_does_not_end_before_the_deadline_is_no_answer() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":".to_vec();
    let base = raw_server(bytes, true).await;
    let outcome = perform(&ionet(), &base, &deploy()).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let announced = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        BODY_BYTES_MAX + 1
    );
    let base = raw_server(announced.into_bytes(), true).await;
    let outcome = perform(&ionet(), &base, &status()).await;
    assert_eq!(failure(outcome).code, ErrorCode::NETWORK_ANSWER_INVALID);

    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(endless.len() + BODY_BYTES_MAX + 1_000, b' ');
    let base = raw_server(endless, false).await;
    let outcome = perform(&ionet(), &base, &status()).await;
    assert_eq!(failure(outcome).code, ErrorCode::NETWORK_ANSWER_INVALID);
}

#[tokio::test]
async fn a_log_that_is_still_being_written_is_read_as_far_as_it_goes() {
    let server = MockServer::start().await;
    let workers = r#"{"data":{"workers":[{"container_id":"c1"}],"total":1}}"#;
    Mock::given(path(
        "/enterprise/v1/io-cloud/caas/deployment/d1/containers",
    ))
    .respond_with(ResponseTemplate::new(200).set_body_string(workers))
    .mount(&server)
    .await;
    let log = "data: one\n\ndata: two\n\n";
    Mock::given(path_regex("/log/c1$"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(log, "text/event-stream"))
        .mount(&server)
        .await;
    let command = Command::Logs {
        product: "caas".to_owned(),
        remote_id: "d1".to_owned(),
    };
    let outcome = perform(&ionet(), &server.uri(), &command).await;
    let lines = ["one", "two", "one", "two"].map(str::to_owned).to_vec();
    assert_eq!(
        outcome,
        Outcome::Logs {
            lines,
            complete: false
        }
    );

    // A stream that never ends: what came before it fell silent is the answer.
    let open = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: one\n\n";
    let base = raw_server(open.as_bytes().to_vec(), true).await;
    let adapter = ionet();
    let tandem_adapters::Step::Send(request) = adapter.next(
        &command,
        &[crate::common::json(200, workers)],
        crate::common::CONTEXT,
    ) else {
        panic!("the log of c1 is asked for");
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let answer = transport(&adapter, &base)
        .send(&request, TraceId::new([7; 16]), deadline)
        .await;
    assert_eq!(
        answer.expect("what came is the answer").body,
        b"data: one\n\n"
    );
}

#[tokio::test]
async fn answers_that_make_no_sense_are_named_as_such() {
    for body in [
        "",
        "<html>",
        "{\"data\":",
        "[]",
        "{\"data\":{\"id\":{}}}",
        "null",
    ] {
        let answer = ResponseTemplate::new(200).set_body_string(body);
        let server = details(vec![answer]).await;
        let outcome = perform(&ionet(), &server.uri(), &status()).await;
        assert_eq!(
            failure(outcome).code,
            ErrorCode::NETWORK_ANSWER_INVALID,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_stays_here() {
    let elsewhere = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(running())
        .mount(&elsewhere)
        .await;
    for status_code in [301, 302, 307, 308] {
        let away = ResponseTemplate::new(status_code)
            .insert_header("location", format!("{}/x", elsewhere.uri()));
        let server = details(vec![away.clone()]).await;
        let outcome = perform(&ionet(), &server.uri(), &status()).await;
        assert_eq!(failure(outcome).kind, FailureKind::NetworkFault);
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(away)
            .mount(&server)
            .await;
        let outcome = perform(&ionet(), &server.uri(), &deploy()).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
    assert!(requests(&elsewhere).await.is_empty());
}

#[tokio::test]
async fn every_request_names_us_and_its_trace() {
    let server = details(vec![running()]).await;
    perform(&ionet(), &server.uri(), &status()).await;
    let seen = requests(&server).await;
    let header = |name: &str| {
        seen[0].headers[name]
            .to_str()
            .expect("plain text")
            .to_owned()
    };
    assert!(header("user-agent").starts_with("tandem/"));
    assert_eq!(header("x-api-key"), "io-key-hunter2");
    let trace = header("traceparent");
    assert!(
        trace.starts_with("00-07070707070707070707070707070707-"),
        "{trace}"
    );
    assert_ne!(
        trace,
        seen[1].headers["traceparent"].to_str().expect("plain text")
    );
}

#[tokio::test]
async fn after_repeated_failures_calls_are_held_back_without_a_request() {
    let server = details(vec![ResponseTemplate::new(500)]).await;
    let adapter = ionet();
    let mut options = options(&server.uri());
    options.breaker = BreakerPolicy {
        failures_to_open: 2,
        open_for: Duration::from_secs(3_600),
    };
    let transport =
        Transport::new(&adapter, options, Arc::new(StoppedClock)).expect("a valid base URL");
    let deadline = Instant::now() + Duration::from_secs(60);
    let trace = TraceId::new([7; 16]);
    let outcome = transport
        .perform(&adapter, &status(), trace, deadline)
        .await;
    assert_eq!(failure(outcome).kind, FailureKind::NetworkFault);
    let outcome = transport
        .perform(&adapter, &deploy(), trace, deadline)
        .await;
    assert_eq!(failure(outcome).code, ErrorCode::NETWORK_CIRCUIT_OPEN);
    assert_eq!(requests(&server).await.len(), 2);
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("no test panics while it holds it")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_reaches_a_log_or_a_debug_text() {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = MockServer::start().await;
    let echo = ResponseTemplate::new(400).set_body_json(BTreeMap::from([
        ("status", "failed"),
        ("error", "the key io-key-hunter2 may not do that"),
    ]));
    Mock::given(method("POST"))
        .respond_with(echo)
        .mount(&server)
        .await;
    let command = deploy();
    let outcome = perform(&ionet(), &server.uri(), &command).await;
    let tandem_adapters::Step::Send(request) = ionet().next(&command, &[], crate::common::CONTEXT)
    else {
        panic!("a deployment is sent");
    };
    let logged = log
        .0
        .lock()
        .expect("no test panics while it holds it")
        .clone();
    let logged = String::from_utf8_lossy(&logged).into_owned();
    assert!(
        logged.contains("/caas/deploy"),
        "the request itself is logged: {logged}"
    );
    for text in [logged, format!("{outcome:?} {request:?} {command:?}")] {
        for secret in ["io-key-hunter2", "agent-token", "registry-pass"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
