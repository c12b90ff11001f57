//! Stories of devices that probes saw.

use std::sync::Arc;

use gpu_probe::hex::HexBytes;
use gpu_probe::report::DeviceUuid;
use gpu_probe::verdict::VerdictOutcome::{self, CouldNotRun, Fail, Pass};
use tandem::store::{Changes, DeviceSeen, Store};
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;

use crate::rows::*;

fn uuid(n: u8) -> DeviceUuid {
    HexBytes([n; 16])
}

/// A verdict on a device, for the first attempt of the n-th job.
fn seen(device: u8, n: u64, outcome: VerdictOutcome, second: i64) -> DeviceSeen {
    DeviceSeen {
        uuid: uuid(device),
        model: (outcome == Pass).then(|| "rtx4090".to_owned()),
        network: NetworkId::from_static("ionet"),
        outcome,
        ban_after_fails: 2,
        job: job_id(n),
        epoch: Epoch(1),
        rank: 3,
        at: at(second),
    }
}

fn all(devices: Vec<DeviceSeen>) -> Changes {
    Changes {
        devices,
        ..Changes::default()
    }
}

pub(crate) async fn counted_and_banned(store: Arc<dyn Store>) {
    let first = vec![seen(1, 1, Pass, 5), seen(2, 1, Fail, 5)];
    store.commit(all(first)).await.unwrap();
    for (device, outcome, second) in [
        (1, CouldNotRun, 9),
        (1, Fail, 7),
        (2, Fail, 8),
        (2, Pass, 9),
    ] {
        let more = all(vec![seen(device, 1, outcome, second)]);
        store.commit(more).await.unwrap();
    }
    let known = store
        .devices(vec![uuid(2), uuid(9), uuid(1)])
        .await
        .unwrap();
    let brief: Vec<_> = known
        .iter()
        .map(|d| (d.uuid, d.passed, d.could_not_run, d.failed, d.banned))
        .collect();
    let expected = [(uuid(1), 1, 1, 1, false), (uuid(2), 1, 0, 2, true)];
    assert_eq!(brief, expected, "a ban stays");
    assert_eq!((known[0].first_seen, known[0].last_seen), (at(5), at(9)));
    assert_eq!(known[0].model.as_deref(), Some("rtx4090"), "kept");
}

pub(crate) async fn in_use_while_live(store: Arc<dyn Store>) {
    let born = Changes {
        jobs: vec![new_job(1)],
        placements: vec![placement(1, 1, true)],
        devices: vec![seen(1, 1, Pass, 5)],
        ..Changes::default()
    };
    store.commit(born).await.unwrap();
    let by = |known: Vec<tandem::store::DeviceRecord>| known[0].in_use_by;
    let known = store.devices(vec![uuid(1)]).await.unwrap();
    assert_eq!(by(known), Some((job_id(1), Epoch(1), 3)));
    let left = Changes {
        placements: vec![placement(1, 1, false)],
        ..Changes::default()
    };
    store.commit(left).await.unwrap();
    let known = store.devices(vec![uuid(1)]).await.unwrap();
    assert_eq!(by(known), None);
}
