//! Probes over the agent API: the exchange of `docs/gpu-probe.md`, message by message, for one node
//! of an attempt. An attempt that is to be probed at its start starts nothing before the broker says
//! so; one whose work runs is probed at a moment that a heartbeat's answer orders.

use serde::{Deserialize, Serialize};
use tandem_model::id::{BootId, JobId};
use tandem_model::placement::Epoch;

use super::limits::{FieldRefused, refuse_if};
use super::{BindRequest, DETAIL_LEN_MAX};
use crate::exchange::{ProverMessage, VerifierMessage};
use crate::hex::HexBytes;

/// Path of [`ProbeRequest`].
pub const PROBES_PATH: &str = "/agent/v1/probes";

/// Names a moment at which running work is probed, with all its like.
pub type MomentId = HexBytes<16>;

/// Orders a probe of the kind `spot` inside the running work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpotOrder {
    /// The moment; every order of it is the same probe, made once.
    pub moment: MomentId,
    /// When to pause the workload and begin, in world milliseconds from the sending of this.
    pub in_ms: u64,
}

/// The next message of a probe. A body is at most [`crate::exchange::MESSAGE_BYTES_MAX`] bytes and
/// what names the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRequest {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// This run of the agent.
    pub boot_id: BootId,
    /// The moment of a probe inside running work; none for the probe at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<MomentId>,
    /// What is said.
    pub said: ProbeSaid,
}

/// What an agent says of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeSaid {
    /// The next message of the exchange.
    Message(ProverMessage),
    /// There is nothing to probe with: no driver, no device, no time. Ends the probe.
    CouldNotRun {
        /// Why, with an error code; up to [`DETAIL_LEN_MAX`] bytes.
        detail: String,
    },
}

/// The answer to a [`ProbeRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReply {
    /// The verifier's answer; its verdict is the last one.
    pub message: VerifierMessage,
    /// With the verdict: whether the workload may start here. `None` before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_start: Option<bool>,
}

impl ProbeRequest {
    /// Refuses a body that is out of its limits; the exchange checks its own messages.
    pub fn check(&self) -> Result<(), FieldRefused> {
        refuse_if(self.epoch.0 == 0, "epoch", BindRequest::FIRST_EPOCH)?;
        match &self.said {
            ProbeSaid::Message(_) => Ok(()),
            ProbeSaid::CouldNotRun { detail } => {
                refuse_if(detail.len() > DETAIL_LEN_MAX, "said", "too long")
            }
        }
    }
}
