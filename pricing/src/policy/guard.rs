//! Guard rails: whether a change of policy goes further than the policies allow.
//!
//! Those of the policy in force hold as well as those of the new one, so that no document can loosen
//! the rails and pass them in one step.

use std::fmt;

use serde::Serialize;

use super::Policy;
use super::diff::Diff;
use super::tally::Example;

/// What a policy may not do in one application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rail {
    /// A price rises or falls by more than `price_change_max_permille`.
    PriceChange,
    /// A price that changes leaves less than `margin_min_basis_points`.
    SmallestMargin,
    /// Something that had a price has none: no permille says how large a change that is.
    NoLongerSold,
}

/// Whose guard rail it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetBy {
    /// Only that of the policy in force.
    Old,
    /// Only that of the new policy.
    New,
    /// Those of both.
    Both,
}

/// A guard rail that a change breaks, and the subject that breaks it most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which one.
    pub rail: Rail,
    /// Whose.
    pub set_by: SetBy,
    /// What is allowed, in permille or basis points as the rail says; the stricter of two.
    pub limit: i64,
    /// What was found, in the same unit; for lost prices their number.
    pub found: i64,
    /// The subject.
    pub example: Example,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.example.subject;
        let by = match self.set_by {
            SetBy::Old => "of the policy in force",
            SetBy::New => "of the new policy",
            SetBy::Both => "of both policies",
        };
        match self.rail {
            Rail::PriceChange => write!(
                f,
                "the price of {subject} changes by {} permille, and price_change_max_permille {by} is {}",
                self.found, self.limit
            ),
            Rail::SmallestMargin => write!(
                f,
                "the margin of {subject} becomes {} basis points, and margin_min_basis_points {by} is {}",
                self.found, self.limit
            ),
            Rail::NoLongerSold => write!(
                f,
                "{} prices are lost, the first that of {subject}",
                self.found
            ),
        }
    }
}

/// Checks a change against the guard rails of both policies; the diff must be that of the two.
///
/// Fails with every rail that is broken.
pub fn guard(old: &Policy, new: &Policy, diff: &Diff) -> Result<(), Vec<Violation>> {
    let rails = (old.guard_rails(), new.guard_rails());
    let mut violations = Vec::new();
    let limits = (
        i64::from(rails.0.price_change_max_permille),
        i64::from(rails.1.price_change_max_permille),
    );
    for extreme in [&diff.prices.largest_rise, &diff.prices.largest_fall] {
        if let Some(example) = extreme
            && let Some(found) = example.change_permille
            && let Some(set_by) = whose(found.abs() > limits.0, found.abs() > limits.1)
        {
            violations.push(Violation {
                rail: Rail::PriceChange,
                set_by,
                limit: limits.0.min(limits.1),
                found,
                example: example.clone(),
            });
        }
    }
    let limits = (
        i64::from(rails.0.margin_min_basis_points),
        i64::from(rails.1.margin_min_basis_points),
    );
    if let Some(example) = &diff.prices.smallest_margin
        && let Some(found) = example.margin_basis_points
        && let Some(set_by) = whose(found < limits.0, found < limits.1)
    {
        violations.push(Violation {
            rail: Rail::SmallestMargin,
            set_by,
            limit: limits.0.max(limits.1),
            found,
            example: example.clone(),
        });
    }
    if let Some(example) = &diff.prices.first_lost {
        violations.push(Violation {
            rail: Rail::NoLongerSold,
            set_by: SetBy::Both,
            limit: 0,
            found: i64::try_from(diff.prices.no_longer_sold).unwrap_or(i64::MAX),
            example: example.clone(),
        });
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}

const fn whose(old: bool, new: bool) -> Option<SetBy> {
    match (old, new) {
        (true, true) => Some(SetBy::Both),
        (true, false) => Some(SetBy::Old),
        (false, true) => Some(SetBy::New),
        (false, false) => None,
    }
}
