//! Answers ahead: what was asked for on an earlier supply is worked out on the present one before
//! somebody asks for it again.

use std::cmp::Reverse;
use std::sync::Arc;

use super::Supply;
use super::draft::Draft;
use super::search::{Conditions, Search};

/// Most readings of the market for which an answer is worked out ahead that nobody asks for.
pub const IDLE_READINGS_MAX: u32 = 20;

impl Supply {
    /// Works out on the present supply, that of the conditions, what was asked for on this earlier
    /// one under the same policy. How many answers are at hand.
    ///
    /// No answer depends on it: what is found ahead is what would be found when it is asked for.
    pub fn answer_ahead(&self, on: Conditions<'_>) -> usize {
        if self.products() != on.supply.products() {
            return 0;
        }
        let later = u32::from(!Arc::ptr_eq(&self.memo, &on.supply.memo));
        let mut asked = self.memo().each(|alike, drafts, idle| {
            let idle = idle.saturating_add(later);
            let is_wanted = idle <= IDLE_READINGS_MAX && alike.policy == on.policy.digest();
            let others = drafts.tiers.each_ref().map(Draft::knows_others);
            is_wanted.then(|| (idle, Arc::clone(&alike.inquiry), others))
        });
        // What was asked for last is used last, so it leaves last.
        asked.sort_by_key(|known| Reverse(known.as_ref().map(|(idle, ..)| *idle)));
        let mut ahead = 0;
        for (idle, inquiry, others) in asked.into_iter().flatten() {
            let search = Search::new(on, inquiry);
            let Some(alike) = search.alike() else {
                continue;
            };
            let drafts = on.supply.memo().answer_idle(alike, idle, || search.find());
            let known = drafts.tiers.iter().zip(others);
            for (draft, _) in known.filter(|(_, were_known)| *were_known) {
                draft.others(&search);
            }
            ahead += 1;
        }
        ahead
    }
}
