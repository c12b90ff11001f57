//! Versions of the policy: who applied which document when, and how the next one is made.

use serde::{Deserialize, Serialize};
use tandem_model::error::ErrorCode;
use tandem_model::time::WallTime;

use super::diff::{Diff, diff};
use super::grid::Grid;
use super::guard::{Violation, guard};
use super::{Policy, PolicyDigest, PolicyProblems, STANDARD};

/// Longest note, author and reason in bytes.
pub const NOTE_BYTES_MAX: usize = 1_000;

/// A document that was applied. Versions are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number; the first is 1.
    pub number: u32,
    /// Digest of the text.
    pub digest: PolicyDigest,
    /// Who applied it.
    pub author: String,
    /// When.
    pub applied_at: WallTime,
    /// Why, in the author's words.
    pub note: String,
    /// The version whose text was taken up again, where it was a rollback.
    pub rolls_back_to: Option<u32>,
    /// Whether quotes of the versions that the rollback undoes are refused from then on.
    pub revokes_quotes: bool,
    /// Why guard rails were waived, where they were.
    pub waived_because: Option<String>,
    /// The document, byte for byte.
    pub text: String,
}

/// A version and what was read from it: what a broker holds and swaps as one.
#[derive(Debug)]
pub struct Live {
    /// The version.
    pub version: Version,
    /// Its policy.
    pub policy: Policy,
}

impl Live {
    /// The standard policy as version 1: what is in force before anything was applied.
    pub fn standard(now: WallTime) -> Self {
        Self {
            version: Version {
                number: 1,
                digest: PolicyDigest::of(STANDARD),
                author: "tandem".into(),
                applied_at: now,
                note: "the standard policy".into(),
                rolls_back_to: None,
                revokes_quotes: false,
                waived_because: None,
                text: STANDARD.into(),
            },
            policy: Policy::standard(),
        }
    }

    /// Reads a stored version again.
    ///
    /// Fails when its text is refused, or is not the text that its digest was made of.
    pub fn load(version: Version) -> Result<Self, ApplyError> {
        let policy = Policy::parse(&version.text)?;
        if policy.digest() != version.digest {
            return Err(ApplyError::Damaged(version.number));
        }
        Ok(Self { version, policy })
    }
}

/// Who changes the policy, and how.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Who.
    pub author: &'a str,
    /// Why.
    pub note: &'a str,
    /// When.
    pub now: WallTime,
    /// Why guard rails are waived; none when they hold.
    pub waived_because: Option<&'a str>,
    /// On what prices are compared.
    pub grid: &'a Grid,
}

/// The next version, not yet stored.
#[derive(Debug)]
pub struct Applied {
    /// What is to be in force.
    pub live: Live,
    /// What changes.
    pub diff: Diff,
    /// The guard rails that were broken and waived.
    pub waived: Vec<Violation>,
}

/// Why the policy in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The document is refused.
    #[error(transparent)]
    Refused(#[from] PolicyProblems),
    /// The same document is in force.
    #[error("this document is in force already, as version {0}")]
    Unchanged(u32),
    /// Guard rails are broken and were not waived.
    #[error("the change breaks {} of the guard rails", .0.len())]
    GuardRails(Vec<Violation>),
    /// A text about the change is empty or too long.
    #[error("`{field}` must have 1 to {NOTE_BYTES_MAX} bytes")]
    Field {
        /// Which one.
        field: &'static str,
    },
    /// There are no further numbers.
    #[error("no further version can be numbered")]
    NoNumber,
    /// The stored text is not the one that was applied.
    #[error("the text of version {0} does not have the digest that is stored with it")]
    Damaged(u32),
}

impl ApplyError {
    /// Its stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(_) => PolicyProblems::CODE,
            Self::Unchanged(_) => ErrorCode::POLICY_UNCHANGED,
            Self::GuardRails(_) => ErrorCode::POLICY_GUARD_RAILS,
            Self::Field { .. } => ErrorCode::API_FIELD,
            Self::NoNumber | Self::Damaged(_) => ErrorCode::API_INTERNAL,
        }
    }
}

/// Makes the next version of a document.
///
/// Fails, and leaves everything as it is, when the document is refused or names a network that is
/// not of the grid, when it is in force already, and when a guard rail is broken that was not waived.
pub fn apply(live: &Live, text: &str, change: &Change<'_>) -> Result<Applied, ApplyError> {
    next(live, text, None, change)
}

/// Makes the next version of an earlier one's document, by the same rules as [`apply`].
pub fn rollback(live: &Live, target: &Version, change: &Change<'_>) -> Result<Applied, ApplyError> {
    if PolicyDigest::of(&target.text) != target.digest {
        return Err(ApplyError::Damaged(target.number));
    }
    next(live, &target.text, Some(target.number), change)
}

fn next(
    live: &Live,
    text: &str,
    rolls_back_to: Option<u32>,
    change: &Change<'_>,
) -> Result<Applied, ApplyError> {
    let fits = |text: &str| (1..=NOTE_BYTES_MAX).contains(&text.trim().len());
    let fields = [
        ("author", Some(change.author)),
        ("note", Some(change.note)),
        ("waived_because", change.waived_because),
    ];
    if let Some((field, _)) = fields.iter().find(|(_, text)| !text.is_none_or(fits)) {
        return Err(ApplyError::Field { field });
    }
    let policy = Policy::parse(text)?;
    policy.unknown_networks(&change.grid.networks)?;
    if policy.digest() == live.policy.digest() {
        return Err(ApplyError::Unchanged(live.version.number));
    }
    let number = live
        .version
        .number
        .checked_add(1)
        .ok_or(ApplyError::NoNumber)?;
    let diff = diff(&live.policy, &policy, change.grid);
    let waived = guard(&live.policy, &policy, &diff)
        .err()
        .unwrap_or_default();
    if !waived.is_empty() && change.waived_because.is_none() {
        return Err(ApplyError::GuardRails(waived));
    }
    let version = Version {
        number,
        digest: policy.digest(),
        author: change.author.to_owned(),
        applied_at: change.now,
        note: change.note.to_owned(),
        rolls_back_to,
        revokes_quotes: false,
        waived_because: change
            .waived_because
            .filter(|_| !waived.is_empty())
            .map(str::to_owned),
        text: text.to_owned(),
    };
    Ok(Applied {
        live: Live { version, policy },
        diff,
        waived,
    })
}
