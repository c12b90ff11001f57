//! A training that is moved, frozen and lied to ends with the digest of one that was left alone.

use std::time::Duration;

use gpu_probe::protocol::{
    CheckpointRequest, Directive, EndCause, ResultReport, Sha256, checkpoint_key,
};
use gpu_probe::session::Outcome;
use rustix::process::Signal;
use tandem_model::placement::Epoch;
use tandem_model::workload::WorkloadKind;

use super::broker::{Broker, terms};
use super::bucket::Bucket;
use super::rig::{Agent, Machine, wait_until};

const STEPS: u64 = 60;
/// Milliseconds that a step takes at least.
const STEP_MS: u64 = 50;

/// The digest after all steps, computed without the script.
fn expected_digest() -> String {
    let start = Sha256::of(b"tandem").to_string();
    (1..=STEPS).fold(start, |state, step| {
        Sha256::of(format!("{state}:{step}").as_bytes()).to_string()
    })
}

fn train(machine: &Machine, broker: &Broker, epoch: u32) -> Agent {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/train_digest.py");
    let (steps, step_ms) = (STEPS.to_string(), STEP_MS.to_string());
    let env = [
        ("STEPS", &steps[..]),
        ("STEP_MS", &step_ms[..]),
        ("CHECKPOINT_EVERY", "4"),
    ];
    machine.agent(broker, epoch, &env, &["python3", script])
}

async fn broker(bucket: &Bucket) -> Broker {
    Broker::start(WorkloadKind::Job, terms(), Some(bucket.store())).await
}

