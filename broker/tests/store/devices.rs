//! Stories of devices that probes saw.

use std::sync::Arc;

use gpu_probe::hex::HexBytes;
use gpu_probe::report::{DeviceUuid, LatencySummary};
use gpu_probe::verdict::VerdictOutcome::{self, CouldNotRun, Fail, Pass};
use tandem::store::{
    BanChange, Changes, DeviceEntry, DeviceFilter, DeviceHistory, DeviceSeen, DeviceVerdict,
    ProbeRecord, Store,
};
use tandem_model::id::ProbeId;
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
        at: at(second),
        ban_after_fails: 2,
        latency: None,
        verdict: DeviceVerdict {
            probe: ProbeId::from_parts(n, &[3; 10]),
            job: job_id(n),
            epoch: Epoch(1),
            rank: 3,
            network: NetworkId::from_static("ionet"),
            model: (outcome == Pass).then(|| "rtx4090".to_owned()),
            outcome,
            proof_level: 1,
            speed_permille: Some(900),
        },
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
        .map(|d| (d.uuid, d.passed, d.could_not_run, d.failed, d.ban.is_some()))
        .collect();
    let expected = [(uuid(1), 1, 1, 1, false), (uuid(2), 1, 0, 2, true)];
    assert_eq!(brief, expected, "a ban stays");
    let seen = (known[0].first_seen, known[0].last_seen);
    assert_eq!(seen, (Some(at(5)), at(9)));
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

pub(crate) async fn in_use_by_one_live_node(store: Arc<dyn Store>) {
    let born = Changes {
        jobs: (1..=3).map(new_job).collect(),
        placements: (1..=3).map(|n| placement(n, 1, true)).collect(),
        devices: vec![seen(1, 1, Pass, 5), seen(2, 2, Fail, 5)],
        ..Changes::default()
    };
    store.commit(born).await.unwrap();
    let user = async |device| {
        let known = store.devices(vec![uuid(device)]).await.unwrap();
        known[0].in_use_by.map(|(job, ..)| job)
    };
    assert_eq!(user(2).await, None, "who fails a device uses nothing");
    // Whatever another node says of it, it stays with the one that runs on it.
    for (n, outcome) in [(2, Fail), (3, CouldNotRun), (3, Pass), (1, Fail)] {
        let said = all(vec![seen(1, n, outcome, 6)]);
        store.commit(said).await.unwrap();
        assert_eq!(user(1).await, Some(job_id(1)), "{n} {outcome:?}");
    }
    // That one is gone: what fails now takes nothing either, what only could not run works on it.
    let left = Changes {
        placements: vec![placement(1, 1, false)],
        ..Changes::default()
    };
    store.commit(left).await.unwrap();
    for (n, outcome, expected) in [
        (2, Fail, None),
        (3, CouldNotRun, Some(job_id(3))),
        (2, Pass, Some(job_id(3))),
    ] {
        let said = all(vec![seen(1, n, outcome, 7)]);
        store.commit(said).await.unwrap();
        assert_eq!(user(1).await, expected, "{n} {outcome:?}");
    }
}

pub(crate) async fn spotless_since(store: Arc<dyn Store>) {
    let since = async |device| {
        let known = store.devices(vec![uuid(device)]).await.unwrap();
        known[0].spotless_since
    };
    // What passes or cannot run changes nothing, nor does an older failure that comes late.
    for (outcome, second, expected) in [
        (Pass, 5, 5),
        (Pass, 6, 5),
        (Fail, 7, 7),
        (CouldNotRun, 8, 7),
        (Fail, 6, 7),
    ] {
        let said = all(vec![seen(1, 1, outcome, second)]);
        store.commit(said).await.unwrap();
        assert_eq!(since(1).await, Some(at(expected)), "{outcome:?} {second}");
    }
    store.ban_device(asks(1, true, "x", 20)).await.unwrap();
    store.ban_device(asks(1, false, "x", 30)).await.unwrap();
    store.ban_device(asks(1, false, "again", 40)).await.unwrap();
    assert_eq!(since(1).await, Some(at(30)), "when its ban was lifted");
    // One that was banned before it was ever seen counts from then.
    store.ban_device(asks(2, true, "x", 1)).await.unwrap();
    store.ban_device(asks(2, false, "x", 2)).await.unwrap();
    assert_eq!(since(2).await, None);
    store.commit(all(vec![seen(2, 1, Pass, 9)])).await.unwrap();
    assert_eq!(since(2).await, Some(at(9)));
}

