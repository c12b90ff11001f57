//! Rows as the engine sees them. Documents are JSON that only the engine reads; what the store
//! searches, orders or enforces has a column of its own.

use tandem_model::id::{AccountId, JobId, PlacementId};
use tandem_model::job::JobState;
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use uuid::Uuid;

/// One running broker process; made new at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub Uuid);

/// A broker's right to work on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Who holds it.
    pub owner: BrokerId,
    /// Rises whenever the holder changes, so an old holder that wakes up is refused.
    pub generation: u64,
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The job.
    pub job: JobRecord,
    /// The claim to commit with.
    pub claim: Claim,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Its tenant.
    pub account: AccountId,
    /// Rises by one with each change; the first is 1.
    pub version: u64,
    /// Where it stands.
    pub state: JobState,
    /// When it is to be looked at again; none when only an event can change it.
    pub wake_at: Option<WorldTime>,
    /// Everything else, as JSON.
    pub document: String,
}

/// What a job must be for a write to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Not there yet.
    New,
    /// At this version, and held by this claim when one is given.
    Version {
        /// The version that was read.
        version: u64,
        /// The writer's claim.
        claim: Option<Claim>,
    },
}

/// A job as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobWrite {
    /// The new row; its version must be the next one.
    pub job: JobRecord,
    /// What must hold.
    pub expected: Expected,
}

/// An attempt. At most one of a job is live: the store enforces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementRecord {
    /// Its id.
    pub id: PlacementId,
    /// The job.
    pub job: JobId,
    /// Its number, unique within the job.
    pub epoch: Epoch,
    /// The network it stands on.
    pub network: NetworkId,
    /// The name it carries there, unique.
    pub tag: String,
    /// Whether it may hold a lease.
    pub live: bool,
    /// Everything else, as JSON.
    pub document: String,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Number within the store, rising; 0 when it is to be written.
    pub sequence: u64,
    /// The job.
    pub job: JobId,
    /// When.
    pub at: WorldTime,
    /// What, as JSON.
    pub document: String,
}

/// An effect that is owed, written before it is performed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRecord {
    /// Idempotency key, unique for ever.
    pub key: String,
    /// The job.
    pub job: JobId,
    /// When it is due.
    pub due_at: WorldTime,
    /// What, as JSON.
    pub document: String,
}

/// When an agent was heard, and until when it may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// The newest heartbeat.
    pub sequence: u64,
    /// When it came.
    pub last_seen: WorldTime,
    /// End of the lease.
    pub lease_until: WorldTime,
}

/// Everything that one decision changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Jobs.
    pub jobs: Vec<JobWrite>,
    /// Attempts, new or changed.
    pub placements: Vec<PlacementRecord>,
    /// What happened.
    pub events: Vec<EventRecord>,
    /// Effects owed from now on.
    pub outbox: Vec<OutboxRecord>,
    /// Keys of effects that are settled.
    pub outbox_settled: Vec<String>,
}
