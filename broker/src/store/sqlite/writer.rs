//! The one writer: a thread that drains its queue into one transaction, each request in a
//! savepoint of its own, and answers only when the transaction is on the disk.
//!
//! The disk's sync decides how fast durable writes are; many requests share one. A request that
//! is refused rolls its savepoint back and leaves the others alone. When the transaction itself
//! fails, every request in it is told so, and nothing of it is there.

use std::sync::mpsc::{Receiver, RecvError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, Savepoint, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::store::StoreError;

/// Requests that may wait for the writer.
const QUEUE_MAX: usize = 4_096;
/// Requests that share one transaction.
const GROUP_MAX: usize = 512;

/// What a request does inside its savepoint.
pub(super) type Work = Box<dyn FnOnce(&Savepoint<'_>) -> Result<(), StoreError> + Send>;

/// A request with where its answer goes.
struct Request {
    work: Work,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

/// The handle of the writer; dropping it ends the thread after what is queued.
pub(super) struct Writer {
    queue: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on its own connection.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (queue, requests) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(connection, &requests))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Has a request carried out; the answer comes when it is durable.
    pub(super) async fn submit(&self, work: Work) -> Result<(), StoreError> {
        let gone = || StoreError::Database("the writer has ended; restart the broker".into());
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        match queue.try_send(Request { work, answer }) {
            Ok(()) => answered.await.map_err(|_| gone())?,
            Err(TrySendError::Full(_)) => Err(StoreError::Database(format!(
                "{QUEUE_MAX} writes are waiting already"
            ))),
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has told nobody that anything was durable.
            let _ = thread.join();
        }
    }
}

fn run(mut connection: Connection, requests: &Receiver<Request>) {
    loop {
        let first = match requests.recv() {
            Ok(first) => first,
            Err(RecvError) => return,
        };
        let mut group = vec![first];
        group.extend(requests.try_iter().take(GROUP_MAX - 1));
        commit_group(&mut connection, group);
    }
}

/// Carries out a group in one transaction and answers each request.
fn commit_group(connection: &mut Connection, group: Vec<Request>) {
    let (works, answers): (Vec<_>, Vec<_>) = group
        .into_iter()
        .map(|request| (request.work, request.answer))
        .unzip();
    let results = in_one_transaction(connection, works);
    for (index, answer) in answers.into_iter().enumerate() {
        let result = match &results {
            Ok(results) => results[index].clone(),
            Err(error) => Err(error.clone()),
        };
        // Whoever asked may have gone away; the write stands all the same.
        let _ = answer.send(result);
    }
}

/// The result of each request, once all that succeeded are durable.
fn in_one_transaction(
    connection: &mut Connection,
    works: Vec<Work>,
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let results = works
        .into_iter()
        .map(|work| in_savepoint(&mut transaction, work))
        .collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(results)
}

/// The result of one request; the outer error says that the whole transaction is lost.
fn in_savepoint(
    transaction: &mut Transaction<'_>,
    work: Work,
) -> Result<Result<(), StoreError>, StoreError> {
    let mut savepoint = transaction.savepoint()?;
    let result = work(&savepoint);
    // A full disk makes SQLite roll everything back by itself; its reason is the one to tell.
    if let (Err(error), true) = (&result, savepoint.is_autocommit()) {
        return Err(error.clone());
    }
    if result.is_err() {
        savepoint.rollback()?;
    }
    savepoint.commit()?;
    Ok(result)
}

#[cfg(test)]
mod tests;
