//! The durable store: what survives a crash, behind one trait.
//!
//! Two kinds of writer exist. [`Store::commit`] writes everything that one decision changed in one
//! transaction; [`Store::claim`] and [`Store::flush_liveness`] share work among brokers and keep
//! heartbeats cheap. No decision is made in SQL. The embedded store is SQLite with one writer
//! thread and group commit; a second implementation for PostgreSQL stands beside it later, held to
//! the same conformance suite.

mod devices;
mod records;
pub mod sqlite;
pub mod tenants;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use gpu_probe::report::DeviceUuid;
use tandem_model::id::{AccountId, JobId, QuoteId};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_settlement::ledger;

pub use devices::{
    BanChange, DeviceBan, DeviceEntry, DeviceFilter, DeviceHistory, DeviceRecord, DeviceSeen,
    DeviceVerdict, ProbeRecord,
};
pub use records::{
    BrokerId, Changes, ChargeRecord, Claim, Claimed, EventRecord, Expected, JobRecord, JobWrite,
    Liveness, LogChunk, OutboxRecord, PlacementRecord, PromotionGiven, QuoteTaken,
};

/// Most jobs changed by one commit.
pub const COMMIT_JOBS_MAX: usize = 500;
/// Most rows of one page of a read.
pub const PAGE_MAX: u32 = 500;
/// Devices that are remembered; the ones not seen for longest go first, banned ones last.
pub const DEVICES_MAX: u64 = 100_000;
/// Verdicts that are kept; past them the oldest go, but those of open jobs.
pub const PROBES_MAX: u64 = 100_000;
/// Verdicts that are kept of one job, the newest.
pub const PROBES_OF_JOB_MAX: u64 = 1_000;
/// Lines of devices' histories that are kept, operators' apart; the oldest go first.
pub const DEVICE_HISTORY_MAX: u64 = 200_000;
/// Bans and lifted bans by operators that are kept; the oldest go first.
pub const DEVICE_BANS_MAX: u64 = 10_000;
/// Bytes of log kept of each epoch; the oldest chunks go first.
pub const LOG_EPOCH_BYTES_MAX: u64 = 1 << 20;

/// Which rule of the store a change breaks.
///
/// Of a change that breaks several, the one that stands first here is told: a request that came
/// twice breaks [`Rule::ReplyKept`] before its quote is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The idempotency key has an answer already.
    ReplyKept,
    /// The quote was taken already.
    QuoteTaken,
    /// The quote is of a version of the policy that was rolled back with its quotes.
    QuoteRevoked,
    /// The job has another live placement.
    OneLivePlacement,
    /// The effect's key was used already.
    OutboxKey,
    /// A charge would shrink.
    ChargeShrinks,
    /// The ledger transaction's key was posted already.
    LedgerKey,
    /// The version of the policy is not the one after the last.
    PolicyNumber,
    /// Another rule: a row that is missing, there already, or out of its range.
    Other,
}

impl Rule {
    /// Whether something that can be used once was used before.
    pub const fn is_used_before(self) -> bool {
        matches!(self, Self::QuoteTaken | Self::ReplyKept)
    }

    /// Whether only a job that is new can break it.
    pub const fn is_of_a_new_job(self) -> bool {
        self.is_used_before() || matches!(self, Self::QuoteRevoked)
    }
}

