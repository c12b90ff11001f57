//! Stories of the pricing policy's versions.

use std::sync::Arc;

use tandem::store::tenants::Tenants;
use tandem::store::{Changes, QuoteTaken, Rule, Store};
use tandem_pricing::policy::{PolicyDigest, Version};

use crate::rows::*;

fn version(number: u32) -> Version {
    let text = format!("text {number}");
    Version {
        number,
        digest: PolicyDigest::of(&text),
        author: "ada".into(),
        applied_at: wall(i64::from(number)),
        note: "less in spring".into(),
        rolls_back_to: None,
        revokes_quotes: false,
        waived_because: Some("agreed".into()),
        text,
    }
}

pub(crate) async fn numbers(store: Arc<dyn Tenants>) {
    assert_eq!(store.policy(None).await.unwrap(), None);
    assert!(store.policies(None, 9).await.unwrap().is_empty());
    assert_refused(store.add_policy(version(2), None).await, Rule::PolicyNumber);
    for number in [1, 2] {
        store.add_policy(version(number), None).await.unwrap();
    }
    for wrong in [0, 1, 2, 4, u32::MAX] {
        let refused = store.add_policy(version(wrong), None).await;
        assert_refused(refused, Rule::PolicyNumber);
    }
    assert_eq!(store.policy(None).await.unwrap(), Some(version(2)));
    assert_eq!(store.policy(Some(1)).await.unwrap(), Some(version(1)));
    assert_eq!(store.policy(Some(3)).await.unwrap(), None);
}

pub(crate) async fn race(store: Arc<dyn Tenants>) {
    store.add_policy(version(1), None).await.unwrap();
    let all: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut mine = version(2);
                mine.author = format!("author {n}");
                let kept = Some(reply(&format!("key {n}"), 1));
                let added = store.add_policy(mine, kept).await;
                (n, added)
            })
        })
        .collect();
    let mut won = Vec::new();
    for one in all {
        match one.await.unwrap() {
            (n, Ok(())) => won.push(n),
            (_, refused) => assert_refused(refused, Rule::PolicyNumber),
        }
    }
    let [winner] = won[..] else {
        panic!("{won:?} all won");
    };
    let newest = store.policy(None).await.unwrap().unwrap();
    assert_eq!(newest.author, format!("author {winner}"));
    for n in 0..8 {
        let wanted = reply(&format!("key {n}"), 1);
        let kept = store.reply(wanted.account, wanted.key, wanted.route, wall(2));
        assert_eq!(kept.await.unwrap().is_some(), n == winner, "{n}");
    }
}

pub(crate) async fn history(store: Arc<dyn Tenants>) {
    for number in 1..=5 {
        store.add_policy(version(number), None).await.unwrap();
    }
    let numbers = |page: &[Version]| page.iter().map(|v| v.number).collect::<Vec<_>>();
    let first = store.policies(None, 2).await.unwrap();
    assert_eq!(numbers(&first), [5, 4]);
    let rest = store.policies(Some(4), 9).await.unwrap();
    assert_eq!(numbers(&rest), [3, 2, 1]);
    let bare = Version {
        text: String::new(),
        ..version(5)
    };
    assert_eq!(first[0], bare);
}

/// A rollback revokes what it undoes, when it says so: no quote of those versions is taken in any
/// later commit, and nothing else of such a commit is written.
pub(crate) async fn revoked<S: Store + Tenants>(store: &S) {
    for number in 1..=4 {
        store.add_policy(version(number), None).await.unwrap();
    }
    let back = |number, revokes_quotes| Version {
        rolls_back_to: Some(2),
        revokes_quotes,
        ..version(number)
    };
    let taken = |n: u64, policy_version| Changes {
        jobs: vec![new_job(n)],
        quotes_taken: vec![QuoteTaken {
            policy_version,
            ..quote(n, n)
        }],
        ..Changes::default()
    };
    store.add_policy(back(5, false), None).await.unwrap();
    for number in 1..=6 {
        let n = u64::from(number);
        store.commit(taken(n, number)).await.unwrap();
    }
    store.add_policy(back(6, true), None).await.unwrap();
    for number in 1..=7 {
        let n = 10 + u64::from(number);
        let done = store.commit(taken(n, number)).await;
        match number {
            3..=5 => assert_refused(done, Rule::QuoteRevoked),
            _ => done.unwrap(),
        }
        let job = store.job(account(1), job_id(n)).await.unwrap();
        assert_eq!(job.is_some(), !(3..=5).contains(&number), "{number}");
    }
}
