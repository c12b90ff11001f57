//! What was seen of the supply's failures and probes, kept over restarts as settings of the
//! installation. Written now and then: a crash forgets the last minute of it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tandem_model::gpu::GpuModel;
use tandem_model::network::{Grade, NetworkId};
use tandem_pricing::failures::Seen;
use tandem_pricing::probes::{KINDS_MAX, ProbedKind, ProbesSeen, Speeds};
use tandem_pricing::quote::SeenByKind;

use crate::store::StoreError;
use crate::store::tenants::Tenants;

/// Name of the setting with failures and running time.
const MACHINES: &str = "supply_seen";
/// Name of the setting with what probes showed.
const PROBES: &str = "probes_seen";

/// One kind of machines.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    network: NetworkId,
    is_enterprise: bool,
    failures: u64,
    gpu_seconds: u64,
}

/// What probes showed of one kind.
#[derive(Debug, Serialize, Deserialize)]
struct ProbesRow {
    network: NetworkId,
    product: String,
    /// The card's id in the catalogue.
    gpu: String,
    grade: Grade,
    passed: u64,
    failed: u64,
    speeds: Speeds,
    referenced: Speeds,
}

impl From<(&ProbedKind, &ProbesSeen)> for ProbesRow {
    fn from((kind, seen): (&ProbedKind, &ProbesSeen)) -> Self {
        Self {
            network: kind.network.clone(),
            product: kind.product.clone(),
            gpu: kind.gpu.id().to_owned(),
            grade: kind.grade,
            passed: seen.passed,
            failed: seen.failed,
            speeds: seen.speeds,
            referenced: seen.referenced,
        }
    }
}

impl ProbesRow {
    /// The kind and its counts; none of a card that the catalogue does not have any more.
    fn read(self) -> Option<(ProbedKind, ProbesSeen)> {
        let kind = ProbedKind {
            network: self.network,
            product: self.product,
            gpu: GpuModel::by_id(&self.gpu)?,
            grade: self.grade,
        };
        let seen = ProbesSeen {
            passed: self.passed,
            failed: self.failed,
            speeds: self.speeds,
            referenced: self.referenced,
        };
        Some((kind, seen))
    }
}

/// The rows of a setting. One that cannot be read counts as nothing seen.
async fn rows<T: DeserializeOwned>(
    store: &dyn Tenants,
    setting: &'static str,
) -> Result<Vec<T>, StoreError> {
    let kept = store.setting(setting).await?.unwrap_or_default();
    match serde_json::from_slice(&kept) {
        Ok(rows) => Ok(rows),
        Err(error) if !kept.is_empty() => {
            tracing::warn!(%error, setting, "what was seen of the supply cannot be read: it is counted anew");
            Ok(Vec::new())
        }
        Err(_) => Ok(Vec::new()),
    }
}

async fn keep<T: Serialize>(
    store: &dyn Tenants,
    setting: &'static str,
    rows: &[T],
) -> Result<(), StoreError> {
    let text = serde_json::to_vec(rows).map_err(|e| StoreError::Database(e.to_string()))?;
    store.set_setting(setting, text).await
}

/// What is kept.
pub(super) async fn load(store: &dyn Tenants) -> Result<SeenByKind, StoreError> {
    let machines: Vec<Row> = rows(store, MACHINES).await?;
    let seen = |row: &Row| Seen {
        failures: row.failures,
        gpu_seconds: row.gpu_seconds,
    };
    let machines = machines.into_iter().map(|row| {
        let seen = seen(&row);
        ((row.network, row.is_enterprise), seen)
    });
    let probes: Vec<ProbesRow> = rows(store, PROBES).await?;
    let probes = probes.into_iter().filter_map(ProbesRow::read);
    Ok(SeenByKind {
        machines: machines.collect(),
        probes: probes.take(KINDS_MAX).collect(),
    })
}

/// Keeps it.
pub(super) async fn save(store: &dyn Tenants, seen: &SeenByKind) -> Result<(), StoreError> {
    let row = |((network, is_enterprise), seen): (&(NetworkId, bool), &Seen)| Row {
        network: network.clone(),
        is_enterprise: *is_enterprise,
        failures: seen.failures,
        gpu_seconds: seen.gpu_seconds,
    };
    let machines: Vec<Row> = seen.machines.iter().map(row).collect();
    keep(store, MACHINES, &machines).await?;
    let probes: Vec<ProbesRow> = seen.probes.iter().map(ProbesRow::from).collect();
    keep(store, PROBES, &probes).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;
    use tandem_pricing::probes::{Shown, TimedSpeed};

    #[tokio::test]
    async fn what_was_seen_is_the_same_after_a_restart_and_rubbish_is_nothing_seen() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db")).unwrap();
        assert_eq!(load(&store).await.unwrap(), SeenByKind::new());
        let ionet = NetworkId::from_static("ionet");
        let counts = Seen {
            failures: 3,
            gpu_seconds: 7_200,
        };
        let mut seen = SeenByKind::new();
        seen.machines.insert((ionet.clone(), false), counts);
        let kind = |grade| ProbedKind {
            network: ionet.clone(),
            product: "vmaas".into(),
            gpu: GpuModel::by_id("h100-sxm5-80gb").unwrap(),
            grade,
        };
        for permille in [800, 950] {
            let speed = TimedSpeed {
                permille,
                is_referenced: permille == 800,
            };
            seen.count_probe(kind(Grade::Datacenter), Shown::Passed(Some(speed)));
        }
        seen.count_probe(kind(Grade::Consumer), Shown::Failed);
        save(&store, &seen).await.unwrap();
        assert_eq!(load(&store).await.unwrap(), seen);
        for setting in [MACHINES, PROBES] {
            store.set_setting(setting, b"{".to_vec()).await.unwrap();
        }
        assert_eq!(load(&store).await.unwrap(), SeenByKind::new());
    }

    #[tokio::test]
    async fn a_card_that_left_the_catalogue_is_forgotten_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db")).unwrap();
        let row = |gpu: &str| {
            format!(
                r#"{{"network":"ionet","product":"vmaas","gpu":"{gpu}","grade":"consumer",
                "passed":2,"failed":1,"speeds":{{"count":0,"lacking_permille":0}},
                "referenced":{{"count":0,"lacking_permille":0}}}}"#
            )
        };
        let rows = format!("[{},{}]", row("voodoo2"), row("rtx4090"));
        store.set_setting(PROBES, rows.into_bytes()).await.unwrap();
        let seen = load(&store).await.unwrap();
        let kept: Vec<_> = seen
            .probes
            .iter()
            .map(|(k, s)| (k.gpu.id(), s.verdicts()))
            .collect();
        assert_eq!(kept, [("rtx4090", 3)]);
    }
}
