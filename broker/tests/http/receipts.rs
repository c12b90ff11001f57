//! Receipts: what was agreed, checked with the public key alone.

use serde_json::json;
use tandem::api::{ReceiptKeys, ReceiptReply};
use tandem::vault::receipt::{Claims, verify};

use crate::quotes::GOOD;
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_what_was_agreed_and_is_checked_without_a_key_of_ours() {
    let stage = Stage::open().await;
    let token = stage.quote(GOOD).await;
    let promise = stage.vault.promise(&token).unwrap();
    let request = json!({"quote_token": token, "workload": GOOD});
    let job = stage.post("/v1/jobs", request).await.json();
    let path = format!("/v1/jobs/{}/receipt", job["id"].as_str().unwrap());
    let first: ReceiptReply = serde_json::from_value(stage.get(&path).await.json()).unwrap();
    let again: ReceiptReply = serde_json::from_value(stage.get(&path).await.json()).unwrap();
    assert_eq!(first, again);

    let keys = stage.get("/.well-known/jwks.json").await.json();
    let keys: ReceiptKeys = serde_json::from_value(keys).unwrap();
    let Claims::Agreed(receipt) = verify(&first.receipt, &keys.keys).unwrap() else {
        panic!("what was agreed was due");
    };
    assert_eq!(receipt.quote, promise.quote);
    assert_eq!(receipt.account, promise.account);
    assert_eq!(receipt.workload_sha256, promise.workload_sha256);
    assert_eq!(receipt.policy_version, promise.policy_version);
    assert_eq!(receipt.considered, promise.considered);
    let best = &receipt.considered.best[0];
    assert_eq!(
        (&best.offer, best.rate),
        (&promise.quote.offer, promise.quote.rate)
    );
    assert!(receipt.considered.offers >= receipt.considered.fitting);
    assert_eq!(receipt.job.to_string(), job["id"]);
}
