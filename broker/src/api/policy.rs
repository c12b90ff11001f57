//! `/v1/policies`: the pricing policy, its versions and its shadow.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_pricing::policy::{NOTE_BYTES_MAX, PolicyProblems, Problem, Version, Violation};
use utoipa::ToSchema;

use super::{FieldProblem, Moment};
use crate::store::tenants::{Conversion, ConversionKey};

const _: () = assert!(NOTE_BYTES_MAX == 1_000, "the limit that the document tells");

/// A document to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// The policy's YAML document.
    pub text: String,
}

/// Applies a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    /// The policy's YAML document.
    pub text: String,
    /// Why, 1 to 1,000 bytes.
    #[schema(min_length = 1, max_length = 1_000)]
    pub note: String,
    /// Why guard rails are waived; they hold when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1_000)]
    pub waived_because: Option<String>,
    /// Only when this version is in force: the one with which the document was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Int64, minimum = 1, maximum = 4_294_967_295.0)]
    pub base: Option<u32>,
}

/// Takes an earlier document up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The version whose document it is.
    #[schema(format = Int64, minimum = 1, maximum = 4_294_967_295.0)]
    pub number: u32,
    /// Why, 1 to 1,000 bytes.
    #[schema(min_length = 1, max_length = 1_000)]
    pub note: String,
    /// Why guard rails are waived; they hold when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1_000)]
    pub waived_because: Option<String>,
    /// Only when this version is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Int64, minimum = 1, maximum = 4_294_967_295.0)]
    pub base: Option<u32>,
    /// Whether quotes by the versions in between are refused from then on. Otherwise they are good
    /// until they expire.
    #[serde(default)]
    pub revoke: bool,
}

/// A version of the pricing policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    /// Its number, from 1.
    pub number: u32,
    /// SHA-256 of the document, 64 hex digits.
    pub digest: String,
    /// Account and API key that applied it.
    pub author: String,
    /// When it was applied (wall time).
    pub applied_at: Moment,
    /// Why.
    pub note: String,
    /// The version whose document was taken up again, where it was a rollback.
    pub rolls_back_to: Option<u32>,
    /// Whether quotes by the versions in between are refused.
    pub revokes_quotes: bool,
    /// Why guard rails were waived, where they were.
    pub waived_because: Option<String>,
    /// The document; not in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A document without a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyCheckReply {
    /// Its name.
    pub name: String,
    /// SHA-256 of the document, 64 hex digits.
    pub digest: String,
    /// Networks that its selectors name and nobody configured here.
    pub unknown_networks: Vec<String>,
}

/// A guard rail that a change breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ViolationView {
    /// In words, with the subject.
    pub text: String,
    /// Rail, whose it is, limit, what was found, and the subject.
    #[schema(value_type = Object)]
    pub violation: Value,
}

/// What a document would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyDiffReply {
    /// The version in force, with which it was compared.
    pub base: u32,
    /// Fields, rules and promotions that differ, and what happens to prices.
    #[schema(value_type = Object)]
    pub diff: Value,
    /// Guard rails that it breaks.
    pub violations: Vec<ViolationView>,
    /// Networks that its selectors name and nobody configured here.
    pub unknown_networks: Vec<String>,
}

/// What was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyApplied {
    /// The new version.
    pub version: PolicyView,
    /// What changes.
    #[schema(value_type = Object)]
    pub diff: Value,
    /// Guard rails that were broken and waived.
    pub waived: Vec<ViolationView>,
}

/// The policy in the shadow of the live one, and what it would have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShadowView {
    /// Its name.
    pub name: String,
    /// SHA-256 of its document, 64 hex digits.
    pub digest: String,
    /// Account and API key that put it there.
    pub author: String,
    /// When (wall time).
    pub since: Moment,
    /// How often it was asked beside the live policy, once a tier of a quote.
    pub quotes: u64,
    /// Prices that would have been higher.
    pub dearer: u64,
    /// Prices that would have been lower.
    pub cheaper: u64,
    /// Prices where the live policy has none.
    pub newly_sold: u64,
    /// Prices of the live policy where it has none.
    pub no_longer_sold: u64,
    /// The last differences, the newest first, with the subject and the rules that decided.
    #[schema(value_type = Vec<Object>)]
    pub differences: Vec<Value>,
}

impl From<&Version> for PolicyView {
    fn from(version: &Version) -> Self {
        Self {
            number: version.number,
            digest: version.digest.to_string(),
            author: version.author.clone(),
            applied_at: version.applied_at.into(),
            note: version.note.clone(),
            rolls_back_to: version.rolls_back_to,
            revokes_quotes: version.revokes_quotes,
            waived_because: version.waived_because.clone(),
            text: Some(version.text.clone()).filter(|text| !text.is_empty()),
        }
    }
}

impl From<&Violation> for ViolationView {
    fn from(violation: &Violation) -> Self {
        Self {
            text: violation.to_string(),
            violation: serde_json::to_value(violation).unwrap_or_default(),
        }
    }
}

impl FieldProblem {
    /// What is wrong inside the policy of a body.
    pub fn of_policy(problem: &Problem) -> Self {
        let other = problem.other.map_or_else(String::new, |place| {
            format!(" (the other stands at {place})")
        });
        Self {
            field: "/text".into(),
            path: Some(problem.field.clone()).filter(|path| !path.is_empty()),
            code: Some(PolicyProblems::CODE.to_string()),
            detail: format!("{}{other}", problem.text),
            hint: problem.hint.clone(),
            line: Some(problem.position.line),
            column: Some(problem.position.column),
        }
    }
}

/// How many quotes were made and taken at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversionView {
    /// Version of the policy that made the price.
    #[schema(format = Int64)]
    pub policy_version: u32,
    /// Class of the workload.
    pub class: String,
    /// The tier.
    pub tier: String,
    /// Price over reference price in permille, rounded down to 25; the reference is the cost and
    /// 13 %.
    #[schema(format = Int64)]
    pub ratio_permille_from: u32,
    /// Quotes made.
    pub quoted: u64,
    /// Quotes taken.
    pub accepted: u64,
}

impl From<&(ConversionKey, Conversion)> for ConversionView {
    fn from((key, counts): &(ConversionKey, Conversion)) -> Self {
        Self {
            policy_version: key.policy_version,
            class: key.class.as_str().to_owned(),
            tier: key.tier.as_str().to_owned(),
            ratio_permille_from: key.ratio_permille_from,
            quoted: counts.quoted,
            accepted: counts.accepted,
        }
    }
}

/// Replays the policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyBacktestRequest {
    /// A YAML document to replay beside it, on the same draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Seed of everything that is drawn; 1 when absent.
    #[serde(default = "first_seed")]
    #[schema(format = Int64, minimum = 0, maximum = 4_294_967_295.0)]
    pub seed: u32,
    /// Elasticity of acceptance in permille, where the broker's own counts are too few: at 1,500 a
    /// price 1 % higher is accepted 1.5 % less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Int64, maximum = 20_000)]
    pub elasticity_permille: Option<u32>,
}

const fn first_seed() -> u32 {
    1
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyBacktestReply {
    /// Version of the policy in force.
    #[schema(format = Int64)]
    pub base: u32,
    /// Quotes of this broker that were counted: with 1,000 or more, their conversion was used.
    pub quotes_counted: u64,
    /// The result; the document of `tandem policy backtest --json`.
    pub backtest: Value,
}
