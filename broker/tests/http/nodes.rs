//! Devices over HTTP: what operators see of them, and what a ban does and does not.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_model::placement::Epoch;

use crate::agent::Agent;
use crate::client::Answer;
use crate::probes::{honest, prove, rented, stage};
use crate::quotes::GOOD;
use crate::stage::Stage;

/// Proves the same emulated card for a new job; the agent, the job, the device, the verdict's codes.
async fn judged<'s>(stage: &'s Stage) -> (Agent<'s>, String, String, Vec<String>) {
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(stage, &job, Epoch(1)).await;
    agent.bind().await;
    let (verdict, _) = prove(&agent, &honest(rented(stage, &job).await)).await;
    let codes = verdict.reasons.iter().map(|r| r.code.to_string()).collect();
    (agent, job, verdict.evidence[0].uuid.to_string(), codes)
}

async fn ended(stage: &Stage, agent: &Agent<'_>, job: &str) {
    let result = agent.result_body("");
    agent.ok(gpu_probe::protocol::RESULTS_PATH, result).await;
    let path = format!("/v1/jobs/{job}");
    let gone = |job: &Value| job["placements"][0]["live"] == false;
    stage.until("the end", &path, gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_lets_running_work_go_on_and_fails_the_next_start_until_it_is_lifted() {
    let stage = stage().await;
    let (agent, job, uuid, _) = judged(&stage).await;
    let node = format!("/v1/nodes/{uuid}");
    let used = json!({"job": job, "epoch": 1, "rank": 0});
    assert_eq!(stage.get(&node).await.json()["in_use_by"], used);
    let banned = stage
        .post(&format!("{node}/ban"), json!({"reason": "lies"}))
        .await;
    let ban = banned.json()["ban"].clone();
    assert_eq!((banned.status, &ban["reason"]), (200, &json!("lies")));
    assert!(ban["by"].as_str().unwrap().contains("key_"), "{ban}");
    let again = stage
        .post(&format!("{node}/ban"), json!({"reason": "twice"}))
        .await;
    assert_eq!(again.json()["ban"], ban, "the first stands");
    let counted = stage.get("/metrics").await.text;
    assert!(counted.contains("tandem_devices_banned 1\n"), "{counted}");
    // What runs on it goes on.
    let beat = agent.beat(1, &["working"]).await;
    assert_eq!(
        (&beat["granted"], &beat["directive"]),
        (&json!(true), &json!("continue"))
    );
    ended(&stage, &agent, &job).await;
    let (_, _, same, codes) = judged(&stage).await;
    assert_eq!(same, uuid);
    assert!(codes.contains(&"device_banned".to_owned()), "{codes:?}");
    let lifted = stage
        .post(&format!("{node}/unban"), json!({"reason": "repaired"}))
        .await;
    assert_eq!(lifted.json()["ban"], Value::Null);
    assert_eq!(
        (
            &lifted.json()["failed"],
            &lifted.json()["failed_since_lifted"]
        ),
        (&json!(1), &json!(0))
    );
    let twice = stage
        .post(&format!("{node}/unban"), json!({"reason": "again"}))
        .await;
    assert_eq!(twice.status, 200);
    let (_, _, _, codes) = judged(&stage).await;
    assert!(!codes.contains(&"device_banned".to_owned()), "{codes:?}");
    let shown = stage.get(&node).await.json();
    let history = shown["history"]["items"].as_array().unwrap().clone();
    let what: Vec<_> = history.iter().map(|line| &line["what"]).collect();
    assert_eq!(what, ["verdict", "lifted", "verdict", "banned", "verdict"]);
    assert_eq!(
        (&history[3]["reason"], &history[3]["by"]),
        (&json!("lies"), &ban["by"])
    );
    assert_eq!(history[4]["verdict"]["outcome"], "pass");
    assert_eq!(
        history[4]["latency"]["continuity"],
        Value::Null,
        "the first"
    );
    assert_eq!(history[2]["latency"]["continuity"], "stayed", "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_never_seen_can_be_banned_and_only_that() {
    let stage = Stage::bare().await;
    let node = format!("/v1/nodes/{}", "ab".repeat(16));
    stage.get(&node).await.problem(404, "TDM-6001");
    let reason = json!({"reason": "stolen"});
    let none = stage.post(&format!("{node}/unban"), reason.clone()).await;
    none.problem(404, "TDM-6001");
    let banned = stage
        .post(&format!("{node}/ban"), reason.clone())
        .await
        .json();
    assert_eq!(
        (&banned["first_seen"], &banned["network"]),
        (&Value::Null, &Value::Null)
    );
    let shown = stage.get(&node).await.json();
    assert_eq!(shown["history"]["items"][0]["what"], "banned");
    for no_uuid in ["x", &"AB".repeat(16), &"ab".repeat(15)] {
        let path = format!("/v1/nodes/{no_uuid}/ban");
        stage
            .post(&path, reason.clone())
            .await
            .problem(404, "TDM-6001");
    }
    for (body, field) in [
        (json!({"reason": ""}), "/reason"),
        (json!({"reason": "a\u{1b}[2Jb"}), "/reason"),
        (json!({"reason": "x".repeat(201)}), "/reason"),
        (json!({"reason": "x", "for": 3}), "/for"),
        (json!({}), "/reason"),
    ] {
        let refused = stage.post(&format!("{node}/ban"), body).await;
        refused.refuses("TDM-6004", field);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_come_in_pages_by_filters_and_wrong_parameters_are_named() {
    let stage = Stage::bare().await;
    for n in 1..=5 {
        let path = format!("/v1/nodes/{}/ban", format!("0{n}").repeat(16));
        let banned = stage.post(&path, json!({"reason": "x"})).await;
        assert_eq!(banned.status, 200, "{}", banned.text);
    }
    let unban = format!("/v1/nodes/{}/unban", "03".repeat(16));
    stage.post(&unban, json!({"reason": "x"})).await;
    let mut sizes = Vec::new();
    let mut path = "/v1/nodes?limit=2&banned=true".to_owned();
    loop {
        let page = stage.get(&path).await.json();
        sizes.push(page["items"].as_array().unwrap().len());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/nodes?limit=2&banned=true&after={next}");
    }
    assert_eq!(sizes, [2, 2]);
    for query in ["network=ionet", "gpu=RTX4090"] {
        let none = stage.get(&format!("/v1/nodes?{query}")).await.json();
        assert_eq!(none["items"], json!([]), "{query}");
    }
    for (query, field) in [
        ("banned=maybe", "banned"),
        ("after=1", "after"),
        ("gpu=abacus", "gpu"),
        ("network=I", "network"),
        ("model=x", "model"),
    ] {
        let refused = stage.get(&format!("/v1/nodes?{query}")).await;
        refused.refuses("TDM-6004", field);
    }
    let (_, key) = stage.tenant("watch", &["nodes"]).await;
    let seen = Answer::of(stage.ask_as(&key, Method::GET, "/v1/nodes")).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
}
