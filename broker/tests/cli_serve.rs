//! A broker and its commands as a person types them: real processes, real HTTP, both emulated
//! networks inside.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "cli_serve/probe.rs"]
mod probe;
#[path = "cli_serve/process.rs"]
mod process;
#[path = "cli_serve/unpriced.rs"]
mod unpriced;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use process::{Home, text};
use serde_json::{Value, json};

const RENDER: &str = "examples/render-blender.yaml";

#[test]
fn a_newcomer_submits_and_watches_a_job_without_setting_anything_up() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox", "--speed", "10"]);
    assert!(
        broker.ready["admin_key"]
            .as_str()
            .unwrap()
            .starts_with("tdm_")
    );
    let status = home.json(&broker, &["status"]);
    assert_eq!(status["ready"], true);
    let quote = broker.until_quoted(&home, RENDER);
    assert_eq!(quote["tiers"][0]["tier"], "consumer");
    let ended = home.json(&broker, &["submit", RENDER, "--yes", "--watch"]);
    assert_eq!(ended["state"], "succeeded");
    assert!(ended["charged_micro_usd"].as_i64().unwrap() > 0);
    let id = ended["id"].as_str().unwrap();
    let jobs = home.json(&broker, &["jobs", "--state", "succeeded"]);
    assert_eq!(jobs["items"][0]["id"], id);
    assert!(home.json(&broker, &["logs", id])["items"].is_array());
    let shown = home.run(&broker, &["job", id]);
    assert!(
        text(&shown.stdout).contains("succeeded"),
        "{}",
        text(&shown.stdout)
    );
    broker.stop();
}

#[test]
fn ctrl_c_ends_the_watching_and_not_the_job() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    broker.until_quoted(&home, RENDER);
    let made = home.json(&broker, &["submit", RENDER, "--yes"]);
    let id = made["id"].as_str().unwrap();
    let told = home.interrupted(&broker, &["job", id, "--watch"]);
    let words = format!("tandem cancel {id}");
    assert!(
        told.contains("the job goes on") && told.contains(&words),
        "{told}"
    );
    let state = &home.json(&broker, &["job", id])["state"];
    assert!(!["cancelling", "cancelled"].contains(&state.as_str().unwrap()));
    broker.stop();
}

#[test]
fn a_job_goes_on_after_the_broker_is_killed_and_started_again() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox", "--speed", "10"]);
    broker.until_quoted(&home, RENDER);
    let made = home.json(&broker, &["submit", RENDER, "--yes"]);
    let id = made["id"].as_str().unwrap().to_owned();
    let at = made["accepted_at"].as_str().unwrap().to_owned();
    broker.kill();
    let again = home.serve(&["--sandbox", "--speed", "10"]);
    assert!(
        again.ready.get("admin_key").is_none(),
        "made at the first start alone"
    );
    // It is another address, so the saved key is not found by itself.
    let job = home.json_with_key(&again, &["job", &id, "--watch"]);
    assert_eq!(job["state"], "succeeded");
    assert!(
        job["ended_at"].as_str().unwrap() > at.as_str(),
        "world time goes on"
    );
    again.stop();
}

#[test]
fn a_lost_key_is_replaced_at_the_next_start() {
    let home = Home::new();
    home.serve(&["--sandbox", "--no-save-key"]).stop();
    assert!(!home.credentials().exists());
    let broker = home.serve(&["--sandbox", "--new-admin-key"]);
    assert!(broker.ready["admin_key"].is_string());
    let keys = home.json(&broker, &["key", "list"]);
    assert_eq!(keys["items"].as_array().unwrap().len(), 2);
    broker.stop();
}

#[test]
fn a_key_can_do_what_it_was_made_for_until_it_is_revoked() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    let account = home.json(&broker, &["account", "create", "team"]);
    let account = account["id"].as_str().unwrap();
    let arguments = [
        "key",
        "create",
        "ci",
        "--scope",
        "jobs:read",
        "--account",
        account,
    ];
    let made = home.json(&broker, &arguments);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(made["account"], account);
    let with = |arguments: &[&str]| home.run_with(&broker, key, arguments);
    assert!(with(&["jobs", "--json"]).status.success());
    let refused = with(&["account", "list"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("code: TDM-"),
        "{}",
        text(&refused.stderr)
    );
    assert!(home.run(&broker, &["key", "revoke", id]).status.success());
    let revoked = with(&["jobs"]);
    assert_eq!(revoked.status.code(), Some(1));
    assert!(
        text(&revoked.stderr).contains("hint: "),
        "{}",
        text(&revoked.stderr)
    );
    broker.stop();
}

#[test]
fn an_account_is_made_with_its_country_and_denials_are_asked_for() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    let acme = ["account", "create", "acme", "--country", "de"];
    assert_eq!(home.json(&broker, &acme)["country"], "DE");
    let listed = home.run(&broker, &["account", "list"]);
    let row = text(&listed.stdout);
    let row = row.lines().find(|line| line.contains("acme")).unwrap();
    assert!(row.contains(" DE "), "{row}");
    let nowhere = ["account", "create", "b", "--country", "UK"];
    let refused = home.run(&broker, &nowhere);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("ISO 3166-1"));
    assert_eq!(home.json(&broker, &["denials"])["items"], json!([]));
    let all = home.run(&broker, &["denials", "--account", "all"]);
    assert!(all.status.success(), "{}", text(&all.stderr));
    assert_eq!(text(&all.stdout), "", "no table without rows");
    assert!(text(&all.stderr).contains("nothing was denied"));
    broker.stop();
}

