//! io.net's official client, unmodified, against the sandbox: command line and SDK.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod bench;
mod products;

use std::path::Path;

use serde_json::{Value, json};

use bench::{Bench, CAAS, SANDBOX};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn deploy_args(name: &str) -> Vec<&str> {
    let all = "--image nginx:latest --gpu H100_SXM5:8 --hours 1 --port 80 --env A=b --secret-env K=hunter2";
    let mut args = vec!["deploy", "--name", name];
    args.extend(all.split(' '));
    args
}

#[tokio::test]
async fn the_market_is_readable_without_a_key() {
    let bench = Bench::start().await;
    let hardware = bench.ok(None, &["--json", "hardware", "list"]).await;
    assert!(
        hardware.as_array().is_some_and(|rows| rows.len() > 50),
        "{hardware}"
    );
    let estimate = [
        "cost",
        "estimate",
        "--gpu",
        "H100_SXM5:8",
        "--hours",
        "1",
        "--json",
    ];
    let estimate = bench.ok(None, &estimate).await;
    assert!(
        estimate["quote"]["total_cost_usdc"].as_f64().unwrap() > 0.0,
        "{estimate}"
    );
    bench.running.stop().await;
}

#[tokio::test]
async fn a_login_with_a_wrong_key_fails_and_with_a_right_one_holds() {
    let bench = Bench::start().await;
    bench
        .fails(None, &["auth", "login", "--token", "bad"])
        .await;
    bench
        .ok(None, &["auth", "login", "--token", "sandbox"])
        .await;
    let me = bench.ok(None, &["auth", "whoami", "--json"]).await;
    assert_eq!(me["authenticated"], true, "{me}");
    bench.running.stop().await;
}

#[tokio::test]
async fn a_dry_run_hides_secrets_and_deploys_nothing() {
    let bench = Bench::start().await;
    let mut args = deploy_args("dry");
    args.extend(["--dry-run", "--json"]);
    let shown = bench.ok(SANDBOX, &args).await;
    let text = shown.to_string();
    assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
    assert!(text.contains("total_cost_usdc"), "{text}");
    let list = bench.ok(SANDBOX, &["deployment", "list", "--json"]).await;
    assert_eq!(list, json!([]));
    bench.running.stop().await;
}

#[tokio::test]
async fn a_deployment_runs_hides_its_secrets_and_answers_at_its_url() {
    let bench = Bench::start().await;
    let mut args = deploy_args("web");
    args.extend(["--poll", "0.2", "--json"]);
    let deployed = bench.ok(SANDBOX, &args).await;
    assert_eq!(deployed["status"], "running", "{deployed}");
    let id = deployed["id"].as_str().unwrap().to_owned();

    let got = bench
        .ok(SANDBOX, &["deployment", "get", &id, "--json"])
        .await;
    assert_eq!(
        got["container_config"]["secret_env_keys"],
        json!(["K"]),
        "{got}"
    );
    assert!(!got.to_string().contains("hunter2"));
    assert_eq!(got["gpus_per_container"], 8);
    let missing = bench.fails(SANDBOX, &["deployment", "get", NOBODY]).await;
    assert!(missing.contains("ot found"), "{missing}");

    let mut url = Value::Null;
    for _ in 0..20 {
        let workers = bench
            .ok(SANDBOX, &["deployment", "containers", &id, "--json"])
            .await;
        assert!(
            workers[0]["container_events"]
                .as_array()
                .is_some_and(|e| !e.is_empty()),
            "{workers}"
        );
        url = workers[0]["public_url"].clone();
        if url.is_string() {
            break;
        }
    }
    let answer = bench
        .client
        .get(url.as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);

    bench.running.stop().await;
}

