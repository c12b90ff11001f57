//! Probes over the agent API: the exchange of `docs/gpu-probe.md`, message by message, for one node
//! of an attempt. An attempt that is to be probed starts nothing before the broker says so.

use serde::{Deserialize, Serialize};
use tandem_model::id::{BootId, JobId};
use tandem_model::placement::Epoch;

use super::limits::{FieldRefused, refuse_if};
use super::{BindRequest, DETAIL_LEN_MAX};
use crate::exchange::{ProverMessage, VerifierMessage};

/// Path of [`ProbeRequest`].
pub const PROBES_PATH: &str = "/agent/v1/probes";

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
