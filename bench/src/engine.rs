//! `cargo xtask bench engine`: what the engine does beside what its store could do at best, both
//! in this run and on this disk, so that the ratios mean something on any machine.
//!
//! 1. The ceiling: one-job transitions committed by many tasks at once, nothing decided.
//! 2. Transitions through the kernel: checkpoints of running jobs, decided, committed, answered.
//! 3. Heartbeats of 10,000 placements, taken in, written once a world second, answered.
//! 4. A network with 10,000 placements lost at once: from the settled fence to the committed
//!    command, a job at a time, and how long the networks' own rate limits then take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_probe::protocol::CheckpointRequest;
use tandem::engine::message::{AgentRequest, Request};
use tandem::engine::step::Order;
use tandem::store::sqlite::SqliteStore;
use tandem::store::{Changes, EventRecord, Expected, JobRecord, JobWrite, OutboxRecord, Store};
use tandem_adapters::ionet::VmPriceUnit;
use tandem_adapters::registry::{self, Credentials};
use tandem_adapters::wire::RateClass;
use tandem_bench::{NETWORKS, Rig, at, beat, job_id, resident_mb};
use tandem_model::id::{AccountId, BootId};
use tandem_model::job::JobState;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;

const JOBS: u64 = 10_000;
/// Tasks that commit at once for the ceiling; as many requests as the kernel takes into a turn.
const WRITERS: u64 = 500;
/// Length of each measured part.
const MEASURED: Duration = Duration::from_secs(4);

/// Measures everything of the engine and prints it.
pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    println!(
        "calibration: {:.2} s for a fixed loop on one core",
        calibration()
    );
    runtime.block_on(all());
}

/// A loop that takes about a second on a quiet core of 2020.
fn calibration() -> f64 {
    let start = Instant::now();
    let mut x = 1_u64;
    for n in 0..1_000_000_000_u64 {
        x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n));
    }
    start.elapsed().as_secs_f64()
}

async fn all() {
    let folder = tempfile::tempdir().unwrap();
    let ceiling = ceiling(folder.path()).await;
    println!("store alone: {ceiling:.0} transitions/s ({WRITERS} at once)");
    let mut rig = Rig::new(folder.path());
    let start = Instant::now();
    rig.run(JOBS).await;
    let placed = start.elapsed().as_secs_f64();
    println!(
        "{JOBS} jobs accepted, placed and bound in {placed:.2} s; {} MB resident",
        resident_mb()
    );
    let engine = transitions(&mut rig).await;
    println!(
        "engine: {engine:.0} transitions/s, {:.2} of the store alone",
        engine / ceiling
    );
    let (beats, last) = heartbeats(&mut rig).await;
    println!(
        "heartbeats: {beats:.0}/s, {:.1} times what {JOBS} placements need; {} MB resident",
        beats / (JOBS as f64 / 5.0),
        resident_mb()
    );
    network_lost(&mut rig, last).await;
}

/// Transitions of jobs of its own: a job row, an event, an effect owed, an effect settled.
async fn ceiling(folder: &std::path::Path) -> f64 {
    let store = Arc::new(SqliteStore::open(&folder.join("ceiling.db")).unwrap());
    let until = Instant::now() + MEASURED;
    let writers = (0..WRITERS).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut version = 0;
            while Instant::now() < until {
                version += 1;
                store.commit(transition(n, version)).await.unwrap();
            }
            version
        })
    });
    let writers: Vec<_> = writers.collect();
    let start = Instant::now();
    let mut done = 0;
    for writer in writers {
        done += writer.await.unwrap();
    }
    done as f64 / start.elapsed().as_secs_f64()
}

fn transition(n: u64, version: u64) -> Changes {
    let job = job_id(n);
    let document = "x".repeat(800);
    Changes {
        jobs: vec![JobWrite {
            job: JobRecord {
                id: job,
                account: AccountId::from_parts(1, &[6; 10]),
                version,
                state: JobState::Running,
                open: true,
                wake_at: Some(at(version)),
                spec: if version == 1 {
                    "{}".into()
                } else {
                    String::new()
                },
                document: document.clone(),
            },
            expected: if version == 1 {
                Expected::New { owner: None }
            } else {
                Expected::Version {
                    version: version - 1,
                    claim: None,
                }
            },
        }],
        events: vec![EventRecord {
            sequence: 0,
            job,
            at: at(version),
            document: "{}".into(),
        }],
        outbox: vec![OutboxRecord {
            key: format!("{job}/{version}"),
            job,
            due_at: at(version),
            document: "{}".into(),
        }],
        outbox_settled: vec![format!("{job}/{}", version - 1)],
        ..Changes::default()
    }
}

