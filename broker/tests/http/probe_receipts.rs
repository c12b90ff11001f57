//! Receipts of probes over HTTP: signed, the same each time, and for who owns the job alone.

use gpu_probe::protocol::PROBES_PATH;
use reqwest::Method;
use serde_json::{Value, json};
use tandem::api::ReceiptKeys;
use tandem::engine::probe::ProbeReceipt;
use tandem::vault::Vault;
use tandem::vault::receipt::{Claims, NotAReceipt, verify};
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;

use crate::agent::Agent;
use crate::client::Answer;
use crate::probes::{honest, prove, rented, stage};
use crate::quotes::GOOD;
use crate::stage::Stage;

async fn keys(stage: &Stage) -> ReceiptKeys {
    let keys = stage.get("/.well-known/jwks.json").await.json();
    serde_json::from_value(keys).unwrap()
}

fn read(probe: &Value, keys: &ReceiptKeys) -> Result<ProbeReceipt, NotAReceipt> {
    match verify(probe["receipt"].as_str().unwrap(), &keys.keys)? {
        Claims::Probed(receipt) => Ok(*receipt),
        Claims::Agreed(receipt) => panic!("of a job: {receipt:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_has_a_receipt_that_anyone_can_check_and_nobody_can_change() {
    let mut stage = stage().await;
    let job = stage.job(GOOD, json!({})).await;
    let path = format!("/v1/jobs/{job}/probes");
    assert_eq!(stage.get(&path).await.json()["items"], json!([]));
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let model = rented(&stage, &job).await;
    let (verdict, _) = prove(&agent, &honest(model)).await;
    let page = stage.get(&path).await.json();
    let probe = page["items"][0].clone();
    assert_eq!(
        page["items"].as_array().map(Vec::len),
        Some(1),
        "said twice, kept once"
    );
    let receipt = read(&probe, &keys(&stage).await).unwrap();
    assert_eq!(receipt.job.to_string(), job);
    assert_eq!(receipt.outcome, verdict.outcome);
    assert_eq!(receipt.sold_as, model.id());
    assert_eq!(receipt.devices.len(), 1);
    assert_eq!(receipt.devices[0].uuid, verdict.evidence[0].uuid);
    assert!(receipt.report_sha256.is_some() && receipt.challenge_id.is_some());
    for (shown, signed) in [
        (&probe["id"], json!(receipt.probe)),
        (&probe["outcome"], json!(receipt.outcome)),
        (&probe["proof_level"], json!(receipt.proof_level)),
        (&probe["devices"], json!(receipt.devices)),
        (&probe["report_sha256"], json!(receipt.report_sha256)),
        (&probe["challenge_id"], json!(receipt.challenge_id)),
    ] {
        assert_eq!(*shown, signed);
    }
    assert_eq!(
        stage.get(&path).await.json(),
        page,
        "the same text each time"
    );
    // Another installation's key under the same name.
    let other = Vault::new(&Secret::new("77".repeat(32))).unwrap();
    let mut key = other.receipt_key();
    key.kid.clone_from(&keys(&stage).await.keys[0].kid);
    let others = ReceiptKeys { keys: vec![key] };
    assert_eq!(read(&probe, &others), Err(NotAReceipt::Signature));
    let unknown = ReceiptKeys {
        keys: vec![other.receipt_key()],
    };
    assert_eq!(read(&probe, &unknown), Err(NotAReceipt::UnknownKey));
    // The engine is gone, as after a crash: what was judged is still there, and still signed.
    stage.end_engine().await;
    assert_eq!(stage.get(&path).await.json(), page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_a_driver_has_a_receipt_too_and_its_words_are_harmless() {
    let stage = stage().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let detail = "no driver\u{1b}[2J\u{1b}]0;owned\u{7}\r\u{202e}";
    let none = agent.body(json!({"said": {"could_not_run": {"detail": detail}}}));
    for _ in 0..3 {
        agent.ok(PROBES_PATH, none.clone()).await;
    }
    let page = stage.get(&format!("/v1/jobs/{job}/probes")).await.json();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "said thrice, kept once");
    let receipt = read(&items[0], &keys(&stage).await).unwrap();
    assert_eq!((receipt.report_sha256, receipt.devices.len()), (None, 0));
    assert_eq!(receipt.reasons[0].detail, "no driver[2J]0;owned");
    assert_eq!(items[0]["reasons"][0]["detail"], "no driver[2J]0;owned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_sees_the_probes_of_his_own_jobs_and_no_devices() {
    let stage = stage().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let (verdict, _) = prove(&agent, &honest(rented(&stage, &job).await)).await;
    let uuid = verdict.evidence[0].uuid;
    let scopes = [
        "jobs:read",
        "jobs:write",
        "quotes",
        "offers:read",
        "policies",
        "keys:admin",
    ];
    let (_, stranger) = stage.tenant("stranger", &scopes).await;
    let ask = |method: Method, path: String| {
        let request = stage.ask_as(&stranger, method, &path);
        Answer::of(request.json(&json!({"reason": "mine"})))
    };
    let theirs = ask(Method::GET, format!("/v1/jobs/{job}/probes")).await;
    theirs.problem(404, "TDM-6001");
    assert!(!theirs.text.contains(&uuid.to_string()));
    for (method, path) in [
        (Method::GET, "/v1/nodes".to_owned()),
        (Method::GET, format!("/v1/nodes/{uuid}")),
        (Method::POST, format!("/v1/nodes/{uuid}/ban")),
        (Method::POST, format!("/v1/nodes/{uuid}/unban")),
    ] {
        ask(method, path).await.problem(403, "TDM-6006");
    }
    let device = stage.get(&format!("/v1/nodes/{uuid}")).await.json();
    assert_eq!(device["ban"], Value::Null);
}
