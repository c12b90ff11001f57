//! `/v1/jobs/{id}/logs`.

use serde::{Deserialize, Serialize};
use tandem_model::placement::Epoch;
use utoipa::ToSchema;

use super::Moment;

/// What a workload printed, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// Chunks by attempt, node and time.
    pub items: Vec<LogChunkView>,
    /// Give this as `after` for what comes later; none when nothing was printed yet.
    pub next: Option<String>,
    /// Whether more is there already.
    pub more: bool,
}

/// Lines that came together; also the data of a server-sent event, whose id is `cursor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogChunkView {
    /// Its place in the log, for `after`.
    pub cursor: String,
    /// The attempt.
    #[schema(value_type = u32)]
    pub epoch: Epoch,
    /// Which node, from 0.
    pub rank: u16,
    /// When it came (world time).
    pub at: Moment,
    /// The lines, each ended by a line feed.
    pub text: String,
}
