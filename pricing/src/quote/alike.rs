//! When two requests are answered alike, on one supply: the second takes the answer of the first.
//!
//! Of the moment it holds which promotions give and which offers are stale, each exactly.

use std::sync::Arc;

use super::inquiry::Inquiry;
use super::search::{Conditions, Search};
use crate::policy::PolicyDigest;

/// All that an answer depends on, beside the book and its supply.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Alike {
    pub(super) policy: PolicyDigest,
    /// A bit for each of the policy's promotions.
    promotions_on: u64,
    /// GPUs that may need the backstop already.
    promised: u64,
    /// Groups of the book's aisles that are stale.
    groups_stale: usize,
    pub(super) inquiry: Arc<Inquiry>,
}

impl Search<'_> {
    /// What its answer depends on; none where that cannot be said in so few words, while some offers
    /// of an aisle are stale and others are not.
    pub(super) fn alike(&self) -> Option<Alike> {
        // Every field is named, so that a new one does not compile before it was thought about.
        let Conditions {
            book,
            supply,
            policy,
            exhausted,
            age_max: _,
            now,
            world_now,
        } = self.on;
        Some(Alike {
            policy: policy.digest(),
            promotions_on: policy.promotions_on(now, exhausted),
            promised: supply.usage().assured_gpus,
            groups_stale: book.groups_stale(self.ask.stale_before(world_now))?,
            inquiry: Arc::clone(&self.inquiry),
        })
    }
}
