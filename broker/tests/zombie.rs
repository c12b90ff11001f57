//! The worst copy of a training: its machine freezes while its network answers nothing, so nobody
//! can stop it, and it wakes when its successor is at work.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use tandem::demo::files::File;
use tandem::demo::market;
use tandem::demo::stage::Stage;
use tandem::demo::{Settings, digest};
use tandem::engine::job::Job;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::placement::Epoch;

/// Reached only when what is waited for will not happen.
const DEADLINE: Duration = Duration::from_secs(120);
/// Steps of the training as the demo runs it.
const STEPS: u64 = 120;
/// World seconds for which the machine is frozen: past lease, skew and the start of the next.
const FROZEN_SECONDS: u64 = 75;

/// The training at work in a world of its own.
async fn at_work() -> (Stage, JobId) {
    let settings = Settings {
        speed: 10,
        seed: 1,
        keep: None,
        workloads: PathBuf::new(),
        agent: Some(env!("CARGO_BIN_EXE_tandem").into()),
        quiet: true,
    };
    let stage = Stage::open(&settings).await.expect("everything starts");
    let file = File {
        name: "digest-training.yaml".into(),
        ours: true,
        text: include_str!("../../examples/digest-training.yaml").into(),
    };
    let offers = stage.offers().await.expect("both networks answer");
    let considered = market::consider(&stage, &[file], &offers).expect("a good file");
    let accepted = considered.accepted.into_iter().next();
    let id = stage.accept(accepted.expect("it is priced"));
    wait_for(&stage, id, "checkpoints are published", |job| {
        pointer(job).1 >= 20
    })
    .await;
    (stage, id)
}

/// Freezes the machine of the first epoch, and takes its network away so that nobody stops it.
async fn freeze(stage: &Stage, id: JobId) {
    let attempt = stage.engine().board.with(id, |job| {
        let attempt = job.last().cloned()?;
        let network = attempt.offer.network.clone();
        job.situation.networks_avoided.insert(network);
        Some(attempt)
    });
    let attempt = attempt.flatten().expect("it was placed");
    let network = attempt.offer.network.as_str();
    for fault in [
        json!({
            "network": network, "scope": "node", "kind": "silent",
            "target": attempt.remote_id, "duration_seconds": FROZEN_SECONDS,
        }),
        json!({
            "network": network, "scope": "network", "kind": "error_before",
            "duration_seconds": 2 * FROZEN_SECONDS,
        }),
    ] {
        stage.fault(&fault).await.expect("the sandbox takes it");
    }
}

/// The one unit of the first epoch, by the sandbox's truth.
async fn first_unit(stage: &Stage) -> serde_json::Value {
    let truth = stage.truth().await.expect("the sandbox answers");
    let first = truth.deployments.iter().find(|d| d["epoch"] == 1);
    first.expect("epoch 1 was rented")["units"][0].clone()
}

async fn wait_for(stage: &Stage, id: JobId, what: &str, is_true: impl Fn(&Job) -> bool) {
    let start = Instant::now();
    while stage.engine().board.with(id, |job| is_true(job)) != Some(true) {
        let events: Vec<_> = stage.engine().board.events_from(0);
        let told: Vec<_> = events.iter().map(|e| e.what.as_str()).collect();
        assert!(start.elapsed() < DEADLINE, "{what}: {told:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Epoch and step of the checkpoint pointer.
fn pointer(job: &Job) -> (u32, u64) {
    let at = job.session.pointer();
    at.map_or((0, 0), |at| (at.epoch.0, at.step))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_training_that_wakes_beside_its_successor_can_publish_nothing() {
    let (stage, id) = at_work().await;
    freeze(&stage, id).await;
    wait_for(&stage, id, "the successor publishes", |job| {
        pointer(job).0 == 2
    })
    .await;
    let unit = first_unit(&stage).await;
    assert_eq!(unit["silent"], true, "it is frozen, not dead: {unit}");

    // It wakes, is told of the live epoch, and ends by itself: its network answers nothing yet.
    let start = Instant::now();
    loop {
        let unit = first_unit(&stage).await;
        if unit["silent"] == false && !unit["ran_us"][0][1].is_null() {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "it does not end: {unit}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let board = stage.engine().board.clone();
    board.with(id, |job| {
        assert!(!job.attempts[0].stopping.accepted, "nobody stopped it");
        assert_eq!(job.state, JobState::Running, "its successor is at work");
    });

    wait_for(&stage, id, "everything is given back", Job::is_settled).await;
    board.with(id, |job| assert_the_successor_alone_was_heard(job));
    let truth = stage.truth().await.expect("the sandbox answers");
    assert_eq!(truth.still_rented, 0, "{:#?}", truth.deployments);
    stage.close().await;
}

fn assert_the_successor_alone_was_heard(job: &Job) {
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.cause);
    assert_eq!((job.epoch(), pointer(job)), (Epoch(2), (2, STEPS)));
    assert!(!job.pointer_went_back);
    let expected = digest::expected(STEPS);
    assert_eq!(digest::printed(job.log.iter()), Some(expected.as_str()));
    let (old, new) = (&job.attempts[0], &job.attempts[1]);
    assert!(
        old.fenced_at < new.bound_at,
        "fenced before it was replaced"
    );
    assert!(old.heard_at < old.left_at, "its later words are not heard");
    let resumed = job.log.iter().filter(|l| l.starts_with("resumed at step"));
    assert_eq!(resumed.count(), 1, "{:?}", job.log);
}