/// Checkpoints of running jobs: each moves the pointer and is durable before it is answered.
async fn transitions(rig: &mut Rig) -> f64 {
    let start = Instant::now();
    let mut done = 0;
    let mut step = 0;
    while start.elapsed() < MEASURED {
        step += 1;
        for n in 0..WRITERS {
            rig.ask(checkpoint(n, step), at(2));
        }
        while let Some((_, replies)) = rig.turn(at(2)).await {
            done += replies.len();
        }
    }
    done as f64 / start.elapsed().as_secs_f64()
}

fn checkpoint(n: u64, step: u64) -> Request {
    let job = job_id(n);
    Request::Agent(AgentRequest::Checkpoint(CheckpointRequest {
        job,
        epoch: Epoch(1),
        rank: 0,
        boot_id: BootId::from_parts(1, &[5; 10]),
        step,
        key: format!("{job}/1/{step}"),
        sha256: "0".repeat(64).parse().unwrap(),
        bytes: 1,
    }))
}

/// Rounds of heartbeats of all placements; the rate and the last second of world time.
async fn heartbeats(rig: &mut Rig) -> (f64, u64) {
    let start = Instant::now();
    let mut second = 3;
    let mut answered = 0;
    while start.elapsed() < MEASURED {
        for n in 0..JOBS {
            rig.ask(beat(job_id(n), second), at(second));
        }
        while rig.turn(at(second)).await.is_some() {}
        answered += rig.flush(at(second + 1)).await;
        second += 5;
    }
    (answered as f64 / start.elapsed().as_secs_f64(), second - 5)
}

/// All placements of one network go silent together; the incident is confirmed, leases run out,
/// and every job gets its next placement.
async fn network_lost(rig: &mut Rig, last: u64) {
    let mut second = last;
    let (settled, mut waits) = loop {
        second += 1;
        rig.kernel.network_orders(at(second));
        let settled = Instant::now();
        let mut waits = Vec::new();
        while let Some((orders, _)) = rig.turn(at(second)).await {
            let created = orders.iter().filter(|(_, o)| matches!(o, Order::Create(_)));
            let wait = settled.elapsed();
            waits.extend(created.map(|_| wait));
        }
        if !waits.is_empty() {
            break (settled, waits);
        }
    };
    let all = settled.elapsed();
    waits.sort_unstable();
    let p = |percent: usize| waits[(waits.len() - 1) * percent / 100].as_secs_f64();
    println!(
        "network lost at second {last}, left at second {second} (world time): {} commands committed in {:.2} s; p50 {:.2} s, p99 {:.2} s",
        waits.len(),
        all.as_secs_f64(),
        p(50),
        p(99)
    );
    for network in NETWORKS {
        match creations_per_second(network) {
            Some(per_second) => println!(
                "  {network}'s own limit of {per_second:.1} requests/s makes that {:.0} s at one request a creation",
                waits.len() as f64 / per_second
            ),
            None => println!("  {network} states no limit for creations"),
        }
    }
}

/// The tightest rate limit that a network's adapter keeps to for any request; none where only bulk
/// reads are limited.
fn creations_per_second(network: &str) -> Option<f64> {
    let credentials = if network == "ionet" {
        Credentials::IoNet {
            key: Secret::new("none"),
            vm_price_unit: VmPriceUnit::default(),
        }
    } else {
        Credentials::Aethir {
            access_key: "none".into(),
            secret_key: Secret::new("none"),
        }
    };
    let adapter = registry::adapter(credentials);
    let limits = adapter.rate_limits().iter();
    limits
        .filter(|limit| limit.class == RateClass::Any)
        .map(|limit| f64::from(limit.requests) / limit.per.as_secs_f64())
        .min_by(f64::total_cmp)
}
