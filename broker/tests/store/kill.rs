//! `kill -9` in the middle of writes: what was answered is there, nothing is there by half.
//!
//! The test runs itself again as a child that writes without end and prints each job once its
//! commit was answered; the parent kills it at moments spread over its run and reads the database.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tandem::store::sqlite::SqliteStore;
use tandem::store::{Changes, PAGE_MAX, Store};

use crate::rows::*;

/// Set in the child to the database's path.
const CHILD: &str = "TANDEM_TEST_STORE_CHILD";
/// Times the child is killed; the later the round, the more it has written.
const ROUNDS: u64 = 8;
/// Writers of the child.
const WRITERS: u64 = 16;

/// A job with everything that belongs to it, in one commit.
fn whole(n: u64) -> Changes {
    Changes {
        placements: vec![placement(n, 1, true)],
        events: vec![event(n, 1), event(n, 2)],
        outbox: vec![effect(n, &format!("key-{n}"), 0)],
        ..jobs(vec![new_job(n)])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_writer_loses_nothing_it_answered_and_leaves_nothing_by_half() {
    if let Ok(file) = std::env::var(CHILD) {
        return write_without_end(&file).await;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tandem.db");
    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        answered.extend(run_and_kill(&file, 20 + 40 * round));
        check(&file, &answered).await;
    }
    assert!(answered.len() as u64 >= ROUNDS * 20);
}

/// Starts the child, kills it after so many answers, and returns the jobs it printed.
fn run_and_kill(file: &std::path::Path, answers: u64) -> Vec<u64> {
    let name = "kill::a_killed_writer_loses_nothing_it_answered_and_leaves_nothing_by_half";
    let mut child = Command::new(std::env::current_exe().expect("the test's own program"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the child starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut answered = Vec::new();
    for line in lines.map_while(Result::ok) {
        if let Some(n) = line.strip_prefix("answered ") {
            answered.push(n.parse().expect("a number"));
        }
        if answered.len() as u64 == answers {
            child.kill().expect("SIGKILL");
        }
    }
    let status = child.wait().expect("the child ends");
    assert!(!status.success(), "the child is killed, it does not end");
    answered
}

async fn check(file: &std::path::Path, answered: &[u64]) {
    let store = SqliteStore::open(file).expect("the database opens after a kill");
    for &n in answered {
        assert!(
            store.job(account(1), job_id(n)).await.unwrap().is_some(),
            "job {n} was answered"
        );
    }
    let mut after = None;
    let mut found = 0;
    loop {
        let page = store.jobs(account(1), after, PAGE_MAX).await.unwrap();
        for job in &page {
            assert!(
                store.live_placement(job.id).await.unwrap().is_some(),
                "{}",
                job.id
            );
            assert_eq!(
                store.events(job.id, 0, 9).await.unwrap().len(),
                2,
                "{}",
                job.id
            );
        }
        found += page.len();
        match page.last() {
            Some(last) => after = Some(last.id),
            None => break,
        }
    }
    assert!(found >= answered.len());
    let connection = rusqlite::Connection::open(file).expect("the same database");
    let state: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(state, "ok");
    let effects: i64 = connection
        .query_row("SELECT count(*) FROM outbox", [], |r| r.get(0))
        .unwrap();
    assert_eq!(effects, i64::try_from(found).unwrap());
}

/// The child: writes jobs that no earlier child wrote, and prints each once it was answered.
async fn write_without_end(file: &str) {
    let store = Arc::new(SqliteStore::open(file.as_ref()).expect("the database opens"));
    let base = u64::from(std::process::id()) << 24;
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for k in 0.. {
                let n = base + k * WRITERS + writer;
                store.commit(whole(n)).await.expect("a commit of a new job");
                writeln!(std::io::stdout(), "answered {n}").expect("the parent reads");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("a writer goes on until the kill");
    }
}
