//! io.net's shapes, endpoint by endpoint, as its own client and its documentation show them.

use crate::common::{container, failure, json, machine, run, start, tag};
use tandem_adapters::adapter::TransportFault;
use tandem_adapters::ionet::{IoNet, NETWORK, VmPriceUnit};
use tandem_adapters::{Command, FailureKind, Method, Outcome, Repeat};
use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;

const ID: &str = "0b6f7a52-8f5e-4a44-9c5b-0d8a0f7f7d11";

fn ionet() -> IoNet {
    IoNet::new(Secret::new("io-key"), VmPriceUnit::default())
}

#[test]
fn the_market_is_read_from_both_listings_in_every_form() {
    let rows = r#"[{"hardware_id":12,"hardware_name":"GeForce RTX 4090","brand_name":"NVIDIA",
        "location":"United States","price":0.3,"available":16,"network":2,
        "max_gpus_per_container":8,"min_gpus_per_container":null,"confidential_compute":false},
        {"hardware_id":"203","hardware_name":"Quantum 9000","location":"US","price":1}]"#;
    let vms = r#"{"data":{"hardware":[{"id":"B200_sxm6x8__US","deploy_id":"B200_sxm6x8",
        "name":"H100 SXM5","num_cards":8,"supplier":"external","price":39.92,"vram_per_card":80,
        "interconnect":"SXM","nvlink":true,"location":"US"}]}}"#;
    for caas in [
        format!(r#"{{"data":{rows}}}"#),
        format!(r#"{{"data":{{"hardware":{rows}}}}}"#),
    ] {
        let answers = vec![json(200, &caas), json(200, vms)];
        let (requests, outcome) = run(&ionet(), &Command::Offers, answers);
        assert_eq!(requests[0].path, "/enterprise/v1/io-cloud/caas/hardware");
        assert_eq!(requests[1].path, "/enterprise/v1/io-cloud/vmaas/hardware");
        let Outcome::Offers { offers, unreadable } = outcome else {
            panic!("{outcome:?}")
        };
        let seen: Vec<_> = offers
            .iter()
            .map(|o| (o.gpu.id(), o.price.price().get()))
            .collect();
        assert_eq!(seen, [("rtx4090", 300_000), ("h100-sxm5-80gb", 4_990_000)]);
        assert_eq!(unreadable.len(), 1);
        assert!(unreadable[0].reason.contains("Quantum 9000"));
    }
}

#[test]
fn a_market_without_rows_is_empty_and_one_listing_that_fails_fails_the_reading() {
    let answers = vec![
        json(200, r#"{"data":null}"#),
        json(200, r#"{"data":{"hardware":null}}"#),
    ];
    let (_, outcome) = run(&ionet(), &Command::Offers, answers);
    assert_eq!(failure(outcome).code, ErrorCode::NETWORK_ANSWER_INVALID);
    let answers = vec![
        json(200, r#"{"data":[]}"#),
        json(200, r#"{"data":{"hardware":null}}"#),
    ];
    let (_, outcome) = run(&ionet(), &Command::Offers, answers);
    assert_eq!(
        outcome,
        Outcome::Offers {
            offers: vec![],
            unreadable: vec![]
        }
    );
    let answers = vec![json(200, r#"{"data":[]}"#), json(503, "<html>busy</html>")];
    let (_, outcome) = run(&ionet(), &Command::Offers, answers);
    assert_eq!(failure(outcome).kind, FailureKind::NetworkFault);
}

#[test]
fn a_container_deployment_sends_exactly_the_fields_that_the_network_knows() {
    let command = start(NETWORK, "caas", "12@US", container());
    let answer = json(
        200,
        &format!(r#"{{"status":"success","deployment_id":"{ID}"}}"#),
    );
    let (requests, outcome) = run(&ionet(), &command, vec![answer]);
    assert_eq!(
        outcome,
        Outcome::Started {
            remote_id: ID.to_owned()
        }
    );
    let request = &requests[0];
    assert_eq!(
        (request.method, request.repeat),
        (Method::Post, Repeat::Unsafe)
    );
    assert_eq!(request.path, "/enterprise/v1/io-cloud/caas/deploy");
    assert!(
        request
            .headers
            .contains(&("x-api-key".to_owned(), "io-key".to_owned()))
    );
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "resource_private_name": tag().to_string(),
            "hardware_id": 12,
            "duration_hours": 1,
            "gpus_per_container": 8,
            "container_config": {
                "replica_count": 1,
                "traffic_port": 8080,
                "env_variables": {"A": "b"},
                "secret_env_variables": {"TOKEN": "agent-token"},
                "entrypoint": ["sh", "-c", "echo $$HOME"]
            },
            "registry_config": {
                "image_url": "ghcr.io/acme/train:1",
                "registry_username": "acme",
                "registry_secret": "registry-pass"
            },
            "location_ids": ["US"],
            "payment_source": "credits",
            "on_incomplete_booking": "full_refund"
        })
    );
}

#[test]
fn a_machine_deployment_takes_our_key_and_its_id_comes_under_three_names() {
    let command = start(NETWORK, "vmaas", "\"203\"@US", machine());
    for body in [
        format!(r#"{{"status":"success","deployment_id":"{ID}"}}"#),
        format!(r#"{{"data":{{"id":"{ID}"}}}}"#),
        format!(r#"{{"resource_id":"{ID}"}}"#),
    ] {
        let (requests, outcome) = run(&ionet(), &command, vec![json(200, &body)]);
        assert_eq!(
            outcome,
            Outcome::Started {
                remote_id: ID.to_owned()
            },
            "{body}"
        );
        let sent: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!(
            sent,
            serde_json::json!({
                "resource_private_name": tag().to_string(),
                "hardware_id": "203",
                "duration_hours": 1,
                "gpus_per_vm": 8,
                "ssh_keys": {"tandem": "ssh-ed25519 AAAA tandem"},
                "location_ids": ["US"],
                "vm_image_type": "general",
                "network_services": {
                    "port-8080": {"port": 8080, "protocol": "tcp", "whitelist": ["0.0.0.0/0"]}
                }
            })
        );
    }
}

#[test]
fn a_deployment_whose_answer_is_lost_or_makes_no_sense_is_unknown() {
    let command = start(NETWORK, "caas", "12@US", container());
    for answer in [
        Err(TransportFault::MaybeSent),
        Err(TransportFault::TooLarge),
        json(200, r#"{"status":"success"}"#),
        json(200, "not json"),
        json(500, r#"{"detail":"internal"}"#),
        json(504, "<html>gateway</html>"),
        json(302, ""),
    ] {
        let (_, outcome) = run(&ionet(), &command, vec![answer.clone()]);
        assert!(
            matches!(outcome, Outcome::Unknown { .. }),
            "{answer:?} gave {outcome:?}"
        );
    }
}

#[test]
fn every_error_body_is_read_and_means_a_certain_no() {
    let command = start(NETWORK, "caas", "12@US", container());
    for (status, body, kind, words) in [
        (
            401,
            r#"{"detail":"Invalid API key"}"#,
            FailureKind::Credentials,
            "Invalid API key",
        ),
        (403, "{}", FailureKind::Credentials, "403"),
        (
            402,
            r#"{"status":"failed","error":"no credits"}"#,
            FailureKind::NoCredit,
            "no credits",
        ),
        (
            404,
            r#"{"status":"failed","error":"no such"}"#,
            FailureKind::NotFound,
            "no such",
        ),
        (
            409,
            r#"{"status":"failed","error":"taken"}"#,
            FailureKind::NoCapacity,
            "taken",
        ),
        (
            400,
            r#"{"status":"failed","error":{"a":1}}"#,
            FailureKind::Refused,
            "\"a\":1",
        ),
        (
            422,
            r#"{"detail":[{"loc":["body","duration_hours"],"msg":"too long","type":"x"}]}"#,
            FailureKind::Refused,
            "body.duration_hours: too long",
        ),
    ] {
        let (_, outcome) = run(&ionet(), &command, vec![json(status, body)]);
        let failure = failure(outcome);
        assert_eq!(failure.kind, kind, "{status}");
        assert!(failure.detail.contains(words), "{failure:?}");
    }
}
