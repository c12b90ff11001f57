//! Shadow mode: what a candidate would have charged, beside what the policy in force does charge.

use serde::Serialize;
use tandem_model::money::MicroUsd;
use tandem_model::time::WallTime;

use super::subject::{Subject, SubjectRecord};
use super::tally::{Outcome, change_permille};
use super::{Explanation, Policy, PolicyDigest};

/// One subject under the policy in force and under a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The subject.
    pub subject: SubjectRecord,
    /// The moment.
    pub at: WallTime,
    /// What it costs us per GPU-hour.
    pub cost: MicroUsd,
    /// Digest of the policy in force.
    pub live: PolicyDigest,
    /// Digest of the candidate.
    pub candidate: PolicyDigest,
    /// What is charged.
    pub live_outcome: Outcome,
    /// What would have been charged.
    pub candidate_outcome: Outcome,
    /// The change in permille of what is charged, rounded away from zero; where both sell.
    pub change_permille: Option<i64>,
    /// Which rules decided.
    pub live_rules: Explanation,
    /// Which rules would have decided.
    pub candidate_rules: Explanation,
}

impl Difference {
    /// Whether the customer would have seen another price, or one instead of none.
    pub fn changes_price(&self) -> bool {
        self.live_outcome.price() != self.candidate_outcome.price()
    }
}

/// Prices one subject under two policies; only the first of them counts.
pub fn shadow(
    live: &Policy,
    candidate: &Policy,
    subject: &Subject<'_>,
    cost: MicroUsd,
    now: WallTime,
) -> Difference {
    let terms = (live.terms(subject, now), candidate.terms(subject, now));
    let outcomes = (Outcome::of(cost, &terms.0), Outcome::of(cost, &terms.1));
    let prices = outcomes.0.price().zip(outcomes.1.price());
    Difference {
        subject: subject.to_record(),
        at: now,
        cost,
        live: live.digest(),
        candidate: candidate.digest(),
        live_outcome: outcomes.0,
        candidate_outcome: outcomes.1,
        change_permille: prices.map(|(old, new)| change_permille(old, new)),
        live_rules: live.explain(&terms.0),
        candidate_rules: candidate.explain(&terms.1),
    }
}
