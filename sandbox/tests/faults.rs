//! Every fault does what it says, and nothing else.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{CAAS, Table, deploy_body};
use proptest::prelude::*;
use serde_json::{Value, json};
use tandem_adapters::wire::Method;
use tandem_sandbox::world::{Network, SpotTrace, WorldOptions};

fn running(table: &mut Table) -> String {
    let id = table.deploy(&deploy_body("web"));
    table.pass(10);
    assert_eq!(table.details(&id)["status"], "running");
    id
}

fn on(kind: &str, target: &str) -> Value {
    json!({"network": "ionet", "scope": "node", "kind": kind, "target": target})
}

fn unit(table: &mut Table) -> Value {
    table.truth()["deployments"][0]["units"][0].clone()
}

#[test]
fn a_crash_ends_the_run_at_once_and_the_network_notices_later() {
    let mut table = Table::new(WorldOptions::default());
    let id = running(&mut table);
    table.fault(&on("crash", &id));
    let crashed_us = table.now_us;
    assert_eq!(table.details(&id)["status"], "running");
    table.pass(10);
    assert_eq!(table.details(&id)["status"], "failed");
    let unit = unit(&mut table);
    assert_eq!(unit["ran_us"][0][1], json!(crashed_us));
    assert_eq!(unit["state"], "crashed");
}

#[test]
fn a_stale_status_hides_the_end_until_it_is_healed() {
    let mut table = Table::new(WorldOptions::default());
    let id = running(&mut table);
    let fault = table.fault(&on("stale_status", &id));
    table.fault(&on("crash", &id));
    table.pass(60);
    assert_eq!(table.details(&id)["status"], "running");
    let path = format!("/faults/{}", fault["id"].as_str().unwrap());
    assert_eq!(table.control(Method::Delete, &path, None).0, 200);
    assert_eq!(table.details(&id)["status"], "failed");
}

#[test]
fn a_fault_with_a_duration_heals_by_itself() {
    let mut table = Table::new(WorldOptions::default());
    let id = running(&mut table);
    let mut fault = on("silent", &id);
    fault["duration_seconds"] = json!(30);
    table.fault(&fault);
    assert_eq!(unit(&mut table)["silent"], true);
    table.pass(31);
    assert_eq!(unit(&mut table)["silent"], false);
    let faults = table.control(Method::Get, "/faults", None).1;
    assert_eq!(faults["faults"][0]["active"], false);
}

