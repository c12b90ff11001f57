//! What every store must do for tenants, one story a function; each gets an empty store.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tandem::store::tenants::{
    AccountRecord, KeyRecord, REPLY_TTL, ReplyRecord, SETTING_BYTES_MAX, Tenants,
};
use tandem::store::{PAGE_MAX, Rule};
use tandem_model::id::ApiKeyId;
use tandem_model::network::Country;

use crate::conformance::stories;
use crate::denials;
use crate::policies;
use crate::rows::*;

type Told = Pin<Box<dyn Future<Output = ()> + Send>>;
type Story = fn(Arc<dyn Tenants>) -> Told;

/// Every story with its name.
pub(crate) const STORIES: &[(&str, Story)] = stories![
    "accounts are added once and listed in order": accounts,
    "a key belongs to one account that exists": keys,
    "a key is revoked once and for ever": revoked,
    "what an account or key may not hold is refused": ranges,
    "an answer is kept as long as it is promised": replies,
    "what is added comes with its answer or not at all": added_with_reply,
    "settings agree among those that start at once": settings,
    "every list is bounded": pages,
    "a denial that comes again on its day is counted": denials::joined,
    "denials are listed newest first, of one account or of all": denials::whose,
    "an account's denials of a day are bounded": denials::bounded,
    "a denial that cannot be kept takes none with it": denials::refused,
    "denials are forgotten by their day": denials::forgotten,
    "versions of the policy are only added, each number once": policies::numbers,
    "of many who add a version at once one wins, with its answer": policies::race,
    "versions are listed newest first, without their texts": policies::history,
];

fn tenant(n: u64) -> AccountRecord {
    AccountRecord {
        id: account(n),
        name: format!("tenant {n}"),
        country: Country::parse("DE").filter(|_| n % 2 == 1),
        created_at: wall(3),
    }
}

fn key_id(n: u64) -> ApiKeyId {
    ApiKeyId::from_parts(n, &[5; 10])
}

fn key(n: u64, of: u64) -> KeyRecord {
    KeyRecord {
        id: key_id(n),
        account: account(of),
        name: "build machine".into(),
        hash: vec![9; 32],
        scopes: vec!["jobs:read".into(), "jobs:write".into()],
        created_at: wall(3),
        expires_at: Some(wall(9)),
        revoked_at: None,
    }
}

async fn kept(store: &Arc<dyn Tenants>, key: &str, second: i64) -> Option<ReplyRecord> {
    let wanted = reply(key, 0);
    let found = store.reply(wanted.account, wanted.key, wanted.route, wall(second));
    found.await.unwrap()
}

async fn accounts(store: Arc<dyn Tenants>) {
    assert_eq!(store.account(account(1)).await.unwrap(), None);
    for n in [3, 1, 2] {
        store.add_account(tenant(n), None).await.unwrap();
    }
    let mut again = tenant(2);
    again.name = "another".into();
    assert_refused(store.add_account(again, None).await, Rule::Other);
    assert_eq!(store.account(account(2)).await.unwrap(), Some(tenant(2)));
    let two = store.accounts(None, 2).await.unwrap();
    assert_eq!(two, [tenant(1), tenant(2)]);
    let rest = store.accounts(Some(account(2)), 9).await.unwrap();
    assert_eq!(rest, [tenant(3)]);
}

async fn keys(store: Arc<dyn Tenants>) {
    assert_refused(store.add_key(key(1, 1), None).await, Rule::Other);
    for n in [1, 2] {
        store.add_account(tenant(n), None).await.unwrap();
    }
    let mut bare = key(3, 1);
    (bare.scopes, bare.expires_at) = (Vec::new(), None);
    for key in [bare.clone(), key(1, 1), key(2, 2)] {
        store.add_key(key, None).await.unwrap();
    }
    assert_refused(store.add_key(key(1, 2), None).await, Rule::Other);
    assert_eq!(store.key(key_id(1)).await.unwrap(), Some(key(1, 1)));
    assert_eq!(store.key(key_id(9)).await.unwrap(), None);
    let of_first = store.keys(account(1), None, 9).await.unwrap();
    assert_eq!(of_first, [key(1, 1), bare.clone()]);
    let rest = store.keys(account(1), Some(key_id(1)), 9).await.unwrap();
    assert_eq!(rest, [bare]);
    assert_eq!(store.keys(account(1), None, 1).await.unwrap().len(), 1);
}

async fn revoked(store: Arc<dyn Tenants>) {
    store.add_account(tenant(1), None).await.unwrap();
    store.add_key(key(1, 1), None).await.unwrap();
    let revoke = |of, n, second| store.revoke_key(account(of), key_id(n), wall(second));
    assert!(!revoke(2, 1, 5).await.unwrap(), "another's key");
    assert!(!revoke(1, 2, 5).await.unwrap(), "no key");
    assert_eq!(store.key(key_id(1)).await.unwrap(), Some(key(1, 1)));
    assert!(revoke(1, 1, 5).await.unwrap());
    assert!(revoke(1, 1, 4).await.unwrap(), "it is revoked already");
    let found = store.key(key_id(1)).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(wall(5)));
}

