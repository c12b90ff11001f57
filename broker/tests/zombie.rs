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

async fn wait_for(stage: &Stage, id: JobId, what: &str, is_true: impl Fn(&Job) -> bool) {
    let start = Instant::now();
    while stage.engine().board.with(id, |job| is_true(job)) != Some(true) {
        let events: Vec<_> = stage.engine().board.events_from(0);
        let told: Vec<_> = events.iter().map(|e| e.what.as_str()).collect();
        assert!(start.elapsed() < DEADLINE, "{what}: {told:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn at_step(job: &Job) -> u64 {
    job.session.pointer().map_or(0, |pointer| pointer.step)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_training_that_wakes_beside_its_successor_can_publish_nothing() {
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
    let accepted = considered
        .accepted
        .into_iter()
        .next()
        .expect("it is priced");
    let id = stage.accept(accepted);
    let board = stage.engine().board.clone();

    wait_for(&stage, id, "checkpoints are published", |job| {
        at_step(job) >= 20
    })
    .await;
    let first = board.with(id, |job| job.last().cloned()).flatten();
    let first = first.expect("it was placed");
    let network = first.offer.network.clone();
    for fault in [
        json!({
            "network": network.as_str(), "scope": "node", "kind": "silent",
            "target": first.remote_id, "duration_seconds": FROZEN_SECONDS,
        }),
        json!({
            "network": network.as_str(), "scope": "network", "kind": "error_before",
            "duration_seconds": 2 * FROZEN_SECONDS,
        }),
    ] {
        stage.fault(&fault).await.expect("the sandbox takes it");
    }
    board.with(id, |job| {
        job.situation.networks_avoided.insert(network.clone());
    });

    wait_for(&stage, id, "the successor publishes", |job| {
        job.epoch() == Epoch(2) && job.session.pointer().is_some_and(|p| p.epoch == Epoch(2))
    })
    .await;
    let is_frozen = |d: &serde_json::Value| d["units"][0]["silent"] == true;
    let of_first = |all: &[serde_json::Value]| all.iter().find(|d| d["epoch"] == 1).cloned();
    let truth = stage.truth().await.expect("the sandbox answers");
    let unit = of_first(&truth.deployments).expect("epoch 1 was rented");
    assert!(is_frozen(&unit), "it is frozen, not dead: {unit}");

    // It wakes, is told of the live epoch, and ends by itself: its network answers nothing yet.
    let start = Instant::now();
    loop {
        let truth = stage.truth().await.expect("the sandbox answers");
        let unit = of_first(&truth.deployments).expect("epoch 1 was rented");
        let has_exited = !unit["units"][0]["ran_us"][0][1].is_null();
        if !is_frozen(&unit) && has_exited {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "it does not end: {unit}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    board.with(id, |job| {
        assert!(!job.attempts[0].stopping.accepted, "nobody stopped it");
        assert_eq!(job.state, JobState::Running, "its successor is at work");
    });

    wait_for(&stage, id, "the successor finishes", |job| {
        job.state.is_terminal()
    })
    .await;
    let expected = digest::expected(STEPS);
    board.with(id, |job| {
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.cause);
        assert_eq!(digest::printed(job.log.iter()), Some(expected.as_str()));
        assert!(!job.pointer_went_back);
        let pointer = job.session.pointer().map(|p| (p.epoch, p.step));
        assert_eq!(pointer, Some((Epoch(2), STEPS)));
        let (old, new) = (&job.attempts[0], &job.attempts[1]);
        assert!(
            old.fenced_at < new.bound_at,
            "fenced before it was replaced"
        );
        assert!(old.heard_at < old.left_at, "its later words are not heard");
        let resumed = job
            .log
            .iter()
            .filter(|l| l.starts_with("resumed at step"))
            .count();
        assert_eq!(resumed, 1, "{:?}", job.log);
    });

    wait_for(&stage, id, "everything is given back", Job::is_settled).await;
    let truth = stage.truth().await.expect("the sandbox answers");
    assert_eq!(truth.still_rented, 0, "{:#?}", truth.deployments);
    board.with(id, |job| {
        let pointer = job.session.pointer().map(|p| (p.epoch, p.step));
        assert_eq!(pointer, Some((Epoch(2), STEPS)), "nothing moved since");
    });
    stage.close().await;
}
