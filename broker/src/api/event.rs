//! `/v1/jobs/{id}/events`.

use serde::{Deserialize, Serialize};
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::placement::Epoch;
use utoipa::ToSchema;

use super::Moment;

/// What happened to a job; also the data of a server-sent event, whose id is `sequence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Rises with each event.
    pub sequence: u64,
    /// The job.
    #[schema(value_type = String)]
    pub job: JobId,
    /// When (world time).
    pub at: Moment,
    /// Where the job stands after it.
    #[schema(value_type = String)]
    pub state: JobState,
    /// The attempt that was live or last; 0 before the first.
    #[schema(value_type = u32)]
    pub epoch: Epoch,
    /// In words.
    pub what: String,
}
