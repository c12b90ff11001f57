//! Rows that tests write.

use tandem::store::tenants::ReplyRecord;
use tandem::store::{
    BrokerId, Changes, ChargeRecord, EventRecord, Expected, JobRecord, JobWrite, Liveness,
    LogChunk, OutboxRecord, PlacementRecord, QuoteTaken, Rule, StoreError,
};
use tandem_model::id::{AccountId, JobId, PlacementId, QuoteId};
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::{WallTime, WorldTime};
use tandem_settlement::ledger::{Currency, Transaction};
use uuid::Uuid;

pub(crate) fn at(second: i64) -> WorldTime {
    WorldTime::from_micros(second * 1_000_000)
}

pub(crate) fn wall(second: i64) -> WallTime {
    WallTime::from_micros(second * 1_000_000)
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
        open: true,
        wake_at: Some(at(0)),
        spec: format!("{{\"spec\":{n}}}"),
        document: format!("{{\"n\":{n}}}"),
    }
}

pub(crate) fn new_job(n: u64) -> JobWrite {
    JobWrite {
        job: job(n),
        expected: Expected::New { owner: None },
    }
}

/// The next version of a job, in another state; a terminal one is closed. Its spec is not told
/// again.
pub(crate) fn next(before: &JobRecord, state: JobState) -> JobWrite {
    let version = before.version;
    let job = JobRecord {
        version: version + 1,
        state,
        open: !state.is_terminal(),
        spec: String::new(),
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
        proved_us: sequence * 1_000_000,
    }
}

/// What a heartbeat of rank 0 brought; it came at the second of its number.
pub(crate) fn chunk(n: u64, epoch: u32, sequence: u64, text: &str) -> LogChunk {
    LogChunk {
        job: job_id(n),
        epoch: Epoch(epoch),
        rank: 0,
        sequence,
        at: at(i64::try_from(sequence).unwrap()),
        text: text.into(),
    }
}

pub(crate) fn charge(n: u64, epoch: u32, gpu_us: u64, micro_usd: i64) -> ChargeRecord {
    ChargeRecord {
        job: job_id(n),
        epoch: Epoch(epoch),
        gpu_us,
        amount: MicroUsd::new(micro_usd),
    }
}

/// An amount that the tenant owes for computing.
pub(crate) fn owed(key: &str, amount: u128) -> Transaction {
    let sides = ("receivable:1".into(), "revenue:compute".into());
    Transaction::transfer(key, at(1), sides, Currency::MicroUsd, amount).unwrap()
}

pub(crate) fn quote(n: u64, job: u64) -> QuoteTaken {
    QuoteTaken {
        policy_version: 1,
        quote: QuoteId::from_parts(n, &[4; 10]),
        job: job_id(job),
    }
}

pub(crate) fn reply(key: &str, second: i64) -> ReplyRecord {
    ReplyRecord {
        account: account(1),
        key: key.into(),
        route: "POST /v1/jobs".into(),
        body_sha256: vec![7; 32],
        status: 201,
        body: "{\"id\":1}".into(),
        at: wall(second),
    }
}

/// Asserts that a change was refused by a rule.
pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T, StoreError>, wanted: Rule) {
    assert!(
        matches!(&result, Err(StoreError::Refused { rule, .. }) if *rule == wanted),
        "{wanted:?} expected, got {result:?}"
    );
}

/// Asserts that a job was changed, or is claimed, by another.
pub(crate) fn assert_conflict<T: std::fmt::Debug>(result: Result<T, StoreError>, job: u64) {
    assert!(
        matches!(&result, Err(StoreError::Conflict(id)) if *id == job_id(job)),
        "a conflict expected, got {result:?}"
    );
}

pub(crate) fn jobs(writes: Vec<JobWrite>) -> Changes {
    Changes {
        jobs: writes,
        ..Changes::default()
    }
}
