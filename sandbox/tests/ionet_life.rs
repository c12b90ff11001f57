//! io.net's life cycles, money and limits, in memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use common::{CAAS, PUBLIC_KEY, Table, VMAAS, deploy_body};
use serde_json::{Value, json};
use tandem_adapters::wire::Method;
use tandem_model::money::MicroUsd;
use tandem_sandbox::world::WorldOptions;

fn balance(table: &mut Table) -> i64 {
    table.truth()["ionet_balances_micro_usd"]["sandbox"]
        .as_i64()
        .unwrap()
}

#[test]
fn a_deployment_goes_from_requested_to_running_to_completed() {
    let mut table = Table::new(WorldOptions::default());
    let id = table.deploy(&deploy_body("web"));
    assert_eq!(table.details(&id)["status"], "deployment requested");
    table.pass(1);
    assert_eq!(table.details(&id)["status"], "deploying");
    assert_eq!(table.workers(&id)[0]["public_url"], Value::Null);
    table.pass(6);
    let details = table.details(&id);
    assert_eq!(details["status"], "running");
    assert_eq!(details["compute_minutes_remaining"], 60);
    assert!(table.workers(&id)[0]["public_url"].is_string());
    table.pass(120);
    assert_eq!(table.details(&id)["compute_minutes_served"], 2);
    table.pass(3_600);
    let details = table.details(&id);
    assert_eq!(details["status"], "completed");
    assert_eq!(
        (
            &details["compute_minutes_served"],
            &details["completed_percent"]
        ),
        (&json!(60), &json!(100))
    );
}

#[test]
fn an_extension_is_charged_at_once_and_moves_the_end() {
    let mut table = Table::new(WorldOptions::default());
    let id = table.deploy(&deploy_body("web"));
    table.pass(10);
    let before = balance(&mut table);
    let paid = table.details(&id)["amount_paid"].as_f64().unwrap();
    let path = format!("{CAAS}/deployment/{id}/extend");
    let (status, answer) = table.ionet(Method::Post, &path, Some(&json!({"duration_hours": 1})));
    assert_eq!(status, 200, "{answer}");
    let spent = before - balance(&mut table);
    let twice = table.details(&id)["amount_paid"].as_f64().unwrap();
    assert!((twice - 2.0 * paid).abs() < 1e-6, "{paid} became {twice}");
    assert_eq!(spent, (paid * 1e6).round() as i64);
    table.pass(3_700);
    assert_eq!(table.details(&id)["status"], "running");
    table.pass(3_600);
    assert_eq!(table.details(&id)["status"], "completed");
    let (status, _) = table.ionet(Method::Post, &path, Some(&json!({"duration_hours": 1})));
    assert_eq!(status, 409);
}

#[test]
fn a_deleted_container_is_torn_down_later_and_refunded_only_by_option() {
    for caas_refunds in [false, true] {
        let mut table = Table::new(WorldOptions {
            caas_refunds,
            ..WorldOptions::default()
        });
        let mut body = deploy_body("web");
        body["duration_hours"] = json!(10);
        let id = table.deploy(&body);
        table.pass(10);
        let before = balance(&mut table);
        let path = format!("{CAAS}/deployment/{id}");
        assert_eq!(table.ionet(Method::Delete, &path, None).0, 200);
        assert_eq!(table.details(&id)["status"], "termination requested");
        table.pass(2);
        assert_eq!(table.details(&id)["status"], "destroyed");
        assert_eq!(balance(&mut table) > before, caas_refunds);
        assert_eq!(table.ionet(Method::Delete, &path, None).0, 409);
    }
}

fn vm_body(hours: u32) -> Value {
    json!({
        "resource_private_name": "box", "hardware_id": 203, "duration_hours": hours,
        "gpus_per_vm": 8, "ssh_keys": {"me": PUBLIC_KEY}, "vm_image_type": "general",
    })
}

#[test]
fn a_deleted_machine_keeps_its_first_hour_and_gives_the_rest_back_to_the_minute() {
    let mut table = Table::new(WorldOptions::default());
    let start = balance_after(&mut table, |_| {});
    for (minutes, kept) in [(5, 60), (90, 90)] {
        let (status, answer) =
            table.ionet(Method::Post, &format!("{VMAAS}/deploy"), Some(&vm_body(4)));
        assert_eq!(status, 200, "{answer}");
        let id = answer["deployment_id"].as_str().unwrap().to_owned();
        table.pass(6);
        let vms = table.get(&format!("{VMAAS}/deployment/{id}/vms"));
        assert!(
            vms["workers"][0]["ssh_access"]
                .as_str()
                .unwrap()
                .starts_with("ssh -p "),
            "{vms}"
        );
        let paid = table.get(&format!("{VMAAS}/deployment/{id}"))["amount_paid"]
            .as_f64()
            .unwrap();
        let before = balance(&mut table);
        table.pass(minutes * 60);
        table.ionet(Method::Delete, &format!("{VMAAS}/deployment/{id}"), None);
        table.pass(2);
        let back = balance(&mut table) - before;
        let expected = paid * 1e6 * f64::from(240 - kept) / 240.0;
        assert!(
            (back as f64 - expected).abs() < 2.0,
            "{back} for {expected}"
        );
    }
    assert!(balance(&mut table) < start);
}

