//! What is asked of the engine and what it answers; the same words over a channel and in the
//! simulation.
//!
//! A request is answered when what it changed is on the disk, never before.

use std::collections::BTreeMap;

use gpu_probe::protocol::{
    BindReply, BindRequest, CheckpointReply, CheckpointRequest, HeartbeatReply, HeartbeatRequest,
    Problem, ResultReply, ResultReport,
};
use serde::{Deserialize, Serialize};
use tandem_model::id::{AccountId, JobId};
use tandem_model::job::JobState;
use tandem_model::network::Country;
use tandem_model::offer::Offer;
use tandem_model::placement::Epoch;
use tandem_model::quote::Quote;
use tandem_model::time::WorldTime;
use tandem_model::workload::Workload;
use tandem_pricing::classify::Classification;
use tandem_pricing::quote::{Considered, gpus_rented};

use super::probe::running::SpotTerms;
use super::probe::{NodeVerdict, ProbeOpens, Probed};
use crate::store::tenants::ReplyRecord;

/// What was agreed at acceptance; never changes afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Whose job it is.
    pub account: AccountId,
    /// What runs.
    pub workload: Workload,
    /// What was found of it.
    pub classification: Classification,
    /// The quote taken.
    pub quote: Quote,
    /// Under what it was made.
    pub terms: QuoteTerms,
    /// Values of the workload's secrets, sealed by the vault, by name.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// When it was accepted.
    pub accepted_at: WorldTime,
}

/// Under what a quote was made; its receipt says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuoteTerms {
    /// SHA-256 of the workload's text, 64 hex digits.
    pub workload_sha256: String,
    /// Version of the pricing rules.
    pub policy_version: u32,
    /// Where the customer was established then; rules about places hold for replacements too.
    #[serde(default)]
    pub customer_country: Option<Country>,
    /// What it was chosen from.
    pub considered: Considered,
}

impl JobSpec {
    /// GPUs that are rented on an offer, over all nodes: whole nodes where they cannot be split.
    pub fn gpus_rented(&self, offer: &Offer) -> u32 {
        let of_node = u32::from(gpus_rented(offer, &self.workload));
        of_node * u32::from(self.workload.resources.nodes)
    }

    /// GPUs that are charged for on an offer: those that are rented, and none beyond the quote. A
    /// quote made on whole nodes may be placed where fewer GPUs can be rented, and the reverse.
    pub fn gpus_charged(&self, offer: &Offer) -> u32 {
        self.gpus_rented(offer).min(self.quote.gpus)
    }

    /// The most GPU-microseconds that are charged in all, by the file's limit of time.
    pub fn gpu_us_max(&self) -> Option<u64> {
        const SECOND_US: u64 = 1_000_000;
        let seconds = self.workload.limits.max_duration_seconds?;
        let gpu_seconds = u64::from(seconds) * u64::from(self.quote.gpus);
        Some(gpu_seconds.saturating_mul(SECOND_US))
    }
}

/// What agents ask. The caller has checked the token of the epoch and the body's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentRequest {
    /// `POST /agent/v1/bind`
    Bind(BindRequest),
    /// `POST /agent/v1/heartbeats`
    Heartbeat(HeartbeatRequest),
    /// `POST /agent/v1/checkpoints`
    Checkpoint(CheckpointRequest),
    /// `POST /agent/v1/results`
    Result(ResultReport),
    /// The `hello` of `POST /agent/v1/probes`
    ProbeOpens(ProbeOpens),
    /// The verdict at the end of `POST /agent/v1/probes`
    Probed(NodeVerdict),
}

impl AgentRequest {
    /// The job and epoch that the agent says it belongs to.
    pub const fn names(&self) -> (JobId, Epoch) {
        match self {
            Self::Bind(r) => (r.job, r.epoch),
            Self::Heartbeat(r) => (r.job, r.epoch),
            Self::Checkpoint(r) => (r.job, r.epoch),
            Self::Result(r) => (r.job, r.epoch),
            Self::ProbeOpens(r) => (r.job, r.epoch),
            Self::Probed(r) => (r.job, r.epoch),
        }
    }
}

/// The answer to an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentReply {
    /// Bound. The caller, who holds the vault, opens the secrets and adds the checkpoint store.
    Bound {
        /// The terms, still without secrets and store.
        reply: BindReply,
        /// The job's secrets as its spec keeps them, sealed, by name. None while the machine may not
        /// have been probed well: it gets neither secrets nor the store.
        trusted: Option<BTreeMap<String, String>>,
    },
    /// A renewal, or none.
    Heartbeat(HeartbeatReply),
    /// Where the pointer is.
    Checkpoint(CheckpointReply),
    /// The end is recorded.
    Result(ResultReply),
    /// The node may be probed.
    ProbeOpens {
        /// Catalogue id of the card that was rented.
        sold_as: String,
        /// How many of them the node was sold with.
        gpus: u32,
    },
    /// The node's running work may be probed.
    SpotOpens(SpotTerms),
    /// The verdict is recorded, now or earlier.
    Probed {
        /// What is recorded.
        probed: Box<Probed>,
        /// Whether the workload may start on this node.
        may_start: bool,
        /// Whether it was recorded just now.
        is_first: bool,
    },
    /// Refused.
    Refused(Problem),
}

/// What is asked of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Run a job. Its quote must not have been taken before.
    Accept {
        /// Its id, made by the caller so that the answer below can name it.
        job: JobId,
        /// What was agreed.
        spec: Box<JobSpec>,
        /// The answer to keep for an idempotency key, in the same transaction.
        reply: Option<ReplyRecord>,
    },
    /// Stop a job of an account.
    Cancel {
        /// The job.
        job: JobId,
        /// Whose it must be.
        account: AccountId,
    },
    /// An agent speaks.
    Agent(AgentRequest),
}

/// Why a request was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The quote was taken before, or the idempotency key was used meanwhile.
    #[error("the quote or the idempotency key was used before")]
    UsedBefore,
    /// The quote is of a version of the policy that was rolled back with its quotes.
    #[error("quotes of version {0} of the pricing policy were revoked")]
    Revoked(u32),
    /// The share of the free enterprise GPUs that may back `assured` is promised to others.
    #[error("the backstop that was promised with the quote was given to others")]
    NotBacked,
    /// The account has no such job that is open.
    #[error("there is no open job of that id")]
    NotFound,
    /// More is waiting than the engine takes in; ask again later.
    #[error("the engine has {0} requests waiting already")]
    Busy(usize),
    /// The store failed; ask again later.
    #[error("the store failed: {0}")]
    Store(String),
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
}

/// The answer to a request.
#[expect(
    clippy::large_enum_variant,
    reason = "most answers are the large one: a heartbeat's"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The job is accepted and durable.
    Accepted(JobId),
    /// The stop is asked for; the state after it.
    Cancelling(JobState),
    /// To an agent.
    Agent(AgentReply),
    /// No.
    Refused(Refused),
}