async fn ranges(store: Arc<dyn Tenants>) {
    for name in [String::new(), "é".repeat(64)] {
        let wrong = AccountRecord { name, ..tenant(1) };
        assert_refused(store.add_account(wrong, None).await, Rule::Other);
    }
    let longest = AccountRecord {
        name: "é".repeat(63),
        ..tenant(1)
    };
    store.add_account(longest, None).await.unwrap();
    let mut short = key(1, 1);
    short.hash = vec![9; 31];
    assert_refused(store.add_key(short, None).await, Rule::Other);
    for scope in ["", "jobs:read jobs:write", "a\n"] {
        let mut wrong = key(1, 1);
        wrong.scopes = vec![scope.into()];
        assert_refused(store.add_key(wrong, None).await, Rule::Other);
    }
}

async fn replies(store: Arc<dyn Tenants>) {
    let ttl = i64::try_from(REPLY_TTL.as_secs()).unwrap();
    store
        .add_account(tenant(1), Some(reply("k", 0)))
        .await
        .unwrap();
    store
        .add_account(tenant(2), Some(reply("l", 9)))
        .await
        .unwrap();
    assert_eq!(kept(&store, "k", ttl).await, Some(reply("k", 0)));
    assert_eq!(kept(&store, "k", ttl + 1).await, None);
    assert_eq!(kept(&store, "m", 0).await, None);
    let reply_k = reply("k", 0);
    let other_account = store.reply(account(2), reply_k.key.clone(), reply_k.route, wall(0));
    assert_eq!(other_account.await.unwrap(), None);
    let other_route = store.reply(account(1), reply_k.key, "GET /".into(), wall(0));
    assert_eq!(other_route.await.unwrap(), None);
    assert_eq!(store.forget_replies(wall(ttl)).await.unwrap(), 0);
    assert_eq!(store.forget_replies(wall(ttl + 1)).await.unwrap(), 1);
    assert_eq!(kept(&store, "k", 0).await, None);
    assert_eq!(kept(&store, "l", 9).await, Some(reply("l", 9)));
}

async fn added_with_reply(store: Arc<dyn Tenants>) {
    store
        .add_account(tenant(1), Some(reply("k", 0)))
        .await
        .unwrap();
    let refused = store.add_account(tenant(2), Some(reply("k", 1))).await;
    assert_refused(refused, Rule::ReplyKept);
    assert_eq!(store.account(account(2)).await.unwrap(), None);
    let refused = store.add_key(key(1, 1), Some(reply("k", 1))).await;
    assert_refused(refused, Rule::ReplyKept);
    assert_eq!(store.key(key_id(1)).await.unwrap(), None);
    // The other way round: nothing is answered for what was not added.
    let refused = store.add_account(tenant(1), Some(reply("l", 0))).await;
    assert_refused(refused, Rule::Other);
    let refused = store.add_key(key(1, 9), Some(reply("l", 0))).await;
    assert_refused(refused, Rule::Other);
    assert_eq!(kept(&store, "l", 0).await, None);
    store.add_key(key(1, 1), Some(reply("l", 0))).await.unwrap();
}

async fn settings(store: Arc<dyn Tenants>) {
    assert_eq!(store.setting("installation").await.unwrap(), None);
    let starters = (0..16u8).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.setting_or("installation", vec![n; 16]).await.unwrap() })
    });
    let mut seen = Vec::new();
    for starter in starters.collect::<Vec<_>>() {
        seen.push(starter.await.unwrap());
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
    let stored = store.setting("installation").await.unwrap();
    assert_eq!(stored, Some(seen.remove(0)));
    store.set_setting("installation", Vec::new()).await.unwrap();
    let stored = store.setting_or("installation", vec![1]).await.unwrap();
    assert_eq!(stored, Vec::<u8>::new(), "an empty value is a value");
    let longest = vec![0; SETTING_BYTES_MAX];
    let mut too_long = longest.clone();
    too_long.push(0);
    assert_refused(store.set_setting("a", too_long.clone()).await, Rule::Other);
    assert_refused(store.setting_or("a", too_long).await, Rule::Other);
    assert_eq!(store.setting("a").await.unwrap(), None);
    store.set_setting("a", longest.clone()).await.unwrap();
    assert_eq!(store.setting("a").await.unwrap(), Some(longest));
}

async fn pages(store: Arc<dyn Tenants>) {
    let ttl = i64::try_from(REPLY_TTL.as_secs()).unwrap();
    let max = u64::from(PAGE_MAX);
    store.add_account(tenant(1), None).await.unwrap();
    let adders = (2..=max + 5).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let answer = reply(&format!("{n}"), 0);
            store.add_account(tenant(n), Some(answer)).await.unwrap();
            store.add_key(key(n, 1), None).await.unwrap();
        })
    });
    for adder in adders.collect::<Vec<_>>() {
        adder.await.unwrap();
    }
    let accounts = store.accounts(None, u32::MAX).await.unwrap();
    assert_eq!(accounts.len() as u64, max);
    let keys = store.keys(account(1), None, u32::MAX).await.unwrap();
    assert_eq!(keys.len() as u64, max);
    let late = wall(ttl + 1);
    assert_eq!(store.forget_replies(late).await.unwrap(), max);
    assert_eq!(store.forget_replies(late).await.unwrap(), 4);
}