#[test]
fn a_move_gives_another_device_and_another_container_and_restarts_it() {
    let mut table = Table::new(WorldOptions::default());
    let id = running(&mut table);
    let before = table.workers(&id)[0].clone();
    table.fault(&on("reallocate", &id));
    table.pass(10);
    let after = table.workers(&id)[0].clone();
    assert_ne!(before["device_id"], after["device_id"]);
    assert_ne!(before["container_id"], after["container_id"]);
    assert_eq!(table.details(&id)["status"], "running");
    assert_eq!(
        table.truth()["deployments"][0]["units"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_device_that_lies_is_another_card_in_truth_alone() {
    let mut table = Table::new(WorldOptions::default());
    table.fault(&json!({"network": "ionet", "scope": "network", "kind": "lying_gpu", "count": 1}));
    let id = running(&mut table);
    let unit = unit(&mut table);
    assert_eq!(
        (&unit["sold_gpu"], unit["real_gpu"] == unit["sold_gpu"]),
        (&json!("rtx4090"), false)
    );
    assert_eq!(table.details(&id)["hardware_name"], "GeForce RTX 4090");
    running(&mut table);
    let second = table.truth()["deployments"][1]["units"][0].clone();
    assert_eq!(second["sold_gpu"], second["real_gpu"]);
}

#[test]
fn an_error_before_does_nothing_and_an_error_after_does_it() {
    let mut table = Table::new(WorldOptions::default());
    for (kind, expected) in [("error_before", 0), ("error_after", 1)] {
        table.fault(&json!({"network": "ionet", "scope": "network", "kind": kind, "count": 1}));
        let list = table.get(&format!("{CAAS}/deployments"));
        assert_eq!(list["total"], 0, "a reading is not hit by a count");
        let (status, _) = table.ionet(
            Method::Post,
            &format!("{CAAS}/deploy"),
            Some(&deploy_body("web")),
        );
        assert_eq!(status, 500);
        let list = table.get(&format!("{CAAS}/deployments"));
        assert_eq!(list["total"], expected, "{kind}");
    }
}

fn deploy_call(name: &str) -> tandem_adapters::WireRequest {
    let mut call = common::request(
        Method::Post,
        &format!("{CAAS}/deploy"),
        Some(&deploy_body(name)),
    );
    call.headers
        .push(("x-api-key".to_owned(), "sandbox".to_owned()));
    call
}

#[test]
fn a_cut_leaves_no_answer_whether_it_was_done_or_not() {
    let mut table = Table::new(WorldOptions::default());
    for (kind, expected) in [("error_before", 0), ("error_after", 1)] {
        table
            .fault(&json!({"network": "ionet", "scope": "network", "kind": kind, "answer": "cut"}));
        let now = table.now();
        let answer = table.world.handle(&deploy_call("web"), now);
        assert_eq!(answer, Err(tandem_adapters::TransportFault::MaybeSent));
        let list = table.get(&format!("{CAAS}/deployments"));
        assert_eq!(list["total"], expected, "{kind}");
    }
}

#[test]
fn a_cut_by_seed_cuts_some_and_the_same_for_the_same_seed() {
    let run = || {
        let mut table = Table::new(WorldOptions::default());
        table.fault(&json!({"network": "ionet", "scope": "network", "kind": "error_after", "answer": "seed", "count": 40}));
        let now = table.now();
        (0..40)
            .map(|_| table.world.handle(&deploy_call("web"), now).is_ok())
            .collect::<Vec<bool>>()
    };
    let answered = run();
    assert!(answered.contains(&true) && answered.contains(&false));
    assert_eq!(answered, run());
}

#[test]
fn a_cut_is_for_errors_only() {
    let mut table = Table::new(WorldOptions::default());
    for body in [
        json!({"network": "ionet", "scope": "network", "kind": "crash", "answer": "cut"}),
        json!({"network": "ionet", "scope": "network", "kind": "error_after", "answer": "maybe"}),
    ] {
        let (status, answer) = table.control(Method::Post, "/faults", Some(&body));
        assert_eq!((status, &answer["field"]), (400, &json!("answer")));
    }
}

#[test]
fn an_outage_by_time_hits_readings_too() {
    let mut table = Table::new(WorldOptions::default());
    table.fault(&json!({"network": "aethir", "scope": "network", "kind": "error_before", "duration_seconds": 60}));
    let (status, body) = table.aethir(Method::Get, "/wallet", None);
    assert_eq!((status, &body["code"]), (500, &json!(135_500)));
    assert_eq!(
        table
            .ionet(Method::Get, &format!("{CAAS}/deployments"), None)
            .0,
        200
    );
    table.pass(61);
    assert_eq!(table.aethir(Method::Get, "/wallet", None).0, 200);
}

#[test]
fn phantom_capacity_is_listed_and_refused() {
    let mut table = Table::new(WorldOptions::default());
    table.fault(&json!({"network": "ionet", "scope": "network", "kind": "phantom_capacity"}));
    let rows = table.get(&format!(
        "{CAAS}/available-replicas?hardware_id=RTX4090&hardware_qty=1"
    ));
    assert!(rows[0]["available_replicas"].as_i64().unwrap() > 0);
    let (status, body) = table.ionet(
        Method::Post,
        &format!("{CAAS}/deploy"),
        Some(&deploy_body("web")),
    );
    assert_eq!((status, &body["status"]), (409, &json!("failed")));
    table.deploy(&deploy_body("web"));
}

#[test]
fn a_whole_network_can_fall_silent_and_what_starts_meanwhile_is_silent_too() {
    let mut table = Table::new(WorldOptions::default());
    running(&mut table);
    table.fault(&json!({"network": "ionet", "scope": "network", "kind": "silent"}));
    running(&mut table);
    let silent = |table: &mut Table| -> Vec<Value> {
        let truth = table.truth();
        truth["deployments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["units"][0]["silent"].clone())
            .collect()
    };
    assert_eq!(silent(&mut table), [json!(true), json!(true)]);
    table.control(Method::Delete, "/faults", None);
    assert_eq!(silent(&mut table), [json!(false), json!(false)]);
}

#[test]
fn a_spot_trace_preempts_the_youngest_and_refuses_starts_above_it() {
    let spot = SpotTrace {
        network: Network::Ionet,
        gap_seconds: 100,
        available: vec![2, 1, 3],
    };
    let mut table = Table::new(WorldOptions {
        spot: Some(spot),
        ..WorldOptions::default()
    });
    let (first, second) = (running(&mut table), running(&mut table));
    let (status, _) = table.ionet(
        Method::Post,
        &format!("{CAAS}/deploy"),
        Some(&deploy_body("web")),
    );
    assert_eq!(status, 409);
    table.pass(100);
    assert_eq!(table.details(&first)["status"], "running");
    assert_eq!(table.details(&second)["status"], "failed");
    table.pass(100);
    running(&mut table);
}

#[test]
fn a_real_spot_trace_preempts_what_it_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let Ok(files) = std::fs::read_dir(folder.join("spot-traces")) else {
        println!("no spot traces at {}: none was replayed", folder.display());
        return;
    };
    let read = |path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
    let traces: BTreeMap<String, Value> = files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), read(file.path())))
        .collect();
    for (file, trace) in &traces {
        let mut table = Table::new(WorldOptions::default());
        let body = json!({"network": "aethir", "trace": trace});
        let (status, answer) = table.control(Method::Post, "/spot", Some(&body));
        assert_eq!(status, 200, "{file}: {answer}");
    }
    let trace = &traces["availability-16-node-aws-08-27-2023-us-west-2a_v100_1.json"];
    let steps: Vec<usize> = serde_json::from_value(trace["data"].clone()).unwrap();
    let gap = trace["metadata"]["gap_seconds"].as_i64().unwrap();
    let mut table = Table::new(WorldOptions::default());
    let body = json!({"network": "ionet", "trace": trace});
    let (status, answer) = table.control(Method::Post, "/spot", Some(&body));
    assert_eq!((status, &answer["steps"]), (200, &json!(steps.len())));
    let (mut live, mut preempted) = (0, 0);
    for available in steps.iter().take(400) {
        let left = live.min(*available);
        preempted += live - left;
        live = left;
        // As many starts as there is room for, and one that there is no room for.
        let mut hours = deploy_body("spot");
        hours["duration_hours"] = json!(500);
        while live < *available {
            table.deploy(&hours);
            live += 1;
        }
        let (status, _) = table.ionet(Method::Post, &format!("{CAAS}/deploy"), Some(&hours));
        assert_eq!(status, 409);
        table.pass(gap);
    }
    let truth = table.truth();
    let deployments = truth["deployments"].as_array().unwrap();
    let crashed = deployments
        .iter()
        .filter(|d| d["units"][0]["state"] == "crashed")
        .count();
    assert!(preempted > 0);
    // The step after the last one seen has already come.
    let next = live - live.min(steps[400]);
    assert_eq!(crashed, preempted + next);
}

