//! `/version` and `/readyz`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What runs here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Name of the program.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Version of the API.
    pub api: String,
    /// SHA-256 of the agent that start scripts fetch.
    pub agent_sha256: String,
}

/// Whether requests should be sent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyView {
    /// Whether all checks are `ok`.
    pub ready: bool,
    /// What was checked: `ok`, or what is wrong.
    pub checks: BTreeMap<String, String>,
}
