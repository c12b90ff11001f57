//! Rows as the engine sees them. Documents are JSON that only the engine reads; what the store
//! searches, orders or enforces has a column of its own.

use tandem_model::id::{AccountId, JobId, PlacementId, QuoteId};
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_settlement::ledger;
use uuid::Uuid;

use super::devices::{DeviceSeen, ProbeRecord};
use super::tenants::ReplyRecord;

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

/// A job that was newly claimed, with everything that is needed to go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The job.
    pub job: JobRecord,
    /// The claim to commit with.
    pub claim: Claim,
    /// All its attempts, by epoch.
    pub placements: Vec<PlacementRecord>,
    /// Heartbeats of its newest epoch that has any, by rank.
    pub liveness: Vec<Liveness>,
    /// Its effects that are owed and not settled, by key.
    pub outbox: Vec<OutboxRecord>,
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
    /// Whether it must be claimed by somebody: it runs, or something rented for it is not given
    /// back yet. A job can be terminal and open.
    pub open: bool,
    /// When it is to be looked at again; none when only an event can change it.
    pub wake_at: Option<WorldTime>,
    /// What never changes after its acceptance, as JSON: workload, classification, quote. Written
    /// once; a later write may leave it empty and does not touch it.
    pub spec: String,
    /// Everything else, as JSON.
    pub document: String,
}

/// What a job must be for a write to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Not there yet; held by this broker from the start, when one is given, with generation 1.
    New {
        /// Who works on it.
        owner: Option<BrokerId>,
    },
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
    /// Time of work proved so far, in world microseconds; never falls.
    pub proved_us: u64,
}

/// Lines that a workload printed, as one heartbeat brought them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// The heartbeat that brought them; rises within epoch and rank.
    pub sequence: u64,
    /// When.
    pub at: WorldTime,
    /// The lines, each ended by a line feed.
    pub text: String,
}

/// A charge for one attempt: one row a job and epoch, which only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeRecord {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// GPU-microseconds charged so far.
    pub gpu_us: u64,
    /// Charged so far.
    pub amount: MicroUsd,
}

/// A quote that was taken; each can be taken once, and none of a version of the policy that was
/// rolled back with its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuoteTaken {
    /// The quote.
    pub quote: QuoteId,
    /// The version of the policy that it was made by.
    pub policy_version: u32,
    /// The job it became.
    pub job: JobId,
}

/// What an accepted quote is given by a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionGiven {
    /// Id of the promotion.
    pub promotion: String,
    /// What it gives over the whole term, not negative.
    pub amount: MicroUsd,
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
    /// Charges, new or grown. One that would shrink is refused.
    pub charges: Vec<ChargeRecord>,
    /// Double-entry transactions; one whose key was posted before is refused.
    pub ledger: Vec<ledger::Transaction>,
    /// Quotes taken; one that was taken before is refused.
    pub quotes_taken: Vec<QuoteTaken>,
    /// What promotions give to the jobs of these quotes.
    pub promotions_given: Vec<PromotionGiven>,
    /// Answers kept for idempotency keys; a key used before is refused.
    pub replies: Vec<ReplyRecord>,
    /// Verdicts on nodes; of one that is there already, the first stands.
    pub probes: Vec<ProbeRecord>,
    /// Verdicts on devices.
    pub devices: Vec<DeviceSeen>,
}

impl Changes {
    /// Joins another decision's changes to these.
    pub fn append(&mut self, mut other: Self) {
        self.jobs.append(&mut other.jobs);
        self.placements.append(&mut other.placements);
        self.events.append(&mut other.events);
        self.outbox.append(&mut other.outbox);
        self.outbox_settled.append(&mut other.outbox_settled);
        self.charges.append(&mut other.charges);
        self.ledger.append(&mut other.ledger);
        self.quotes_taken.append(&mut other.quotes_taken);
        self.promotions_given.append(&mut other.promotions_given);
        self.replies.append(&mut other.replies);
        self.probes.append(&mut other.probes);
        self.devices.append(&mut other.devices);
    }
}
