//! The store: one conformance suite that every implementation must pass, and what happens when the
//! embedded one is killed in the middle of its writes.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod conformance;
mod kill;
mod rows;
mod sharing;

use tandem::store::StoreError;
use tandem::store::sqlite::SqliteStore;

/// Every story on the embedded store, each on a database of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_store_conforms() {
    for (name, story) in conformance::STORIES {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = SqliteStore::open(&folder.path().join("tandem.db")).expect("a fresh database");
        println!("{name}");
        story(std::sync::Arc::new(store)).await;
    }
}

#[test]
fn a_file_that_is_no_database_and_a_missing_folder_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tandem.db");
    std::fs::write(
        &file,
        "this is not a database, but it is long enough to be looked at",
    )
    .expect("the folder is ours");
    assert!(matches!(
        SqliteStore::open(&file),
        Err(StoreError::Database(_))
    ));
    let nowhere = folder.path().join("nowhere/tandem.db");
    assert!(matches!(
        SqliteStore::open(&nowhere),
        Err(StoreError::Database(_))
    ));
}

#[test]
fn a_database_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tandem.db");
    drop(SqliteStore::open(&file).expect("a fresh database"));
    let connection = rusqlite::Connection::open(&file).expect("the same database");
    connection
        .pragma_update(None, "user_version", 9_999)
        .expect("a later version");
    drop(connection);
    let Err(StoreError::Database(why)) = SqliteStore::open(&file) else {
        panic!("not refused")
    };
    assert!(why.contains("newer release"), "{why}");
}