/// The one outcome: exit code 0, the right digest, told by this epoch.
fn assert_done_by(broker: &Broker, machine: &Machine, epoch: u32) {
    let books = broker.books();
    let Some(Outcome::Succeeded(report)) = books.session.outcome() else {
        panic!("no success: {:?}", books.session.outcome());
    };
    assert_eq!(report.epoch, Epoch(epoch));
    assert_eq!(report.step, STEPS);
    let digest = expected_digest();
    assert_eq!(
        report.output_sha256,
        Some(Sha256::of(format!("{digest}\n").as_bytes()))
    );
    assert!(
        report.output_tail.contains(&format!("digest {digest}")),
        "{}",
        report.output_tail
    );
    assert!(machine.stdout().contains(&format!("digest {digest}")));
    assert_eq!(
        books.step(),
        STEPS,
        "the last checkpoint is published before the result"
    );
    for pair in books.moves.windows(2) {
        assert!(
            pair[0].0 <= pair[1].0 && pair[0].1 < pair[1].1,
            "{:?}",
            books.moves
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_is_left_alone_ends_with_its_digest_and_its_last_checkpoint_published() {
    let bucket = Bucket::start().await;
    let broker = broker(&bucket).await;
    let machine = Machine::new();
    let mut agent = train(&machine, &broker, 1);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_done_by(&broker, &machine, 1);
    let pointer = broker.books().session.pointer().cloned().unwrap();
    let object = bucket.get(&pointer.key).await;
    assert_eq!(
        (Sha256::of(&object), object.len() as u64),
        (pointer.sha256, pointer.bytes)
    );
    let books = broker.books();
    assert!(
        books
            .heartbeats
            .iter()
            .any(|h| h.progress.is_some_and(|p| p.total_steps == Some(STEPS)))
    );
    let worked_ms = books.recorded.last().map(|report| report.worked_ms);
    let worked = Duration::from_millis(worked_ms.unwrap());
    assert!(
        worked >= Duration::from_millis(STEPS * STEP_MS),
        "{worked:?}"
    );
    let proved = books.session.proved();
    assert!(!proved.is_zero() && proved <= worked, "{proved:?}");
    let told: Vec<_> = books.heartbeats.iter().flat_map(|h| &h.log_tail).collect();
    assert!(
        told.iter().any(|line| *line == "start at step 0"),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_killed_with_its_machine_goes_on_elsewhere_to_the_same_digest() {
    let bucket = Bucket::start().await;
    let broker = broker(&bucket).await;
    let first = Machine::new();
    let _agent = train(&first, &broker, 1);
    wait_until("a few checkpoints are published", || {
        broker.books().step() >= 12
    })
    .await;
    first.signal(Signal::KILL);
    broker.replace(2).await;
    let left_at = broker.books().step();
    let second = Machine::new();
    let mut agent = train(&second, &broker, 2);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_done_by(&broker, &second, 2);
    assert!(
        second
            .stdout()
            .contains(&format!("start at step {left_at}")),
        "{}",
        second.stdout()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_machine_that_wakes_after_it_was_replaced_publishes_nothing() {
    let bucket = Bucket::start().await;
    let broker = broker(&bucket).await;
    let first = Machine::new();
    let mut zombie = train(&first, &broker, 1);
    wait_until("a few checkpoints are published", || {
        broker.books().step() >= 12
    })
    .await;
    first.signal(Signal::STOP);
    let zombie_boot = broker.books().session.bound(0).unwrap().boot_id;
    broker.replace(2).await;
    let second = Machine::new();
    let mut agent = train(&second, &broker, 2);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_done_by(&broker, &second, 2);

    first.signal(Signal::CONT);
    assert_eq!(
        zombie.exit_code().await,
        137,
        "its workload is killed: {}",
        zombie.log()
    );
    assert_eq!(first.processes(), [], "nothing of it is left");
    assert_done_by(&broker, &second, 2);

    // What it would say if it did not care.
    let (job, epoch, step) = (broker.job, Epoch(1), STEPS + 1);
    let mut books = broker.books();
    let now = books.now();
    let checkpoint = CheckpointRequest {
        job,
        epoch,
        rank: 0,
        boot_id: zombie_boot,
        step,
        key: checkpoint_key(job, epoch, step),
        sha256: Sha256::of(b"zombie"),
        bytes: 6,
    };
    let refused = books.session.checkpoint(&checkpoint, now).unwrap_err();
    assert_eq!(refused.live_epoch, Some(Epoch(2)));
    let result = ResultReport {
        job,
        epoch,
        rank: 0,
        boot_id: zombie_boot,
        exit_code: Some(1),
        signal: None,
        step,
        worked_ms: 0,
        output_sha256: None,
        output_tail: String::new(),
        cause: EndCause::Workload,
        detail: None,
    };
    assert!(books.session.result(&result, now).is_err());
    drop(books);
    assert_done_by(&broker, &second, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupted_checkpoint_is_refused_and_reported_and_nothing_starts() {
    let bucket = Bucket::start().await;
    let broker = broker(&bucket).await;
    let first = Machine::new();
    let _agent = train(&first, &broker, 1);
    wait_until("a checkpoint is published", || broker.books().step() >= 4).await;
    first.signal(Signal::KILL);
    broker.replace(2).await;
    let pointer = broker.books().session.pointer().cloned().unwrap();
    let mut object = bucket.get(&pointer.key).await;
    let middle = object.len() / 2;
    object[middle] ^= 1;
    bucket.put(&pointer.key, object).await;

    let second = Machine::new();
    let mut agent = train(&second, &broker, 2);
    assert_eq!(agent.exit_code().await, 75, "{}", agent.log());
    assert_eq!(second.stdout(), "", "nothing was started");
    assert_eq!(
        std::fs::read_dir(second.path("checkpoints"))
            .unwrap()
            .count(),
        0
    );
    let books = broker.books();
    let report = books.recorded.last().unwrap();
    assert_eq!(
        (report.epoch, report.cause),
        (Epoch(2), EndCause::RestoreFailed)
    );
    let detail = report.detail.clone().unwrap();
    assert!(
        detail.contains("TDM-4002") && detail.contains(&pointer.key),
        "{detail}"
    );
    assert_eq!(
        books.session.outcome(),
        None,
        "the job itself has not failed"
    );
    assert_eq!(books.session.pointer(), Some(&pointer));
}

/// The step at which the workload stopped because it was asked to.
fn stopped_at(machine: &Machine) -> u64 {
    let stdout = machine.stdout();
    let mut lines = stdout.lines();
    let step = lines.find_map(|line| line.strip_prefix("stopped at step "));
    let step = step.expect("the workload was asked, not killed");
    step.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_is_directed_to_move_loses_no_step() {
    let bucket = Bucket::start().await;
    let broker = broker(&bucket).await;
    let first = Machine::new();
    let mut agent = train(&first, &broker, 1);
    wait_until("a checkpoint is published", || broker.books().step() >= 4).await;
    broker.books().session.direct(Directive::CheckpointAndStop);
    agent.exit_code().await;
    let stopped = stopped_at(&first);
    {
        let mut books = broker.books();
        let report = books.recorded.last().unwrap();
        assert_eq!(report.cause, EndCause::StopDirected);
        assert_eq!((books.step(), books.session.outcome()), (stopped, None));
        let now = books.now();
        books.session.fence(false, now).unwrap();
        books.session.raise_epoch(Epoch(2), 1).unwrap();
    }
    let second = Machine::new();
    let mut agent = train(&second, &broker, 2);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_done_by(&broker, &second, 2);
    let start = format!("start at step {stopped}");
    assert!(second.stdout().contains(&start), "{}", second.stdout());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_to_the_agent_saves_a_last_checkpoint_and_reports_the_stop() {
    let bucket = Bucket::start().await;
    let broker = broker(&bucket).await;
    let machine = Machine::new();
    let mut agent = train(&machine, &broker, 1);
    wait_until("a checkpoint is published", || broker.books().step() >= 4).await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit_code().await, 143, "{}", agent.log());
    let stopped = stopped_at(&machine);
    let books = broker.books();
    assert_eq!(books.step(), stopped);
    assert_eq!(
        books.recorded.last().map(|r| r.cause),
        Some(EndCause::Terminated)
    );
    assert_eq!(books.session.outcome(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_larger_than_a_part_goes_up_in_parts_and_comes_back_whole() {
    let bucket = Bucket::start().await;
    let broker = broker(&bucket).await;
    let first = Machine::new();
    let write = "cd \"$TANDEM_CHECKPOINT_DIR\" && seq 6000000 > step-7.tmp && mv step-7.tmp step-7 && \
                 sha256sum < step-7 && sleep 1000";
    let _agent = first.shell(&broker, write);
    wait_until("it is published", || broker.books().step() == 7).await;
    first.signal(Signal::KILL);
    broker.replace(2).await;
    assert!(
        broker
            .books()
            .session
            .pointer()
            .is_some_and(|p| p.bytes > 40_000_000)
    );
    let second = Machine::new();
    let check = "echo $TANDEM_RESTORED_STEP >&2; sha256sum < \"$TANDEM_CHECKPOINT_DIR/step-7\"";
    let mut agent = second.agent(&broker, 2, &[], &["/bin/sh", "-c", check]);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_eq!(second.stdout(), first.stdout());
    assert!(
        agent.log().lines().any(|line| line == "7"),
        "{}",
        agent.log()
    );
}
