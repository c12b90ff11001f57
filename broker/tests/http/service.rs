//! Beside the API: liveness, readiness, metrics, and what happens when parts of the broker fail.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem::api::{Moment, WORLD_TIME};
use tandem::clock::SystemClock;
use tandem_model::time::Clock as _;

use crate::client::Answer;
use crate::quotes::GOOD;
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_about_to_stop_says_so_and_still_answers() {
    let mut stage = Stage::bare().await;
    let ready = stage.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &json!(true)));
    let running = stage.running.take().unwrap();
    running.drain();
    let ready = stage.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json()["checks"]["serving"]),
        (503, &json!("about to stop"))
    );
    assert_eq!(stage.get("/livez").await.status, 200);
    assert_eq!(stage.get("/v1/jobs").await.status, 200);
    running.stop().await;
    assert!(stage.ask(Method::GET, "/livez").send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_engine_a_broker_is_not_ready_and_changes_nothing() {
    let mut stage = Stage::told().await;
    let token = stage.quote(GOOD).await;
    stage.end_engine().await;
    let ready = stage.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json()["checks"]["engine"]),
        (503, &json!("stopped"))
    );
    let body = json!({"quote_token": token, "workload": GOOD});
    let refused = stage.post("/v1/jobs", body).await;
    refused.problem(503, "TDM-6008");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(stage.jobs().await, 0, "reads still work");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_follows_the_naming_rules_and_tells_of_no_tenant() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    stage.get(&format!("/v1/jobs/{job}")).await;
    stage.get("/v1/nothing").await;
    let answer = stage.get("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = answer.text;
    assert!(text.ends_with("# EOF\n"));
    let kinds: BTreeSet<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    for (name, kind) in &kinds {
        assert!(name.starts_with("tandem_"), "{name}");
        assert!(
            name.bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')),
            "{name}"
        );
        for unit in ["_ms", "_us", "_minutes", "_hours", "_total"] {
            assert!(!name.ends_with(unit), "{name} is no family in base units");
        }
        if *kind == "counter" {
            assert!(text.contains(&format!("{name}_total")), "{name}");
        }
    }
    for wanted in [
        "tandem_http_requests",
        "tandem_quotes",
        "tandem_jobs_accepted",
        "tandem_network_offers",
    ] {
        assert!(
            kinds.iter().any(|(name, _)| *name == wanted),
            "{wanted}: {text}"
        );
    }
    assert!(
        text.contains("route=\"/v1/jobs/{id}\""),
        "patterns, not paths"
    );
    assert!(text.contains("route=\"none\""));
    for id in [job.as_str(), "acc_", "key_", "job_0", "tdm_"] {
        assert!(!text.contains(id), "{id} is in the metrics");
    }
    assert!(text.contains("tandem_jobs_accepted_total 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_names_its_request_and_is_not_kept_by_others() {
    let stage = Stage::bare().await;
    let mut ids = BTreeSet::new();
    for path in ["/v1/jobs", "/livez", "/nothing", "/v1/quotes", "/version"] {
        let answer = stage.get(path).await;
        assert!(
            ids.insert(answer.header("x-request-id").to_owned()),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    let traced = stage.ask(Method::GET, "/v1/jobs").header(
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    assert_eq!(Answer::of(traced).await.status, 200);
    let odd = stage
        .ask(Method::GET, "/v1/jobs")
        .header("traceparent", "x".repeat(5_000));
    assert_eq!(
        Answer::of(odd).await.status,
        200,
        "a header of others is ignored, not refused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_names_the_agent_that_start_scripts_fetch() {
    let stage = Stage::bare().await;
    let version = stage.get("/version").await.json();
    assert_eq!(version["api"], "v1");
    let program = Answer::of(stage.client.get(format!("{}/agent/v1/binary", stage.url))).await;
    let digest = gpu_probe::protocol::Sha256::of(program.text.as_bytes()).to_string();
    assert_eq!(version["agent_sha256"], Value::from(digest));
}

#[tokio::test]
async fn answers_say_the_worlds_time_where_it_is_not_the_walls() {
    let stage = Stage::bare().await;
    // Its world runs ten times as fast, and is far enough ahead after this.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = stage.get("/v1/jobs").await;
    let told: Moment = serde_json::from_value(answer.header(WORLD_TIME).into()).unwrap();
    let wall = Moment::from(SystemClock::new(1).wall());
    assert!(told > wall, "{told} is not ahead of {wall}");
}
