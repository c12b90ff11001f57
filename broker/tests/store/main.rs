//! The store: one conformance suite that every implementation must pass, and what becomes of the
//! embedded one's files when it is killed, torn, copied or opened twice.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod conformance;
mod denials;
mod devices;
mod files;
mod kill;
mod live;
mod money;
mod policies;
mod rows;
mod sharing;
mod tenants;
mod torn;

use std::sync::Arc;

use tandem::store::sqlite::SqliteStore;

/// A database of its own in a folder that lasts as long as the first of the pair.
fn fresh() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&folder.path().join("tandem.db")).expect("a fresh database");
    (folder, store)
}

/// Every story on the embedded store, each on a database of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_store_conforms() {
    for (name, story) in conformance::STORIES {
        let (_folder, store) = fresh();
        println!("{name}");
        story(Arc::new(store)).await;
    }
}

/// Every story of tenants on the embedded store, each on a database of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_store_conforms_for_tenants() {
    for (name, story) in tenants::STORIES {
        let (_folder, store) = fresh();
        println!("{name}");
        story(Arc::new(store)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quote_of_a_revoked_version_is_taken_in_no_commit() {
    let (_folder, store) = fresh();
    policies::revoked(&store).await;
}
