//! API keys: who is let in, to what, how often, and until when.

use reqwest::Method;
use serde_json::{Value, json};
use tandem::api::Scope;
use tandem::http::state::ApiLimits;
use tandem::store::tenants::{KeyRecord, Tenants};
use tandem::vault::first_admin::first_admin;
use tandem::vault::{Vault, api_key};
use tandem_model::id::ApiKeyId;
use tandem_model::secret::Secret;
use tandem_model::time::WallTime;

use crate::client::Answer;
use crate::stage::{Choices, MASTER, Stage, count};

#[tokio::test(flavor = "multi_thread")]
async fn every_key_that_is_not_good_gets_the_same_answer() {
    let stage = Stage::bare().await;
    let unknown = api_key::fresh(ApiKeyId::from_parts(1, &[1; 10]));
    let same_id = api_key::fresh(api_key::id_of(&stage.admin).unwrap());
    let mut typo = stage.admin.clone();
    let last = if typo.ends_with('0') { "1" } else { "0" };
    typo.replace_range(74.., last);
    let mut expired = api_key::fresh(ApiKeyId::from_parts(2, &[2; 10]));
    for (n, expires_at, revoked_at) in [(2, Some(1), None), (3, None, Some(1))] {
        let id = ApiKeyId::from_parts(n, &[2; 10]);
        let key = api_key::fresh(id);
        let record = KeyRecord {
            id,
            account: stage.account,
            name: "old".into(),
            hash: stage.vault.api_key_hash(&key),
            scopes: vec!["admin".into()],
            created_at: WallTime::default(),
            expires_at: expires_at.map(WallTime::from_micros),
            revoked_at: None,
        };
        stage.store.add_key(record, None).await.unwrap();
        if let Some(at) = revoked_at {
            let at = WallTime::from_micros(at);
            assert!(stage.store.revoke_key(stage.account, id, at).await.unwrap());
        }
        refused(&stage, Some(key.expose())).await;
        expired = key;
    }
    let bad = [
        unknown.expose(),
        same_id.expose(),
        &typo,
        "tdm_",
        "x",
        "",
        expired.expose(),
    ];
    for key in bad {
        refused(&stage, Some(key)).await;
    }
    refused(&stage, None).await;
    let basic = stage.client.get(format!("{}/v1/jobs", stage.url));
    let basic = basic.header("authorization", format!("Basic {}", stage.admin));
    Answer::of(basic).await.problem(401, "TDM-6005");
    let lower = stage.client.get(format!("{}/v1/jobs", stage.url));
    let lower = lower.header("authorization", format!("bearer {}", stage.admin));
    assert_eq!(
        Answer::of(lower).await.status,
        200,
        "the scheme's case does not matter"
    );
}

