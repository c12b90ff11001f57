//! What every store must do, one story a function; each gets an empty store.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tandem::store::{COMMIT_JOBS_MAX, Changes, PAGE_MAX, Store, StoreError};
use tandem_model::job::JobState;

use crate::rows::*;
use crate::sharing;

type Told = Pin<Box<dyn Future<Output = ()> + Send>>;
type Story = fn(Arc<dyn Store>) -> Told;

/// Every story with its name.
pub(crate) const STORIES: &[(&str, Story)] = &[
    ("a commit is whole or nothing", |s| {
        Box::pin(whole_or_nothing(s))
    }),
    (
        "a job that was changed since it was read is not overwritten",
        |s| Box::pin(versions(s)),
    ),
    ("one live placement a job, also in a move", |s| {
        Box::pin(one_live_placement(s))
    }),
    ("an idempotency key is used once", |s| {
        Box::pin(keys_once(s))
    }),
    ("events come in the order of their writing", |s| {
        Box::pin(events_in_order(s))
    }),
    (
        "effects come when they are due and not after they are settled",
        |s| Box::pin(outbox(s)),
    ),
    ("a tenant finds nothing of another", |s| {
        Box::pin(tenants(s))
    }),
    ("pages are bounded", |s| Box::pin(pages(s))),
    (
        "a claim is held by one, renewed, and taken over when it ran out",
        |s| Box::pin(sharing::claims(s)),
    ),
    ("an old holder of a claim can write nothing", |s| {
        Box::pin(sharing::old_holder(s))
    }),
    (
        "two brokers that claim at once share without overlap",
        |s| Box::pin(sharing::claim_race(s)),
    ),
    (
        "many writers of one job: exactly one wins each version",
        |s| Box::pin(sharing::version_race(s)),
    ),
    ("late and repeated heartbeats change nothing", |s| {
        Box::pin(heartbeats(s))
    }),
    ("a refused commit leaves those beside it alone", |s| {
        Box::pin(sharing::neighbours(s))
    }),
];

async fn whole_or_nothing(store: Arc<dyn Store>) {
    let changes = Changes {
        jobs: vec![new_job(1)],
        placements: vec![placement(1, 1, true)],
        events: vec![event(1, 5)],
        outbox: vec![effect(1, "a", 0), effect(1, "a", 0)],
        ..Changes::default()
    };
    let refused = store.commit(changes.clone()).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(store.job(account(1), job_id(1)).await.unwrap(), None);
    assert_eq!(store.live_placement(job_id(1)).await.unwrap(), None);
    assert!(store.events(job_id(1), 0, 9).await.unwrap().is_empty());

    let changes = Changes {
        outbox: vec![effect(1, "a", 0)],
        ..changes
    };
    store.commit(changes).await.unwrap();
    assert_eq!(
        store.job(account(1), job_id(1)).await.unwrap(),
        Some(job(1))
    );
    assert_eq!(
        store.live_placement(job_id(1)).await.unwrap(),
        Some(placement(1, 1, true))
    );

    let many = (0..=COMMIT_JOBS_MAX as u64)
        .map(|n| new_job(100 + n))
        .collect();
    let refused = store.commit(jobs(many)).await;
    assert!(
        matches!(refused, Err(StoreError::TooLarge { .. })),
        "{refused:?}"
    );
}

async fn versions(store: Arc<dyn Store>) {
    store
        .commit(jobs(vec![new_job(1), new_job(2)]))
        .await
        .unwrap();
    let refused = store.commit(jobs(vec![new_job(1)])).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
    store
        .commit(jobs(vec![next(&job(1), JobState::Placing)]))
        .await
        .unwrap();
    // The other job of the same commit must not be changed either.
    let both = vec![
        next(&job(2), JobState::Placing),
        next(&job(1), JobState::Failed),
    ];
    let refused = store.commit(jobs(both)).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(id)) if id == job_id(1)),
        "{refused:?}"
    );
    let second = store.job(account(1), job_id(2)).await.unwrap().unwrap();
    assert_eq!(second, job(2));
    let missing = store
        .commit(jobs(vec![next(&job(3), JobState::Placing)]))
        .await;
    assert!(
        matches!(missing, Err(StoreError::Conflict(id)) if id == job_id(3)),
        "{missing:?}"
    );
    // A version cannot be skipped.
    let mut skip = next(&job(2), JobState::Placing);
    skip.job.version = 7;
    assert!(matches!(
        store.commit(jobs(vec![skip])).await,
        Err(StoreError::Conflict(_))
    ));
}

async fn one_live_placement(store: Arc<dyn Store>) {
    let first = Changes {
        placements: vec![placement(1, 1, true)],
        ..jobs(vec![new_job(1)])
    };
    store.commit(first).await.unwrap();
    let second = Changes {
        placements: vec![placement(1, 2, true)],
        ..Changes::default()
    };
    assert!(matches!(
        store.commit(second).await,
        Err(StoreError::Refused(_))
    ));
    // A move in one commit, in whatever order the rows come.
    let placements = vec![placement(1, 2, true), placement(1, 1, false)];
    store
        .commit(Changes {
            placements,
            ..Changes::default()
        })
        .await
        .unwrap();
    assert_eq!(
        store.live_placement(job_id(1)).await.unwrap(),
        Some(placement(1, 2, true))
    );
    let mut twin = placement(1, 2, false);
    twin.id = placement(9, 9, false).id;
    twin.tag = "other".into();
    let same_epoch = Changes {
        placements: vec![twin],
        ..Changes::default()
    };
    assert!(matches!(
        store.commit(same_epoch).await,
        Err(StoreError::Refused(_))
    ));
}

