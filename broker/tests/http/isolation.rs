//! Tenants do not see each other: every address with a job's or key's id, asked by another account,
//! answers exactly as if nothing were there.

use reqwest::Method;
use serde_json::{Value, json};
use tandem::http::{openapi, routes};

use crate::client::Answer;
use crate::quotes::GOOD;
use crate::stage::Stage;

/// A problem without what differs from request to request.
fn bare(answer: &Answer) -> Value {
    let mut body = answer.json();
    body["request_id"] = Value::Null;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_ids_are_answered_like_ids_that_do_not_exist() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let keys = stage.get("/v1/keys").await.json();
    let key_id = keys["items"][0]["id"].as_str().unwrap().to_owned();
    let scopes = [
        "jobs:read",
        "jobs:write",
        "quotes",
        "offers:read",
        "keys:admin",
    ];
    let (_, stranger) = stage.tenant("stranger", &scopes).await;
    let missing_job = format!("job_{}", "0".repeat(32));
    let missing_key = format!("key_{}", "0".repeat(32));
    let with_id = |path: &str, job: &str, key: &str| {
        let id = if path.contains("/keys/") { key } else { job };
        path.replace("{id}", id)
    };
    let mut asked = 0;
    for (method, path) in routes::listed() {
        if !path.contains("{id}") {
            continue;
        }
        asked += 1;
        let method: Method = method.parse().unwrap();
        let ask = |path: String| {
            let request = stage.ask_as(&stranger, method.clone(), &path);
            Answer::of(request.header("accept", "application/json"))
        };
        let theirs = ask(with_id(&path, &job, &key_id)).await;
        let none = ask(with_id(&path, &missing_job, &missing_key)).await;
        theirs.problem(404, "TDM-6001");
        assert_eq!(bare(&theirs), bare(&none), "{method} {path}");
    }
    assert!(asked >= 5);
    let follow = format!("/v1/jobs/{job}/logs?follow=true");
    Answer::of(stage.ask_as(&stranger, Method::GET, &follow))
        .await
        .problem(404, "TDM-6001");
    let list = Answer::of(stage.ask_as(&stranger, Method::GET, "/v1/jobs"))
        .await
        .json();
    assert_eq!(list["items"], json!([]));
    let mine = Answer::of(stage.ask_as(&stranger, Method::GET, "/v1/keys"))
        .await
        .json();
    assert_eq!(mine["items"].as_array().map(Vec::len), Some(1));
    // The key that was not revoked still works, and the job was not stopped.
    let job = stage.get(&format!("/v1/jobs/{job}")).await;
    assert_eq!(job.status, 200);
    assert_ne!(job.json()["state"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_the_document_is_closed_without_a_key_unless_it_says_so() {
    let stage = Stage::bare().await;
    let document: Value = serde_json::from_str(openapi::json()).unwrap();
    let mut closed = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let needs_key = operation["security"].is_array();
            assert_eq!(needs_key, path.starts_with("/v1/"), "{method} {path}");
            if !needs_key {
                continue;
            }
            closed += 1;
            let method: Method = method.to_uppercase().parse().unwrap();
            let url = format!("{}{}", stage.url, path.replace("{id}", "x"));
            let answer = Answer::of(stage.client.request(method, url).json(&json!({}))).await;
            answer.problem(401, "TDM-6005");
        }
    }
    assert!(closed >= 14);
}