#[test]
fn a_refused_file_is_told_by_line_and_field() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    let file = home.path().join("bad.yaml");
    fs::write(
        &file,
        "tandem: 1\nname: x\nrun: ./x\nresources:\n  gpus_per_nod: 2\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let refused = home.run(&broker, &["submit", path, "--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    for part in [
        format!("{path}:5"),
        "`gpus_per_node`".into(),
        "code: TDM-1002".into(),
    ] {
        assert!(told.contains(&part), "`{part}` is missing in {told}");
    }
    broker.stop();
}

#[test]
fn nothing_is_bought_where_nobody_accepts_the_price() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    broker.until_quoted(&home, RENDER);
    let refused = home.run(&broker, &["submit", RENDER]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--yes"));
    assert_eq!(
        home.json(&broker, &["jobs"])["items"],
        Value::Array(Vec::new())
    );
    broker.stop();
}

#[test]
fn what_keeps_a_broker_from_starting_is_told_with_a_code_and_a_hint() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    let address = broker.url.strip_prefix("http://").unwrap().to_owned();
    let fails = |arguments: &[&str], code: &str, hint: &str| {
        let ended = home
            .command(&[&["serve"], arguments].concat())
            .output()
            .unwrap();
        let told = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("code: {code} ")), "{code}: {told}");
        assert!(
            told.contains("hint: ") && told.contains(hint),
            "{hint}: {told}"
        );
        assert!(ended.stdout.is_empty());
    };
    fails(&["--sandbox", "--listen", &address], "TDM-5003", "--listen");
    fails(
        &["--sandbox", "--listen", "nowhere"],
        "TDM-5005",
        "config show --default",
    );
    fails(
        &["--sandbox", "--listen", "127.0.0.1:0"],
        "TDM-5006",
        "stop the other broker",
    );
    broker.stop();
    let any = ["--listen", "127.0.0.1:0"];
    let with = |more: &[&'static str]| [&any[..], more].concat();
    fails(
        &with(&["--data-dir", "/proc/x", "--sandbox"]),
        "TDM-5006",
        "--data-dir",
    );
    fails(
        &with(&["--sandbox-url", "http://127.0.0.1:1"]),
        "TDM-5009",
        "tandem sandbox",
    );
    let mut live = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    live.env("TANDEM__NETWORKS__IONET__API_KEY", "k");
    live.env("TANDEM__PUBLIC_URL", "https://gpu.example.com");
    let mixed = text(&live.output().unwrap().stderr);
    assert!(
        mixed.contains("TDM-5006") && mixed.contains("sandbox networks"),
        "{mixed}"
    );
    let key = home.path().join("config/tandem/master.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fails(&with(&["--sandbox"]), "TDM-5007", "chmod 600");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "00".repeat(32)).unwrap();
    fails(&with(&["--sandbox"]), "TDM-5007", "master_key_file");
}

#[test]
fn without_networks_a_broker_says_how_to_start_one() {
    let home = Home::new();
    let ended = home
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    let told = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        told.contains("code: TDM-5009") && told.contains("tandem serve --sandbox"),
        "{told}"
    );
    home.serve(&["--sandbox"]).stop();
}

#[test]
fn a_live_networks_clock_cannot_be_changed() {
    let home = Home::new();
    let ended = home.command(&["serve", "--speed", "2"]).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(text(&ended.stderr).contains("--sandbox"));
}

#[test]
fn a_broker_uses_a_sandbox_elsewhere_and_keeps_its_time() {
    let home = Home::new();
    let sandbox = home.start(&[
        "sandbox",
        "--listen",
        "127.0.0.1:0",
        "--speed",
        "10",
        "--json",
    ]);
    let broker = home.serve(&["--sandbox-url", &sandbox.url]);
    assert_eq!(broker.ready["sandbox_url"], sandbox.url);
    broker.until_quoted(&home, RENDER);
    let ended = home.json(&broker, &["submit", RENDER, "--yes", "--watch"]);
    assert_eq!(ended["state"], "succeeded");
    broker.stop();
    sandbox.stop();
}

#[test]
fn a_backup_is_taken_while_the_broker_works_and_a_broker_starts_from_it() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    home.json(&broker, &["account", "create", "kept"]);
    let copy = home.path().join("copy");
    fs::create_dir(&copy).unwrap();
    let file = copy.join("tandem.db");
    let file = file.to_str().unwrap();
    assert!(home.run(&broker, &["backup", file]).status.success());
    let twice = home.run(&broker, &["backup", file]);
    assert_eq!(twice.status.code(), Some(1));
    broker.stop();
    let from_copy = home.serve(&["--sandbox", "--data-dir", copy.to_str().unwrap()]);
    let accounts = home.json_with_key(&from_copy, &["account", "list"]);
    assert_eq!(accounts["items"][1]["name"], "kept");
    from_copy.stop();
}

#[test]
fn a_command_without_a_broker_says_how_to_start_one() {
    let home = Home::new();
    let ended = home
        .command(&["jobs", "--url", "http://127.0.0.1:1"])
        .env("TANDEM_API_KEY", "tdm_x")
        .output()
        .unwrap();
    let told = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        told.contains("TDM-5008") && told.contains("tandem serve --sandbox"),
        "{told}"
    );
    let ended = home.command(&["jobs"]).output().unwrap();
    assert!(text(&ended.stderr).contains("TDM-5010"));
}

#[test]
fn spans_of_a_broker_reach_the_collector_before_it_ends() {
    let home = Home::new();
    let collector = process::Collector::start();
    let name = "TANDEM__TELEMETRY__OTLP_ENDPOINT";
    let broker = home.serve_with(&["--sandbox"], &[(name, &collector.url)]);
    home.json(&broker, &["status"]);
    broker.stop();
    assert!(collector.received("/v1/traces", "tandem"));
}
