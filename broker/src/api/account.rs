//! `/v1/accounts` and `/v1/keys`.

use std::fmt;

use serde::{Deserialize, Serialize};
use tandem_model::id::{AccountId, ApiKeyId};
use tandem_model::network::Country;
use utoipa::ToSchema;

use super::described::{AccountIdText, CountryWord, NameText};
use super::{Moment, SecretText};
use crate::store::tenants::{AccountRecord, KeyRecord};

/// What a key may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub enum Scope {
    /// Read jobs, their events and logs.
    #[serde(rename = "jobs:read")]
    JobsRead,
    /// Run and stop jobs.
    #[serde(rename = "jobs:write")]
    JobsWrite,
    /// Classify files and ask for quotes.
    #[serde(rename = "quotes")]
    Quotes,
    /// Read the market.
    #[serde(rename = "offers:read")]
    OffersRead,
    /// Make and revoke keys of its account.
    #[serde(rename = "keys:admin")]
    KeysAdmin,
    /// Make and list accounts.
    #[serde(rename = "accounts:admin")]
    AccountsAdmin,
    /// Read and change the pricing policy.
    #[serde(rename = "policies")]
    Policies,
    /// See and ban the GPUs that probes saw.
    #[serde(rename = "nodes")]
    Nodes,
    /// Everything, and keys of every account.
    #[serde(rename = "admin")]
    Admin,
}

/// Every scope.
pub const SCOPES: [Scope; 9] = [
    Scope::JobsRead,
    Scope::JobsWrite,
    Scope::Quotes,
    Scope::OffersRead,
    Scope::KeysAdmin,
    Scope::AccountsAdmin,
    Scope::Policies,
    Scope::Nodes,
    Scope::Admin,
];

impl Scope {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::Quotes => "quotes",
            Self::OffersRead => "offers:read",
            Self::KeysAdmin => "keys:admin",
            Self::AccountsAdmin => "accounts:admin",
            Self::Policies => "policies",
            Self::Nodes => "nodes",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn parse(name: &str) -> Option<Self> {
        SCOPES.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Makes an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// Its name, 1 to 63 characters.
    #[schema(value_type = NameText)]
    pub name: String,
    /// Where it is established, as ISO 3166-1 alpha-2 in upper case; not known when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CountryWord>)]
    pub country: Option<String>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Where it is established, when that is known.
    #[serde(default)]
    #[schema(value_type = Option<CountryWord>)]
    pub country: Option<Country>,
    /// When it was made (wall time).
    pub created_at: Moment,
}

/// Makes an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What it is for, 1 to 63 characters.
    #[schema(value_type = NameText)]
    pub name: String,
    /// What it may do: 1 to 9 scopes, none that the asking key lacks.
    #[schema(
        value_type = BTreeSet<Scope>,
        min_items = 1,
        max_items = 9,
        example = json!(["jobs:read", "jobs:write", "quotes", "offers:read"])
    )]
    pub scopes: Vec<String>,
    /// Refused after so many seconds; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Int64, minimum = 1, maximum = 4_294_967_295.0)]
    pub expires_in_seconds: Option<u32>,
    /// For another account, which only `admin` may; the key's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AccountIdText>)]
    pub account: Option<AccountId>,
}

/// An API key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ApiKeyId,
    /// Whose it is.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made (wall time).
    pub created_at: Moment,
    /// From when it is refused (wall time).
    pub expires_at: Option<Moment>,
    /// When it was revoked (wall time).
    pub revoked_at: Option<Moment>,
}

/// A new API key; the only time that the key itself is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewKeyView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub view: KeyView,
    /// The key: `tdm_…`. Keep it; it is not shown again.
    pub key: SecretText,
}

impl From<&AccountRecord> for AccountView {
    fn from(account: &AccountRecord) -> Self {
        Self {
            id: account.id,
            name: account.name.clone(),
            country: account.country,
            created_at: account.created_at.into(),
        }
    }
}

impl From<&KeyRecord> for KeyView {
    fn from(key: &KeyRecord) -> Self {
        Self {
            id: key.id,
            account: key.account,
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(Moment::from),
            revoked_at: key.revoked_at.map(Moment::from),
        }
    }
}
