//! The embedded store's files: what is refused, who may open them, how they are copied, and that
//! the write-ahead log does not grow without end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tandem::store::sqlite::SqliteStore;
use tandem::store::tenants::Tenants;
use tandem::store::{Changes, Store, StoreError};
use tandem_model::job::JobState;

use crate::fresh;
use crate::rows::*;

/// Why a database is not opened.
fn refusal(file: &Path) -> String {
    match SqliteStore::open(file) {
        Err(StoreError::Database(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{} was opened", file.display()),
    }
}

/// The file of [`fresh`].
fn database(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("tandem.db")
}

#[test]
fn a_file_that_is_no_database_and_a_missing_folder_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = database(&folder);
    let text = "this is not a database, but it is long enough to be looked at";
    std::fs::write(&file, text).expect("the folder is ours");
    assert!(refusal(&file).contains("not a database"));
    assert_eq!(std::fs::read(&file).unwrap(), text.as_bytes(), "untouched");
    let nowhere = folder.path().join("nowhere/tandem.db");
    assert!(refusal(&nowhere).contains("nowhere"));
}

#[test]
fn a_database_of_a_later_release_is_refused() {
    let (folder, store) = fresh();
    drop(store);
    let connection = rusqlite::Connection::open(database(&folder)).expect("the same database");
    let later = connection.pragma_update(None, "user_version", 9_999);
    later.expect("a later version");
    drop(connection);
    let why = refusal(&database(&folder));
    assert!(why.contains("newer release"), "{why}");
}

#[tokio::test]
async fn a_database_is_held_by_one_and_free_once_it_is_let_go() {
    let (folder, store) = fresh();
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    for _ in 0..2 {
        let why = refusal(&database(&folder));
        assert!(why.contains("in use by another broker"), "{why}");
    }
    // The one that has it goes on undisturbed.
    store.commit(jobs(vec![new_job(2)])).await.unwrap();
    drop(store);
    for _ in 0..3 {
        let store = SqliteStore::open(&database(&folder)).expect("nobody has it");
        assert_eq!(store.jobs(account(1), None, 9).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn what_a_dead_broker_held_is_free_as_soon_as_its_database_is_opened_again() {
    let (folder, store) = fresh();
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let hour = std::time::Duration::from_secs(3_600);
    let held = store.claim(broker(1), at(0), hour, 9).await.unwrap();
    assert_eq!(held[0].claim.generation, 1);
    drop(store);
    let store = SqliteStore::open(&database(&folder)).expect("nobody has it");
    let taken = store.claim(broker(2), at(1), hour, 9).await.unwrap();
    assert_eq!(taken[0].claim.generation, 2, "an hour before it ran out");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, store) = fresh();
    store.set_setting("key", vec![1]).await.unwrap();
    store.backup(&folder.path().join("copy.db")).unwrap();
    let entries: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert!(entries.len() >= 4, "{entries:?}");
    for entry in entries {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{entry:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_made_while_work_goes_on_is_whole() {
    let (folder, store) = fresh();
    let store = Arc::new(store);
    for n in 1..=20 {
        store.commit(jobs(vec![new_job(n)])).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        tokio::spawn(async move {
            for n in 21.. {
                let changes = Changes {
                    placements: vec![placement(n, 1, true)],
                    ..jobs(vec![new_job(n)])
                };
                store.commit(changes).await.unwrap();
                if stop.load(Ordering::Relaxed) {
                    return n;
                }
            }
            unreachable!("it is stopped before")
        })
    };
    let copy = folder.path().join("copy.db");
    let (from, to) = (Arc::clone(&store), copy.clone());
    let copied = tokio::task::spawn_blocking(move || from.backup(&to));
    copied.await.unwrap().unwrap();
    stop.store(true, Ordering::Relaxed);
    let last = writer.await.unwrap();

    let copy = SqliteStore::open(&copy).expect("a database beside the one that is open");
    let found = copy.jobs(account(1), None, 500).await.unwrap();
    assert!(
        found.len() >= 20 && found.len() as u64 <= last,
        "{}",
        found.len()
    );
    for job in &found[20..] {
        assert_eq!(copy.placements(job.id).await.unwrap().len(), 1);
    }
    // It is a database like any other.
    copy.commit(jobs(vec![next(&found[0], JobState::Placing)]))
        .await
        .unwrap();
    let original = store.job(account(1), found[0].id).await.unwrap();
    assert_eq!(original.as_ref(), Some(&found[0]));
}

#[tokio::test]
async fn a_copy_never_overwrites_a_file_and_leaves_none_where_it_fails() {
    let (folder, store) = fresh();
    let to = folder.path().join("copy.db");
    for there in ["a photograph", ""] {
        std::fs::write(&to, there).unwrap();
        let refused = store.backup(&to);
        assert!(matches!(&refused, Err(StoreError::Database(why)) if why.contains("copy.db")));
        assert_eq!(std::fs::read_to_string(&to).unwrap(), there);
    }
    let own = store.backup(&database(&folder));
    assert!(own.is_err());
    let nowhere = folder.path().join("nowhere/copy.db");
    assert!(store.backup(&nowhere).is_err());
    assert!(!nowhere.exists());
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
}

#[tokio::test]
async fn a_database_is_copied_by_its_path_whether_or_not_it_is_open() {
    let (folder, store) = fresh();
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let to = |name: &str| folder.path().join(name);
    SqliteStore::back_up(&database(&folder), &to("open.db")).unwrap();
    drop(store);
    SqliteStore::back_up(&database(&folder), &to("closed.db")).unwrap();
    for name in ["open.db", "closed.db", "tandem.db"] {
        let store = SqliteStore::open(&to(name)).expect("a database");
        assert_eq!(store.jobs(account(1), None, 9).await.unwrap(), [job(1)]);
    }
    let missing = SqliteStore::back_up(&to("missing.db"), &to("copy.db"));
    assert!(matches!(missing, Err(StoreError::Database(_))));
    std::fs::write(to("photograph"), "not a database").unwrap();
    let other = SqliteStore::back_up(&to("photograph"), &to("copy.db"));
    assert!(matches!(other, Err(StoreError::Database(_))));
    assert!(!to("copy.db").exists() && !to("missing.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_write_ahead_log_stays_small_while_readers_never_rest() {
    /// The log is begun anew at about 4 MiB; a reader in between lets it grow some more.
    const BYTES_MAX: u64 = 24 << 20;
    /// What is written: many times the limit.
    const WRITTEN: u64 = 160 << 20;
    let (folder, store) = fresh();
    let store = Arc::new(store);
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let readers = (0..3).map(|_| {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            while !stop.load(Ordering::Relaxed) {
                let read = store.job(account(1), job_id(1));
                assert!(runtime.block_on(read).unwrap().is_some());
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let document = "x".repeat(1 << 20);
    let log = folder.path().join("tandem.db-wal");
    let mut longest = 0;
    for _ in 0..WRITTEN >> 20 {
        let before = store.job(account(1), job_id(1)).await.unwrap().unwrap();
        let mut write = next(&before, JobState::Running);
        write.job.document.clone_from(&document);
        store.commit(jobs(vec![write])).await.unwrap();
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    println!("at most {} KiB", longest >> 10);
    assert!(longest <= BYTES_MAX, "the log grew to {longest} bytes");
}