async fn refused(stage: &Stage, key: Option<&str>) {
    let mut request = stage.client.get(format!("{}/v1/jobs", stage.url));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = Answer::of(request).await;
    let problem = answer.problem(401, "TDM-6005");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    assert_eq!(
        problem["detail"], "this needs `Authorization: Bearer` with a good API key",
        "{key:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_from_the_next_request_on() {
    let stage = Stage::bare().await;
    let (_, key) = stage.tenant("t", &["keys:admin", "jobs:read"]).await;
    let mine = Answer::of(stage.ask_as(&key, Method::GET, "/v1/keys"))
        .await
        .json();
    let id = mine["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/keys/{id}");
    let gone = Answer::of(stage.ask_as(&key, Method::DELETE, &path)).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    refused(&stage, Some(&key)).await;
    let again = Answer::of(stage.ask(Method::DELETE, &path)).await;
    assert_eq!(again.status, 204, "revoking twice is the same as once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_shown_with_the_country_that_it_was_made_with() {
    let stage = Stage::bare().await;
    for (name, body, country) in [
        ("a", json!({"name": "a", "country": "DE"}), json!("DE")),
        ("b", json!({"name": "b", "country": null}), Value::Null),
        ("c", json!({"name": "c"}), Value::Null),
    ] {
        let made = stage.post("/v1/accounts", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json()["country"], country, "{name}");
        let all = stage.get("/v1/accounts").await.json();
        let listed = all["items"].as_array().unwrap().iter();
        let listed = listed.filter(|account| account["name"] == name);
        let shown: Vec<_> = listed.map(|account| &account["country"]).collect();
        assert_eq!(shown, [&country], "{name}");
        let first = &all["items"][0];
        assert_eq!(first["country"], Value::Null, "the operator's own account");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_opens_its_own_addresses_and_no_others() {
    let stage = Stage::bare().await;
    let addresses = [
        (Scope::JobsRead, Method::GET, "/v1/jobs"),
        (Scope::JobsRead, Method::GET, "/v1/jobs/job_1"),
        (Scope::JobsRead, Method::GET, "/v1/jobs/job_1/events"),
        (Scope::JobsRead, Method::GET, "/v1/jobs/job_1/logs"),
        (Scope::JobsWrite, Method::POST, "/v1/jobs"),
        (Scope::JobsWrite, Method::POST, "/v1/jobs/job_1/cancel"),
        (Scope::Quotes, Method::POST, "/v1/quotes"),
        (Scope::Quotes, Method::POST, "/v1/classifications"),
        (Scope::Quotes, Method::GET, "/v1/denials"),
        (Scope::OffersRead, Method::GET, "/v1/offers"),
        (Scope::KeysAdmin, Method::GET, "/v1/keys"),
        (Scope::KeysAdmin, Method::DELETE, "/v1/keys/key_1"),
        (Scope::AccountsAdmin, Method::GET, "/v1/accounts"),
        (Scope::Admin, Method::GET, "/v1/ledger/balances"),
    ];
    for scope in tandem::api::SCOPES {
        let (_, key) = stage.tenant("t", &[scope.as_str()]).await;
        for (needed, method, path) in &addresses {
            let mut request = stage.ask_as(&key, method.clone(), path);
            if *method == Method::POST {
                let body = json!({"workload": "tandem: 1", "quote_token": "x"});
                request = request.json(&body);
            }
            let answer = Answer::of(request).await;
            let open = scope == *needed || scope == Scope::Admin;
            assert_eq!(
                answer.status != 403,
                open,
                "{scope} {path}: {}",
                answer.text
            );
            if !open {
                let problem = answer.problem(403, "TDM-6006");
                assert!(
                    problem["detail"]
                        .as_str()
                        .unwrap()
                        .contains(needed.as_str())
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cannot_make_a_key_that_may_do_more_or_is_anothers() {
    let stage = Stage::bare().await;
    let (_, key) = stage.tenant("t", &["keys:admin", "quotes"]).await;
    let make = |body| Answer::of(stage.ask_as(&key, Method::POST, "/v1/keys").json(&body));
    for scope in ["admin", "jobs:write", "accounts:admin"] {
        make(json!({"name": "more", "scopes": [scope]}))
            .await
            .problem(403, "TDM-6006");
    }
    let foreign = json!({"name": "x", "scopes": ["quotes"], "account": stage.account});
    make(foreign).await.problem(403, "TDM-6006");
    let listed = Answer::of(stage.ask_as(
        &key,
        Method::GET,
        &format!("/v1/keys?account={}", stage.account),
    ));
    listed.await.problem(403, "TDM-6006");
    assert_eq!(
        make(json!({"name": "less", "scopes": ["quotes"]}))
            .await
            .status,
        201
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_asks_too_often_is_slowed_down_and_told_how_much_is_left() {
    let stage = Stage::with(Choices {
        market: false,
        limits: ApiLimits {
            requests_per_second: count(1),
            burst: count(3),
            streams_per_account: 1,
        },
        ..Choices::default()
    })
    .await;
    let first = stage.get("/v1/jobs").await;
    assert_eq!(first.header("ratelimit-policy"), "\"key\";q=3;w=3");
    assert_eq!(first.header("ratelimit"), "\"key\";r=2;t=3");
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(stage.get("/v1/jobs").await);
    }
    let slowed = answers
        .iter()
        .find(|a| a.status == 429)
        .expect("20 at once are too many");
    slowed.problem(429, "TDM-6007");
    assert!(
        slowed
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|s| s >= 1)
    );
    assert!(slowed.header("ratelimit").contains("r=0"));
    assert_eq!(
        stage.get("/livez").await.status,
        200,
        "beside the API nothing is slowed down"
    );
    // Another key has a limit of its own.
    let other = api_key::fresh(ApiKeyId::from_parts(9, &[9; 10]));
    let record = KeyRecord {
        id: ApiKeyId::from_parts(9, &[9; 10]),
        account: stage.account,
        name: "other".into(),
        hash: stage.vault.api_key_hash(&other),
        scopes: vec!["jobs:read".into()],
        created_at: WallTime::default(),
        expires_at: None,
        revoked_at: None,
    };
    stage.store.add_key(record, None).await.unwrap();
    let asked = stage.ask_as(other.expose(), Method::GET, "/v1/jobs");
    assert_eq!(Answer::of(asked).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_start_at_once_make_one_first_account_and_one_first_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = tandem::store::sqlite::SqliteStore::open(&folder.path().join("t.db")).unwrap();
    let store = std::sync::Arc::new(store);
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let vault = Vault::new(&Secret::new(MASTER)).unwrap();
                let clock = tandem::clock::SystemClock::new(1);
                first_admin(&*store, &vault, &clock).await.unwrap()
            })
        })
        .collect();
    let mut told = Vec::new();
    for start in starts {
        told.extend(start.await.unwrap());
    }
    assert_eq!(told.len(), 1, "one of them is told the key");
    let accounts = store.accounts(None, 10).await.unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].name, "default");
    let keys = store.keys(told[0].0, None, 10).await.unwrap();
    assert_eq!(keys.len(), 1);
    let vault = Vault::new(&Secret::new(MASTER)).unwrap();
    assert!(vault.is_api_key(&told[0].1, &keys[0].hash));
}
