//! The end of the write-ahead log is torn, as by a power cut in the middle of a commit: the whole
//! commit is there, or nothing of it.

use std::path::{Path, PathBuf};

use tandem::store::sqlite::SqliteStore;
use tandem::store::{Changes, Store};

use crate::fresh;
use crate::rows::*;

/// Bytes of a frame of the log: a page and its header
/// (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
const FRAME: usize = 4_096 + 24;

/// Everything that a commit can hold, for one job.
fn whole(n: u64) -> Changes {
    let key = format!("key-{n}");
    Changes {
        placements: vec![placement(n, 1, true)],
        events: vec![event(n, 1), event(n, 2)],
        outbox: vec![effect(n, &key, 0)],
        charges: vec![charge(n, 1, 1, 1)],
        ledger: vec![owed(&key, 7)],
        quotes_taken: vec![quote(n, n)],
        replies: vec![reply(&key, 0)],
        ..jobs(vec![new_job(n)])
    }
}

fn log_of(file: &Path) -> PathBuf {
    file.with_extension("db-wal")
}

/// How many jobs a database holds, after checking that each is whole.
async fn jobs_found(file: &Path) -> u64 {
    let store = SqliteStore::open(file).expect("a torn log is repaired");
    let found = store.jobs(account(1), None, 9).await.unwrap();
    for job in &found {
        assert_eq!(store.placements(job.id).await.unwrap().len(), 1);
        assert_eq!(store.events(job.id, 0, 9).await.unwrap().len(), 2);
        assert_eq!(store.charges(job.id).await.unwrap().len(), 1);
    }
    let owed = store.outbox_due(at(0), 9).await.unwrap();
    assert_eq!(owed.len(), found.len());
    let balances = store.balances().await.unwrap();
    let wanted = 7 * found.len() as u128;
    assert_eq!((balances[0].debit, balances[1].credit), (wanted, wanted));
    // Nor is anything left that a second try would run into.
    let next = found.len() as u64 + 1;
    store.commit(whole(next)).await.unwrap();
    drop(store);
    let connection = rusqlite::Connection::open(file).expect("the same database");
    let state: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(state, "ok");
    next - 1
}

#[tokio::test]
async fn a_commit_whose_log_is_torn_is_whole_or_nothing() {
    let (folder, store) = fresh();
    let file = folder.path().join("tandem.db");
    store.commit(whole(1)).await.unwrap();
    let before = std::fs::read(log_of(&file)).unwrap().len();
    store.commit(whole(2)).await.unwrap();
    let (pages, log) = (
        std::fs::read(&file).unwrap(),
        std::fs::read(log_of(&file)).unwrap(),
    );
    let frames = (log.len() - before) / FRAME;
    assert!(frames > 5 && (log.len() - before).is_multiple_of(FRAME));

    let torn = folder.path().join("torn.db");
    let mut counts = [0; 2];
    let mut check = async |log: &[u8], wanted: u64| {
        std::fs::write(&torn, &pages).unwrap();
        std::fs::write(log_of(&torn), log).unwrap();
        assert_eq!(jobs_found(&torn).await, wanted, "{} bytes", log.len());
        counts[usize::from(wanted == 2)] += 1;
        for leftover in [&torn, &log_of(&torn), &torn.with_extension("db-shm")] {
            // Most are gone when the last connection closes.
            let _ = std::fs::remove_file(leftover);
        }
    };
    for frame in 0..frames {
        // Before the frame, within its header, within its page, and one byte short of its end.
        for bytes in [0, 11, 24 + 2_000, FRAME - 1] {
            check(&log[..before + frame * FRAME + bytes], 1).await;
        }
        // The frame is there, but the disk wrote something else.
        let mut wrong = log.clone();
        wrong[before + frame * FRAME + 24 + 3_000] ^= 1;
        check(&wrong, 1).await;
    }
    check(&log, 2).await;
    // What lies behind the last commit is none.
    let mut more = log.clone();
    more.extend_from_slice(&log[log.len() - FRAME..log.len() - 1]);
    check(&more, 2).await;
    assert_eq!(counts, [frames * 5, 2]);
}
