//! What a quote promised is taken when it is accepted: a share of the backstop, a part of a promotion.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::policies::{apply, standard};
use crate::quotes::GOOD;
use crate::stage::Stage;

async fn quoted(stage: &Stage, tier: &str) -> Value {
    let asked = json!({"workload": GOOD, "tier": tier});
    let reply = stage.post("/v1/quotes", asked).await.json();
    let mut tiers = reply["tiers"].as_array().unwrap().iter();
    let found = tiers.find(|found| found["tier"] == tier).unwrap();
    assert!(found["quote"].is_object(), "{found}");
    found["quote"].clone()
}

async fn accept(stage: &Stage, quote: &Value) -> Answer {
    let token = &quote["quote_token"];
    let body = json!({"quote_token": token, "workload": GOOD});
    stage.post("/v1/jobs", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backstop_that_was_given_to_others_is_refused_with_what_is_sold_now() {
    let stage = Stage::open().await;
    let quote = quoted(&stage, "assured").await;
    let none = standard(&stage)
        .await
        .replace("assured_share_permille: 250", "assured_share_permille: 0");
    assert_eq!(apply(&stage, &none).await.status, 201);
    let refused = accept(&stage, &quote).await;
    let problem = refused.problem(409, "TDM-6106");
    assert_eq!(stage.jobs().await, 0);
    let tiers = problem["fresh_quote"]["tiers"].as_array().unwrap();
    let of = |tier: &str| tiers.iter().find(|found| found["tier"] == tier).unwrap();
    assert!(of("assured")["quote"].is_null(), "{problem}");
    let taken = accept(&stage, &of("consumer")["quote"]).await;
    assert_eq!(taken.status, 201, "{}", taken.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_of_a_promotion_are_taken_until_it_gave_all_that_it_may() {
    let stage = Stage::open().await;
    let capped = format!(
        "{}\npromotions:\n  - {{id: launch, discount_basis_points: 100, from: 2020-01-01T00:00:00Z, \
         until: 2100-01-01T00:00:00Z, total_cap_micro_usd: 1}}\n",
        standard(&stage).await.trim_end()
    );
    let applied = apply(&stage, &capped).await;
    assert_eq!(applied.status, 201, "{}", applied.text);
    let quotes = [
        quoted(&stage, "consumer").await,
        quoted(&stage, "consumer").await,
    ];
    let discount = |quote: &Value| {
        let lines = quote["lines"].as_array().unwrap();
        lines.iter().any(|line| line["kind"] == "discount")
    };
    assert!(quotes.iter().all(discount), "{quotes:?}");
    let first = accept(&stage, &quotes[0]).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let problem = accept(&stage, &quotes[1]).await.problem(409, "TDM-6106");
    let tiers = problem["fresh_quote"]["tiers"].as_array().unwrap();
    let fresh = &tiers[0]["quote"];
    assert!(fresh.is_object() && !discount(fresh), "{problem}");
    let taken = accept(&stage, fresh).await;
    assert_eq!(taken.status, 201, "{}", taken.text);
    // Who took the promotion is told of his job, not of a new price.
    let again = accept(&stage, &quotes[0]).await.problem(409, "TDM-6103");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert!(again["hint"].as_str().unwrap().contains(&id), "{again}");
}
