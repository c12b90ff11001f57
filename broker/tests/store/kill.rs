//! `kill -9` in the middle of writes: what was answered is there, nothing is there by half.
//!
//! The test runs itself again as a child that writes without end and prints each job once its
//! commit was answered; the parent kills it at moments spread over its run and reads the database.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tandem::store::sqlite::SqliteStore;
use tandem::store::{Changes, PAGE_MAX, Store, StoreError};
use tandem_model::id::JobId;

use crate::rows::*;

/// Set in the child to the database's path.
const CHILD: &str = "TANDEM_TEST_STORE_CHILD";
/// Times the child is killed; the later the round, the more it has written.
const ROUNDS: u64 = 8;
/// Writers of the child.
const WRITERS: u64 = 16;

/// What is owed for a job: more than 64 bits hold.
fn amount(n: u64) -> u128 {
    (1 << 80) + u128::from(n)
}

/// A job with everything that belongs to it, in one commit.
fn whole(n: u64) -> Changes {
    let key = format!("key-{n}");
    Changes {
        placements: vec![placement(n, 1, true)],
        events: vec![event(n, 1), event(n, 2)],
        outbox: vec![effect(n, &key, 0)],
        charges: vec![charge(n, 1, n, 1)],
        ledger: vec![owed(&key, amount(n))],
        quotes_taken: vec![quote(n, n)],
        replies: vec![reply(&key, 0)],
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
            let second = SqliteStore::open(file).map(|_| ());
            assert!(
                matches!(&second, Err(StoreError::Database(why)) if why.contains("in use")),
                "{second:?}"
            );
            child.kill().expect("SIGKILL");
        }
    }
    let status = child.wait().expect("the child ends");
    assert!(!status.success(), "the child is killed, it does not end");
    answered
}

async fn check(file: &std::path::Path, answered: &[u64]) {
    let store = SqliteStore::open(file).expect("the database opens after a kill");
    let mut found = Vec::new();
    loop {
        let after = found.last().copied();
        let page = store.jobs(account(1), after, PAGE_MAX).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.iter().map(|job| job.id));
    }
    for &n in answered {
        assert!(found.contains(&job_id(n)), "job {n} was answered");
    }
    for &job in &found {
        assert_eq!(store.placements(job).await.unwrap().len(), 1, "{job}");
        assert_eq!(store.events(job, 0, 9).await.unwrap().len(), 2, "{job}");
        assert_eq!(store.charges(job).await.unwrap().len(), 1, "{job}");
    }
    let balances = store.balances().await.unwrap();
    let rows = Rows(rusqlite::Connection::open(file).expect("the same database"));
    let state: String = rows
        .0
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(state, "ok");
    for table in ["outbox", "quotes_taken", "replies", "ledger_transactions"] {
        assert_eq!(rows.count(table), found.len(), "{table}");
    }
    let (debit, credit) = rows.posted();
    assert_eq!((balances[0].debit, balances[0].credit), (debit, 0));
    assert_eq!((balances[1].debit, balances[1].credit), (0, credit));
    assert_eq!(debit, found.iter().map(|&job| owed_for(job)).sum());
    assert_eq!(debit, credit);
}

/// What [`whole`] posted for a job; its number is the time in its id.
fn owed_for(job: JobId) -> u128 {
    amount((job.uuid().as_u128() >> 80) as u64)
}

/// The tables as they lie in the file.
struct Rows(rusqlite::Connection);

impl Rows {
    fn count(&self, table: &str) -> usize {
        let sql = format!("SELECT count(*) FROM {table}");
        self.0.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    /// Sums of all debits and of all credits.
    fn posted(&self) -> (u128, u128) {
        let sql = "SELECT debit, credit FROM ledger_postings";
        let mut statement = self.0.prepare(sql).unwrap();
        let postings = statement.query_map([], |row| {
            let (debit, credit) = (row.get(0)?, row.get(1)?);
            Ok((u128::from_be_bytes(debit), u128::from_be_bytes(credit)))
        });
        let postings = postings.unwrap().map(Result::unwrap);
        postings.fold((0, 0), |sum, line| (sum.0 + line.0, sum.1 + line.1))
    }
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
