//! What an installation is: its id, its SSH key, its kind of networks, and the keys that it hands
//! out at the first start. All of it lies in the store; secrets are sealed.

use std::str::FromStr;

use tandem_adapters::ssh::SshKeyPair;
use tandem_model::error::ErrorCode;
use tandem_model::id::{AccountId, ApiKeyId, InstallationId};
use tandem_model::secret::Secret;
use tandem_model::time::{Clock, WorldTime};

use crate::api::Scope;
use crate::cli::failure::Failure;
use crate::clock::SystemClock;
use crate::ids::fresh;
use crate::policies::{OpenError, Policies};
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;
use crate::store::tenants::{KeyRecord, Tenants};
use crate::vault::first_admin::first_admin;
use crate::vault::{Vault, api_key};

/// The installation's id.
const ID: &str = "installation";
/// A sealed word: whoever can open it has this installation's master key.
const KEY_CHECK: &str = "master_key_check";
/// The SSH key, sealed.
const SSH_KEY: &str = "ssh_key";
/// Which kind of networks this store's jobs run on.
const NETWORKS: &str = "networks";
/// No world time was recorded later than this, in microseconds since 1970.
pub(super) const WORLD_US: &str = "world_us";
/// The account that is made at the first start.
const FIRST_ACCOUNT: &str = "first_account";
/// What is sealed for the check.
const CHECK_WORD: &str = "tandem";

pub(super) fn store_failed(error: StoreError) -> Failure {
    let message = format!("the store could not be read or written: {error}");
    Failure::new(ErrorCode::DATA_DIR, message).hint("is the disk full? see docs/operating.md")
}

/// Which kind of networks a store's jobs run on; it stays the same for ever, because a job of a
/// sandbox means nothing to a live network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Emulated.
    Sandbox,
    /// Where money is paid.
    Live,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Live => "live",
        }
    }
}

/// Checks that the master key is this store's. The first one that is used becomes it.
pub(super) async fn check_key(tenants: &dyn Tenants, vault: &Vault) -> Result<(), Failure> {
    let sealed = vault.seal_answer(KEY_CHECK.as_bytes(), &Secret::new(CHECK_WORD));
    let kept = agreed_text(tenants, KEY_CHECK, sealed).await?;
    match vault.open_answer(KEY_CHECK.as_bytes(), &kept) {
        Ok(word) if word.expose() == CHECK_WORD => Ok(()),
        _ => Err(Failure::new(
            ErrorCode::MASTER_KEY,
            "the master key is not the one with which this store was sealed",
        )
        .hint("give the right one: master_key_file, or TANDEM__MASTER_KEY")),
    }
}

/// Checks that a store is used with the kind of networks that it was made for.
pub(super) async fn check_kind(tenants: &dyn Tenants, kind: Kind) -> Result<(), Failure> {
    let kept = agreed_text(tenants, NETWORKS, kind.word().to_owned()).await?;
    if kept == kind.word() {
        return Ok(());
    }
    let message = format!(
        "this data folder belongs to a broker on {kept} networks, and would be used with {} ones",
        kind.word()
    );
    Err(Failure::new(ErrorCode::DATA_DIR, message)
        .hint("give it a folder of its own: --data-dir DIR"))
}

/// The installation's id, made at the first start.
pub(super) async fn id(
    tenants: &dyn Tenants,
    clock: &dyn Clock,
) -> Result<InstallationId, Failure> {
    let mine = fresh(clock, InstallationId::from_parts).to_string();
    let kept = agreed_text(tenants, ID, mine).await?;
    InstallationId::from_str(&kept)
        .map_err(|error| store_failed(StoreError::Database(error.to_string())))
}

/// The SSH key of the installation, made at the first start.
pub(super) async fn ssh_key(tenants: &dyn Tenants, vault: &Vault) -> Result<SshKeyPair, Failure> {
    let fresh = SshKeyPair::generate().to_openssh();
    let sealed = vault.seal_answer(SSH_KEY.as_bytes(), &fresh);
    let kept = agreed_text(tenants, SSH_KEY, sealed).await?;
    let broken = |why: String| store_failed(StoreError::Database(format!("the SSH key: {why}")));
    let key = vault
        .open_answer(SSH_KEY.as_bytes(), &kept)
        .map_err(|e| broken(e.to_string()))?;
    SshKeyPair::from_openssh(&key).map_err(|e| broken(e.to_string()))
}

/// The latest world time that an earlier run may have recorded.
pub(super) async fn seen_world(tenants: &dyn Tenants) -> Result<WorldTime, Failure> {
    let kept = tenants.setting(WORLD_US).await.map_err(store_failed)?;
    let micros = kept
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.parse().ok());
    Ok(micros.map_or_else(WorldTime::default, WorldTime::from_micros))
}

