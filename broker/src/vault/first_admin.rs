//! The first start: one account and one key, made once however many brokers start at once.

use tandem_model::id::{AccountId, ApiKeyId};
use tandem_model::secret::Secret;
use tandem_model::time::Clock;

use super::{Vault, api_key};
use crate::api::Scope;
use crate::ids::fresh;
use crate::store::StoreError;
use crate::store::tenants::{AccountRecord, KeyRecord, Tenants};

/// Name of the first account and of its key.
const NAME: &str = "default";
/// Settings by which brokers that start at once agree on the ids.
const ACCOUNT_SETTING: &str = "first_account";
const KEY_SETTING: &str = "first_key";

/// Makes the account `default` and one key with the scope `admin`, unless it was done before.
///
/// Returns the key to the one broker that made it; it cannot be shown again. A start that is cut
/// off in the middle is finished by the next one.
pub async fn first_admin(
    tenants: &dyn Tenants,
    vault: &Vault,
    clock: &dyn Clock,
) -> Result<Option<(AccountId, Secret)>, StoreError> {
    let begun = tenants.setting(ACCOUNT_SETTING).await?.is_some();
    if !begun && !tenants.accounts(None, 1).await?.is_empty() {
        return Ok(None);
    }
    let mine = fresh(clock, AccountId::from_parts);
    let id: AccountId = agreed(tenants, ACCOUNT_SETTING, mine).await?;
    let account = AccountRecord {
        id,
        name: NAME.to_owned(),
        country: None,
        created_at: clock.wall(),
    };
    match tenants.add_account(account, None).await {
        Ok(()) | Err(StoreError::Refused { .. }) => {}
        Err(other) => return Err(other),
    }
    let mine = fresh(clock, ApiKeyId::from_parts);
    let key_id: ApiKeyId = agreed(tenants, KEY_SETTING, mine).await?;
    let key = api_key::fresh(key_id);
    let record = KeyRecord {
        id: key_id,
        account: id,
        name: NAME.to_owned(),
        hash: vault.api_key_hash(&key),
        scopes: vec![Scope::Admin.as_str().to_owned()],
        created_at: clock.wall(),
        expires_at: None,
        revoked_at: None,
    };
    // Its id is the same for all, so only one can add it.
    match tenants.add_key(record, None).await {
        Ok(()) => Ok(Some((id, key))),
        Err(StoreError::Refused { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The id that all brokers take: the first that one of them proposed.
async fn agreed<I: ToString + std::str::FromStr>(
    tenants: &dyn Tenants,
    setting: &'static str,
    mine: I,
) -> Result<I, StoreError> {
    let proposal = mine.to_string().into_bytes();
    let agreed = tenants.setting_or(setting, proposal).await?;
    String::from_utf8(agreed)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| StoreError::Database(format!("the setting `{setting}` holds no id")))
}