#[tokio::test]
async fn a_deployment_is_read_extended_updated_and_deleted_in_the_official_command_line() {
    let bench = Bench::start().await;
    let mut args = deploy_args("web");
    args.extend(["--poll", "0.2", "--json"]);
    let deployed = bench.ok(SANDBOX, &args).await;
    let id = deployed["id"].as_str().unwrap().to_owned();
    for follow in [
        &["logs", id.as_str()][..],
        &["logs", id.as_str(), "--follow"][..],
    ] {
        let log = bench.ok(SANDBOX, follow).await;
        assert!(log.as_str().is_some_and(|t| t.contains("ready")), "{log}");
    }
    bench
        .ok(
            SANDBOX,
            &[
                "deployment",
                "extend",
                &id,
                "--hours",
                "2",
                "--yes",
                "--json",
            ],
        )
        .await;
    let got = bench
        .ok(SANDBOX, &["deployment", "get", &id, "--json"])
        .await;
    let minutes = |name: &str| got[name].as_i64().unwrap();
    assert_eq!(
        minutes("compute_minutes_served") + minutes("compute_minutes_remaining"),
        180
    );

    let update = "--env C=d --image nginx:2 --yes --wait --poll 0.2 --json";
    let mut args = vec!["deployment", "update", &id];
    args.extend(update.split(' '));
    bench.ok(SANDBOX, &args).await;
    let got = bench
        .ok(SANDBOX, &["deployment", "get", &id, "--json"])
        .await;
    assert_eq!(
        got["container_config"]["env_variables"],
        json!({"C": "d"}),
        "{got}"
    );

    bench
        .ok(SANDBOX, &["deployment", "delete", &id, "--yes", "--json"])
        .await;
    let listed = bench.ok(SANDBOX, &["deployment", "list", "--json"]).await;
    assert_eq!(listed[0]["name"], "web");
    bench.running.stop().await;
}

#[tokio::test]
async fn paging_ends_with_more_than_sixty_deployments_and_the_filter_works() {
    let bench = Bench::start().await;
    for number in 0..63 {
        let body = json!({
            "resource_private_name": format!("many-{number}"),
            "hardware_id": 12, "duration_hours": 1, "gpus_per_container": 1,
            "container_config": {"replica_count": 1, "traffic_port": 80},
            "registry_config": {"image_url": "nginx"},
        });
        let (status, answer) = bench
            .post(&format!("{CAAS}/deploy"), "sandbox-many", &body)
            .await;
        assert_eq!(status, 200, "{answer}");
    }
    let key = Some("sandbox-many");
    let all = bench.ok(key, &["deployment", "list", "--json"]).await;
    let mut names: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 63);
    let running = ["deployment", "list", "--status", "running", "--json"];
    let mut count = 0;
    for _ in 0..40 {
        count = bench.ok(key, &running).await.as_array().unwrap().len();
        if count == 63 {
            break;
        }
    }
    assert_eq!(count, 63);
    let failed = bench
        .ok(key, &["deployment", "list", "--status", "failed", "--json"])
        .await;
    assert_eq!(failed, json!([]));
    bench.running.stop().await;
}

