//! The durable store: what survives a crash, behind one trait.
//!
//! Two kinds of writer exist. [`Store::commit`] writes everything that one decision changed in one
//! transaction; [`Store::claim`] and [`Store::flush_liveness`] share work among brokers and keep
//! heartbeats cheap. No decision is made in SQL. The embedded store is SQLite with one writer
//! thread and group commit; a second implementation for PostgreSQL stands beside it later, held to
//! the same conformance suite.

mod records;
pub mod sqlite;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tandem_model::id::{AccountId, JobId};
use tandem_model::time::WorldTime;

pub use records::{
    BrokerId, Changes, Claim, Claimed, EventRecord, Expected, JobRecord, JobWrite, Liveness,
    OutboxRecord, PlacementRecord,
};

/// Most jobs changed by one commit.
pub const COMMIT_JOBS_MAX: usize = 500;
/// Most rows of one page of a read.
pub const PAGE_MAX: u32 = 500;

/// Why the store did not do what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A job was changed, or is claimed, by somebody else since it was read.
    #[error("job {0} was changed by another since it was read")]
    Conflict(JobId),
    /// A rule of the schema refused the change: a second live placement, a key used twice.
    #[error("the change breaks a rule of the store: {0}")]
    Refused(String),
    /// More than one commit may hold.
    #[error("{jobs} jobs in one commit; the limit is {COMMIT_JOBS_MAX}")]
    TooLarge {
        /// Jobs in the commit.
        jobs: usize,
    },
    /// The database failed, or its writer is gone.
    #[error("the database failed: {0}")]
    Database(String),
}

/// What a store answers with.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What survives a crash.
///
/// Every method is one transaction; an error means that nothing changed. Reads on behalf of a
/// tenant take its account and find nothing of others.
pub trait Store: Send + Sync {
    /// Writes everything that a decision changed, or nothing.
    ///
    /// Each job must still have the version that it was read with, and the claim that the writer
    /// holds, else [`StoreError::Conflict`].
    fn commit(&self, changes: Changes) -> Answer<'_, ()>;

    /// Takes up to `limit` open jobs whose time has come and that nobody else holds, or whose
    /// holder's claim ran out, for `ttl`; those already held by `owner` are renewed.
    fn claim(
        &self,
        owner: BrokerId,
        now: WorldTime,
        ttl: Duration,
        limit: u32,
    ) -> Answer<'_, Vec<Claimed>>;

    /// Gives every claim of a broker back.
    fn release(&self, owner: BrokerId) -> Answer<'_, ()>;

    /// Writes heartbeats; an older sequence than the stored one changes nothing.
    fn flush_liveness(&self, beats: Vec<Liveness>) -> Answer<'_, ()>;

    /// Heartbeats of the newest epoch of a job that has any, by rank.
    fn liveness(&self, job: JobId) -> Answer<'_, Vec<Liveness>>;

    /// One job of an account.
    fn job(&self, account: AccountId, id: JobId) -> Answer<'_, Option<JobRecord>>;

    /// Jobs of an account by id, after a given one; at most [`PAGE_MAX`].
    fn jobs(
        &self,
        account: AccountId,
        after: Option<JobId>,
        limit: u32,
    ) -> Answer<'_, Vec<JobRecord>>;

    /// The placement of a job that is live, if any.
    fn live_placement(&self, job: JobId) -> Answer<'_, Option<PlacementRecord>>;

    /// Events of a job after a given number, oldest first; at most [`PAGE_MAX`].
    fn events(&self, job: JobId, after: u64, limit: u32) -> Answer<'_, Vec<EventRecord>>;

    /// Effects owed and due, oldest first; at most [`PAGE_MAX`].
    fn outbox_due(&self, now: WorldTime, limit: u32) -> Answer<'_, Vec<OutboxRecord>>;
}
