//! The products that the official client builds on plain deployments: inference endpoints,
//! notebooks, fine-tuning, reinforcement learning.

use serde_json::{Value, json};

use crate::bench::{Bench, SANDBOX};

/// A command of one line.
async fn ok(bench: &Bench, line: &str) -> Value {
    let args: Vec<&str> = line.split(' ').collect();
    bench.ok(SANDBOX, &args).await
}

#[tokio::test]
async fn a_chat_with_an_endpoint_of_a_recipe_is_answered() {
    let bench = Bench::start().await;
    let deploy = "endpoint deploy --recipe qwen3.6-27b --hours 1 --poll 0.2 --timeout 60 --json";
    let deployed = ok(&bench, deploy).await;
    let id = deployed["id"].as_str().unwrap();
    let said = ok(&bench, &format!("endpoint call {id} --prompt hi")).await;
    assert_eq!(said, json!("No model runs in the sandbox.\n"));
    let whole = ok(&bench, &format!("endpoint call {id} --prompt hi --json")).await;
    assert_eq!(whole["model"], deployed["model"], "{whole}");
    let url = ok(&bench, &format!("endpoint url {id}")).await;
    assert_eq!(url.as_str().map(str::trim), deployed["url"].as_str());
    ok(&bench, &format!("endpoint metrics {id} --json")).await;
    ok(&bench, &format!("endpoint delete {id} --yes --json")).await;
    assert_eq!(ok(&bench, "endpoint list --json").await, json!([]));
    bench.running.stop().await;
}

#[tokio::test]
async fn a_notebook_is_started_reached_and_stopped() {
    let bench = Bench::start().await;
    let up = "notebook up --gpu RTX4090:1 --hours 1 --poll 0.2 --timeout 60 --json";
    let id = ok(&bench, up).await["id"].as_str().unwrap().to_owned();
    let url = ok(&bench, &format!("notebook url {id} --with-token")).await;
    let url = url.as_str().unwrap().trim().to_owned();
    let answer = bench.client.get(url).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    ok(&bench, &format!("notebook stop {id} --yes --json")).await;
    bench.running.stop().await;
}

/// Starts a training, reads its log, lets its prepaid time run out and gives what is shown then.
async fn train(bench: &Bench, start: &str, group: &str, show: &str) -> Value {
    let started = ok(bench, start).await;
    let id = started["id"].as_str().unwrap();
    let mut log = String::new();
    for _ in 0..40 {
        let output = bench.run(SANDBOX, &[group, "logs", id]).await;
        log = String::from_utf8_lossy(&output.stdout).into_owned();
        if log.contains("ready") {
            break;
        }
    }
    assert!(log.contains("ready"), "{log}");
    let (status, _) = bench
        .post("/sandbox/time", "", &json!({"advance_seconds": 3_700}))
        .await;
    assert_eq!(status, 200);
    let shown = bench.run(SANDBOX, &[group, show, id, "--json"]).await;
    serde_json::from_slice(&shown.stdout).unwrap_or(Value::Null)
}

#[tokio::test]
async fn trainings_are_launched_followed_and_end_with_their_time() {
    let bench = Bench::start().await;
    let data = "--dataset s3://b/data --output s3://b/out --image trl:1 --hours 1";
    let start = format!("finetune run --recipe sft-qwen2-0.5b {data} --json");
    let shown = train(&bench, &start, "finetune", "get").await;
    assert_eq!(shown["status"], "completed", "{shown}");
    let start =
        format!("rlvr up --model Qwen/Qwen2.5-0.5B --reward acc {data} --gpu H100_SXM5:8 --json");
    let shown = train(&bench, &start, "rlvr", "status").await;
    assert_eq!(shown["status"], "completed", "{shown}");
    bench.running.stop().await;
}
