//! Stories of requests against a broker that misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tandem_model::error::ErrorCode;
use wiremock::matchers::{any, header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::cli::failure::Failure;

fn client(server: &MockServer) -> Client {
    Client::new(&server.uri(), Some(Secret::new("tdm_key"))).unwrap()
}

#[tokio::test]
async fn a_creation_that_was_lost_on_the_way_is_repeated_with_the_same_key() {
    let server = MockServer::start().await;
    let times = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&times);
    let answer = move |_: &Request| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => ResponseTemplate::new(502),
        1 => ResponseTemplate::new(503).set_body_json(json!({"code": "TDM-5009", "detail": "x"})),
        _ => ResponseTemplate::new(201).set_body_json(json!({"id": 1, "later": 2})),
    };
    let jobs = Mock::given(method("POST")).and(path("/v1/jobs"));
    let jobs = jobs.and(header("authorization", "Bearer tdm_key"));
    jobs.respond_with(answer).mount(&server).await;
    let made: Answer<Value> = client(&server)
        .create("/v1/jobs", &json!({}))
        .await
        .unwrap();
    assert_eq!(made.document["later"], 2, "unknown fields stay");
    let requests = server.received_requests().await.unwrap();
    let key = |r: &Request| r.headers["idempotency-key"].to_str().unwrap().to_owned();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|r| key(r) == key(&requests[0])));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_hint_and_every_field_and_not_repeated() {
    let server = MockServer::start().await;
    let problem = json!({
        "type": "/errors/TDM-1003", "title": "t", "status": 422, "code": "TDM-1003",
        "detail": "the workload file is refused", "hint": "see docs",
        "errors": [{"field": "/workload", "path": "resources.gpu", "line": 5, "column": 3,
                    "detail": "there is no card H10000"}],
    });
    let refused = ResponseTemplate::new(422).set_body_json(problem);
    Mock::given(any())
        .respond_with(refused)
        .mount(&server)
        .await;
    let asked = client(&server).ask::<Value>("/v1/quotes", &json!({})).await;
    let Err(ClientError::Refused(problem)) = asked else {
        panic!("not refused: {asked:?}");
    };
    let failure = failure::refused(&problem, Some("a.yaml"));
    assert_eq!(failure.code, ErrorCode::WORKLOAD_FIELD_INVALID);
    assert_eq!(failure.hint.as_deref(), Some("see docs"));
    assert!(
        failure
            .message
            .contains("a.yaml:5:3: `resources.gpu`: there is no card H10000")
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_is_read_to_its_end() {
    let server = MockServer::start().await;
    let second = Mock::given(query_param("after", "a b&c"));
    let last = ResponseTemplate::new(200).set_body_json(json!({"items": [2]}));
    second
        .respond_with(last)
        .with_priority(1)
        .mount(&server)
        .await;
    let first = json!({"items": [1], "next": "a b&c"});
    let first = ResponseTemplate::new(200).set_body_json(first);
    Mock::given(any())
        .respond_with(first)
        .with_priority(2)
        .mount(&server)
        .await;
    let all: Answer<Vec<u8>> = client(&server).all("/v1/jobs").await.unwrap();
    assert_eq!(all.view, [1, 2]);
    assert_eq!(all.document["items"], json!([1, 2]));
}

#[tokio::test]
async fn what_is_no_broker_is_called_that() {
    let server = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_string("<html>");
    Mock::given(any()).respond_with(page).mount(&server).await;
    let asked = client(&server).get::<Value>("/v1/jobs").await;
    assert!(
        matches!(asked, Err(ClientError::NotOurs { .. })),
        "{asked:?}"
    );
}

#[tokio::test]
async fn where_nobody_listens_the_failure_says_how_to_start_a_broker() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let client = Client::new(&url, Some(Secret::new("k"))).unwrap();
    let failure = Failure::from(client.get::<Value>("/v1/jobs").await.unwrap_err());
    assert_eq!(failure.code, ErrorCode::BROKER_UNREACHABLE);
    assert!(failure.message.contains(&url));
    assert!(failure.hint.unwrap().contains("tandem serve --sandbox"));
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let server = MockServer::start().await;
    let client = Client::new(&server.uri(), None).unwrap();
    let failure = Failure::from(client.get::<Value>("/v1/jobs").await.unwrap_err());
    assert_eq!(failure.code, ErrorCode::API_KEY_UNKNOWN);
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[test]
fn texts_that_are_no_url_are_refused() {
    for bad in ["", "localhost:8080", "ftp://x", "http://"] {
        assert!(
            matches!(Client::new(bad, None), Err(ClientError::BadUrl(_))),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn the_worlds_time_is_kept_where_an_answer_says_it() {
    let server = MockServer::start().await;
    let plain = ResponseTemplate::new(200).set_body_json(json!({}));
    let apart = plain.clone();
    let apart = apart.insert_header(WORLD_TIME, "2026-08-21T09:30:00.000000Z");
    for (at, answer) in [("/plain", plain), ("/apart", apart)] {
        let mock = Mock::given(path(at)).respond_with(answer);
        mock.mount(&server).await;
    }
    let client = client(&server);
    client.get::<Value>("/plain").await.unwrap();
    assert_eq!(client.world_time(), None);
    client.get::<Value>("/apart").await.unwrap();
    let told = client.world_time().map(Moment::micros);
    assert_eq!(told, Some(1_787_304_600_000_000));
}
