//! What every store must do with what agents say once a second.

use std::sync::Arc;

use tandem::store::{LOG_EPOCH_BYTES_MAX, Liveness, LogChunk, PAGE_MAX, Store};
use tandem_model::placement::Epoch;

use crate::rows::*;

async fn beats(store: &Arc<dyn Store>, beats: Vec<Liveness>) {
    store.flush_liveness(beats, Vec::new()).await.unwrap();
}

async fn print(store: &Arc<dyn Store>, chunks: Vec<LogChunk>) {
    store.flush_liveness(Vec::new(), chunks).await.unwrap();
}

pub(crate) async fn heartbeats(store: Arc<dyn Store>) {
    let two = jobs(vec![new_job(1), new_job(2)]);
    store.commit(two).await.unwrap();
    beats(&store, vec![beat(1, 1, 5, 50), beat(2, 1, 1, 50)]).await;
    beats(&store, vec![beat(1, 1, 4, 90)]).await;
    beats(&store, vec![beat(1, 1, 5, 95)]).await;
    let kept = store.liveness(job_id(1)).await.unwrap();
    assert_eq!(kept, [beat(1, 1, 5, 50)]);
    // Two of one node in one call, the newer first.
    let four = vec![
        beat(1, 1, 7, 60),
        beat(1, 1, 6, 55),
        beat(1, 2, 1, 60),
        beat(1, 2, 2, 61),
    ];
    beats(&store, four).await;
    let kept = store.liveness(job_id(1)).await.unwrap();
    assert_eq!(kept, [beat(1, 2, 2, 61)], "newest epoch");
    // A clock that went back never shortens what was granted, nor what was proved.
    let mut back = beat(2, 1, 2, 40);
    back.proved_us = 7;
    beats(&store, vec![back]).await;
    let kept = store.liveness(job_id(2)).await.unwrap()[0];
    let mut wanted = beat(2, 1, 1, 50);
    wanted.sequence = 2;
    assert_eq!(kept, wanted);
}

pub(crate) async fn many(store: Arc<dyn Store>) {
    let all = jobs((1..=500).map(new_job).collect());
    store.commit(all).await.unwrap();
    let ranks = |sequence| {
        (1..=500u64).flat_map(move |n| {
            (0..20u16).map(move |rank| Liveness {
                rank,
                ..beat(n, 1, sequence, 50)
            })
        })
    };
    for sequence in [1, 2] {
        beats(&store, ranks(sequence).collect()).await;
    }
    for n in [1, 250, 500] {
        let kept = store.liveness(job_id(n)).await.unwrap();
        let wanted: Vec<_> = ranks(2).filter(|beat| beat.job == job_id(n)).collect();
        assert_eq!(kept, wanted);
    }
    beats(&store, Vec::new()).await;
}

pub(crate) async fn nonsense(store: Arc<dyn Store>) {
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let endless = Liveness {
        rank: u16::MAX,
        proved_us: u64::MAX,
        ..beat(1, 1, 0, 50)
    };
    let endless = Liveness {
        sequence: u64::MAX,
        ..endless
    };
    let log = |n, sequence| LogChunk {
        sequence,
        ..chunk(n, 1, 1, "x\n")
    };
    let of_nobody = beat(9, 1, 1, 50);
    let good = beat(1, 1, 1, 50);
    let chunks = vec![log(9, 1), log(1, u64::MAX), log(1, 1)];
    let said = store.flush_liveness(vec![of_nobody, endless, good], chunks);
    said.await.unwrap();
    let kept = store.liveness(job_id(1)).await.unwrap();
    assert_eq!((kept.len(), kept[0]), (2, good));
    assert!(store.liveness(job_id(9)).await.unwrap().is_empty());
    let kept = store.logs(job_id(1), None, 9).await.unwrap();
    assert_eq!((kept.len(), &kept[0]), (2, &log(1, 1)));
    assert!(store.logs(job_id(9), None, 9).await.unwrap().is_empty());
}

