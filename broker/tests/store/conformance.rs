//! What every store must do, one story a function; each gets an empty store.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tandem::store::{COMMIT_JOBS_MAX, Changes, Expected, JobWrite, PAGE_MAX, Store, StoreError};
use tandem_model::job::JobState;

use crate::rows::*;

type Told = Pin<Box<dyn Future<Output = ()> + Send>>;
type Story = fn(Arc<dyn Store>) -> Told;

const TTL: Duration = Duration::from_secs(10);

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
        |s| Box::pin(claims(s)),
    ),
    ("an old holder of a claim can write nothing", |s| {
        Box::pin(old_holder(s))
    }),
    (
        "two brokers that claim at once share without overlap",
        |s| Box::pin(claim_race(s)),
    ),
    (
        "many writers of one job: exactly one wins each version",
        |s| Box::pin(version_race(s)),
    ),
    ("late and repeated heartbeats change nothing", |s| {
        Box::pin(heartbeats(s))
    }),
    ("a refused commit leaves those beside it alone", |s| {
        Box::pin(neighbours(s))
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

async fn claims(store: Arc<dyn Store>) {
    let mut later = new_job(2);
    later.job.wake_at = Some(at(50));
    let mut ended = new_job(3);
    ended.job.state = JobState::Succeeded;
    let mut waits = new_job(4);
    waits.job.wake_at = None;
    store
        .commit(jobs(vec![new_job(1), later, ended, waits]))
        .await
        .unwrap();
    let ids =
        |claimed: &[tandem::store::Claimed]| claimed.iter().map(|c| c.job.id).collect::<Vec<_>>();
    let mine = store.claim(broker(1), at(5), TTL, 9).await.unwrap();
    assert_eq!(ids(&mine), [job_id(1)]);
    assert!(
        store
            .claim(broker(2), at(14), TTL, 9)
            .await
            .unwrap()
            .is_empty()
    );
    let renewed = store.claim(broker(1), at(14), TTL, 9).await.unwrap();
    assert_eq!(
        renewed[0].claim, mine[0].claim,
        "a renewal keeps the generation"
    );
    let taken = store.claim(broker(2), at(24), TTL, 9).await.unwrap();
    assert_eq!(taken[0].claim.generation, mine[0].claim.generation + 1);
    store.release(broker(2)).await.unwrap();
    assert_eq!(
        ids(&store.claim(broker(1), at(25), TTL, 9).await.unwrap()),
        [job_id(1)]
    );
}

async fn old_holder(store: Arc<dyn Store>) {
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let old = store
        .claim(broker(1), at(0), TTL, 9)
        .await
        .unwrap()
        .remove(0);
    let new = store
        .claim(broker(2), at(10), TTL, 9)
        .await
        .unwrap()
        .remove(0);
    let write = |claim| {
        let mut write = next(&job(1), JobState::Placing);
        write.expected = Expected::Version {
            version: 1,
            claim: Some(claim),
        };
        jobs(vec![write])
    };
    assert!(matches!(
        store.commit(write(old.claim)).await,
        Err(StoreError::Conflict(_))
    ));
    store.commit(write(new.claim)).await.unwrap();
    // The same broker after a stop and a start of the claim: its old generation is over, too.
    store.release(broker(2)).await.unwrap();
    let again = store
        .claim(broker(2), at(11), TTL, 9)
        .await
        .unwrap()
        .remove(0);
    assert!(again.claim.generation > new.claim.generation);
}

async fn claim_race(store: Arc<dyn Store>) {
    store
        .commit(jobs((1..=400).map(new_job).collect()))
        .await
        .unwrap();
    let claimers = (1..=8u8).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.claim(broker(n), at(0), TTL, 75).await.unwrap() })
    });
    let mut all = Vec::new();
    for claimer in claimers.collect::<Vec<_>>() {
        all.extend(
            claimer
                .await
                .unwrap()
                .into_iter()
                .map(|claimed| claimed.job.id),
        );
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), count), (400, 400));
}

async fn version_race(store: Arc<dyn Store>) {
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let writers = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut won = 0u64;
            for _ in 0..20 {
                let before = store.job(account(1), job_id(1)).await.unwrap().unwrap();
                let changes = Changes {
                    events: vec![event(1, i64::try_from(before.version).unwrap())],
                    ..jobs(vec![next(&before, JobState::Placing)])
                };
                match store.commit(changes).await {
                    Ok(()) => won += 1,
                    Err(StoreError::Conflict(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            won
        })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        won += writer.await.unwrap();
    }
    let last = store.job(account(1), job_id(1)).await.unwrap().unwrap();
    assert_eq!(last.version, 1 + won);
    let events = store.events(job_id(1), 0, u32::MAX).await.unwrap();
    let versions: Vec<u64> = events.iter().map(|e| e.document.parse().unwrap()).collect();
    assert_eq!(versions, (1..=won).collect::<Vec<_>>());
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

async fn neighbours(store: Arc<dyn Store>) {
    store.commit(jobs(vec![new_job(0)])).await.unwrap();
    let writers = (1..=60u64).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            // Every third writer repeats a job that exists.
            let write = if n % 3 == 0 { new_job(0) } else { new_job(n) };
            store.commit(jobs(vec![write])).await.is_ok()
        })
    });
    let mut written = 0;
    for writer in writers.collect::<Vec<_>>() {
        written += usize::from(writer.await.unwrap());
    }
    assert_eq!(written, 40);
    assert_eq!(
        store.jobs(account(1), None, PAGE_MAX).await.unwrap().len(),
        41
    );
    let late: JobWrite = next(&job(1), JobState::Placing);
    store.commit(jobs(vec![late])).await.unwrap();
}
