//! What every store must do when several brokers or writers want the same rows.

use std::sync::Arc;
use std::time::Duration;

use tandem::store::{
    BrokerId, Changes, Claim, Claimed, Expected, JobWrite, PAGE_MAX, Store, StoreError,
};
use tandem_model::id::JobId;
use tandem_model::job::JobState;

use crate::rows::*;

/// How long a broker lives in these stories after it said so.
const TTL: Duration = Duration::from_secs(10);

fn ids(claimed: &[Claimed]) -> Vec<JobId> {
    claimed.iter().map(|c| c.job.id).collect()
}

/// What a broker takes at a second.
async fn take(store: &Arc<dyn Store>, owner: u8, second: i64) -> Vec<Claimed> {
    let taken = store.claim(broker(owner), at(second), TTL, 9).await;
    taken.unwrap()
}

/// A write of job 1 by a holder.
fn write(version: u64, claim: Claim) -> Changes {
    let mut write = next(&job(1), JobState::Placing);
    write.job.version = version + 1;
    write.expected = Expected::Version {
        version,
        claim: Some(claim),
    };
    jobs(vec![write])
}

pub(crate) async fn claims(store: Arc<dyn Store>) {
    let mut closed = new_job(2);
    closed.job.open = false;
    let mut ended = new_job(3);
    ended.job.state = JobState::Failed;
    let all = jobs(vec![new_job(1), closed, ended]);
    store.commit(all).await.unwrap();
    let first = take(&store, 1, 5).await;
    assert_eq!(ids(&first), [job_id(1), job_id(3)], "open, ended or not");
    let claim = first[0].claim;
    assert_eq!((claim.owner, claim.generation), (broker(1), 1));
    assert!(take(&store, 2, 14).await.is_empty(), "held");
    assert!(take(&store, 1, 14).await.is_empty(), "held by itself");
    assert!(take(&store, 2, 16).await.is_empty(), "held for longer");
    // Asking for none only renews.
    let none = store.claim(broker(1), at(20), TTL, 0).await.unwrap();
    assert!(none.is_empty());
    assert!(take(&store, 2, 29).await.is_empty());
    let taken = take(&store, 2, 30).await;
    assert_eq!(ids(&taken), ids(&first), "the first holder ran out");
    assert_eq!(taken[0].claim.generation, 2);
    assert!(take(&store, 1, 31).await.is_empty());
    store.release(broker(2)).await.unwrap();
    let back = take(&store, 1, 31).await;
    assert_eq!(back[0].claim.generation, 3);
}

pub(crate) async fn order(store: Arc<dyn Store>) {
    let wakes = |n, second: Option<i64>| {
        let mut write = new_job(n);
        write.job.wake_at = second.map(at);
        write
    };
    let all = vec![
        wakes(1, None),
        wakes(2, Some(50)),
        wakes(3, Some(-9)),
        wakes(4, Some(20)),
    ];
    store.commit(jobs(all)).await.unwrap();
    // Among those of a holder that ran out and those that nobody holds alike.
    let held = store.claim(broker(1), at(0), TTL, 2).await.unwrap();
    assert_eq!(ids(&held), [3, 4].map(job_id));
    let more = vec![wakes(5, Some(0)), wakes(6, Some(30)), wakes(7, None)];
    store.commit(jobs(more)).await.unwrap();
    let taken = store.claim(broker(2), at(10), TTL, 4).await.unwrap();
    assert_eq!(ids(&taken), [3, 5, 4, 6].map(job_id));
    let taken = store.claim(broker(2), at(10), TTL, 9).await.unwrap();
    assert_eq!(ids(&taken), [2, 1, 7].map(job_id));
    assert!(taken.iter().all(|c| c.claim.generation == 1));
}