/// Why the store did not do what was asked. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A job was changed, or is claimed, by somebody else since it was read.
    #[error("job {0} was changed by another since it was read")]
    Conflict(JobId),
    /// A rule refused the change: a second live placement, a key used twice.
    #[error("the change breaks a rule of the store: {detail}")]
    Refused {
        /// Which rule, as far as a caller acts on it.
        rule: Rule,
        /// What was refused, for the operator.
        detail: String,
    },
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

    /// Says that a broker lives until `ttl` after `now`, and takes up to `limit` open jobs that
    /// nobody holds, or whose holder has not said so for longer than its own `ttl`; the one due
    /// first comes first. Jobs that `owner` holds already are not returned again. A `limit` of 0
    /// only renews.
    ///
    /// One row a broker carries the expiry, so that renewing costs the same for any number of jobs.
    fn claim(
        &self,
        owner: BrokerId,
        now: WorldTime,
        ttl: Duration,
        limit: u32,
    ) -> Answer<'_, Vec<Claimed>>;

    /// Gives every claim of a broker back and forgets the broker.
    fn release(&self, owner: BrokerId) -> Answer<'_, ()>;

    /// Writes heartbeats and what workloads printed; an older sequence than the stored one changes
    /// nothing. Keeps the newest [`LOG_EPOCH_BYTES_MAX`] of log of each epoch.
    fn flush_liveness(&self, beats: Vec<Liveness>, logs: Vec<LogChunk>) -> Answer<'_, ()>;

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

    /// All attempts of a job, by epoch.
    fn placements(&self, job: JobId) -> Answer<'_, Vec<PlacementRecord>>;

    /// Which of these jobs are unknown, or hold nothing open: what carries their tag is an orphan.
    fn not_open(&self, jobs: Vec<JobId>) -> Answer<'_, Vec<JobId>>;

    /// The job that a quote became, of the account that took it.
    fn job_of_quote(&self, account: AccountId, quote: QuoteId) -> Answer<'_, Option<JobId>>;

    /// How many queued jobs of the installation were accepted before this one.
    fn queued_before(&self, job: JobId) -> Answer<'_, u64>;

    /// Events of a job after a given number, oldest first; at most [`PAGE_MAX`].
    fn events(&self, job: JobId, after: u64, limit: u32) -> Answer<'_, Vec<EventRecord>>;

    /// Effects owed and due, oldest first; at most [`PAGE_MAX`].
    fn outbox_due(&self, now: WorldTime, limit: u32) -> Answer<'_, Vec<OutboxRecord>>;

    /// Log of a job after a given chunk (epoch, rank, sequence), in the order of those three; at
    /// most [`PAGE_MAX`].
    fn logs(
        &self,
        job: JobId,
        after: Option<(Epoch, u16, u64)>,
        limit: u32,
    ) -> Answer<'_, Vec<LogChunk>>;

    /// Charges of a job, by epoch.
    fn charges(&self, job: JobId) -> Answer<'_, Vec<ChargeRecord>>;

    /// What is known of devices, of those that are known, by UUID; at most [`PAGE_MAX`] are asked.
    fn devices(&self, uuids: Vec<DeviceUuid>) -> Answer<'_, Vec<DeviceRecord>>;

    /// Devices by UUID, after a given one; at most [`PAGE_MAX`].
    fn device_page(
        &self,
        filter: DeviceFilter,
        after: Option<DeviceUuid>,
        limit: u32,
    ) -> Answer<'_, Vec<DeviceRecord>>;

    /// What happened to a device, the newest first, below a given number; at most [`PAGE_MAX`].
    fn device_history(
        &self,
        uuid: DeviceUuid,
        below: Option<u64>,
        limit: u32,
    ) -> Answer<'_, Vec<DeviceHistory>>;

    /// Bans a device, also one that was never seen, or lifts its ban and counts its failures from
    /// none again; what is known of it then. What is so already stays as it is. None where there is
    /// no ban to lift because the device is not known.
    fn ban_device(&self, change: BanChange) -> Answer<'_, Option<DeviceRecord>>;

    /// How many devices are banned.
    fn devices_banned(&self) -> Answer<'_, u64>;

    /// Verdicts on nodes of a job, oldest first, after a given number; at most [`PAGE_MAX`].
    fn probes(&self, job: JobId, after: u64, limit: u32) -> Answer<'_, Vec<ProbeRecord>>;

    /// Balances of every ledger account, by name and currency.
    fn balances(&self) -> Answer<'_, Vec<ledger::Balance>>;
}
