//! What every store must do when several brokers or writers want the same rows.

use std::sync::Arc;
use std::time::Duration;

use tandem::store::{Changes, Expected, JobWrite, PAGE_MAX, Store, StoreError};
use tandem_model::job::JobState;

use crate::rows::*;

/// How long a claim lasts in these stories.
const TTL: Duration = Duration::from_secs(10);

pub(crate) async fn claims(store: Arc<dyn Store>) {
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

pub(crate) async fn old_holder(store: Arc<dyn Store>) {
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

pub(crate) async fn claim_race(store: Arc<dyn Store>) {
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

pub(crate) async fn version_race(store: Arc<dyn Store>) {
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

pub(crate) async fn neighbours(store: Arc<dyn Store>) {
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
