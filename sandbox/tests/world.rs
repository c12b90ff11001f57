//! The world as a machine: equal inputs give equal bytes, and no input makes it panic.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use common::{CAAS, START_US, Table, VMAAS, deploy_body, order_body, request};
use proptest::prelude::*;
use serde_json::json;
use tandem_adapters::wire::Method;
use tandem_sandbox::world::{Moment, World, WorldOptions};

/// Everything that a busy hour answers.
fn a_busy_hour(seed: u64) -> Vec<u8> {
    let options = WorldOptions {
        nodes: 400,
        random_faults_permille: 20_000,
        lying_permille: 100,
        ..WorldOptions::default()
    };
    let mut world = World::new(seed, options);
    let mut bytes = Vec::new();
    for step in 0..120_i64 {
        let now = Moment::from_micros(START_US + step * 30_000_000);
        let body = deploy_body(&format!("d{step}"));
        let calls = [
            request(Method::Post, &format!("{CAAS}/deploy"), Some(&body)),
            request(
                Method::Get,
                &format!("{CAAS}/deployments?page_size=100"),
                None,
            ),
            request(Method::Get, &format!("{CAAS}/hardware"), None),
            request(Method::Get, &format!("{VMAAS}/hardware"), None),
            request(Method::Get, "/sandbox/truth", None),
        ];
        for mut call in calls {
            call.headers
                .push(("x-api-key".to_owned(), "sandbox".to_owned()));
            bytes.extend(world.handle(&call, now).unwrap().body);
        }
        world.advance(now);
    }
    bytes
}

#[test]
fn the_same_seed_requests_and_times_give_the_same_bytes() {
    let first = a_busy_hour(5);
    assert!(first.len() > 1_000_000);
    assert!(first == a_busy_hour(5));
    assert!(first != a_busy_hour(6));
}

#[test]
fn how_often_the_world_is_advanced_changes_nothing() {
    let run = |steps: i64| {
        let mut table = Table::new(WorldOptions::default());
        table.deploy(&deploy_body("web"));
        table.order("one");
        for _ in 0..steps {
            table.pass(3_600 / steps);
        }
        table.truth().to_string()
    };
    assert_eq!(run(1), run(720));
}

fn any_method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Get),
        Just(Method::Post),
        Just(Method::Put),
        Just(Method::Patch),
        Just(Method::Delete),
    ]
}

fn any_path() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => proptest::sample::select(vec![
            "enterprise", "v1", "io-cloud", "caas", "vmaas", "deploy", "deployment", "deployments",
            "price", "hardware", "extend", "containers", "containers-jobs", "log", "ID", "vms",
            "available-replicas", "aethir", "console-api", "v2", "orders", "pay", "servers",
            "sandbox", "faults", "truth", "spot", "deposits",
        ]).prop_map(str::to_owned),
        1 => "[^/]{0,12}",
    ];
    let base = proptest::sample::select(vec![
        "/enterprise/v1/io-cloud/caas",
        "/enterprise/v1/io-cloud/vmaas",
        "/v1/io-cloud/caas",
        "/aethir/console-api/v2",
        "/sandbox",
        "",
    ]);
    (base, proptest::collection::vec(word, 0..5)).prop_map(|(base, words)| {
        words
            .into_iter()
            .fold(base.to_owned(), |p, w| format!("{p}/{w}"))
    })
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,20}".prop_map(|t| json!(t)),
    ];
    let name = proptest::sample::select(vec![
        "resource_private_name",
        "hardware_id",
        "duration_hours",
        "container_config",
        "registry_config",
        "replica_count",
        "env_variables",
        "network_services",
        "ssh_keys",
        "network",
        "scope",
        "kind",
        "trace",
        "metadata",
        "data",
        "specId",
        "hours",
        "servers",
    ]);
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|v| json!(v)),
            proptest::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|m| json!(m)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_request_makes_the_world_panic(
        method in any_method(),
        path in any_path(),
        query in proptest::collection::vec((".{0,12}", ".{0,12}"), 0..4),
        body in prop_oneof![any_json().prop_map(|v| v.to_string().into_bytes()), proptest::collection::vec(any::<u8>(), 0..40)],
        changed in any::<proptest::sample::Index>(),
        mutant in any_json(),
        seconds in 0i64..10_000,
    ) {
        let mut table = Table::new(WorldOptions { nodes: 300, ..WorldOptions::default() });
        let id = table.deploy(&deploy_body("web"));
        let order = table.order("one");
        table.pass(seconds);
        let mut call = request(method, &path.replace("ID", &id), None);
        call.query = query;
        call.body = body;
        call.headers.push(("x-api-key".to_owned(), "sandbox".to_owned()));
        let now = table.now();
        let status = table.world.handle(&call, now).unwrap().status;
        prop_assert!((200..600).contains(&status));
        // Nearly right bodies: one field of a good one is something else.
        for (target, good) in [("deploy", deploy_body("x")), ("order", order_body("y"))] {
            let mut body = good;
            let keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
            body[&keys[changed.index(keys.len())]] = mutant.clone();
            match target {
                "deploy" => table.ionet(Method::Post, &format!("{CAAS}/deploy"), Some(&body)),
                _ => table.aethir(Method::Post, "/orders", Some(&body)),
            };
        }
        let path = path.trim_start_matches("/aethir/console-api/v2");
        let order = order["orderId"].as_str().unwrap();
        table.aethir(method, &path.replace("ID", order), Some(&mutant));
        table.pass(seconds);
    }
}
