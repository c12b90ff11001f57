//! The embedded store: SQLite in the data folder, one writer thread, a few readers.
//!
//! Bundled, so nothing has to be installed. Writes go through `writer`; reads use their own
//! connections and see every write that was answered. One process has the database at a time.

mod apply;
mod claims;
mod denials;
mod devices;
mod file;
mod history;
mod live;
mod money;
mod policies;
mod probes;
mod read;
mod rows;
mod sales;
mod schema;
mod tenants;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gpu_probe::report::DeviceUuid;
use rusqlite::{Connection, OpenFlags, Savepoint};
use tandem_model::id::{AccountId, JobId, QuoteId};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_settlement::ledger;
use tokio::sync::oneshot;

use super::{
    Answer, BanChange, BrokerId, COMMIT_JOBS_MAX, Changes, ChargeRecord, Claimed, DeviceFilter,
    DeviceHistory, DeviceRecord, EventRecord, JobRecord, Liveness, LogChunk, OutboxRecord,
    PAGE_MAX, PlacementRecord, ProbeRecord, Store, StoreError,
};
use file::Hold;
use writer::Writer;

/// Connections that read beside the writer.
const READERS: usize = 2;
/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS_MAX: usize = 96;

/// The embedded store.
pub struct SqliteStore {
    writer: Writer,
    readers: Vec<Mutex<Connection>>,
    next_reader: AtomicUsize,
    file: PathBuf,
    // Let go last, when the writer has ended.
    _hold: Hold,
}

fn failed(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Database(format!("{what}: {error}"))
}

