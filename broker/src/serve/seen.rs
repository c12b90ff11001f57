//! What was seen of the supply's failures, kept over restarts as a setting of the installation.
//! Written now and then: a crash forgets the last minute of it.

use serde::{Deserialize, Serialize};
use tandem_model::network::NetworkId;
use tandem_pricing::failures::Seen;
use tandem_pricing::quote::SeenByKind;

use crate::store::StoreError;
use crate::store::tenants::Tenants;

/// Name of the setting.
const SETTING: &str = "supply_seen";

/// One kind of machines.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    network: NetworkId,
    is_enterprise: bool,
    failures: u64,
    gpu_seconds: u64,
}

/// What is kept. A setting that cannot be read counts as nothing seen.
pub(super) async fn load(store: &dyn Tenants) -> Result<SeenByKind, StoreError> {
    let kept = store.setting(SETTING).await?.unwrap_or_default();
    let rows: Vec<Row> = match serde_json::from_slice(&kept) {
        Ok(rows) => rows,
        Err(error) if !kept.is_empty() => {
            tracing::warn!(%error, "the failures seen so far cannot be read: they are counted anew");
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    let seen = |row: &Row| Seen {
        failures: row.failures,
        gpu_seconds: row.gpu_seconds,
    };
    let kinds = rows.into_iter().map(|row| {
        let seen = seen(&row);
        ((row.network, row.is_enterprise), seen)
    });
    Ok(kinds.collect())
}

/// Keeps it.
pub(super) async fn save(store: &dyn Tenants, seen: &SeenByKind) -> Result<(), StoreError> {
    let row = |((network, is_enterprise), seen): (&(NetworkId, bool), &Seen)| Row {
        network: network.clone(),
        is_enterprise: *is_enterprise,
        failures: seen.failures,
        gpu_seconds: seen.gpu_seconds,
    };
    let rows: Vec<Row> = seen.iter().map(row).collect();
    let text = serde_json::to_vec(&rows).map_err(|e| StoreError::Database(e.to_string()))?;
    store.set_setting(SETTING, text).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn what_was_seen_is_the_same_after_a_restart_and_rubbish_is_nothing_seen() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db")).unwrap();
        assert_eq!(load(&store).await.unwrap(), SeenByKind::new());
        let counts = Seen {
            failures: 3,
            gpu_seconds: 7_200,
        };
        let seen = SeenByKind::from([((NetworkId::from_static("ionet"), false), counts)]);
        save(&store, &seen).await.unwrap();
        assert_eq!(load(&store).await.unwrap(), seen);
        store.set_setting(SETTING, b"{".to_vec()).await.unwrap();
        assert_eq!(load(&store).await.unwrap(), SeenByKind::new());
    }
}