pub(crate) async fn luggage(store: Arc<dyn Store>) {
    let changes = Changes {
        placements: vec![
            placement(2, 1, true),
            placement(1, 2, true),
            placement(1, 1, false),
        ],
        outbox: vec![effect(1, "b", 0), effect(2, "c", 0), effect(1, "a", 90)],
        ..jobs((1..=3).map(new_job).collect())
    };
    store.commit(changes).await.unwrap();
    let mut second_rank = beat(1, 2, 4, 50);
    second_rank.rank = 1;
    let beats = vec![
        second_rank,
        beat(1, 2, 3, 50),
        beat(1, 1, 9, 9),
        beat(2, 1, 1, 1),
    ];
    store.flush_liveness(beats, Vec::new()).await.unwrap();
    let settled = Changes {
        outbox_settled: vec!["c".into()],
        ..Changes::default()
    };
    store.commit(settled).await.unwrap();

    let taken = take(&store, 1, 0).await;
    let claim = Claim {
        owner: broker(1),
        generation: 1,
    };
    let bare = |n| Claimed {
        job: job(n),
        claim,
        placements: Vec::new(),
        liveness: Vec::new(),
        outbox: Vec::new(),
    };
    let first = Claimed {
        placements: vec![placement(1, 1, false), placement(1, 2, true)],
        liveness: vec![beat(1, 2, 3, 50), second_rank],
        outbox: vec![effect(1, "a", 90), effect(1, "b", 0)],
        ..bare(1)
    };
    let second = Claimed {
        placements: vec![placement(2, 1, true)],
        liveness: vec![beat(2, 1, 1, 1)],
        ..bare(2)
    };
    assert_eq!(taken, [first, second, bare(3)]);
}

pub(crate) async fn old_holder(store: Arc<dyn Store>) {
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let old = take(&store, 1, 0).await[0].claim;
    // It ran out, but nobody took over: it may go on.
    store.commit(write(1, old)).await.unwrap();
    let new = take(&store, 2, 10).await[0].claim;
    // It wakes up and says that it lives: what was taken stays taken.
    assert!(take(&store, 1, 11).await.is_empty());
    assert_conflict(store.commit(write(2, old)).await, 1);
    let mut guessed = new;
    guessed.owner = broker(1);
    assert_conflict(store.commit(write(2, guessed)).await, 1);
    store.commit(write(2, new)).await.unwrap();
    // The same broker after it gave the claim back: its old generation is over, too.
    store.release(broker(2)).await.unwrap();
    assert_conflict(store.commit(write(3, new)).await, 1);
    let again = take(&store, 2, 12).await[0].claim;
    assert!(again.generation > new.generation);
    assert_conflict(store.commit(write(3, new)).await, 1);
    store.commit(write(3, again)).await.unwrap();
}

pub(crate) async fn held_from_birth(store: Arc<dyn Store>) {
    let born = |n, owner: BrokerId| JobWrite {
        expected: Expected::New { owner: Some(owner) },
        ..new_job(n)
    };
    take(&store, 1, 0).await;
    let two = jobs(vec![born(1, broker(1)), born(2, broker(3))]);
    store.commit(two).await.unwrap();
    // Broker 3 never said that it lives.
    let taken = take(&store, 2, 1).await;
    assert_eq!(ids(&taken), [job_id(2)]);
    assert_eq!(taken[0].claim.generation, 2);
    assert!(take(&store, 1, 1).await.is_empty(), "it knows its own");
    let held = Claim {
        owner: broker(1),
        generation: 1,
    };
    store.commit(write(1, held)).await.unwrap();
    assert_eq!(ids(&take(&store, 2, 11).await), [job_id(1)]);
    assert_conflict(store.commit(write(2, held)).await, 1);
    // One that has given everything back is forgotten.
    store.release(broker(2)).await.unwrap();
    let late = jobs(vec![born(3, broker(2))]);
    store.commit(late).await.unwrap();
    assert_eq!(take(&store, 1, 12).await.len(), 3);
}

pub(crate) async fn claim_race(store: Arc<dyn Store>) {
    let all = (1..=400).map(new_job).collect();
    store.commit(jobs(all)).await.unwrap();
    // First all are free; then the eight that took them have run out, and eight others come.
    for round in 0..2u8 {
        let second = i64::from(round) * 10;
        let claimers = (1..=8u8).map(|n| {
            let store = Arc::clone(&store);
            let owner = broker(n + 8 * round);
            tokio::spawn(async move { store.claim(owner, at(second), TTL, 75).await.unwrap() })
        });
        let mut all = Vec::new();
        for claimer in claimers.collect::<Vec<_>>() {
            all.extend(claimer.await.unwrap());
        }
        assert!(
            all.iter()
                .all(|c| c.claim.generation == 1 + u64::from(round))
        );
        let count = all.len();
        let mut all = ids(&all);
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), count), (400, 400));
    }
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
    let all = store.jobs(account(1), None, PAGE_MAX).await.unwrap();
    assert_eq!(all.len(), 41);
    let late: JobWrite = next(&job(1), JobState::Placing);
    store.commit(jobs(vec![late])).await.unwrap();
}
