//! The embedded store: SQLite in the data folder, one writer thread, a few readers.
//!
//! Bundled, so nothing has to be installed. Writes go through `writer`; reads use their own
//! connections and see every write that was answered.

mod apply;
mod read;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tandem_model::id::{AccountId, JobId};
use tandem_model::time::WorldTime;
use tokio::sync::oneshot;

use super::{
    Answer, BrokerId, COMMIT_JOBS_MAX, Changes, Claimed, EventRecord, JobRecord, Liveness,
    OutboxRecord, PAGE_MAX, PlacementRecord, Store, StoreError,
};
use writer::Writer;

/// Connections that read beside the writer.
const READERS: usize = 2;

/// The embedded store.
pub struct SqliteStore {
    writer: Writer,
    readers: Vec<Mutex<Connection>>,
    next_reader: AtomicUsize,
}

fn failed(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Database(format!("{what}: {error}"))
}

impl SqliteStore {
    /// Opens the database file, makes it when there is none, and brings its schema up to date.
    ///
    /// Fails when the file is no database, is newer than this program, or its folder is missing.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let open = |flags| {
            let connection = Connection::open_with_flags(file, flags)
                .map_err(|e| failed(&format!("cannot open {}", file.display()), e))?;
            schema::prepare(&connection).map_err(|e| failed("cannot set the database up", e))?;
            Ok::<_, StoreError>(connection)
        };
        let mut writes = open(OpenFlags::default())?;
        schema::migrate(&mut writes).map_err(StoreError::Database)?;
        let reads = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let readers = (0..READERS)
            .map(|_| {
                let connection = Connection::open_with_flags(file, reads)
                    .map_err(|e| failed("cannot open a reader", e))?;
                Ok(Mutex::new(connection))
            })
            .collect::<Result<_, StoreError>>()?;
        let writer = Writer::start(writes).map_err(|e| failed("no writer thread", e))?;
        Ok(Self {
            writer,
            readers,
            next_reader: AtomicUsize::new(0),
        })
    }

    /// Runs a read on the next reader. Reads are short and served from memory, so they run where
    /// they are asked for.
    fn read<T>(
        &self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed) % READERS;
        let reader = self.readers[turn]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        act(&reader).map_err(apply::database)
    }

    /// Runs a write that also has something to say.
    async fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&rusqlite::Savepoint<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (say, said) = oneshot::channel();
        let work = Box::new(move |savepoint: &mut rusqlite::Savepoint<'_>| {
            let value = act(savepoint).map_err(apply::database)?;
            // The receiver waits below; it is gone only when the caller gave up.
            let _ = say.send(value);
            Ok(())
        });
        self.writer.submit(work).await?;
        said.await
            .map_err(|_| StoreError::Database("the writer said nothing".into()))
    }
}

impl Store for SqliteStore {
    fn commit(&self, changes: Changes) -> Answer<'_, ()> {
        Box::pin(async move {
            if changes.jobs.len() > COMMIT_JOBS_MAX {
                return Err(StoreError::TooLarge {
                    jobs: changes.jobs.len(),
                });
            }
            self.writer
                .submit(Box::new(move |savepoint| {
                    apply::changes(savepoint, &changes)
                }))
                .await
        })
    }

    fn claim(
        &self,
        owner: BrokerId,
        now: WorldTime,
        ttl: Duration,
        limit: u32,
    ) -> Answer<'_, Vec<Claimed>> {
        let limit = limit.min(PAGE_MAX);
        Box::pin(self.write(move |s| read::claim(s, owner, now, now.after(ttl), limit)))
    }

    fn release(&self, owner: BrokerId) -> Answer<'_, ()> {
        Box::pin(self.write(move |savepoint| read::release(savepoint, owner)))
    }

    fn flush_liveness(&self, beats: Vec<Liveness>) -> Answer<'_, ()> {
        let work = Box::new(move |s: &mut rusqlite::Savepoint<'_>| apply::liveness(s, &beats));
        Box::pin(self.writer.submit(work))
    }

    fn liveness(&self, job: JobId) -> Answer<'_, Vec<Liveness>> {
        Box::pin(async move { self.read(|c| read::liveness(c, job)) })
    }

    fn job(&self, account: AccountId, id: JobId) -> Answer<'_, Option<JobRecord>> {
        Box::pin(async move { self.read(|c| read::job(c, account, id)) })
    }

    fn jobs(
        &self,
        account: AccountId,
        after: Option<JobId>,
        limit: u32,
    ) -> Answer<'_, Vec<JobRecord>> {
        let limit = limit.min(PAGE_MAX);
        Box::pin(async move { self.read(|c| read::jobs(c, account, after, limit)) })
    }

    fn live_placement(&self, job: JobId) -> Answer<'_, Option<PlacementRecord>> {
        Box::pin(async move { self.read(|c| read::live_placement(c, job)) })
    }

    fn events(&self, job: JobId, after: u64, limit: u32) -> Answer<'_, Vec<EventRecord>> {
        let limit = limit.min(PAGE_MAX);
        Box::pin(async move { self.read(|c| read::events(c, job, after, limit)) })
    }

    fn outbox_due(&self, now: WorldTime, limit: u32) -> Answer<'_, Vec<OutboxRecord>> {
        let limit = limit.min(PAGE_MAX);
        Box::pin(async move { self.read(|c| read::outbox_due(c, now, limit)) })
    }
}
