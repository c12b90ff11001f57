//! Rows that tests write.

use tandem::store::{
    BrokerId, Changes, EventRecord, Expected, JobRecord, JobWrite, Liveness, OutboxRecord,
    PlacementRecord,
};
use tandem_model::id::{AccountId, JobId, PlacementId};
use tandem_model::job::JobState;
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use uuid::Uuid;

pub(crate) fn at(second: i64) -> WorldTime {
    WorldTime::from_micros(second * 1_000_000)
}

pub(crate) fn job_id(n: u64) -> JobId {
    JobId::from_parts(n, &[1; 10])
}

pub(crate) fn account(n: u64) -> AccountId {
    AccountId::from_parts(n, &[2; 10])
}

pub(crate) fn broker(n: u8) -> BrokerId {
    BrokerId(Uuid::from_bytes([n; 16]))
}

pub(crate) fn job(n: u64) -> JobRecord {
    JobRecord {
        id: job_id(n),
        account: account(1),
        version: 1,
        state: JobState::Queued,
        wake_at: Some(at(0)),
        document: format!("{{\"n\":{n}}}"),
    }
}

pub(crate) fn new_job(n: u64) -> JobWrite {
    JobWrite {
        job: job(n),
        expected: Expected::New,
    }
}

/// The next version of a job, in another state.
pub(crate) fn next(before: &JobRecord, state: JobState) -> JobWrite {
    let version = before.version;
    let job = JobRecord {
        version: version + 1,
        state,
        ..before.clone()
    };
    JobWrite {
        job,
        expected: Expected::Version {
            version,
            claim: None,
        },
    }
}

pub(crate) fn placement(n: u64, epoch: u32, live: bool) -> PlacementRecord {
    PlacementRecord {
        id: PlacementId::from_parts(n * 1_000 + u64::from(epoch), &[3; 10]),
        job: job_id(n),
        epoch: Epoch(epoch),
        network: NetworkId::from_static("ionet"),
        tag: format!("tandem-{n}-{epoch}"),
        live,
        document: "{}".into(),
    }
}

pub(crate) fn event(n: u64, second: i64) -> EventRecord {
    EventRecord {
        sequence: 0,
        job: job_id(n),
        at: at(second),
        document: format!("{second}"),
    }
}

pub(crate) fn effect(n: u64, key: &str, due: i64) -> OutboxRecord {
    OutboxRecord {
        key: key.into(),
        job: job_id(n),
        due_at: at(due),
        document: "{}".into(),
    }
}

pub(crate) fn beat(n: u64, epoch: u32, sequence: u64, second: i64) -> Liveness {
    Liveness {
        job: job_id(n),
        epoch: Epoch(epoch),
        rank: 0,
        sequence,
        last_seen: at(second),
        lease_until: at(second + 30),
    }
}

pub(crate) fn jobs(writes: Vec<JobWrite>) -> Changes {
    Changes {
        jobs: writes,
        ..Changes::default()
    }
}