#[test]
fn random_faults_come_by_seed() {
    let options = WorldOptions {
        random_faults_permille: 500_000,
        ..WorldOptions::default()
    };
    let run = || {
        let mut table = Table::new(options.clone());
        for _ in 0..10 {
            running(&mut table);
        }
        table.pass(600);
        table.truth().to_string()
    };
    let truth = run();
    assert!(truth.contains("crashed"), "{truth}");
    assert_eq!(truth, run());
}

#[test]
fn what_is_wrong_with_a_fault_is_named() {
    let mut table = Table::new(WorldOptions::default());
    let good = json!({"network": "ionet", "scope": "network", "kind": "crash"});
    for (field, value) in [
        ("network", json!("moon")),
        ("scope", json!("rack")),
        ("kind", json!("fire")),
        ("count", json!(0)),
        ("duration_seconds", json!("long")),
        ("target", json!("x")),
        ("colour", json!("red")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let (status, answer) = table.control(Method::Post, "/faults", Some(&body));
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{answer}");
        assert!(
            answer["error"].as_str().unwrap().contains(field),
            "{answer}"
        );
    }
    for field in ["network", "scope", "kind"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        let (status, answer) = table.control(Method::Post, "/faults", Some(&body));
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{answer}");
    }
    let nobody = json!({"network": "ionet", "scope": "node", "kind": "crash", "target": "nobody"});
    assert_eq!(
        table.control(Method::Post, "/faults", Some(&nobody)).1["field"],
        "target"
    );
}

proptest! {
    #[test]
    fn no_fault_makes_the_world_panic(
        network in "ionet|aethir",
        scope in "node|network",
        kind in "crash|silent|slow|lying_gpu|stale_status|error_before|error_after|phantom_capacity|reallocate",
        count in proptest::option::of(1u32..5),
        duration in proptest::option::of(1u32..100),
    ) {
        let mut table = Table::new(WorldOptions { nodes: 300, ..WorldOptions::default() });
        running(&mut table);
        table.order("one");
        let body = json!({"network": network, "scope": scope, "kind": kind, "count": count, "duration_seconds": duration});
        let (status, answer) = table.control(Method::Post, "/faults", Some(&body));
        prop_assert_eq!(status, 200, "{}", answer);
        table.ionet(Method::Post, &format!("{CAAS}/deploy"), Some(&deploy_body("more")));
        table.pass(50);
        table.pass(100);
        table.control(Method::Delete, "/faults", None);
        table.pass(100);
        let truth = table.truth();
        prop_assert!(truth["deployments"].is_array());
    }
}
