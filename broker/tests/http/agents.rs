//! The agents' side: what an honest agent gets, and what a hostile one does not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use gpu_probe::protocol::{
    BIND_PATH, CHECKPOINTS_PATH, HEARTBEATS_PATH, LOG_BYTES_MAX, OUTPUT_TAIL_BYTES_MAX,
    REQUEST_BYTES_MAX, RESULTS_PATH,
};
use serde_json::{Value, json};
use tandem_model::id::{BootId, JobId};
use tandem_model::placement::Epoch;

use crate::agent::Agent;
use crate::client::Answer;
use crate::quotes::GOOD;
use crate::stage::{PROGRAM, Stage};

async fn log(stage: &Stage, job: &str) -> String {
    let path = format!("/v1/jobs/{job}/logs?limit=200");
    let page = stage.get(&path).await.json();
    let items = page["items"].as_array().expect("items").iter();
    items.map(|chunk| chunk["text"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_binds_renews_publishes_and_reports() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    let bound = agent.bind().await;
    assert_eq!(bound["lease_ttl_ms"], 30_000);
    assert!(bound["restore"].is_null());
    let beat = agent.beat(1, &["hello"]).await;
    assert_eq!(
        (&beat["granted"], &beat["live_epoch"]),
        (&json!(true), &json!(1))
    );
    let moved = agent.ok(CHECKPOINTS_PATH, agent.checkpoint_body(5)).await;
    assert_eq!(moved["accepted"], true);
    let back = agent.ok(CHECKPOINTS_PATH, agent.checkpoint_body(4)).await;
    assert_eq!(
        (&back["accepted"], &back["pointer"]["step"]),
        (&json!(false), &json!(5))
    );
    for _ in 0..2 {
        let done = agent.ok(RESULTS_PATH, agent.result_body("bye")).await;
        assert_eq!(done["recorded"], true, "asked again, told again");
    }
    assert_eq!(log(&stage, &job).await, "hello\n");
    let shown = stage.get(&format!("/v1/jobs/{job}")).await.json();
    assert_eq!(shown["state"], "succeeded");
    assert_eq!(shown["checkpoint"]["step"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_own_epoch_of_its_own_job_and_nothing_else() {
    let stage = Stage::told().await;
    let (first, second) = (
        stage.job(GOOD, json!({})).await,
        stage.job(GOOD, json!({})).await,
    );
    let agent = Agent::placed(&stage, &first, Epoch(1)).await;
    let other = Agent::placed(&stage, &second, Epoch(1)).await;
    let later = Agent::of(&stage, agent.job, Epoch(2));
    let nobody = Agent::of(&stage, JobId::from_parts(9, &[9; 10]), Epoch(1));
    let token = agent.token();
    let cut = &token[..token.len() - 1];
    let longer = format!("{token}0");
    let wrong = [
        "",
        "0",
        cut,
        &longer,
        &other.token,
        &later.token,
        &stage.admin,
    ];
    for text in wrong {
        let refused = agent
            .with_token(text)
            .post(BIND_PATH, agent.bind_body())
            .await;
        refused.problem(401, "TDM-4005");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert!(!refused.text.contains(&token), "{}", refused.text);
    }
    let mut told = Vec::new();
    for body in [other.bind_body(), later.bind_body(), nobody.bind_body()] {
        let refused = agent.post(BIND_PATH, body).await;
        let mut problem = refused.problem(401, "TDM-4005");
        problem["request_id"] = Value::Null;
        told.push(problem);
    }
    assert!(
        told.iter().all(|p| *p == told[0]),
        "ids cannot be tried out: {told:?}"
    );
    // A good token for a job that this broker never had.
    let gone = nobody.post(BIND_PATH, nobody.bind_body()).await;
    assert!((400..500).contains(&gone.status), "{}", gone.text);
    agent.bind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_of_an_attempt_and_one_of_no_attempt_are_fenced() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let mut twin = agent.bind_body();
    twin["boot_id"] = json!(BootId::from_parts(77, &[7; 10]));
    let refused = agent.post(BIND_PATH, twin).await.problem(409, "TDM-4001");
    assert_eq!(refused["live_epoch"], 1);
    let later = Agent::of(&stage, agent.job, Epoch(2));
    for (path, body) in [
        (BIND_PATH, later.bind_body()),
        (CHECKPOINTS_PATH, later.checkpoint_body(99)),
        (RESULTS_PATH, later.result_body("")),
    ] {
        let refused = later.post(path, body).await;
        assert_eq!(refused.problem(409, "TDM-4001")["live_epoch"], 1, "{path}");
    }
    let shown = stage.get(&format!("/v1/jobs/{job}")).await.json();
    assert!(shown["checkpoint"].is_null(), "a zombie publishes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_heartbeat_twice_tells_its_lines_once() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    for _ in 0..3 {
        agent.beat(1, &["once"]).await;
    }
    assert_eq!(log(&stage, &job).await, "once\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_cannot_be_served_is_a_problem_with_a_code_that_says_what_to_do() {
    let stage = Stage::bare().await;
    let huge = format!("\"{}\"", "x".repeat(REQUEST_BYTES_MAX));
    let post = |path: &str| {
        let request = stage.client.post(format!("{}{path}", stage.url));
        request
            .bearer_auth("x")
            .header("content-type", "application/json")
    };
    let untyped = |path: &str| {
        stage
            .client
            .post(format!("{}{path}", stage.url))
            .bearer_auth("x")
    };
    let cases = [
        (413, post(BIND_PATH).body(huge)),
        (400, post(BIND_PATH).body("{")),
        (422, post(BIND_PATH).body("[]")),
        (422, post(BIND_PATH).body("{\"job\":\"job_x\"}")),
        (422, post(HEARTBEATS_PATH).body("[".repeat(100_000))),
        (400, post(RESULTS_PATH).body(vec![0xff; 10])),
        (415, untyped(BIND_PATH).body("{}")),
        (
            415,
            untyped(BIND_PATH)
                .header("content-type", "text/plain")
                .body("{}"),
        ),
    ];
    for (status, request) in cases {
        Answer::of(request).await.problem(status, "TDM-4004");
    }
    // Without a token nothing is read at all.
    let silent = stage.client.post(format!("{}{BIND_PATH}", stage.url));
    Answer::of(silent.body("{")).await.problem(401, "TDM-4005");
    let missing = stage.client.post(format!("{}/agent/v1/none", stage.url));
    Answer::of(missing).await.problem(404, "TDM-6001");
    let method = stage
        .client
        .delete(format!("{}/agent/v1/binary", stage.url));
    Answer::of(method).await.problem(405, "TDM-6002");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_out_of_its_limits_is_refused_whole_and_names_the_field() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let long = json!("x".repeat(2_000));
    let beat = || agent.beat_body(1, &[]);
    let cases = [
        (
            BIND_PATH,
            with(agent.bind_body(), "container", long),
            "container",
        ),
        (
            HEARTBEATS_PATH,
            with(beat(), "sequence", json!(0)),
            "sequence",
        ),
        (
            HEARTBEATS_PATH,
            with(beat(), "log_tail", json!(vec!["x"; 201])),
            "log_tail",
        ),
        (
            CHECKPOINTS_PATH,
            with(agent.checkpoint_body(3), "key", json!("../x")),
            "key",
        ),
        (
            RESULTS_PATH,
            with(agent.result_body(""), "signal", json!(9)),
            "signal",
        ),
    ];
    for (path, body, field) in cases {
        agent
            .post(path, body)
            .await
            .refuses("TDM-4004", &format!("/{field}"));
    }
    let shown = stage.get(&format!("/v1/jobs/{job}")).await.json();
    assert!(
        shown["checkpoint"].is_null() && shown["state"] == "running",
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_output_is_taken_even_when_json_makes_it_six_times_as_long() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let lines = vec!["\u{1}".repeat(4_096); LOG_BYTES_MAX / 4_096];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    agent.beat(1, &lines).await;
    let tail = "\u{1}".repeat(OUTPUT_TAIL_BYTES_MAX);
    let done = agent.ok(RESULTS_PATH, agent.result_body(&tail)).await;
    assert_eq!(done["recorded"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_drop_by_drop_hold_nobody_up_and_are_sent_away() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let address = stage.url.trim_start_matches("http://").to_owned();
    let half = format!(
        "POST {HEARTBEATS_PATH} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer x\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{\"job\":"
    );
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).expect("the server listens");
            stream.write_all(half.as_bytes()).expect("it reads");
            stream
        })
        .collect();
    for sequence in 1..=3 {
        assert_eq!(agent.beat(sequence, &[]).await["granted"], true);
    }
    let mut answer = String::new();
    let read = slow[0].read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{read:?}: {answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_agents_at_once_each_keep_their_own_lease() {
    let stage = Arc::new(Stage::told().await);
    let mut calls = Vec::new();
    for _ in 0..4 {
        let job = stage.job(GOOD, json!({})).await;
        let stage = stage.clone();
        calls.push(tokio::spawn(async move {
            let agent = Agent::placed(&stage, &job, Epoch(1)).await;
            agent.bind().await;
            let beats = (1..=50).map(|n| agent.beat(n, &[]));
            let granted = futures_util::future::join_all(beats).await;
            assert!(granted.iter().any(|beat| beat["granted"] == true));
            stage.get(&format!("/v1/jobs/{job}")).await.json()
        }));
    }
    for call in calls {
        let job = call.await.expect("no panic");
        assert_eq!(
            (&job["state"], &job["nodes"][0]["rank"]),
            (&json!("running"), &json!(0))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_program_comes_with_the_digest_that_start_scripts_check() {
    let stage = Stage::bare().await;
    let got = stage
        .client
        .get(format!("{}/agent/v1/binary", stage.url))
        .send()
        .await;
    let bytes = got.expect("an answer").bytes().await.expect("a body");
    assert_eq!(bytes, PROGRAM);
}