async fn keys_once(store: Arc<dyn Store>) {
    let changes = Changes {
        outbox: vec![effect(1, "k", 0)],
        ..jobs(vec![new_job(1)])
    };
    store.commit(changes).await.unwrap();
    let settled = Changes {
        outbox_settled: vec!["k".into()],
        ..Changes::default()
    };
    store.commit(settled).await.unwrap();
    let again = Changes {
        outbox: vec![effect(1, "k", 0)],
        ..Changes::default()
    };
    assert!(matches!(
        store.commit(again).await,
        Err(StoreError::Refused(_))
    ));
}

async fn events_in_order(store: Arc<dyn Store>) {
    let changes = Changes {
        events: vec![event(1, 5), event(1, 3)],
        ..jobs(vec![new_job(1)])
    };
    store.commit(changes).await.unwrap();
    store
        .commit(Changes {
            events: vec![event(1, 4)],
            ..Changes::default()
        })
        .await
        .unwrap();
    let all = store.events(job_id(1), 0, 10).await.unwrap();
    let seconds: Vec<_> = all.iter().map(|e| e.document.clone()).collect();
    assert_eq!(seconds, ["5", "3", "4"]);
    assert!(
        all.windows(2)
            .all(|pair| pair[0].sequence < pair[1].sequence)
    );
    let rest = store.events(job_id(1), all[0].sequence, 1).await.unwrap();
    assert_eq!(rest, [all[1].clone()]);
    let orphan = Changes {
        events: vec![event(2, 1)],
        ..Changes::default()
    };
    assert!(matches!(
        store.commit(orphan).await,
        Err(StoreError::Refused(_))
    ));
}

async fn outbox(store: Arc<dyn Store>) {
    let outbox = vec![effect(1, "late", 9), effect(1, "b", 2), effect(1, "a", 2)];
    store
        .commit(Changes {
            outbox,
            ..jobs(vec![new_job(1)])
        })
        .await
        .unwrap();
    let keys = |rows: Vec<tandem::store::OutboxRecord>| {
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert!(store.outbox_due(at(1), 9).await.unwrap().is_empty());
    assert_eq!(keys(store.outbox_due(at(2), 9).await.unwrap()), ["a", "b"]);
    let settled = Changes {
        outbox_settled: vec!["a".into()],
        ..Changes::default()
    };
    store.commit(settled).await.unwrap();
    assert_eq!(
        keys(store.outbox_due(at(9), 9).await.unwrap()),
        ["b", "late"]
    );
    assert_eq!(keys(store.outbox_due(at(9), 1).await.unwrap()), ["b"]);
}

async fn tenants(store: Arc<dyn Store>) {
    let mut other = new_job(2);
    other.job.account = account(2);
    store
        .commit(jobs(vec![new_job(1), other.clone()]))
        .await
        .unwrap();
    assert_eq!(store.job(account(2), job_id(1)).await.unwrap(), None);
    assert_eq!(
        store.jobs(account(2), None, 9).await.unwrap(),
        [other.job.clone()]
    );
    // Nor can a write move a job to another tenant.
    let mut stolen = next(&other.job, JobState::Placing);
    stolen.job.account = account(1);
    assert!(matches!(
        store.commit(jobs(vec![stolen])).await,
        Err(StoreError::Conflict(_))
    ));
}

async fn pages(store: Arc<dyn Store>) {
    let total = u64::from(PAGE_MAX) + 20;
    for part in 0..2 {
        let half = (0..total / 2)
            .map(|n| new_job(1 + part * (total / 2) + n))
            .collect();
        store.commit(jobs(half)).await.unwrap();
    }
    let first = store.jobs(account(1), None, u32::MAX).await.unwrap();
    assert_eq!(first.len(), PAGE_MAX as usize);
    let last = first.last().unwrap().id;
    let rest = store.jobs(account(1), Some(last), u32::MAX).await.unwrap();
    assert_eq!(first.len() + rest.len(), total as usize);
    assert!(rest.iter().all(|job| job.id > last));
}

async fn heartbeats(store: Arc<dyn Store>) {
    store
        .commit(jobs(vec![new_job(1), new_job(2)]))
        .await
        .unwrap();
    store
        .flush_liveness(vec![beat(1, 1, 5, 50), beat(2, 1, 1, 50)])
        .await
        .unwrap();
    store.flush_liveness(vec![beat(1, 1, 4, 90)]).await.unwrap();
    store.flush_liveness(vec![beat(1, 1, 5, 95)]).await.unwrap();
    assert_eq!(
        store.liveness(job_id(1)).await.unwrap(),
        [beat(1, 1, 5, 50)]
    );
    store
        .flush_liveness(vec![beat(1, 1, 6, 55), beat(1, 2, 1, 60)])
        .await
        .unwrap();
    assert_eq!(
        store.liveness(job_id(1)).await.unwrap(),
        [beat(1, 2, 1, 60)],
        "newest epoch"
    );
    // A clock that went back never shortens what was granted.
    store.flush_liveness(vec![beat(2, 1, 2, 40)]).await.unwrap();
    let kept = store.liveness(job_id(2)).await.unwrap()[0];
    assert_eq!(
        (kept.sequence, kept.last_seen, kept.lease_until),
        (2, at(50), at(80))
    );
}