fn balance_after(table: &mut Table, act: impl FnOnce(&mut Table)) -> i64 {
    act(table);
    // The account opens with the first request of its key.
    table.get(&format!("{CAAS}/deployments"));
    balance(table)
}

#[test]
fn a_deploy_costs_what_the_price_said() {
    let mut table = Table::new(WorldOptions::default());
    let before = balance_after(&mut table, |_| {});
    let price = format!(
        "{CAAS}/price?hardware_id=RTX4090&duration_hours=1&gpus_per_container=1&replica_count=1&location_ids=[1]"
    );
    let quote = table.get(&price);
    assert!(quote["available_replica_count"].is_array());
    let mut body = deploy_body("web");
    body["location_ids"] = json!([1]);
    table.deploy(&body);
    let spent = before - balance(&mut table);
    assert_eq!(
        spent,
        (quote["total_cost_usdc"].as_f64().unwrap() * 1e6).round() as i64
    );
}

#[test]
fn a_number_an_alias_and_a_number_as_text_name_the_same_hardware() {
    let mut table = Table::new(WorldOptions::default());
    for id in [
        json!(203),
        json!("203"),
        json!("H100_SXM5"),
        json!("h100_sxm5"),
    ] {
        let mut body = deploy_body("web");
        body["hardware_id"] = id;
        let id = table.deploy(&body);
        assert_eq!(table.details(&id)["hardware_id"], 203);
    }
}

#[test]
fn pages_zero_and_one_are_the_first_and_lists_end() {
    let mut table = Table::new(WorldOptions::default());
    for number in 0..63 {
        table.deploy(&deploy_body(&format!("many-{number}")));
    }
    let page =
        |table: &mut Table, n: u32| table.get(&format!("{CAAS}/deployments?page={n}&page_size=50"));
    let (zero, one, two, three) = (
        page(&mut table, 0),
        page(&mut table, 1),
        page(&mut table, 2),
        page(&mut table, 3),
    );
    assert_eq!(zero["deployments"], one["deployments"]);
    let count = |page: &Value| page["deployments"].as_array().unwrap().len();
    assert_eq!((count(&one), count(&two), count(&three)), (50, 13, 0));
    assert_eq!(one["total"], 63);
    assert_eq!(one["deployments"][0]["name"], "many-62");
    let default = table.get(&format!("{CAAS}/deployments"));
    assert_eq!(count(&default), 10);
    let (status, _) = table.ionet(
        Method::Get,
        &format!("{CAAS}/deployments?page_size=101"),
        None,
    );
    assert_eq!(status, 422);
}

#[test]
fn the_three_hundred_and_first_request_of_a_minute_waits() {
    let mut table = Table::new(WorldOptions::default());
    let path = format!("{CAAS}/deployments");
    for _ in 0..300 {
        assert_eq!(table.ionet(Method::Get, &path, None).0, 200);
    }
    let (status, body) = table.ionet(Method::Get, &path, None);
    assert_eq!(
        (status, &body["detail"]),
        (429, &json!("Rate limit exceeded"))
    );
    assert_eq!(
        table.ionet_as("sandbox-other", Method::Get, &path, None).0,
        200
    );
    table.pass(61);
    assert_eq!(table.ionet(Method::Get, &path, None).0, 200);
}

