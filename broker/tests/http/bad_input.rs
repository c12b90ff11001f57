//! Bad input of every kind: the right status, the field by name, never a 500, nothing changed.

use reqwest::Method;
use serde_json::{Value, json};
use tandem::api::BODY_BYTES_MAX;

use crate::client::Answer;
use crate::quotes::GOOD;
use crate::stage::Stage;

const FIELD: &str = "TDM-6004";

/// Files that are refused: the text, the field that is named, its code.
const WORKLOADS: &[(&str, &str, &str)] = &[
    ("a: [", "/workload", "TDM-1001"),
    ("", "/workload", "TDM-1001"),
    ("\u{0}", "/workload", "TDM-1001"),
    ("#!/bin/sh\necho", "/workload", "TDM-1001"),
    (
        "tandem: 1\nname: a\nrun: x\ncolour: red\n",
        "colour",
        "TDM-1002",
    ),
    (
        "tandem: 1\nname: a\nrun: x\nresources: {gpu: A100, gpus_per_node: 0}\n",
        "resources.gpus_per_node",
        "TDM-1003",
    ),
    (
        "tandem: 1\nname: a\nrun: x\nresources: {gpu: A100, nodes: 99999999999999999999}\n",
        "resources.nodes",
        "TDM-1003",
    ),
    ("tandem: 1\nname: A B\nrun: x\n", "name", "TDM-1003"),
    (
        "tandem: 1\nname: a\nrun: x\nlimits: {max_price_usd_per_gpu_hour: -1}\n",
        "limits.max_price_usd_per_gpu_hour",
        "TDM-1003",
    ),
];

/// Queries that are refused, and the parameter that is named.
const PARAMETERS: &[(&str, &str)] = &[
    ("/v1/jobs?limit=0", "limit"),
    ("/v1/jobs?limit=201", "limit"),
    ("/v1/jobs?limit=x", "limit"),
    ("/v1/jobs?after=x", "after"),
    ("/v1/jobs?state=flying", "state"),
    ("/v1/jobs?colour=red", "colour"),
    ("/v1/jobs?limit=1&limit=2", "limit"),
    ("/v1/offers?gpu=RTX9999X", "gpu"),
    ("/v1/offers?country=Germany", "country"),
    ("/v1/offers?grade=gold", "grade"),
    ("/v1/offers?network=I%20O", "network"),
    ("/v1/keys?account=me", "account"),
];

/// Bodies of what customers ask: the address, the body, the field that is named.
fn bodies_of_jobs() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("/v1/quotes", json!({}), "/workload"),
        ("/v1/quotes", json!({"workload": 1}), "/workload"),
        ("/v1/quotes", json!({"workload": null}), "/workload"),
        ("/v1/quotes", json!([]), "/workload"),
        (
            "/v1/quotes",
            json!({"workload": GOOD, "colour": 1}),
            "/colour",
        ),
        (
            "/v1/quotes",
            json!({"workload": GOOD, "tier": "golden"}),
            "/tier",
        ),
        ("/v1/classifications", json!({"file": GOOD}), "/file"),
        ("/v1/jobs", json!({"workload": GOOD}), "/quote_token"),
        (
            "/v1/jobs",
            json!({"quote_token": "x", "workload": GOOD, "secrets": {"A": 1}}),
            "/secrets/A",
        ),
        (
            "/v1/jobs",
            json!({"quote_token": "x", "workload": GOOD, "secrets": []}),
            "/secrets",
        ),
    ]
}

