//! The same request twice: one effect, one answer.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tandem::vault::api_key;

use crate::client::Answer;
use crate::quotes::GOOD;
use crate::stage::Stage;

async fn post(stage: &Stage, path: &str, key: &str, body: &Value) -> Answer {
    let request = stage.ask(Method::POST, path).header("idempotency-key", key);
    Answer::of(request.json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submission_gets_the_first_answer_and_makes_no_second_job() {
    let stage = Stage::told().await;
    let token = stage.quote(GOOD).await;
    let body = json!({"quote_token": token, "workload": GOOD});
    let first = post(&stage, "/v1/jobs", "k-1", &body).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (201, "")
    );
    // Bare or as a structured string, it is the same key.
    for key in ["k-1", "\"k-1\""] {
        let again = post(&stage, "/v1/jobs", key, &body).await;
        assert_eq!((again.status, &again.text), (201, &first.text));
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
    }
    let other = json!({"quote_token": token, "workload": format!("{GOOD}\n")});
    post(&stage, "/v1/jobs", "k-1", &other)
        .await
        .problem(422, "TDM-6010");
    post(&stage, "/v1/jobs", "k-2", &body)
        .await
        .problem(409, "TDM-6103");
    assert_eq!(stage.jobs().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_keeps_no_answer_so_its_key_can_be_used_again() {
    let stage = Stage::told().await;
    let bad = json!({"quote_token": "x", "workload": GOOD});
    post(&stage, "/v1/jobs", "k", &bad)
        .await
        .problem(422, "TDM-6101");
    let token = stage.quote(GOOD).await;
    let good = json!({"quote_token": token, "workload": GOOD});
    assert_eq!(post(&stage, "/v1/jobs", "k", &good).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_with_one_key_make_one_account() {
    let stage = Arc::new(Stage::bare().await);
    let body = json!({"name": "twins"});
    let asked: Vec<_> = (0..24)
        .map(|_| {
            let (stage, body) = (stage.clone(), body.clone());
            tokio::spawn(async move { post(&stage, "/v1/accounts", "twin", &body).await })
        })
        .collect();
    let mut made = Vec::new();
    for answer in asked {
        let answer = answer.await.unwrap();
        match answer.status {
            201 => made.push(answer.text),
            _ => {
                answer.problem(409, "TDM-6010");
                assert_eq!(answer.header("retry-after"), "1");
            }
        }
    }
    assert!(!made.is_empty());
    assert!(made.iter().all(|text| *text == made[0]), "{made:?}");
    let accounts = stage.get("/v1/accounts").await.json();
    assert_eq!(accounts["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_making_of_a_key_shows_the_same_key_and_the_store_never_holds_it() {
    let stage = Stage::bare().await;
    let body = json!({"name": "k", "scopes": ["quotes"]});
    let first = post(&stage, "/v1/keys", "once", &body).await;
    let again = post(&stage, "/v1/keys", "once", &body).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.header("cache-control"), "no-store");
    let key = first.json()["key"].as_str().unwrap().to_owned();
    assert!(api_key::id_of(&key).is_ok());
    let quoted = stage.ask_as(&key, Method::POST, "/v1/classifications");
    let quoted = Answer::of(quoted.json(&json!({"workload": GOOD}))).await;
    assert_eq!(quoted.status, 200, "{}", quoted.text);
    for file in std::fs::read_dir(stage.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|w| w == key.as_bytes()));
    }
    let listed = stage.get("/v1/keys").await;
    assert!(!listed.text.contains(&key) && listed.text.contains("\"quotes\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_belongs_to_its_account_and_route() {
    let stage = Stage::bare().await;
    let (_, key) = stage
        .tenant("other", &["accounts:admin", "keys:admin", "quotes"])
        .await;
    let body = json!({"name": "same"});
    let mine = post(&stage, "/v1/accounts", "k", &body).await;
    let theirs = stage
        .ask_as(&key, Method::POST, "/v1/accounts")
        .header("idempotency-key", "k")
        .json(&body);
    let theirs = Answer::of(theirs).await;
    assert_eq!((mine.status, theirs.status), (201, 201));
    assert_ne!(mine.json()["id"], theirs.json()["id"]);
    let body = json!({"name": "same", "scopes": ["quotes"]});
    assert_eq!(post(&stage, "/v1/keys", "k", &body).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_made_is_shown_again_only_to_one_that_could_have_made_it() {
    let stage = Stage::bare().await;
    let body = json!({"name": "all", "scopes": ["admin"]});
    let made = post(&stage, "/v1/keys", "once", &body).await;
    assert_eq!(made.status, 201);
    let narrow = json!({"name": "narrow", "scopes": ["keys:admin"]});
    let narrow = stage.post("/v1/keys", narrow).await.json();
    let again = stage.ask_as(narrow["key"].as_str().unwrap(), Method::POST, "/v1/keys");
    let again = again.header("idempotency-key", "once").json(&body);
    Answer::of(again).await.problem(403, "TDM-6006");
}
