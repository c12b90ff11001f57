//! The one instance of an epoch and rank, as the broker knows it.

use serde::{Deserialize, Serialize};
use tandem_model::id::BootId;
use tandem_model::time::WorldTime;

use crate::protocol::{BindRequest, Phase, Progress, ResultReport};

/// The one instance of an epoch and rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Its run.
    pub boot_id: BootId,
    /// Its container.
    pub container: String,
    /// When its lease runs out; `None` once its end is recorded.
    pub lease_until: Option<WorldTime>,
    /// When it was last heard.
    pub heard_at: WorldTime,
    /// Its newest heartbeat.
    pub sequence: u64,
    /// What it was doing then.
    pub phase: Phase,
    /// How far it was.
    pub progress: Option<Progress>,
    /// How it ended.
    pub end: Option<ResultReport>,
}

impl Bound {
    pub(super) fn new(request: &BindRequest, lease_until: WorldTime, now: WorldTime) -> Self {
        Self {
            boot_id: request.boot_id,
            container: request.container.clone(),
            lease_until: Some(lease_until),
            heard_at: now,
            sequence: 0,
            phase: Phase::Starting,
            progress: None,
            end: None,
        }
    }

    pub(super) fn is(&self, boot_id: BootId) -> bool {
        self.boot_id == boot_id
    }
}