/// The first admin key at the first start; another one when that is `wanted`.
pub(super) async fn admin_key(
    tenants: &dyn Tenants,
    vault: &Vault,
    clock: &dyn Clock,
    wanted: bool,
) -> Result<Option<Secret>, Failure> {
    let first = first_admin(tenants, vault, clock)
        .await
        .map_err(store_failed)?;
    match first {
        Some((_, key)) => Ok(Some(key)),
        None if wanted => another_admin(tenants, vault, clock).await.map(Some),
        None => Ok(None),
    }
}

async fn another_admin(
    tenants: &dyn Tenants,
    vault: &Vault,
    clock: &dyn Clock,
) -> Result<Secret, Failure> {
    let kept = tenants.setting(FIRST_ACCOUNT).await.map_err(store_failed)?;
    let account = kept
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| AccountId::from_str(&text).ok())
        .ok_or_else(|| store_failed(StoreError::Database("there is no first account".into())))?;
    let id = fresh(clock, ApiKeyId::from_parts);
    let key = api_key::fresh(id);
    let record = KeyRecord {
        id,
        account,
        name: "made at start".to_owned(),
        hash: vault.api_key_hash(&key),
        scopes: vec![Scope::Admin.as_str().to_owned()],
        created_at: clock.wall(),
        expires_at: None,
        revoked_at: None,
    };
    tenants.add_key(record, None).await.map_err(store_failed)?;
    Ok(key)
}

async fn agreed_text(
    tenants: &dyn Tenants,
    setting: &'static str,
    mine: String,
) -> Result<String, Failure> {
    let kept = tenants.setting_or(setting, mine.into_bytes()).await;
    String::from_utf8(kept.map_err(store_failed)?).map_err(|_| {
        store_failed(StoreError::Database(format!(
            "the setting `{setting}` is no text"
        )))
    })
}

/// The policy in force, by the store.
pub(super) async fn policies(store: &SqliteStore) -> Result<Policies, Failure> {
    let opened = Policies::open(store, SystemClock::new(1).wall()).await;
    opened.map_err(|error| match &error {
        OpenError::Store(_) => Failure::new(ErrorCode::DATA_DIR, error.to_string()),
        OpenError::Version { .. } => super::start_failure(error.to_string())
            .hint("it was applied by another release, or the store was changed: start that release, or put a backup in its place"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::store::sqlite::SqliteStore;

    fn store() -> (tempfile::TempDir, SqliteStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("t.db")).unwrap();
        (folder, store)
    }

    fn vault() -> Vault {
        Vault::new(&crate::vault::fresh_master_key()).unwrap()
    }

    #[tokio::test]
    async fn a_store_stays_with_its_master_key() {
        let (_folder, store) = store();
        let ours = vault();
        check_key(&store, &ours).await.unwrap();
        check_key(&store, &ours).await.unwrap();
        let other = check_key(&store, &vault()).await.unwrap_err();
        assert_eq!(other.code, ErrorCode::MASTER_KEY);
    }

    #[tokio::test]
    async fn a_store_of_a_sandbox_is_never_used_with_live_networks() {
        let (_folder, store) = store();
        check_kind(&store, Kind::Sandbox).await.unwrap();
        check_kind(&store, Kind::Sandbox).await.unwrap();
        let live = check_kind(&store, Kind::Live).await.unwrap_err();
        assert_eq!(live.code, ErrorCode::DATA_DIR);
    }

    #[tokio::test]
    async fn id_and_ssh_key_stay_the_same_and_the_ssh_key_is_sealed() {
        let (_folder, store) = store();
        let (vault, clock) = (vault(), SystemClock::new(1));
        assert_eq!(
            id(&store, &clock).await.unwrap(),
            id(&store, &clock).await.unwrap()
        );
        let first = ssh_key(&store, &vault).await.unwrap().public_line();
        assert_eq!(ssh_key(&store, &vault).await.unwrap().public_line(), first);
        let kept = store.setting(SSH_KEY).await.unwrap().unwrap();
        assert!(!String::from_utf8(kept).unwrap().contains("PRIVATE"));
    }

    #[tokio::test]
    async fn an_admin_key_is_given_at_the_first_start_and_when_it_is_asked_for() {
        let (_folder, store) = store();
        let (vault, clock) = (vault(), SystemClock::new(1));
        let first = admin_key(&store, &vault, &clock, false).await.unwrap();
        let first = first.expect("the first start makes one");
        assert!(
            admin_key(&store, &vault, &clock, false)
                .await
                .unwrap()
                .is_none()
        );
        let another = admin_key(&store, &vault, &clock, true).await.unwrap();
        let another = another.expect("it was asked for");
        assert_ne!(first, another);
        let id = api_key::id_of(another.expose()).unwrap();
        let record = store.key(id).await.unwrap().unwrap();
        assert!(vault.is_api_key(&another, &record.hash));
        assert_eq!(record.scopes, ["admin"]);
    }
}