#[tokio::test]
async fn a_virtual_machine_lives_its_whole_life_in_the_official_command_line() {
    let bench = Bench::start().await;
    let key =
        "me=ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me";
    let mut args = vec!["vm", "deploy", "--ssh-key", key];
    args.extend(
        "--name box --gpu H100_SXM5__US:8 --hours 1 --service web=8080/tcp --poll 0.2 --json"
            .split(' '),
    );
    let mut dry = args.clone();
    dry.push("--dry-run");
    let shown = bench.ok(SANDBOX, &dry).await;
    assert!(shown.to_string().contains("total_cost_usdc"), "{shown}");
    let deployed = bench.ok(SANDBOX, &args).await;
    let id = deployed["id"].as_str().unwrap().to_owned();
    let access = bench.ok(SANDBOX, &["vm", "ssh", &id, "--json"]).await;
    let port = format!("-p {}", bench.running.ssh_port());
    assert!(
        access["ssh_access"].as_str().unwrap().contains(&port),
        "{access}"
    );
    let dry = ["vm", "extend", &id, "--hours", "1", "--dry-run", "--json"];
    bench.ok(SANDBOX, &dry).await;
    bench
        .ok(
            SANDBOX,
            &["vm", "extend", &id, "--hours", "1", "--yes", "--json"],
        )
        .await;
    let got = bench.ok(SANDBOX, &["vm", "get", &id, "--json"]).await;
    assert!(got["ssh_keys"]["me"].is_string(), "{got}");
    let fleet = bench.ok(SANDBOX, &["ps", "--json"]).await;
    assert!(fleet.to_string().contains(&id), "{fleet}");
    let summary = bench.ok(SANDBOX, &["cost", "summary", "--json"]).await;
    assert!(summary.to_string().contains("burn"), "{summary}");
    bench
        .ok(SANDBOX, &["vm", "delete", &id, "--yes", "--json"])
        .await;
    bench.running.stop().await;
}

#[tokio::test]
async fn an_endpoint_is_deployed_and_answers_its_health_path() {
    let bench = Bench::start().await;
    let args = "endpoint deploy --model Qwen/Qwen3-8B --preset vllm --gpu H100_SXM5:8 --hours 1 --poll 0.2 --timeout 60 --json";
    let deployed = bench
        .ok(SANDBOX, &args.split(' ').collect::<Vec<_>>())
        .await;
    assert!(deployed.to_string().contains("/sandbox/run/"), "{deployed}");
    let listed = bench
        .ok(SANDBOX, &["endpoint", "list", "--sync", "--json"])
        .await;
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    bench.running.stop().await;
}

#[tokio::test]
async fn refusals_reach_the_official_command_line_as_errors() {
    let bench = Bench::start().await;
    let bad_key = bench.fails(Some("bad"), &["deployment", "list"]).await;
    assert!(bad_key.to_lowercase().contains("key"), "{bad_key}");
    let mut long = deploy_args("long");
    long.extend(["--detach"]);
    let hours = long.iter().position(|a| *a == "1").unwrap();
    long[hours] = "9000";
    let refused = bench.fails(SANDBOX, &long).await;
    assert!(refused.contains("duration_hours"), "{refused}");
    // 8,760 hours of many replicas cost more than an account holds.
    let mut dear = deploy_args("dear");
    dear[hours] = "8760";
    dear.extend(["--replicas", "9", "--detach"]);
    let refused = bench.fails(SANDBOX, &dear).await;
    assert!(refused.contains("redits"), "{refused}");
    let other = bench
        .fails(Some("sandbox-intelligence"), &["deployment", "list"])
        .await;
    assert!(other.contains("project"), "{other}");
    bench.running.stop().await;
}

#[tokio::test]
async fn the_sdk_works_sync_and_async() {
    let bench = Bench::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sdk.py");
    let mut python = bench.command("python", None);
    python
        .arg(script)
        .arg(bench.running.ionet_url())
        .arg("sandbox-sdk");
    let output = python.output().await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["sync"]["containers"], 1);
    assert_eq!(seen["sync"]["lines"], json!(["started", "ready"]));
    assert_eq!(seen["sync"]["minutes"], 120);
    assert_eq!(seen["sync"]["not_found"], json!(["NotFoundError", 404]));
    assert_eq!(seen["sync"]["conflict"], json!(["ConflictError", 409]));
    assert_eq!(
        seen["sync"]["unprocessable"],
        json!(["UnprocessableError", 422])
    );
    assert_eq!(seen["rate_limit"], json!([300, "RateLimitError", 429]));
    assert_eq!(seen["bad_key"], json!(["AuthenticationError", 401]));
    assert!(
        seen["async"]["names"]
            .as_array()
            .unwrap()
            .contains(&json!("sdk-async")),
        "{seen}"
    );
    bench.running.stop().await;
}
