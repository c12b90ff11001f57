//! What was deployed as real processes: exit, faults, SSH scripts, a service.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_adapters::ssh::{PinnedHostKey, SshKeyPair, start};
use tandem_model::launch::SshLaunch;
use tandem_model::placement::SshAddress;
use tandem_sandbox::Options;
use tandem_sandbox::exec::ExecOptions;

use crate::bench::{Bench, CAAS, VMAAS};

fn with_exec(options: &mut Options, folder: &std::path::Path) {
    options.exec = Some(ExecOptions {
        work_dir: folder.to_owned(),
        agent_path: None,
        only_marked: true,
    });
}

fn shell(script: &str) -> Value {
    json!({
        "entrypoint": ["sh", "-c"], "args": [script.replace('$', "$$")],
        "env_variables": {"TANDEM_EXEC": "1", "GREETING": "hello"},
    })
}

#[tokio::test]
async fn a_marked_container_is_a_real_process_with_its_environment_and_its_exit() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(|o| with_exec(o, folder.path())).await;
    let id = bench
        .deploy(shell("echo $GREETING from $HOME; echo oops >&2; exit 3"))
        .await;
    let containers = format!("{CAAS}/deployment/{id}/containers");
    let worker = bench.worker(&containers, |w| w["status"] == "exited").await;
    let log = format!(
        "{}{CAAS}/deployment/{id}/log/{}",
        bench.running.url(),
        worker["container_id"].as_str().unwrap()
    );
    let read = |stream: &str| {
        let call = bench
            .client
            .get(format!("{log}?stream={stream}"))
            .header("x-api-key", "sandbox");
        async { call.send().await.unwrap().text().await.unwrap() }
    };
    let home = folder.path().canonicalize().unwrap();
    let out = read("stdout").await;
    assert!(
        out.contains(&format!("hello from {}", home.display())),
        "{out}"
    );
    assert!(read("stderr").await.contains("oops"));
    assert_eq!(
        bench.truth().await["deployments"][0]["units"][0]["state"],
        "exited(3)"
    );
    bench.running.stop().await;
}

/// State of a live process of a unit below a folder; none when there is none.
fn state_of(folder: &Path, unit: &str) -> Option<char> {
    let folder = folder.canonicalize().unwrap();
    let is_its = |pair: &[u8]| {
        let text = String::from_utf8_lossy(pair);
        let home = text.strip_prefix("TANDEM_SANDBOX_UNIT=").map(Path::new);
        home.is_some_and(|home| home.starts_with(&folder) && home.ends_with(unit))
    };
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(environ) = std::fs::read(entry.path().join("environ")) else {
            continue;
        };
        if !environ.split(|b| *b == 0).any(&is_its) {
            continue;
        }
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let state = stat.rsplit(") ").next().and_then(|s| s.chars().next());
        if state != Some('Z') {
            return state;
        }
    }
    None
}

async fn becomes(folder: &tempfile::TempDir, unit: &str, holds: impl Fn(Option<char>) -> bool) {
    for _ in 0..200 {
        if holds(state_of(folder.path(), unit)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {:?}", state_of(folder.path(), unit));
}

#[tokio::test]
async fn faults_freeze_thaw_and_kill_real_processes_and_what_they_started() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(|o| with_exec(o, folder.path())).await;
    let id = bench.deploy(shell("setsid sleep 1000 & sleep 1000")).await;
    let containers = format!("{CAAS}/deployment/{id}/containers");
    let worker = bench
        .worker(&containers, |w| w["status"] == "running")
        .await;
    let unit = worker["container_id"].as_str().unwrap().to_owned();
    becomes(&folder, &unit, |state| state == Some('S')).await;
    let fault =
        |kind: &str| json!({"network": "ionet", "scope": "node", "kind": kind, "target": id});
    bench
        .call("POST", "/sandbox/faults", Some(fault("silent")))
        .await;
    becomes(&folder, &unit, |state| state == Some('T')).await;
    bench.call("DELETE", "/sandbox/faults", None).await;
    becomes(&folder, &unit, |state| state == Some('S')).await;
    bench
        .call("POST", "/sandbox/faults", Some(fault("crash")))
        .await;
    becomes(&folder, &unit, |state| state.is_none()).await;
    bench.running.stop().await;
}

#[tokio::test]
async fn stopping_the_sandbox_ends_every_real_process() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(|o| with_exec(o, folder.path())).await;
    let id = bench.deploy(shell("sleep 1000")).await;
    let containers = format!("{CAAS}/deployment/{id}/containers");
    let worker = bench
        .worker(&containers, |w| w["status"] == "running")
        .await;
    let unit = worker["container_id"].as_str().unwrap().to_owned();
    becomes(&folder, &unit, |state| state.is_some()).await;
    bench.running.stop().await;
    becomes(&folder, &unit, |state| state.is_none()).await;
}