pub(crate) async fn logs(store: Arc<dyn Store>) {
    let two = jobs(vec![new_job(1), new_job(2)]);
    store.commit(two).await.unwrap();
    let rank = |rank, chunk| LogChunk { rank, ..chunk };
    print(
        &store,
        vec![chunk(1, 2, 1, "d\n"), chunk(2, 1, 1, "other\n")],
    )
    .await;
    let rest = vec![
        rank(1, chunk(1, 1, 1, "c\n")),
        chunk(1, 1, 2, "b\n"),
        chunk(1, 1, 1, "a\n"),
    ];
    print(&store, rest).await;
    // The same heartbeat again says nothing new, whatever it says.
    print(&store, vec![chunk(1, 1, 1, "again\n")]).await;
    let all = store.logs(job_id(1), None, 9).await.unwrap();
    let texts: Vec<_> = all.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(texts, ["a\n", "b\n", "c\n", "d\n"]);
    assert_eq!(all[2], rank(1, chunk(1, 1, 1, "c\n")));
    for from in 0..all.len() {
        let chunk = &all[from];
        let after = Some((chunk.epoch, chunk.rank, chunk.sequence));
        let page = store.logs(job_id(1), after, 2).await.unwrap();
        let end = all.len().min(from + 3);
        assert_eq!(page, all[from + 1..end]);
    }
    let nothing = store
        .logs(job_id(1), Some((Epoch(9), 0, u64::MAX)), 9)
        .await;
    assert!(nothing.unwrap().is_empty());
    let many = (1..=u64::from(PAGE_MAX) + 1).map(|n| chunk(2, 3, n, "\n"));
    print(&store, many.collect()).await;
    let page = store.logs(job_id(2), None, u32::MAX).await.unwrap();
    assert_eq!(page.len(), PAGE_MAX as usize);
}

pub(crate) async fn log_limit(store: Arc<dyn Store>) {
    const CHUNKS: u64 = 16;
    let text = "x".repeat(usize::try_from(LOG_EPOCH_BYTES_MAX / CHUNKS).unwrap());
    let full = |n, epoch, from: u64| {
        let text = text.clone();
        (from..from + CHUNKS).map(move |sequence| chunk(n, epoch, sequence, &text))
    };
    let numbers = |chunks: Vec<LogChunk>| chunks.iter().map(|c| c.sequence).collect::<Vec<_>>();
    let two = jobs(vec![new_job(1), new_job(2)]);
    store.commit(two).await.unwrap();
    print(&store, full(1, 1, 1).collect()).await;
    print(&store, full(1, 2, 1).chain(full(2, 1, 1)).collect()).await;
    // Exactly full; what comes again is not counted again.
    print(&store, full(1, 1, 1).collect()).await;
    let all = store.logs(job_id(1), None, 99).await.unwrap();
    assert_eq!(all.len() as u64, 2 * CHUNKS);

    // One letter more, of another rank: the oldest chunk of this epoch goes, of no other.
    let other_rank = LogChunk {
        rank: 1,
        ..chunk(1, 1, 99, "y")
    };
    print(&store, vec![other_rank.clone()]).await;
    let all = store.logs(job_id(1), None, 99).await.unwrap();
    assert_eq!(all.len() as u64, 2 * CHUNKS);
    assert_eq!(all[0].sequence, 2);
    assert_eq!(all[usize::try_from(CHUNKS).unwrap() - 1], other_rank);
    // There is room again up to the limit, and what went does not come back in the place of newer.
    print(&store, vec![chunk(1, 1, 100, "z"), chunk(1, 1, 1, &text)]).await;
    let all = store.logs(job_id(1), None, 16).await.unwrap();
    assert_eq!(numbers(all), (2..=16).chain([100]).collect::<Vec<_>>());
    // One call that brings more than all: its newest stay.
    let double = full(1, 1, 200).chain(full(1, 1, 216));
    print(&store, double.collect()).await;
    let all = store.logs(job_id(1), None, 16).await.unwrap();
    assert_eq!(numbers(all), (216..232).collect::<Vec<_>>());
    let other = store.logs(job_id(2), None, 99).await.unwrap();
    assert_eq!(other.len() as u64, CHUNKS);
}
