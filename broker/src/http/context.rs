//! What is known of the request that is being answered, wherever its problem is made.

use std::future::Future;

tokio::task_local! {
    static REQUEST_ID: String;
}

/// Runs the answering of a request under its id.
pub(super) async fn under<T>(id: String, answering: impl Future<Output = T>) -> T {
    REQUEST_ID.scope(id, answering).await
}

/// The same for work on another thread.
pub(super) fn under_sync<T>(id: String, work: impl FnOnce() -> T) -> T {
    REQUEST_ID.sync_scope(id, work)
}

/// The id of the request that is being answered; empty outside of one.
pub(super) fn request_id() -> String {
    REQUEST_ID.try_with(String::clone).unwrap_or_default()
}
