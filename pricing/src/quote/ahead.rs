//! Answers ahead: what was asked for on an earlier supply is worked out on the present one before
//! somebody asks for it again.

use std::sync::Arc;

use tandem_model::workload::Tier;

use super::Supply;
use super::draft::Draft;
use super::inquiry::Inquiry;
use super::search::{Conditions, Search};

/// Most readings of the market for which an answer is worked out ahead that nobody asks for.
pub const IDLE_READINGS_MAX: u32 = 20;

/// What is known of an inquiry.
#[derive(Debug)]
struct Asked {
    inquiry: Arc<Inquiry>,
    /// Readings of the market since it was asked for.
    idle: u32,
    /// For each tier, whether it was asked what a change would save.
    others: [bool; Tier::ALL.len()],
}

impl Supply {
    /// Works out on the present supply, that of the conditions, what was asked for on this earlier
    /// one under the same policy, what was asked for last first, while `goes_on` says so. How many
    /// answers were looked at.
    ///
    /// No answer depends on it: what is found ahead is what would be found when it is asked for.
    pub fn answer_ahead(&self, on: Conditions<'_>, goes_on: impl Fn() -> bool) -> usize {
        if self.products() != on.supply.products() {
            return 0;
        }
        let mut looked_at = 0;
        for asked in self.asked_before(on) {
            let search = Search::new(on, asked.inquiry);
            let alike = match search.alike() {
                Some(alike) if goes_on() => alike,
                _ => return looked_at,
            };
            let memo = on.supply.memo();
            let drafts = memo.answer_idle(alike, asked.idle, || search.find());
            let known = drafts.tiers.iter().zip(asked.others);
            for (draft, _) in known.filter(|(_, were_known)| *were_known) {
                if goes_on() {
                    draft.others(&search);
                }
            }
            looked_at += 1;
        }
        looked_at
    }

    /// What was asked for under the policy of the conditions, what was asked for last first.
    fn asked_before(&self, on: Conditions<'_>) -> Vec<Asked> {
        let later = u32::from(!Arc::ptr_eq(&self.memo, &on.supply.memo));
        let known = self.memo().each(|alike, drafts, idle| {
            let idle = idle.saturating_add(later);
            let is_wanted = idle <= IDLE_READINGS_MAX && alike.policy == on.policy.digest();
            is_wanted.then(|| Asked {
                inquiry: Arc::clone(&alike.inquiry),
                idle,
                others: drafts.tiers.each_ref().map(Draft::knows_others),
            })
        });
        // One inquiry has several answers where promises changed; all but the first find it known.
        let mut all: Vec<Asked> = known.into_iter().flatten().collect();
        all.sort_by_key(|asked| asked.idle);
        all
    }
}
