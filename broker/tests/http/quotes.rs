//! Quotes and what becomes of them: firm for their time, for their account, for their text, once.

use serde_json::{Value, json};
use tandem::vault::quote_token::Promise;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::time::WallTime;

use crate::stage::Stage;

/// A workload that fits many consumer cards and runs for a second.
pub(crate) const GOOD: &str = "tandem: 1\nname: story\nrun: ./train\nenv: {TANDEM_SIM_STEPS: '1'}\n\
    resources:\n  gpu: RTX4090\n";

fn body(token: &str, workload: &str) -> Value {
    json!({"quote_token": token, "workload": workload})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_says_what_every_tier_costs_and_why_and_where_it_can_start() {
    let stage = Stage::open().await;
    let workload =
        "tandem: 1\nname: story\nrun: ./serve\nresources: {gpu: A100}\ncheckpoints: customer\n";
    let reply = stage
        .post("/v1/quotes", json!({"workload": workload}))
        .await
        .json();
    assert_eq!(reply["name"], "story");
    assert_eq!(reply["unfenced"], true, "{reply}");
    let tiers = reply["tiers"].as_array().expect("a list");
    let names: Vec<_> = tiers.iter().map(|t| t["tier"].as_str().unwrap()).collect();
    assert_eq!(names, ["consumer", "assured", "enterprise"]);
    let enterprise = &tiers[2];
    let quote = &enterprise["quote"];
    let rate = quote["rate_micro_usd_per_gpu_hour"]
        .as_i64()
        .expect("a rate");
    let lines = quote["lines"].as_array().expect("lines").iter();
    let sum: i64 = lines
        .map(|l| l["micro_usd_per_gpu_hour"].as_i64().unwrap())
        .sum();
    assert_eq!((sum, rate > 0), (rate, true), "the lines add up");
    assert!(quote["expires_at"].as_str().unwrap().ends_with('Z'));
    let ranked = enterprise["ranked"].as_array().expect("ranked");
    assert!(ranked.len() <= 20 && ranked[0]["offer"]["id"] == quote["offer"]);
    assert!(tiers[1]["quote"].is_null() && !tiers[1]["no_quote"]["detail"].is_null());
    assert_eq!(quote["objectives"]["recovery_seconds"], 932, "{quote}");
    let leg = &quote["token_legs"][0];
    let units: u128 = leg["base_units"].as_str().map_or(0, |u| u.parse().unwrap());
    let network = quote["offer"].as_str().unwrap().split('/').next();
    assert_eq!(
        units > 0,
        network == Some("ionet"),
        "only IO has a rate here: {quote}"
    );
    assert!(
        reply["products"]
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["can_start"] == true)
    );
    let one = stage
        .post(
            "/v1/quotes",
            json!({"workload": workload, "tier": "consumer"}),
        )
        .await
        .json();
    assert!(
        one["tiers"][2]["quote"].is_null(),
        "only the tier asked for"
    );
    assert_eq!(stage.jobs().await, 0, "a quote writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_stands_beside_what_a_hyperscaler_asks_and_what_a_change_would_save() {
    let stage = Stage::open().await;
    let workload = "tandem: 1\nname: a\nrun: ./x\nresources: {gpu: h100-sxm5-80gb}\n";
    let body = json!({"workload": workload, "tier": "enterprise"});
    let reply = stage.post("/v1/quotes", body).await.json();
    let tier = &reply["tiers"][2];
    let reference = &tier["quote"]["reference"];
    assert_eq!(reference["dated"], "2026-05-20", "{tier}");
    let rate = tier["quote"]["rate_micro_usd_per_gpu_hour"].as_i64();
    let cheaper = reference["on_demand_micro_usd_per_gpu_hour"].as_i64() < rate;
    assert_eq!(reference["on_demand_is_cheaper"], cheaper);
    let others = tier["counterfactuals"].as_array().unwrap();
    assert!(
        !others.is_empty(),
        "the sandbox sells cheaper cards: {tier}"
    );
    for found in others {
        let permille = found["saves_permille"].as_i64().unwrap();
        assert!(permille >= 50, "{found}");
        let now = found["rate_micro_usd_per_gpu_hour"].as_i64();
        assert!(now < rate, "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_capacity_is_gone_the_refusal_carries_a_fresh_quote_that_is_good() {
    let stage = Stage::open().await;
    let token = stage.quote(GOOD).await;
    let mut promise = stage.vault.promise(&token).unwrap();
    // As if the whole market had become dearer than was agreed.
    promise.quote.replacement_rate_max = RatePerGpuHour::new(MicroUsd::new(1));
    let gone = stage.vault.quote_token(&promise);
    let refused = stage.post("/v1/jobs", body(&gone, GOOD)).await;
    refused.problem(409, "TDM-6106");
    assert_eq!(stage.jobs().await, 0);
    let fresh = &refused.json()["fresh_quote"];
    let token = fresh["tiers"][0]["quote"]["quote_token"].as_str().unwrap();
    let taken = stage.post("/v1/jobs", body(token, GOOD)).await;
    assert_eq!(taken.status, 201, "{}", taken.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assured_quote_on_a_consumer_card_is_taken_while_its_backstop_is_free() {
    let stage = Stage::open().await;
    let asked = json!({"workload": GOOD, "tier": "assured"});
    let reply = stage.post("/v1/quotes", asked).await.json();
    let quote = &reply["tiers"][1]["quote"];
    let lines = quote["lines"].as_array().expect("lines");
    assert!(
        lines.iter().any(|line| line["kind"] == "backstop"),
        "{quote}"
    );
    let token = quote["quote_token"].as_str().unwrap();
    let taken = stage.post("/v1/jobs", body(token, GOOD)).await;
    assert_eq!(taken.status, 201, "{}", taken.text);
    assert_eq!(taken.json()["tier"], "assured");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_start_nowhere_gets_no_price_but_every_obstacle() {
    let stage = Stage::open().await;
    let workload =
        "name: a\nworkdir: ./code\nresources: {accelerators: 'RTX4090:1'}\nrun: python x.py\n";
    let reply = stage
        .post("/v1/quotes", json!({"workload": workload}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let reply = reply.json();
    for product in reply["products"].as_array().expect("products") {
        assert_eq!(product["can_start"], false);
        let obstacles = product["obstacles"].as_array().expect("obstacles");
        assert!(obstacles.iter().any(|o| o["field"] == "code"), "{product}");
    }
    assert!(
        reply["tiers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|t| t["quote"].is_null())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_at_the_quoted_price_to_its_end_and_tells_its_whole_story() {
    let stage = Stage::open().await;
    let token = stage.quote(GOOD).await;
    let promise = stage.vault.promise(&token).unwrap();
    let accepted = stage.post("/v1/jobs", body(&token, GOOD)).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text);
    let made = accepted.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(accepted.header("location"), format!("/v1/jobs/{id}"));
    assert_eq!(made["state"], "queued");
    assert_eq!(made["quote"]["id"], promise.quote.id.to_string());
    assert!(made["quote"]["quote_token"].is_null());
    let path = format!("/v1/jobs/{id}");
    let over = |job: &Value| {
        ["succeeded", "failed", "cancelled"]
            .iter()
            .any(|s| job["state"] == *s)
    };
    let job = stage.until("the end of the job", &path, over).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let (rate, term) = (&job["quote"]["rate_micro_usd_per_gpu_hour"], &job["term"]);
    let most = &job["quote"]["renewal_rate_max_micro_usd_per_gpu_hour"];
    assert_eq!((rate, rate), (most, &term["rate_micro_usd_per_gpu_hour"]));
    let times = (&term["number"], &term["firm_until_seconds"]);
    assert_eq!(times, (&json!(1), &json!(86_400)), "{term}");
    assert!(term["stops_at_seconds"].is_null() && term["next_rate_from_seconds"].is_null());
    let placement = &job["placements"][0];
    assert_eq!(
        (&placement["epoch"], &placement["gpu"]),
        (&json!(1), &json!("rtx4090"))
    );
    assert!(placement["country"].as_str().is_some_and(|c| c.len() == 2));
    assert!(job["ended_at"].is_string() && job["queue"].is_null());
    let rate = promise.quote.rate.price().get();
    let charged = job["charged_micro_usd"].as_i64().unwrap();
    let gpu_us = job["charged_gpu_us"].as_i64().unwrap();
    assert_eq!(charged, rate * gpu_us / 3_600_000_000, "{job}");
    let page = stage.get("/v1/jobs?state=succeeded").await.json();
    assert_eq!(page["items"][0]["id"], id);
    let none = stage.get("/v1/jobs?state=running").await.json();
    assert_eq!((&none["items"], &none["next"]), (&json!([]), &Value::Null));
    let again = stage.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(
        again.json()["state"],
        "succeeded",
        "what has ended stays as it ended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_for_its_time_its_text_its_account_and_once() {
    let stage = Stage::open().await;
    let token = stage.quote(GOOD).await;
    let promise = stage.vault.promise(&token).unwrap();
    let remade = |change: &dyn Fn(&mut Promise)| {
        let mut promise = promise.clone();
        change(&mut promise);
        stage.vault.quote_token(&promise)
    };
    let expired = remade(&|p| p.quote.expires_at = WallTime::from_micros(1));
    let problem = stage
        .post("/v1/jobs", body(&expired, GOOD))
        .await
        .problem(410, "TDM-6102");
    assert!(problem["hint"].as_str().unwrap().contains("new quote"));
    let foreign = remade(&|p| p.account = "acc_00000000000000000000000000000000".parse().unwrap());
    stage
        .post("/v1/jobs", body(&foreign, GOOD))
        .await
        .problem(403, "TDM-6101");
    let changed = format!("{GOOD}# more\n");
    stage
        .post("/v1/jobs", body(&token, &changed))
        .await
        .refuses("TDM-6104", "/workload");
    let middle = token.len() / 2;
    let other = if &token[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    let tampered = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
    for bad in ["", "v1", "x", &tampered, &"A".repeat(100_000)] {
        let refused = stage.post("/v1/jobs", body(bad, GOOD)).await;
        refused.refuses("TDM-6101", "/quote_token");
    }
    assert_eq!(stage.jobs().await, 0);
    assert_eq!(stage.post("/v1/jobs", body(&token, GOOD)).await.status, 201);
    let used = stage.post("/v1/jobs", body(&token, GOOD)).await;
    used.problem(409, "TDM-6103");
    assert_eq!(stage.jobs().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_quote_taken_by_many_at_once_becomes_one_job() {
    let stage = std::sync::Arc::new(Stage::open().await);
    let token = stage.quote(GOOD).await;
    let takes: Vec<_> = (0..16)
        .map(|_| {
            let (stage, token) = (stage.clone(), token.clone());
            tokio::spawn(async move { stage.post("/v1/jobs", body(&token, GOOD)).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for take in takes {
        statuses.push(take.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|s| *s == 409), "{statuses:?}");
    assert_eq!(stage.jobs().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_must_be_those_that_the_workload_names_and_fit_their_agent() {
    let stage = Stage::open().await;
    let workload = format!("{GOOD}secrets: [TOKEN, OTHER]\nsecrets_on_consumer: true\n");
    let token = stage.quote(&workload).await;
    let with =
        |secrets: Value| json!({"quote_token": token, "workload": workload, "secrets": secrets});
    let long = "x".repeat(64 * 1_024 + 1);
    let cases = [
        (json!({"TOKEN": "a"}), "/secrets/OTHER"),
        (
            json!({"TOKEN": "a", "OTHER": "b", "MORE": "c"}),
            "/secrets/MORE",
        ),
        (json!({"TOKEN": "a", "OTHER": long}), "/secrets/OTHER"),
        (json!({"TOKEN": "a", "OTHER": "b\u{0}"}), "/secrets/OTHER"),
    ];
    for (secrets, field) in cases {
        stage
            .post("/v1/jobs", with(secrets))
            .await
            .refuses("TDM-6004", field);
    }
    assert_eq!(stage.jobs().await, 0);
    let taken = stage
        .post("/v1/jobs", with(json!({"TOKEN": "a", "OTHER": "b"})))
        .await;
    assert_eq!(taken.status, 201, "{}", taken.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_is_paged_and_filtered_and_says_how_fresh_it_is() {
    let stage = Stage::open().await;
    let mut seen = Vec::new();
    let mut path = "/v1/offers?limit=7".to_owned();
    loop {
        let page = stage.get(&path).await.json();
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 7);
        seen.extend(items.iter().map(|o| o["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        let mut url = reqwest::Url::parse("http://x/v1/offers?limit=7").unwrap();
        url.query_pairs_mut().append_pair("after", next);
        path = format!("/v1/offers?{}", url.query().unwrap());
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(seen, sorted, "each once, in order");
    assert!(seen.len() > 7);
    let h100 = stage
        .get("/v1/offers?gpu=H100&grade=datacenter&network=aethir")
        .await
        .json();
    let items = h100["items"].as_array().expect("items");
    let fits = |o: &Value| {
        o["network"] == "aethir"
            && o["grade"] == "datacenter"
            && o["gpu_name"].as_str().unwrap().contains("H100")
    };
    assert!(!items.is_empty() && items.iter().all(fits), "{h100}");
    for network in h100["networks"].as_array().expect("networks") {
        assert!(
            network["read_at"].is_string() && network["age_ms"].is_u64(),
            "{network}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_jobs_hold_every_job_once() {
    let stage = Stage::told().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(stage.job(GOOD, json!({})).await);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page = stage.get(&path).await.json();
        for job in page["items"].as_array().expect("items") {
            seen.push(job["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/jobs?limit=2&after={next}");
    }
    assert_eq!(seen.len(), 5);
    made.sort();
    assert_eq!(seen, made);
}
