//! The pricing policy over HTTP: refused whole with line and column, changed by one at a time, and
//! swapped under quotes that are being made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tandem::http::state::ApiLimits;

use crate::client::Answer;
use crate::quotes::GOOD;
use crate::stage::{Choices, Stage, count};

/// The standard policy with another margin.
fn with_margin(stage_text: &str, basis_points: u32) -> String {
    let line = format!("margin_basis_points: {basis_points}\n  rate_risk");
    let changed = stage_text.replacen("margin_basis_points: 1_200\n  rate_risk", &line, 1);
    assert_ne!(changed, stage_text, "the standard policy has that line");
    changed
}

async fn current(stage: &Stage) -> Value {
    stage.get("/v1/policies/current").await.json()
}

pub(crate) async fn standard(stage: &Stage) -> String {
    let first = stage.get("/v1/policies/1").await.json();
    first["text"].as_str().expect("a text").to_owned()
}

pub(crate) async fn apply(stage: &Stage, text: &str) -> Answer {
    let body = json!({"text": text, "note": "a test"});
    stage.post("/v1/policies", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contradiction_is_refused_with_line_and_column_and_the_good_policy_stays() {
    let stage = Stage::bare().await;
    let before = current(&stage).await;
    let good = standard(&stage).await;
    let lines = good.lines().count();
    let rule = "  - id: twin\n    priority: 0\n    set:\n      surge: {0: 10}\n";
    let bad = format!("{}\n{rule}", good.trim_end());
    let requests = [
        ("/v1/policies/check", json!({"text": bad})),
        ("/v1/policies/diff", json!({"text": bad})),
        ("/v1/policies", json!({"text": bad, "note": "a test"})),
    ];
    for (path, body) in requests {
        let problem = stage.post(path, body).await.problem(422, "TDM-1301");
        let error = &problem["errors"][0];
        assert_eq!(error["field"], "/text", "{path}: {problem}");
        let line = error["line"].as_u64().expect("a line");
        assert!(line > lines as u64, "{path}: {problem}");
        assert!(error["column"].as_u64() >= Some(1), "{path}: {problem}");
        assert!(error["detail"].as_str().unwrap().contains("stands at"));
    }
    let shadow = stage.ask(Method::PUT, "/v1/policies/shadow");
    let shadow = Answer::of(shadow.json(&json!({"text": bad}))).await;
    shadow.problem(422, "TDM-1301");
    assert_eq!(current(&stage).await, before);
    assert_eq!(stage.get("/v1/policies/shadow").await.status, 404);
    let checked = stage
        .post("/v1/policies/check", json!({"text": good}))
        .await;
    assert_eq!(
        checked.json()["digest"],
        before["digest"],
        "{}",
        checked.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_applied_once_shown_listed_and_rolled_back() {
    let stage = Stage::bare().await;
    let (good, first) = (standard(&stage).await, current(&stage).await);
    let unchanged = apply(&stage, &good).await;
    unchanged.problem(409, "TDM-1303");
    let body = json!({"text": with_margin(&good, 1_100), "note": "less", "base": 1});
    let send = || {
        let request = stage.ask(Method::POST, "/v1/policies").json(&body);
        Answer::of(request.header("Idempotency-Key", "k"))
    };
    let (applied, again) = (send().await, send().await);
    assert_eq!(
        (applied.status, again.status),
        (201, 201),
        "{}",
        applied.text
    );
    assert_eq!(applied.json(), again.json(), "one effect, one answer");
    assert_eq!(applied.json()["version"]["number"], 2);
    let live = current(&stage).await;
    assert_eq!(
        (&live["number"], &live["note"]),
        (&json!(2), &json!("less"))
    );
    let author = live["author"].as_str().unwrap();
    assert!(author.starts_with(&stage.account.to_string()), "{author}");
    assert!(author.contains(" key_"), "{author}");
    let stale = json!({"text": with_margin(&good, 1_150), "note": "late", "base": 1});
    stage
        .post("/v1/policies", stale)
        .await
        .problem(409, "TDM-1304");
    let missing = json!({"number": 9, "note": "no"});
    let missing = stage.post("/v1/policies/rollback", missing).await;
    missing.refuses("TDM-6004", "/number");
    let back = json!({"number": 1, "note": "back"});
    let back = stage.post("/v1/policies/rollback", back).await;
    assert_eq!(back.status, 201, "{}", back.text);
    let live = current(&stage).await;
    assert_eq!(
        (&live["number"], &live["rolls_back_to"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(live["digest"], first["digest"]);
    let page = stage.get("/v1/policies?limit=2").await.json();
    let numbers = |page: &Value| {
        let items = page["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|v| v["number"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!((numbers(&page), &page["next"]), (vec![3, 2], &json!("2")));
    let rest = stage.get("/v1/policies?limit=2&after=2").await.json();
    assert_eq!((numbers(&rest), &rest["next"]), (vec![1], &Value::Null));
    for path in ["/v1/policies/4", "/v1/policies/0", "/v1/policies/x"] {
        stage.get(path).await.problem(404, "TDM-6001");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guard_rails_hold_unless_they_are_waived_with_a_reason() {
    let stage = Stage::bare().await;
    let good = standard(&stage).await;
    let far = with_margin(&good, 9_000);
    let diff = stage
        .post("/v1/policies/diff", json!({"text": far}))
        .await
        .json();
    assert_eq!(diff["base"], 1);
    assert!(
        diff["diff"]["prices"]["dearer"].as_u64() > Some(0),
        "{diff}"
    );
    assert_eq!(diff["violations"][0]["violation"]["rail"], "price_change");
    let problem = apply(&stage, &far).await.problem(422, "TDM-1302");
    let told = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(told.contains("price_change_max_permille"), "{told}");
    assert_eq!(current(&stage).await["number"], 1);
    let empty = json!({"text": far, "note": "far", "waived_because": " "});
    stage
        .post("/v1/policies", empty)
        .await
        .refuses("TDM-6004", "/waived_because");
    let waived = json!({"text": far, "note": "far", "waived_because": "agreed with sales"});
    let waived = stage.post("/v1/policies", waived).await;
    assert_eq!(waived.status, 201, "{}", waived.text);
    assert_eq!(current(&stage).await["waived_because"], "agreed with sales");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_applies_at_once_each_number_is_given_once_and_the_last_is_in_force() {
    let stage = Stage::bare().await;
    let good = standard(&stage).await;
    let all = (0..6).map(|n| {
        let body = json!({"text": with_margin(&good, 1_201 + n), "note": "race", "base": 1});
        let request = stage.ask(Method::POST, "/v1/policies").json(&body);
        tokio::spawn(Answer::of(request))
    });
    let all: Vec<_> = all.collect();
    let mut won = Vec::new();
    for one in all {
        let answer = one.await.unwrap();
        match answer.status {
            201 => won.push(answer.json()),
            _ => {
                answer.problem(409, "TDM-1304");
            }
        }
    }
    let [winner] = &won[..] else {
        panic!("{} were applied", won.len());
    };
    let live = current(&stage).await;
    assert_eq!(
        (&live["number"], &live["digest"]),
        (&json!(2), &winner["version"]["digest"])
    );
}

/// The margin of every tier tells that its price is of a version.
fn is_wholly_of(reply: &Value, version: u64) {
    let margin = match version {
        1 => 1_200,
        even if even % 2 == 0 => 1_000,
        _ => 1_201,
    };
    for tier in reply["tiers"].as_array().unwrap() {
        let lines = tier["quote"]["lines"].as_array().cloned();
        let lines = lines.unwrap_or_default();
        let of = |kind: &str| {
            let line = lines.iter().find(|line| line["kind"] == kind);
            line.map_or(0, |l| l["micro_usd_per_gpu_hour"].as_i64().unwrap())
        };
        let risks = of("failure_risk") + of("prepayment_risk") + of("backstop");
        let cost = of("compute") + of("network_fee") + risks;
        let total = |share: i64| (cost * (10_000 + share) + 9_999) / 10_000;
        assert_eq!(of("margin"), total(100 + margin) - total(100), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_go_on_while_policies_change_and_each_is_wholly_of_one_version() {
    let stage = Stage::with(Choices {
        limits: ApiLimits {
            requests_per_second: count(100_000),
            burst: count(100_000),
            ..ApiLimits::default()
        },
        ..Choices::default()
    })
    .await;
    let good = standard(&stage).await;
    let first = stage.post("/v1/quotes", json!({"workload": GOOD})).await;
    let done = Arc::new(AtomicBool::new(false));
    let quoting = (0..4).map(|_| {
        let ask = stage.ask(Method::POST, "/v1/quotes");
        let ask = ask.json(&json!({"workload": GOOD}));
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            let mut answers = Vec::new();
            // The last one begins after the last version is in force.
            loop {
                let is_last = done.load(Ordering::SeqCst);
                let again = ask.try_clone().expect("a plain body");
                answers.push(Answer::of(again).await);
                if is_last {
                    return answers;
                }
            }
        })
    });
    let quoting: Vec<_> = quoting.collect();
    for number in 2..=7 {
        let margin = if number % 2 == 0 { 1_000 } else { 1_201 };
        let applied = apply(&stage, &with_margin(&good, margin)).await;
        assert_eq!(applied.status, 201, "{}", applied.text);
    }
    done.store(true, Ordering::SeqCst);
    let mut answers = vec![first];
    for one in quoting {
        answers.extend(one.await.unwrap());
    }
    let mut versions = std::collections::BTreeSet::new();
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let reply = answer.json();
        let version = reply["policy_version"].as_u64().unwrap();
        versions.insert(version);
        is_wholly_of(&reply, version);
    }
    assert_eq!((versions.first(), versions.last()), (Some(&1), Some(&7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_of_an_earlier_version_is_good_until_it_is_revoked() {
    let stage = Stage::open().await;
    let good = standard(&stage).await;
    let first = stage.quote(GOOD).await;
    assert_eq!(apply(&stage, &with_margin(&good, 1_100)).await.status, 201);
    let (second, kept) = (stage.quote(GOOD).await, stage.quote(GOOD).await);
    let accept = |token: &str| json!({"quote_token": token, "workload": GOOD});
    let accepted = stage.post("/v1/jobs", accept(&first)).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text);
    assert_eq!(apply(&stage, &good).await.status, 201);
    let accepted = stage.post("/v1/jobs", accept(&kept)).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text);
    assert_eq!(apply(&stage, &with_margin(&good, 1_150)).await.status, 201);
    let third = stage.quote(GOOD).await;
    let back = json!({"number": 1, "note": "a slip", "revoke": true});
    let back = stage.post("/v1/policies/rollback", back).await;
    assert_eq!(back.status, 201, "{}", back.text);
    for token in [&second, &third] {
        let refused = stage.post("/v1/jobs", accept(token)).await;
        refused.problem(410, "TDM-6105");
    }
    let fresh = stage.quote(GOOD).await;
    let accepted = stage.post("/v1/jobs", accept(&fresh)).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_asked_beside_the_live_policy_and_changes_no_price() {
    let stage = Stage::open().await;
    let good = standard(&stage).await;
    let body = json!({"text": with_margin(&good, 5_000)});
    let set = Answer::of(stage.ask(Method::PUT, "/v1/policies/shadow").json(&body)).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let body = json!({"workload": GOOD, "tier": "consumer"});
    for _ in 0..3 {
        let reply = stage.post("/v1/quotes", body.clone()).await.json();
        assert_eq!(reply["policy_version"], 1);
    }
    let seen = stage.get("/v1/policies/shadow?limit=2").await.json();
    assert_eq!(
        (&seen["quotes"], &seen["dearer"]),
        (&json!(3), &json!(3)),
        "{seen}"
    );
    let differences = seen["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2);
    let (live, candidate) = (
        &differences[0]["live_outcome"],
        &differences[0]["candidate_outcome"],
    );
    assert!(
        live["sold"]["price"].as_i64() < candidate["sold"]["price"].as_i64(),
        "{seen}"
    );
    assert_eq!(current(&stage).await["number"], 1);
    for _ in 0..2 {
        let removed = Answer::of(stage.ask(Method::DELETE, "/v1/policies/shadow")).await;
        assert_eq!(removed.status, 204, "{}", removed.text);
    }
    stage
        .get("/v1/policies/shadow")
        .await
        .problem(404, "TDM-6001");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_keys_with_the_scope_see_or_change_policies() {
    let stage = Stage::bare().await;
    let (_, customer) = stage.tenant("customer", &["quotes", "jobs:write"]).await;
    let (_, operator) = stage.tenant("operator", &["policies"]).await;
    let text = json!({"text": "x", "note": "x"});
    for (method, path) in [
        (Method::GET, "/v1/policies"),
        (Method::GET, "/v1/policies/current"),
        (Method::POST, "/v1/policies"),
        (Method::PUT, "/v1/policies/shadow"),
    ] {
        let asked = stage.ask_as(&customer, method, path).json(&text);
        Answer::of(asked).await.problem(403, "TDM-6006");
    }
    let seen = Answer::of(stage.ask_as(&operator, Method::GET, "/v1/policies/current")).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_replayed_beside_the_policy_in_force_and_nothing_changes() {
    let stage = Stage::bare().await;
    let good = standard(&stage).await;
    let alone = stage.post("/v1/policies/backtest", json!({})).await;
    assert_eq!(alone.status, 200, "{}", alone.text);
    let alone = alone.json();
    assert_eq!(
        (&alone["base"], &alone["quotes_counted"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        alone["backtest"]["policies"].as_array().map(Vec::len),
        Some(1)
    );
    let body = json!({"text": with_margin(&good, 2_400), "seed": 7});
    let both = stage
        .post("/v1/policies/backtest", body.clone())
        .await
        .json();
    assert_eq!(
        both["backtest"]["policies"].as_array().map(Vec::len),
        Some(2)
    );
    let again = stage.post("/v1/policies/backtest", body).await.json();
    assert_eq!(both["backtest"]["policies"], again["backtest"]["policies"]);
    let bad = stage
        .post("/v1/policies/backtest", json!({"text": "x"}))
        .await;
    bad.problem(422, "TDM-1301");
    let far = json!({"elasticity_permille": 20_001});
    stage
        .post("/v1/policies/backtest", far)
        .await
        .problem(422, "TDM-6004");
    assert_eq!(current(&stage).await["number"], 1);
}
