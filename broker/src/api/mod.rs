//! The shapes of `/v1` as JSON: one type a body, read and written by the same definition, so that
//! the server and the command line cannot disagree.
//!
//! Requests refuse fields that they do not know; answers may gain fields at any time. Words such as
//! states, tiers and networks are open: a reader keeps a word that it does not know as text.
//! Amounts are integers of the unit that ends their name; moments are RFC 3339 texts in UTC.

mod account;
mod classification;
mod denial;
pub mod described;
mod device;
mod event;
mod job;
mod ledger;
mod log;
mod moment;
mod offer;
mod policy;
mod problem;
mod quote;
mod quote_detail;
mod receipt;
mod secret_text;
mod service;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use account::{AccountRequest, AccountView, KeyRequest, KeyView, NewKeyView, SCOPES, Scope};
pub use classification::{
    ClassificationReply, ClassificationRequest, EvidenceView, NeedsView, NoteView, TiersView,
};
pub use denial::DenialView;
pub use device::{
    BanRequest, BanView, DeviceDetailView, DeviceEventView, DeviceUseView, DeviceVerdictView,
    DeviceView, LatencyView,
};
pub use event::EventView;
pub use job::{
    CancelReply, CheckpointView, JobProbeView, JobRequest, JobSummary, JobView, NodeView,
    PerformanceBreachView, PlacementView, ProbeReasonView, ProbeView, ProbedDeviceView, QueueView,
    TermView,
};
pub use ledger::{BalanceView, BalancesReply};
pub use log::{LogChunkView, LogPage};
pub use moment::{Moment, WORLD_TIME};
pub use offer::{GradeLostView, NetworkView, OfferPage, OfferView};
pub use policy::{
    ConversionView, PolicyApplied, PolicyBacktestReply, PolicyBacktestRequest, PolicyCheckReply,
    PolicyDiffReply, PolicyRequest, PolicyText, PolicyView, RollbackRequest, ShadowView,
    ViolationView,
};
pub use problem::{FieldProblem, ProblemView};
pub use quote::{
    CandidateView, NoQuoteView, ObstacleView, ProductView, QuoteLineView, QuoteReply, QuoteRequest,
    QuoteView, TierView,
};
pub use quote_detail::{CounterfactualView, ObjectivesView, ReferenceView, TokenLegView};
pub use receipt::{ReceiptKeys, ReceiptReply};
pub use secret_text::SecretText;
pub use service::{ReadyView, VersionView};

/// Items of a page when the request does not say.
pub const PAGE_ITEMS: u32 = 50;
/// Most items of a page.
pub const PAGE_ITEMS_MAX: u32 = 200;
/// Longest body of a `/v1` request in bytes: a workload file as a JSON text, and its secrets.
pub const BODY_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// Items in the order of the list.
    pub items: Vec<T>,
    /// Give this as `after` to go on; none at the end.
    #[serde(default)]
    pub next: Option<String>,
}