fn asks(device: u8, banned: bool, reason: &str, second: i64) -> BanChange {
    BanChange {
        uuid: uuid(device),
        banned,
        reason: reason.to_owned(),
        by: format!("operator of {reason}"),
        at: at(second),
    }
}

/// What a device's history says, the newest first, in short.
async fn told(store: &dyn Store, device: u8) -> Vec<String> {
    let short = |line: DeviceHistory| match line.entry {
        DeviceEntry::Verdict(verdict) => format!("{:?}", verdict.outcome),
        DeviceEntry::Banned { reason, by } => format!("banned {reason} {}", by.is_some()),
        DeviceEntry::Lifted { reason, .. } => format!("lifted {reason}"),
    };
    let lines = store.device_history(uuid(device), None, 99).await.unwrap();
    lines.into_iter().map(short).collect()
}

pub(crate) async fn lifted_bans(store: Arc<dyn Store>) {
    let fails = |second| all(vec![seen(1, 1, Fail, second)]);
    for second in [1, 2] {
        store.commit(fails(second)).await.unwrap();
    }
    let known = store.devices(vec![uuid(1)]).await.unwrap();
    let ban = known[0].ban.clone().unwrap();
    assert_eq!(
        (ban.reason.as_str(), ban.by, ban.at),
        ("2 verdicts failed it", None, at(2))
    );
    let lifted = store
        .ban_device(asks(1, false, "repaired", 3))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (lifted.ban, lifted.failed, lifted.failed_since_lifted),
        (None, 2, 0)
    );
    // One more failure does not ban it again, two do.
    store.commit(fails(4)).await.unwrap();
    assert_eq!(store.devices_banned().await.unwrap(), 0);
    store.commit(fails(5)).await.unwrap();
    assert_eq!(store.devices_banned().await.unwrap(), 1);
    let expected = [
        "banned 2 verdicts failed it false",
        "Fail",
        "Fail",
        "lifted repaired",
        "banned 2 verdicts failed it false",
        "Fail",
        "Fail",
    ];
    assert_eq!(told(&*store, 1).await, expected);
    // A pass leaves a ban as it is.
    store.commit(all(vec![seen(1, 1, Pass, 6)])).await.unwrap();
    assert_eq!(store.devices_banned().await.unwrap(), 1);
}

pub(crate) async fn bans_by_operators(store: Arc<dyn Store>) {
    let unknown = store.ban_device(asks(9, false, "x", 1)).await.unwrap();
    assert_eq!(unknown, None);
    assert!(told(&*store, 9).await.is_empty());
    // Eight at once: one ban, and all are told the same.
    let at_once = (0..8).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.ban_device(asks(9, true, &format!("r{n}"), 2)).await })
    });
    let mut answers = Vec::new();
    for asked in at_once.collect::<Vec<_>>() {
        answers.push(asked.await.unwrap().unwrap().unwrap());
    }
    let first = answers[0].clone();
    assert!(answers.iter().all(|answer| *answer == first), "{answers:?}");
    let ban = first.ban.clone().unwrap();
    assert_eq!(ban.by, Some(format!("operator of {}", ban.reason)));
    assert_eq!((first.first_seen, first.network.is_none()), (None, true));
    assert_eq!(
        told(&*store, 9).await,
        [format!("banned {} true", ban.reason)]
    );
    // It is seen at last, and stays banned; its first sight is that of the verdict.
    store.commit(all(vec![seen(9, 1, Pass, 7)])).await.unwrap();
    let known = store.devices(vec![uuid(9)]).await.unwrap().remove(0);
    assert_eq!((known.first_seen, known.passed), (Some(at(7)), 1));
    assert_eq!(known.ban, first.ban);
    for _ in 0..2 {
        let lifted = store.ban_device(asks(9, false, "again", 8)).await.unwrap();
        assert_eq!(lifted.unwrap().ban, None);
    }
    assert_eq!(told(&*store, 9).await[..2], ["lifted again", "Pass"]);
}

