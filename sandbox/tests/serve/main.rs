//! The sandbox as a server: HTTP, SSH, agents' calls, and real processes.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod bench;
mod hostile;
mod processes;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tandem_adapters::ssh::{PinnedHostKey, SshKeyPair, start};
use tandem_model::launch::SshLaunch;
use tandem_model::placement::SshAddress;

use bench::{Bench, CAAS, VMAAS};

#[tokio::test]
async fn the_page_says_what_this_is_and_the_clock_can_be_moved() {
    let bench = Bench::start(|_| {}).await;
    bench.deploy(json!({})).await;
    let page = bench
        .client
        .get(bench.running.url())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("Nothing here is io.net") && page.contains("GeForce RTX 4090"),
        "{page}"
    );
    let (_, before) = bench.call("GET", "/sandbox/time", None).await;
    let (status, after) = bench
        .call(
            "POST",
            "/sandbox/time",
            Some(json!({"advance_seconds": 7_200})),
        )
        .await;
    assert_eq!(status, 200);
    let moved = after["world_us"].as_i64().unwrap() - before["world_us"].as_i64().unwrap();
    assert!(moved >= 7_200_000_000, "{moved}");
    let (_, list) = bench
        .call("GET", &format!("{CAAS}/deployments"), None)
        .await;
    assert_eq!(list["data"]["deployments"][0]["status"], "completed");
    let (status, answer) = bench
        .call("POST", "/sandbox/time", Some(json!({"speed": 11})))
        .await;
    assert_eq!((status, &answer["field"]), (400, &json!("speed")));
    bench.running.stop().await;
}

#[tokio::test]
async fn bodies_and_methods_beyond_the_limits_are_refused() {
    let bench = Bench::start(|_| {}).await;
    let long = json!({"resource_private_name": "x".repeat(3 << 20)});
    let (status, _) = bench
        .call("POST", &format!("{CAAS}/deploy"), Some(long))
        .await;
    assert_eq!(status, 413);
    let (status, _) = bench.call("TRACE", &format!("{CAAS}/deploy"), None).await;
    assert_eq!(status, 405);
    bench.running.stop().await;
}

#[tokio::test]
async fn a_machine_is_entered_with_its_published_host_key_and_the_orders_key_alone() {
    let bench = Bench::start(|_| {}).await;
    let key = SshKeyPair::generate();
    let body = json!({
        "resource_private_name": "box", "hardware_id": 203, "duration_hours": 1, "gpus_per_vm": 8,
        "ssh_keys": {"me": key.public_line()},
    });
    let (_, made) = bench
        .call("POST", &format!("{VMAAS}/deploy"), Some(body))
        .await;
    let vms = format!(
        "{VMAAS}/deployment/{}/vms",
        made["deployment_id"].as_str().unwrap()
    );
    let vm = bench.worker(&vms, |w| w["ssh_access"].is_string()).await;
    let access = vm["ssh_access"].as_str().unwrap();
    let (port, target) = access
        .strip_prefix("ssh -p ")
        .unwrap()
        .split_once(' ')
        .unwrap();
    let (user, host) = target.split_once('@').unwrap();
    let address = SshAddress {
        host: host.to_owned(),
        port: port.parse().unwrap(),
        user: user.to_owned(),
        host_key: None,
    };
    let launch = SshLaunch {
        script: "run".to_owned(),
        env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
        secret_env: BTreeMap::new(),
    };
    let deadline = || tokio::time::Instant::now() + Duration::from_secs(20);
    let first = start(
        &address,
        &launch,
        &key,
        &PinnedHostKey::FirstUse,
        deadline(),
    )
    .await
    .unwrap();
    assert_eq!(
        (first.exit_status, first.output.as_str()),
        (Some(0), "tandem: started\n")
    );
    let pinned = PinnedHostKey::Known(first.host_key);
    let again = start(&address, &launch, &key, &pinned, deadline())
        .await
        .unwrap();
    assert_eq!(again.output, "tandem: already started\n");
    let stranger = SshKeyPair::generate();
    assert!(
        start(&address, &launch, &stranger, &pinned, deadline())
            .await
            .is_err()
    );
    bench.running.stop().await;
}

#[tokio::test]
async fn a_cut_request_is_carried_out_and_its_connection_closed_without_a_byte() {
    let bench = Bench::start(|_| {}).await;
    for (kind, expected) in [("error_before", 0), ("error_after", 1)] {
        let fault = json!({"network": "ionet", "scope": "network", "kind": kind, "answer": "cut"});
        bench.call("POST", "/sandbox/faults", Some(fault)).await;
        let body = json!({
            "resource_private_name": "web", "hardware_id": 12, "duration_hours": 1,
            "gpus_per_container": 1, "registry_config": {"image_url": "nginx"},
            "container_config": {"replica_count": 1, "traffic_port": 80},
        });
        let body = body.to_string();
        let request = format!(
            "POST {CAAS}/deploy HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(hostile::say(&bench, request.as_bytes()).await, "");
        let truth = bench.truth().await;
        assert_eq!(truth["deployments"].as_array().unwrap().len(), expected);
    }
    bench.running.stop().await;
}

#[tokio::test]
async fn agents_calls_are_carried_over_http() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let broker = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", broker.local_addr().unwrap());
    let bench = Bench::start(|_| {}).await;
    let env = json!({
        "TANDEM_BROKER_URL": url, "TANDEM_JOB_ID": "job_00000000000170008000000000000001",
        "TANDEM_EPOCH": "1", "TANDEM_AGENT_TOKEN": "tok",
    });
    bench.deploy(json!({"env_variables": env})).await;
    let (mut socket, _) = broker.accept().await.unwrap();
    let mut bytes = vec![0; 4_096];
    let read = socket.read(&mut bytes).await.unwrap();
    let text = String::from_utf8_lossy(&bytes[..read]).to_lowercase();
    assert!(text.starts_with("post /agent/v1/bind http/1.1"), "{text}");
    assert!(text.contains("authorization: bearer tok"), "{text}");
    let _sent = socket
        .write_all(b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n")
        .await;
    bench.running.stop().await;
}