#[tokio::test]
async fn a_script_over_ssh_really_runs_in_the_machines_own_directory() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(|o| with_exec(o, folder.path())).await;
    let key = SshKeyPair::generate();
    let body = json!({
        "resource_private_name": "box", "hardware_id": 203, "duration_hours": 1, "gpus_per_vm": 8,
        "ssh_keys": {"me": key.public_line()},
    });
    let (_, made) = bench
        .call("POST", &format!("{VMAAS}/deploy"), Some(body))
        .await;
    let id = made["deployment_id"].as_str().unwrap().to_owned();
    let vms = format!("{VMAAS}/deployment/{id}/vms");
    let vm = bench.worker(&vms, |w| w["ssh_access"].is_string()).await;
    let machine = vm["vm_id"].as_str().unwrap().to_owned();
    let address = SshAddress {
        host: "127.0.0.1".to_owned(),
        port: bench.running.ssh_port(),
        user: machine.clone(),
        host_key: None,
    };
    let launch = SshLaunch {
        script: "echo $A >$TANDEM_HOME/note; (setsid sleep 1000 >/dev/null 2>&1 </dev/null &); pwd; exit 4".to_owned(),
        env: BTreeMap::from([
            ("A".to_owned(), "it's".to_owned()),
            ("TANDEM_EXEC".to_owned(), "1".to_owned()),
        ]),
        secret_env: BTreeMap::new(),
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let done = start(&address, &launch, &key, &PinnedHostKey::FirstUse, deadline)
        .await
        .unwrap();
    assert_eq!(done.exit_status, Some(4));
    let home = Path::new(done.output.trim());
    assert!(home.starts_with(folder.path().canonicalize().unwrap()) && home.ends_with(&machine));
    assert_eq!(
        std::fs::read_to_string(home.join("tandem/note")).unwrap(),
        "it's\n"
    );
    becomes(&folder, &machine, |state| state.is_some()).await;
    bench
        .call("DELETE", &format!("{VMAAS}/deployment/{id}"), None)
        .await;
    becomes(&folder, &machine, |state| state.is_none()).await;
    bench.running.stop().await;
}

#[tokio::test]
async fn a_real_service_answers_through_its_public_url() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(|o| with_exec(o, folder.path())).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut container = shell(&format!(
        "echo found >x; exec python3 -m http.server {port} --bind 127.0.0.1"
    ));
    container["traffic_port"] = json!(port);
    let id = bench.deploy(container).await;
    let containers = format!("{CAAS}/deployment/{id}/containers");
    let worker = bench
        .worker(&containers, |w| w["public_url"].is_string())
        .await;
    let url = format!("{}/x", worker["public_url"].as_str().unwrap());
    let mut seen = String::new();
    for _ in 0..100 {
        seen = bench
            .client
            .get(&url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        if seen == "found\n" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(seen, "found\n");
    bench.running.stop().await;
}