pub(crate) async fn pages_while_lines_are_added(store: Arc<dyn Store>) {
    for second in 1..=7 {
        store
            .commit(all(vec![seen(1, 1, Pass, second)]))
            .await
            .unwrap();
    }
    store
        .commit(all(vec![seen(2, 1, Fail, 1), seen(3, 1, Pass, 1)]))
        .await
        .unwrap();
    let (mut below, mut times) = (None, Vec::new());
    // More looks than pages: a page that comes again shows in the times.
    for _ in 0..5 {
        let page = store.device_history(uuid(1), below, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        below = Some(last.sequence);
        times.extend(page.iter().map(|line| line.at));
        // Meanwhile more happens.
        store.commit(all(vec![seen(1, 1, Pass, 50)])).await.unwrap();
        store.ban_device(asks(1, true, "x", 60)).await.unwrap();
    }
    assert_eq!(
        times,
        (1..=7).rev().map(at).collect::<Vec<_>>(),
        "each once"
    );
    let page = async |filter: DeviceFilter, after: Option<u8>, limit| {
        let devices = store
            .device_page(filter, after.map(uuid), limit)
            .await
            .unwrap();
        devices.iter().map(|d| d.uuid.0[0]).collect::<Vec<_>>()
    };
    let every = DeviceFilter::default;
    assert_eq!(page(every(), None, 2).await, [1, 2]);
    // One that sorts before the cursor does not shift the next page.
    store.commit(all(vec![seen(0, 1, Pass, 1)])).await.unwrap();
    assert_eq!(page(every(), Some(2), 2).await, [3]);
    let network = |name| DeviceFilter {
        network: Some(NetworkId::from_static(name)),
        ..every()
    };
    let model = |name: &str| DeviceFilter {
        models: Some(vec![name.to_owned()]),
        ..every()
    };
    let banned = |banned| DeviceFilter {
        banned: Some(banned),
        ..every()
    };
    assert_eq!(page(network("ionet"), None, 9).await, [0, 1, 2, 3]);
    assert!(page(network("aethir"), None, 9).await.is_empty());
    assert_eq!(page(model("rtx4090"), None, 9).await, [0, 1, 3]);
    assert!(page(model("h100"), None, 9).await.is_empty());
    assert_eq!(page(banned(true), None, 9).await, [1]);
    assert_eq!(page(banned(false), None, 9).await, [0, 2, 3]);
}

pub(crate) async fn latencies_beside_the_last_ones(store: Arc<dyn Store>) {
    let latency = |memory_ps| LatencySummary {
        memory_ps: Some(memory_ps),
        l2_knee_bytes: None,
        map: None,
    };
    // Another card's, between them, are not its own.
    for (device, second, shown) in [
        (1, 1, None),
        (1, 2, Some(500)),
        (2, 3, Some(700)),
        (1, 4, None),
        (1, 5, Some(900)),
    ] {
        let mut line = seen(device, 1, Pass, second);
        line.latency = shown.map(latency);
        store.commit(all(vec![line])).await.unwrap();
    }
    let lines = store.device_history(uuid(1), None, 9).await.unwrap();
    let shown: Vec<_> = lines
        .into_iter()
        .map(|l| (l.latency, l.latency_before))
        .collect();
    let first = (Some(latency(500)), None);
    let last = (Some(latency(900)), Some(latency(500)));
    assert_eq!(shown, [last, (None, None), first, (None, None)]);
}

fn verdict(n: u64, of: u64, second: i64) -> ProbeRecord {
    ProbeRecord {
        sequence: 0,
        id: ProbeId::from_parts(n, &[3; 10]),
        job: job_id(of),
        epoch: Epoch(1),
        rank: 0,
        at: at(second),
        document: format!("{{\"n\":{n}, \"at\":{second}}}"),
    }
}

pub(crate) async fn verdicts_of_a_job(store: Arc<dyn Store>) {
    let commit = async |probes: Vec<ProbeRecord>| {
        let changes = Changes {
            probes,
            ..Changes::default()
        };
        store.commit(changes).await.unwrap();
    };
    commit(vec![verdict(2, 1, 1), verdict(1, 1, 1), verdict(3, 2, 1)]).await;
    // The same verdict again, later: the first stands, byte for byte.
    commit(vec![verdict(2, 1, 9), verdict(4, 1, 2)]).await;
    let read = async |after, limit| store.probes(job_id(1), after, limit).await.unwrap();
    let all = read(0, 9).await;
    let short: Vec<_> = all.iter().map(|p| p.document.as_str()).collect();
    let expected = [
        "{\"n\":2, \"at\":1}",
        "{\"n\":1, \"at\":1}",
        "{\"n\":4, \"at\":2}",
    ];
    assert_eq!(short, expected);
    let (first, rest) = (read(0, 1).await, read(all[0].sequence, 9).await);
    assert_eq!([first, rest].concat(), all);
    // What a broken rule takes back takes the verdict with it.
    let refused = Changes {
        placements: vec![placement(77, 1, true)],
        probes: vec![verdict(5, 1, 3)],
        devices: vec![seen(8, 1, Pass, 3)],
        ..Changes::default()
    };
    assert!(store.commit(refused).await.is_err(), "no such job");
    assert_eq!(read(0, 9).await, all);
    assert!(store.devices(vec![uuid(8)]).await.unwrap().is_empty());
}