/// A connection that only reads.
fn reader(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(file, flags).map_err(|e| failed("cannot open a reader", e))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

impl SqliteStore {
    /// Opens the database file, makes it when there is none, and brings its schema up to date.
    /// Whoever held claims is gone, because one process has the file at a time: they are free at
    /// once, so that a broker that starts again goes on before its agents' leases run out.
    ///
    /// Fails when the file is no database, is newer than this program, is held by another process
    /// (by a lock on `<file>.lock`, which the system lets go when that process ends in any way),
    /// or its folder is missing.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let hold = Hold::take(file)?;
        file::make(file)?;
        let mut writes = Connection::open(file)
            .map_err(|e| failed(&format!("cannot open {}", file.display()), e))?;
        writes.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        schema::prepare(&writes).map_err(|e| failed("cannot set the database up", e))?;
        schema::migrate(&mut writes).map_err(StoreError::Database)?;
        claims::forget_brokers(&writes).map_err(|e| failed("cannot free the claims", e))?;
        let readers = (0..READERS)
            .map(|_| reader(file).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        let writer = Writer::start(writes).map_err(|e| failed("no writer thread", e))?;
        Ok(Self {
            writer,
            readers,
            next_reader: AtomicUsize::new(0),
            file: file.to_owned(),
            _hold: hold,
        })
    }

    /// Writes a copy of the database, as it is at one moment, into a new file; work goes on
    /// meanwhile. Blocks until the copy is on the disk.
    ///
    /// Fails when the file is there already, or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        Self::back_up(&self.file, to)
    }

    /// As [`SqliteStore::backup`], of a database that another process may have open.
    pub fn back_up(file: &Path, to: &Path) -> Result<(), StoreError> {
        file::copy(&reader(file)?, to)
    }

    /// How many rows each table has, by its name.
    pub fn rows(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.read(read::rows)
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
        Ok(act(&reader)?)
    }

    /// Runs a write and returns what it says when it is durable.
    async fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (say, said) = oneshot::channel();
        let work = Box::new(move |savepoint: &Savepoint<'_>| {
            let value = act(savepoint)?;
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
            self.write(move |c| apply::changes(c, &changes)).await
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
        Box::pin(self.write(move |c| Ok(claims::claim(c, owner, (now, now.after(ttl)), limit)?)))
    }

    fn release(&self, owner: BrokerId) -> Answer<'_, ()> {
        Box::pin(self.write(move |c| Ok(claims::release(c, owner)?)))
    }

    fn flush_liveness(&self, beats: Vec<Liveness>, logs: Vec<LogChunk>) -> Answer<'_, ()> {
        Box::pin(self.write(move |c| {
            live::beats(c, &beats)?;
            live::write_logs(c, &logs)
        }))
    }

    fn liveness(&self, job: JobId) -> Answer<'_, Vec<Liveness>> {
        Box::pin(async move { self.read(|c| live::of_job(c, job)) })
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

    fn placements(&self, job: JobId) -> Answer<'_, Vec<PlacementRecord>> {
        Box::pin(async move { self.read(|c| read::placements(c, job)) })
    }

    fn not_open(&self, jobs: Vec<JobId>) -> Answer<'_, Vec<JobId>> {
        Box::pin(async move { self.read(|c| read::not_open(c, &jobs)) })
    }

    fn job_of_quote(&self, account: AccountId, quote: QuoteId) -> Answer<'_, Option<JobId>> {
        Box::pin(async move { self.read(|c| read::job_of_quote(c, account, quote)) })
    }

    fn queued_before(&self, job: JobId) -> Answer<'_, u64> {
        Box::pin(async move { self.read(|c| read::queued_before(c, job)) })
    }

    fn events(&self, job: JobId, after: u64, limit: u32) -> Answer<'_, Vec<EventRecord>> {
        let limit = limit.min(PAGE_MAX);
        Box::pin(async move { self.read(|c| read::events(c, job, after, limit)) })
    }

    fn outbox_due(&self, now: WorldTime, limit: u32) -> Answer<'_, Vec<OutboxRecord>> {
        let limit = limit.min(PAGE_MAX);
        Box::pin(async move { self.read(|c| read::outbox_due(c, now, limit)) })
    }

    fn logs(
        &self,
        job: JobId,
        after: Option<(Epoch, u16, u64)>,
        limit: u32,
    ) -> Answer<'_, Vec<LogChunk>> {
        let limit = limit.min(PAGE_MAX);
        Box::pin(async move { self.read(|c| live::read_logs(c, job, after, limit)) })
    }

    fn charges(&self, job: JobId) -> Answer<'_, Vec<ChargeRecord>> {
        Box::pin(async move { self.read(|c| money::of_job(c, job)) })
    }

    fn devices(&self, mut uuids: Vec<DeviceUuid>) -> Answer<'_, Vec<DeviceRecord>> {
        uuids.truncate(PAGE_MAX as usize);
        Box::pin(async move { self.read(|c| devices::of(c, &uuids)) })
    }

    fn device_page(
        &self,
        filter: DeviceFilter,
        after: Option<DeviceUuid>,
        limit: u32,
    ) -> Answer<'_, Vec<DeviceRecord>> {
        Box::pin(async move { self.read(|c| devices::page(c, &filter, after, limit)) })
    }

    fn device_history(
        &self,
        uuid: DeviceUuid,
        below: Option<u64>,
        limit: u32,
    ) -> Answer<'_, Vec<DeviceHistory>> {
        Box::pin(async move { self.read(|c| history::of(c, uuid, below, limit)) })
    }

    fn ban_device(&self, change: BanChange) -> Answer<'_, Option<DeviceRecord>> {
        Box::pin(self.write(move |c| devices::change_ban(c, &change)))
    }

    fn devices_banned(&self) -> Answer<'_, u64> {
        Box::pin(async move { self.read(devices::banned) })
    }

    fn probes(&self, job: JobId, after: u64, limit: u32) -> Answer<'_, Vec<ProbeRecord>> {
        Box::pin(async move { self.read(|c| probes::of(c, job, after, limit)) })
    }

    fn balances(&self) -> Answer<'_, Vec<ledger::Balance>> {
        Box::pin(async move { self.read(money::balances) })
    }
}
