//! Denials over HTTP: an account sees its own, an operator anybody's.

use reqwest::Method;
use serde_json::{Value, json};
use tandem::denials;
use tandem_model::id::AccountId;
use tandem_model::time::WallTime;
use tandem_pricing::jurisdiction::{Denial, Digester, Rules, Subject};

use crate::client::Answer;
use crate::stage::Stage;

/// What the rules say of an H100 in a country.
fn denial(code: &str) -> Denial {
    let subject = Subject {
        customer: None,
        allowed: &[],
        denied: &[],
        place: tandem_model::network::Country::parse(code),
        region: None,
        gpu: tandem_model::gpu::GpuModel::by_id("h100-sxm5-80gb").unwrap(),
        grade: tandem_model::network::Grade::Datacenter,
        data: tandem_model::workload::DataClass::Internal,
    };
    let rules = Digester::of(Rules::default());
    rules.judge(&subject).expect_err("denied there")
}

async fn record(stage: &Stage, account: AccountId, codes: &[&str]) {
    let denied = codes.iter().map(|code| (denial(code), 3)).collect();
    let now = WallTime::from_micros(1_784_000_000_000_000);
    let sha256 = "0f".repeat(32);
    denials::record(&*stage.store, account, &sha256, denied, now)
        .await
        .unwrap();
}

fn abouts(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["about"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_sees_its_own_denials_and_an_operator_those_of_all() {
    let stage = Stage::bare().await;
    let (id, key) = stage.tenant("acme", &["quotes"]).await;
    let account: AccountId = id.parse().unwrap();
    record(&stage, stage.account, &["IR"]).await;
    record(&stage, account, &["CN"]).await;
    record(&stage, account, &["CN"]).await;
    let as_tenant = |path: String| Answer::of(stage.ask_as(&key, Method::GET, &path));
    let own = as_tenant("/v1/denials".into()).await.json();
    let item = &own["items"][0];
    assert_eq!(own["items"].as_array().map(Vec::len), Some(1), "{own}");
    let wanted = json!({
        "account": id,
        "rule": "export_class",
        "party": "machine",
        "about": "CN and H100 SXM5 80GB",
        "reason": denial("CN").reason,
        "change": denial("CN").change,
        "lists_dated": tandem_pricing::jurisdiction::DATED,
        "workload_sha256": "0f".repeat(32),
        "offers": 3,
        "count": 2,
        "first_at": item["first_at"],
        "last_at": item["first_at"],
    });
    assert_eq!(*item, wanted);
    let mine = as_tenant(format!("/v1/denials?account={id}")).await;
    assert_eq!(mine.json(), own, "naming oneself asks for no more");
    for other in [stage.account.to_string(), "all".to_owned()] {
        let refused = as_tenant(format!("/v1/denials?account={other}")).await;
        refused.problem(403, "TDM-6006");
    }
    let of_operator = stage.get("/v1/denials").await.json();
    assert_eq!(abouts(&of_operator), ["IR"]);
    let theirs = stage.get(&format!("/v1/denials?account={id}")).await;
    assert_eq!(theirs.json(), own);
    let all = stage.get("/v1/denials?account=all").await.json();
    assert_eq!(abouts(&all), ["CN and H100 SXM5 80GB", "IR"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_come_in_pages_and_wrong_parameters_are_named() {
    let stage = Stage::bare().await;
    record(&stage, stage.account, &["CU", "IR", "KP", "RU", "SY"]).await;
    let (mut seen, mut path) = (Vec::new(), "/v1/denials?limit=2".to_owned());
    let mut sizes = Vec::new();
    loop {
        let page = stage.get(&path).await.json();
        let part = abouts(&page);
        sizes.push(part.len());
        seen.extend(part.into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/denials?limit=2&after={next}");
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(seen, ["SY", "RU", "KP", "IR", "CU"]);
    for (query, field) in [
        ("after=-1", "after"),
        ("after=9007199254740992", "after"),
        ("after=x", "after"),
        ("account=acc_1", "account"),
        ("account=", "account"),
        ("limit=201", "limit"),
        ("rule=data_place", "rule"),
    ] {
        let refused = stage.get(&format!("/v1/denials?{query}")).await;
        refused.refuses("TDM-6004", field);
    }
}

const JOB: &str = "tandem: 1\nname: a\nrun: ./x\nresources: {gpu: any}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_of_a_sanctioned_country_gets_no_price_and_a_record_says_why() {
    let stage = Stage::open().await;
    let there = json!({"name": "there", "country": "IR"});
    let (id, key) = stage.tenant_of(there, &["quotes"]).await;
    let ask = stage.ask_as(&key, Method::POST, "/v1/quotes");
    let reply = Answer::of(ask.json(&json!({"workload": JOB}))).await.json();
    for tier in reply["tiers"].as_array().unwrap() {
        assert_eq!(tier["quote"], Value::Null);
        assert_eq!(tier["no_quote"]["code"], "TDM-1202", "{tier}");
    }
    let kept = stage.get(&format!("/v1/denials?account={id}")).await.json();
    let item = &kept["items"][0];
    assert_eq!(
        (&item["party"], &item["about"]),
        (&json!("customer"), &json!("IR"))
    );
    assert!(item["offers"].as_u64().unwrap() > 0, "{item}");
}