/// Bodies of what operators ask.
fn bodies_of_keys() -> Vec<(&'static str, Value, &'static str)> {
    let nobody = format!("acc_{}", "0".repeat(32));
    vec![
        ("/v1/accounts", json!({"name": ""}), "/name"),
        ("/v1/accounts", json!({"name": "x".repeat(64)}), "/name"),
        ("/v1/accounts", json!({"name": "a\nb"}), "/name"),
        (
            "/v1/accounts",
            json!({"name": "a", "country": "ZZ"}),
            "/country",
        ),
        (
            "/v1/accounts",
            json!({"name": "a", "country": "de"}),
            "/country",
        ),
        (
            "/v1/accounts",
            json!({"name": "a", "country": 49}),
            "/country",
        ),
        ("/v1/keys", json!({"name": "a", "scopes": []}), "/scopes"),
        (
            "/v1/keys",
            json!({"name": "a", "scopes": ["jobs:fly"]}),
            "/scopes/0",
        ),
        (
            "/v1/keys",
            json!({"name": "a", "scopes": ["quotes", "quotes"]}),
            "/scopes/1",
        ),
        (
            "/v1/keys",
            json!({"name": "a", "scopes": vec!["quotes"; 99]}),
            "/scopes",
        ),
        (
            "/v1/keys",
            json!({"name": "a", "scopes": ["quotes"], "expires_in_seconds": 0}),
            "/expires_in_seconds",
        ),
        (
            "/v1/keys",
            json!({"name": "a", "scopes": ["quotes"], "expires_in_seconds": -1}),
            "/expires_in_seconds",
        ),
        (
            "/v1/keys",
            json!({"name": "a", "scopes": ["quotes"], "account": "acc_1"}),
            "/account",
        ),
        (
            "/v1/keys",
            json!({"name": "a", "scopes": ["quotes"], "account": nobody}),
            "/account",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_workload_is_refused_with_line_column_and_field() {
    let stage = Stage::bare().await;
    for &(workload, field, code) in WORKLOADS {
        let answer = stage
            .post("/v1/quotes", json!({"workload": workload}))
            .await;
        let error = answer.refuses(FIELD, field);
        assert!(error["line"].as_u64() >= Some(1) && error["column"].as_u64() >= Some(1));
        assert_eq!(error["code"], code, "{workload}: {}", answer.text);
        let classified = stage
            .post("/v1/classifications", json!({"workload": workload}))
            .await;
        assert!(
            [200, 422].contains(&classified.status),
            "{}",
            classified.text
        );
    }
    let unknown = "tandem: 1\nname: a\nrun: x\nresources: {gpu: RTX9999X}\n";
    let answer = stage.post("/v1/quotes", json!({"workload": unknown})).await;
    let reply = answer.json();
    assert_eq!(
        reply["classification"]["notes"][0]["field"],
        "resources.gpu"
    );
    assert_eq!(
        reply["tiers"][0]["no_quote"]["code"], "TDM-1201",
        "{}",
        answer.text
    );
    let foreign = "specificationVersion: jobtemplate-2023-09\nname: a\nsteps: []\n";
    let answer = stage.post("/v1/quotes", json!({"workload": foreign})).await;
    assert_eq!(answer.refuses(FIELD, "/workload")["code"], "TDM-1004");
    let classified = stage
        .post("/v1/classifications", json!({"workload": foreign}))
        .await;
    assert_eq!(classified.status, 200);
    assert_eq!(classified.json()["format"], "open_job_description");
    assert_eq!(classified.json()["problems"][0]["code"], "TDM-1004");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_the_one_described_is_refused_and_names_the_field() {
    let stage = Stage::bare().await;
    for (path, body, field) in bodies_of_jobs().into_iter().chain(bodies_of_keys()) {
        let answer = stage.post(path, body.clone()).await;
        if body == json!([]) {
            answer.problem(422, FIELD);
        } else {
            answer.refuses(FIELD, field);
        }
    }
    assert_eq!(stage.jobs().await, 0);
    let keys = stage.get("/v1/keys").await.json();
    assert_eq!(
        keys["items"].as_array().map(Vec::len),
        Some(1),
        "only the first"
    );
    let accounts = stage.get("/v1/accounts").await.json();
    assert_eq!(accounts["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_is_refused_under_its_own_status() {
    let stage = Stage::bare().await;
    let typed = |kind: Option<&str>, body: Vec<u8>| {
        let mut request = stage.ask(Method::POST, "/v1/quotes").body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        Answer::of(request)
    };
    let json = Some("application/json");
    let huge = format!("{{\"workload\": \"{}\"}}", "x".repeat(BODY_BYTES_MAX));
    let cases: [(u16, Option<&str>, &[u8], &str); 8] = [
        (400, json, b"{", "EOF"),
        (400, json, b"", "EOF"),
        (400, json, &[0xff, 0xfe], ""),
        (400, json, b"{\"workload\":\"a\"} x", "trailing"),
        (413, json, huge.as_bytes(), "limit"),
        (415, None, b"{}", "application/json"),
        (415, Some("text/yaml"), b"a: 1", "application/json"),
        (415, Some("nonsense"), b"{}", "application/json"),
    ];
    for (status, kind, body, told) in cases {
        let answer = typed(kind, body.to_vec()).await;
        let problem = answer.problem(status, "TDM-6003");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(told), "{detail}");
    }
    let deep = format!("{{\"workload\": {}", "[".repeat(100_000));
    let refused = typed(json, deep.into_bytes()).await;
    assert!([400, 422].contains(&refused.status), "{}", refused.text);
    let twice = typed(json, b"{\"workload\": \"a\", \"workload\": \"b\"}".to_vec()).await;
    twice.problem(422, FIELD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_sent_in_pieces_without_a_length_is_held_to_the_same_limit() {
    let stage = Stage::bare().await;
    let piece = vec![b' '; 64 * 1_024];
    let pieces = BODY_BYTES_MAX / piece.len() + 2;
    let stream = futures_util::stream::iter(
        (0..pieces).map(move |_| Ok::<_, std::io::Error>(piece.clone())),
    );
    let request = stage
        .ask(Method::POST, "/v1/quotes")
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(stream));
    // The server may close while the client still sends.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), 413);
    }
    assert_eq!(stage.get("/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_methods_and_parameters_that_are_not_there_are_told_so() {
    let stage = Stage::bare().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/jobs",
        "/v1/jobs/",
        "/v1/jobs/job_1",
        "/v1/../etc/passwd",
        "/v1/jobs/%00",
    ] {
        let answer = stage.get(path).await;
        answer.problem(404, "TDM-6001");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/v1/jobs", "GET, POST, HEAD"),
        (Method::GET, "/v1/quotes", "POST"),
        (Method::PUT, "/livez", "GET, HEAD"),
        (Method::GET, "/agent/v1/bind", "POST"),
        (Method::PATCH, "/v1/keys/key_1", "DELETE"),
    ] {
        let answer = Answer::of(stage.ask(method, path)).await;
        answer.problem(405, "TDM-6002");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
    for &(path, field) in PARAMETERS {
        stage.get(path).await.refuses(FIELD, field);
    }
    let head = Answer::of(stage.ask(Method::HEAD, "/v1/jobs")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_out_of_its_form_is_refused_before_anything_is_done() {
    let stage = Stage::bare().await;
    for key in ["", "a b", "\"a", &"x".repeat(256)] {
        let request = stage
            .ask(Method::POST, "/v1/accounts")
            .header("idempotency-key", key)
            .json(&json!({"name": "a"}));
        Answer::of(request).await.refuses(FIELD, "Idempotency-Key");
    }
    let accounts = stage.get("/v1/accounts").await.json();
    assert_eq!(accounts["items"].as_array().map(Vec::len), Some(1));
}
