//! The Aethir-style network's orders, money, incidents and settlements, in memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use common::{PUBLIC_KEY, Table, order_body};
use serde_json::{Value, json};
use tandem_adapters::wire::Method;
use tandem_sandbox::world::WorldOptions;

fn get(table: &mut Table, path: &str) -> Value {
    let (status, body) = table.aethir(Method::Get, path, None);
    assert_eq!((status, &body["code"]), (200, &json!(135_000)), "{body}");
    body["data"].clone()
}

fn ath(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn an_unpaid_order_is_cancelled_after_fifteen_minutes_and_its_servers_are_free_again() {
    let mut table = Table::new(WorldOptions::default());
    let available = |table: &mut Table| {
        table.pass(5);
        let specs = get(table, "/catalog/specs?size=100");
        let all = specs["records"].as_array().unwrap();
        let one = all
            .iter()
            .find(|s| s["specId"] == "h100-sxm5-80gb-8x-us-east-ondemand")
            .unwrap();
        one["serversAvailable"].as_i64().unwrap()
    };
    let before = available(&mut table);
    let (status, order) = table.aethir(Method::Post, "/orders", Some(&order_body("one")));
    assert_eq!(
        (status, &order["data"]["status"]),
        (200, &json!("TO_BE_PAID"))
    );
    let id = order["data"]["orderId"].as_str().unwrap().to_owned();
    assert_eq!(available(&mut table), before - 1);
    table.pass(901);
    let order = get(&mut table, &format!("/orders/{id}"));
    assert_eq!(
        (&order["status"], &order["endReason"]),
        (&json!("CANCELLED"), &json!("unpaid"))
    );
    assert_eq!(available(&mut table), before);
    let (status, body) = table.aethir(Method::Post, &format!("/orders/{id}/pay"), None);
    assert_eq!((status, &body["code"]), (409, &json!(135_409)));
}

#[test]
fn an_order_is_paid_once_served_and_completed() {
    let mut table = Table::new(WorldOptions::default());
    let order = table.order("one");
    let id = order["orderId"].as_str().unwrap().to_owned();
    let wallet = ath(&get(&mut table, "/wallet")["ath"]);
    table.aethir(Method::Post, &format!("/orders/{id}/pay"), None);
    assert_eq!(ath(&get(&mut table, "/wallet")["ath"]), wallet);
    let servers = get(&mut table, &format!("/orders/{id}/servers"));
    assert_eq!(servers[0]["status"], "CHECKING");
    assert_eq!(servers[0]["sshHostKey"], Value::Null);
    table.pass(6);
    let servers = get(&mut table, &format!("/orders/{id}/servers"));
    assert_eq!(servers[0]["status"], "IN_SERVICE");
    assert_eq!(servers[0]["sshUser"], servers[0]["serverId"]);
    table.pass(7_200);
    let order = get(&mut table, &format!("/orders/{id}"));
    assert_eq!(
        (&order["status"], &order["endReason"]),
        (&json!("COMPLETED"), &json!("time_up"))
    );
    assert_eq!(order["minutesServed"], 120);
}

#[test]
fn a_repeated_client_order_number_is_the_same_order_and_other_content_a_conflict() {
    let mut table = Table::new(WorldOptions::default());
    let first = table
        .aethir(Method::Post, "/orders", Some(&order_body("one")))
        .1;
    let again = table
        .aethir(Method::Post, "/orders", Some(&order_body("one")))
        .1;
    assert_eq!(first["data"]["orderId"], again["data"]["orderId"]);
    let mut other = order_body("one");
    other["hours"] = json!(3);
    assert_eq!(table.aethir(Method::Post, "/orders", Some(&other)).0, 409);
}

#[test]
fn the_rate_is_frozen_at_the_order_and_an_extension_is_paid_at_it() {
    let mut table = Table::new(WorldOptions::default());
    let order = table.order("one");
    let id = order["orderId"].as_str().unwrap().to_owned();
    table.pass(1_800);
    let wallet = get(&mut table, "/wallet");
    assert_ne!(
        wallet["athUsdRate"], order["athUsdRate"],
        "the market's rate moved"
    );
    let body = json!({"hours": 2, "clientExtensionNo": "x1"});
    let path = format!("/orders/{id}/extend");
    let (_, extended) = table.aethir(Method::Post, &path, Some(&body));
    assert_eq!(extended["data"]["athUsdRate"], order["athUsdRate"]);
    let (before, after) = (ath(&order["athPaid"]), ath(&extended["data"]["athPaid"]));
    assert!(
        (after - 2.0 * before).abs() < 1e-6,
        "{before} became {after}"
    );
    let (_, again) = table.aethir(Method::Post, &path, Some(&body));
    assert_eq!(again["data"]["athPaid"], extended["data"]["athPaid"]);
    assert_eq!(again["data"]["hours"], 4);
    let other = json!({"hours": 3, "clientExtensionNo": "x1"});
    assert_eq!(table.aethir(Method::Post, &path, Some(&other)).0, 409);
}

#[test]
fn a_wallet_with_too_little_ath_pays_nothing() {
    let mut table = Table::new(WorldOptions {
        wallet_ath: 1,
        ..WorldOptions::default()
    });
    let order = table
        .aethir(Method::Post, "/orders", Some(&order_body("one")))
        .1;
    let id = order["data"]["orderId"].as_str().unwrap().to_owned();
    let (status, body) = table.aethir(Method::Post, &format!("/orders/{id}/pay"), None);
    assert_eq!((status, &body["code"]), (402, &json!(135_402)));
    let deposit = json!({"network": "aethir", "account": "sandbox", "amount_ath": 1_000_000});
    assert_eq!(
        table.control(Method::Post, "/deposits", Some(&deposit)).0,
        200
    );
    assert_eq!(
        table
            .aethir(Method::Post, &format!("/orders/{id}/pay"), None)
            .0,
        200
    );
}

#[test]
fn a_dead_server_slashes_its_host_and_gives_the_running_period_back() {
    let mut table = Table::new(WorldOptions::default());
    let order = table.order("one");
    let id = order["orderId"].as_str().unwrap().to_owned();
    table.pass(60);
    table.fault(&json!({"network": "aethir", "scope": "node", "kind": "crash", "target": id}));
    table.pass(10);
    let order = get(&mut table, &format!("/orders/{id}"));
    assert_eq!(
        (&order["status"], &order["endReason"]),
        (&json!("COMPLETED"), &json!("provider_fault"))
    );
    // One of two hours on demand comes back.
    let (paid, back) = (ath(&order["athPaid"]), ath(&order["refundedAth"]));
    assert!((paid - 2.0 * back).abs() < 1e-3, "{back} of {paid}");
    let incidents = get(&mut table, &format!("/incidents?orderId={id}"));
    assert_eq!(incidents[0]["type"], "interruption");
    assert_eq!(incidents[0]["feeWaived"], true);
    // K 2.5 x coefficient 1334.22 x 8 GPUs / 3.
    assert!(
        (ath(&incidents[0]["slashAth"]) - 8_894.8).abs() < 0.1,
        "{incidents}"
    );
}

#[test]
fn a_release_gives_nothing_back_and_a_second_one_changes_nothing() {
    let mut table = Table::new(WorldOptions::default());
    let order = table.order("one");
    let id = order["orderId"].as_str().unwrap().to_owned();
    table.pass(60);
    for _ in 0..2 {
        assert_eq!(
            table
                .aethir(Method::Post, &format!("/orders/{id}/release"), None)
                .0,
            200
        );
        table.pass(3);
    }
    let order = get(&mut table, &format!("/orders/{id}"));
    assert_eq!(
        (&order["status"], &order["endReason"]),
        (&json!("COMPLETED"), &json!("released"))
    );
    assert_eq!(order["refundedAth"], "0");
}

#[test]
fn a_closed_day_is_settled_four_to_one() {
    let mut table = Table::new(WorldOptions::default());
    table.order("one");
    table.pass(12 * 3_600);
    let page = get(&mut table, "/settlements");
    let one = &page["records"][0];
    let (host, protocol) = (ath(&one["hostShareAth"]), ath(&one["protocolShareAth"]));
    assert!((host - 4.0 * protocol).abs() < 1e-6, "{one}");
    assert_eq!(page["total"], 1);
}

#[test]
fn a_host_that_lies_fails_its_capacity_check_and_is_slashed_whole() {
    let mut table = Table::new(WorldOptions::default());
    table.fault(&json!({"network": "aethir", "scope": "network", "kind": "lying_gpu", "count": 1}));
    let mut body = order_body("one");
    body["hours"] = json!(24);
    let order = table.aethir(Method::Post, "/orders", Some(&body)).1;
    let id = order["data"]["orderId"].as_str().unwrap().to_owned();
    table.aethir(Method::Post, &format!("/orders/{id}/pay"), None);
    table.pass(60);
    let server = get(&mut table, &format!("/orders/{id}/servers"))[0]["serverId"]
        .as_str()
        .unwrap()
        .to_owned();
    let reports = get(
        &mut table,
        &format!("/servers/{server}/checker-reports?size=1"),
    );
    assert_eq!(reports["records"][0]["verdict"], "failed", "{reports}");
    assert_eq!(
        reports["records"][0]["reports"].as_array().unwrap().len(),
        5
    );
    assert_eq!(
        get(&mut table, &format!("/servers/{server}/quality"))["capacityQualified"],
        false
    );
    table.pass(12 * 3_600);
    let incidents = get(&mut table, &format!("/incidents?orderId={id}"));
    assert_eq!(incidents[0]["type"], "deception");
}

#[test]
fn bulk_reads_are_paced_and_other_reads_are_not() {
    let mut table = Table::new(WorldOptions::default());
    assert_eq!(table.aethir(Method::Get, "/orders", None).0, 200);
    let (status, body) = table.aethir(Method::Get, "/orders", None);
    assert_eq!((status, &body["code"]), (429, &json!(135_429)));
    assert_eq!(table.aethir(Method::Get, "/catalog/specs", None).0, 200);
    for _ in 0..20 {
        get(&mut table, "/wallet");
    }
    table.pass(5);
    assert_eq!(table.aethir(Method::Get, "/orders", None).0, 200);
}

#[test]
fn a_token_is_good_once_and_only_for_its_key() {
    use tandem_adapters::aethir::token::{ACCESS_KEY_HEADER, TOKEN_HEADER, make};
    use tandem_model::secret::Secret;
    let mut table = Table::new(WorldOptions::default());
    let wall = table.now().wall;
    let good = make("sandbox", &Secret::new("sandbox-secret"), wall, "n1");
    let forged = make("sandbox", &Secret::new("guess"), wall, "n2");
    let mut ask = |key: &str, token: &str| {
        let mut request = common::request(Method::Get, "/aethir/console-api/v2/wallet", None);
        request
            .headers
            .push((ACCESS_KEY_HEADER.to_owned(), key.to_owned()));
        request
            .headers
            .push((TOKEN_HEADER.to_owned(), token.to_owned()));
        table.send(&request)
    };
    assert_eq!(ask("sandbox", &good).0, 200);
    assert_eq!(ask("sandbox", &good).0, 401);
    assert_eq!(ask("sandbox", &forged).0, 401);
    assert_eq!(ask("sandbox-other", &good).0, 401);
    let (status, body) = ask("stranger", &good);
    assert_eq!((status, &body["code"]), (401, &json!(135_401)));
}

#[test]
fn a_wrong_field_is_named() {
    let mut table = Table::new(WorldOptions::default());
    for (field, value) in [
        ("hours", json!(0)),
        ("servers", json!("one")),
        ("mode", json!("Lease")),
        ("sshPublicKey", json!("hello")),
        ("clientOrderNo", json!("")),
        ("autoRenew", json!(true)),
        ("colour", json!(1)),
    ] {
        let mut body = order_body("one");
        body[field] = value;
        let (status, answer) = table.aethir(Method::Post, "/orders", Some(&body));
        assert_eq!(status, 400, "{field}: {answer}");
        assert!(
            answer["msg"].as_str().unwrap().contains(field),
            "{field}: {answer}"
        );
    }
    let reserve = json!({
        "clientOrderNo": "r", "specId": "h100-sxm5-80gb-8x-us-east-reserve", "mode": "Reserve",
        "servers": 1, "hours": 25, "sshPublicKey": PUBLIC_KEY,
    });
    let (status, answer) = table.aethir(Method::Post, "/orders", Some(&reserve));
    assert!(
        status == 400 && answer["msg"].as_str().unwrap().contains("24 hours"),
        "{answer}"
    );
    let mut unknown = order_body("one");
    unknown["specId"] = json!("a-car");
    assert_eq!(table.aethir(Method::Post, "/orders", Some(&unknown)).0, 404);
}

#[test]
fn a_reserve_order_renews_itself_by_a_day_while_the_wallet_lasts() {
    let mut table = Table::new(WorldOptions {
        wallet_ath: 30_000,
        ..WorldOptions::default()
    });
    let body = json!({
        "clientOrderNo": "r", "specId": "h100-sxm5-80gb-8x-us-east-reserve", "mode": "Reserve",
        "servers": 1, "hours": 24, "sshPublicKey": PUBLIC_KEY, "autoRenew": true,
    });
    let order = table.aethir(Method::Post, "/orders", Some(&body)).1;
    let id = order["data"]["orderId"].as_str().unwrap().to_owned();
    table.aethir(Method::Post, &format!("/orders/{id}/pay"), None);
    table.pass(25 * 3_600);
    let order = get(&mut table, &format!("/orders/{id}"));
    assert_eq!(
        (&order["status"], &order["hours"]),
        (&json!("IN_SERVICE"), &json!(48))
    );
    table.pass(24 * 3_600);
    let order = get(&mut table, &format!("/orders/{id}"));
    assert_eq!(
        (&order["status"], &order["hours"]),
        (&json!("COMPLETED"), &json!(48))
    );
}