#[test]
fn every_refusal_has_the_form_of_the_network() {
    let mut table = Table::new(WorldOptions {
        balance: MicroUsd::from_cents(1),
        ..WorldOptions::default()
    });
    let deploy = format!("{CAAS}/deploy");
    let (status, body) = table.ionet_as("who", Method::Get, &format!("{CAAS}/deployments"), None);
    assert!(status == 401 && body["detail"].is_string(), "{body}");
    let (status, body) = table.ionet(Method::Get, &format!("{CAAS}/deployment/none"), None);
    assert_eq!((status, &body["status"]), (404, &json!("failed")));
    let (status, body) = table.ionet(Method::Post, &deploy, Some(&deploy_body("web")));
    assert_eq!(
        (status, &body["error"]),
        (402, &json!("Insufficient credits"))
    );
    let mut wrong = deploy_body("web");
    wrong["colour"] = json!("red");
    wrong["container_config"]["replica_count"] = json!("two");
    let (status, body) = table.ionet(Method::Post, &deploy, Some(&wrong));
    assert_eq!(status, 422);
    let locs: Vec<&Value> = body["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["loc"])
        .collect();
    assert!(locs.contains(&&json!(["body", "colour"])), "{body}");
    assert!(
        locs.contains(&&json!(["body", "container_config", "replica_count"])),
        "{body}"
    );
    let mut many = deploy_body("web");
    many["hardware_id"] = json!("B200");
    many["gpus_per_container"] = json!(8);
    many["location_ids"] = json!(["US"]);
    many["container_config"]["replica_count"] = json!(100);
    let (status, body) = table.ionet(Method::Post, &deploy, Some(&many));
    assert_eq!((status, &body["status"]), (409, &json!("failed")));
    let (status, _) = table.ionet(Method::Delete, &deploy, None);
    assert_eq!(status, 405);
    let (status, _) = table.ionet(Method::Get, "/nowhere", None);
    assert_eq!(status, 404);
}

#[test]
fn a_resource_id_is_taken_once() {
    let mut table = Table::new(WorldOptions::default());
    let mut body = deploy_body("web");
    body["resource_id"] = json!("6f9619ff-8b86-4d01-b42d-00cf4fc964ff");
    assert_eq!(table.deploy(&body), "6f9619ff-8b86-4d01-b42d-00cf4fc964ff");
    let (status, _) = table.ionet(Method::Post, &format!("{CAAS}/deploy"), Some(&body));
    assert_eq!(status, 409);
}

#[test]
fn an_update_redeploys_under_a_new_container_and_keeps_the_old_one_in_the_jobs() {
    let mut table = Table::new(WorldOptions::default());
    let mut body = deploy_body("web");
    body["container_config"]["secret_env_variables"] = json!({"K": "v", "L": "w"});
    let id = table.deploy(&body);
    table.pass(10);
    let old = table.workers(&id)[0]["container_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let change = json!({"secret_env_variables": {"K": null, "M": "x"}, "image_url": "nginx:2"});
    let (status, _) = table.ionet(
        Method::Patch,
        &format!("{CAAS}/deployment/{id}"),
        Some(&change),
    );
    assert_eq!(status, 200);
    assert_eq!(table.details(&id)["status"], "deploying");
    table.pass(10);
    let config = table.details(&id)["container_config"].clone();
    assert_eq!(config["secret_env_keys"], json!(["L", "M"]));
    let new = table.workers(&id)[0]["container_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(old, new);
    let jobs = table.get(&format!("{CAAS}/deployment/{id}/containers-jobs/{new}"));
    assert_eq!(jobs["workers"][0]["container_id"], json!(new));
    assert_eq!(jobs["workers"][1]["container_id"], json!(old));
}

#[test]
fn accounts_do_not_see_each_other() {
    let mut table = Table::new(WorldOptions::default());
    let id = table.deploy(&deploy_body("web"));
    let path = format!("{CAAS}/deployment/{id}");
    assert_eq!(
        table.ionet_as("sandbox-other", Method::Get, &path, None).0,
        404
    );
    assert_eq!(
        table
            .ionet(Method::Get, &format!("{VMAAS}/deployment/{id}"), None)
            .0,
        404
    );
    let public = path.replace("/enterprise", "");
    assert_eq!(table.ionet(Method::Get, &public, None).0, 200);
}

#[test]
fn a_log_is_events_and_complete_once_the_container_is_over() {
    let mut table = Table::new(WorldOptions::default());
    let id = table.deploy(&deploy_body("web"));
    table.pass(10);
    let container = table.workers(&id)[0]["container_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = |table: &mut Table| {
        let mut request = common::request(
            Method::Get,
            &format!("{CAAS}/deployment/{id}/log/{container}"),
            None,
        );
        request
            .headers
            .push(("x-api-key".to_owned(), "sandbox".to_owned()));
        let now = table.now();
        String::from_utf8(table.world.handle(&request, now).unwrap().body).unwrap()
    };
    let text = read(&mut table);
    assert!(
        text.starts_with("data: started\n\n") && !text.contains("complete"),
        "{text}"
    );
    table.ionet(Method::Delete, &format!("{CAAS}/deployment/{id}"), None);
    table.pass(2);
    assert!(read(&mut table).ends_with("event: complete\ndata: \n\n"));
}
