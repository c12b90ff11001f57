//! Running work that is paused for a probe: real processes that stand still and go on.

use std::fs;
use std::time::Duration;

use gpu_probe::hex::HexBytes;
use gpu_probe::protocol::{EndCause, MomentId, ProbeSaid};
use gpu_probe::verdict::VerdictOutcome;
use rustix::process::Signal;
use tandem_model::workload::WorkloadKind;

use super::broker::{Broker, terms};
use super::rig::{Machine, wait_until};

const CARD: &str = r#"{"model":"rtx4090","gpus":1,"claims":null,"seed":3}"#;
const MOMENT: MomentId = HexBytes([4; 16]);
/// Works for some seconds, with a child in a session of its own; says that it was asked to stop.
const SCRIPT: &str = "trap 'echo asked; exit 3' TERM; setsid sleep 1000 & \
    i=0; while [ $i -lt 60 ]; do sleep 0.1; i=$((i + 1)); done; echo done";

/// States of the workload's processes (proc(5), the third field of `stat`).
fn states(machine: &Machine) -> Vec<char> {
    let is_work = |environ: &[u8]| {
        let mut entries = environ.split(|b| *b == 0);
        entries.any(|entry| entry.starts_with(b"TANDEM_BOOT_ID="))
    };
    let state = |pid: rustix::process::Pid| {
        let of = |name: &str| fs::read(format!("/proc/{}/{name}", pid.as_raw_nonzero())).ok();
        let stat = String::from_utf8_lossy(&of("stat")?).into_owned();
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        is_work(&of("environ")?).then_some(state)
    };
    machine.processes().into_iter().filter_map(state).collect()
}

fn stand_still(machine: &Machine) -> bool {
    let states = states(machine);
    states.len() >= 2 && states.iter().all(|state| *state == 'T')
}

async fn working(delay: Duration) -> Broker {
    let broker = Broker::start(WorkloadKind::Job, terms(), None).await;
    let mut books = broker.books();
    books.probes.order_spot(MOMENT);
    books.probes.delay = delay;
    drop(books);
    broker
}

#[tokio::test(flavor = "multi_thread")]
async fn all_processes_of_the_work_stand_still_while_it_is_probed_and_then_go_on() {
    let broker = working(Duration::from_millis(400)).await;
    let machine = Machine::new();
    let env = [("TANDEM_EMULATED_GPU", CARD)];
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", SCRIPT]);
    wait_until("everything stands still", || stand_still(&machine)).await;
    wait_until("everything goes on", || {
        let states = states(&machine);
        states.len() >= 2 && !states.contains(&'T')
    })
    .await;
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_eq!(machine.stdout(), "done\n");
    let books = broker.books();
    let verdict = books.probes.verdict().expect("it was judged");
    assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
    let hellos = books.probes.said.iter().filter(|said| {
        matches!(
            said,
            ProbeSaid::Message(gpu_probe::exchange::ProverMessage::Hello(_))
        )
    });
    assert_eq!(hellos.count(), 1, "one moment is probed once");
    let last = books.heartbeats.last().unwrap();
    let worked_ms = books.recorded[0].worked_ms;
    // Three answers came while it stood still.
    assert!(
        worked_ms + 1_200 <= last.uptime_ms + 200,
        "{worked_ms} of {last:?}"
    );
    assert!(worked_ms >= 5_500, "{worked_ms}");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_stands_still_hears_that_it_is_to_end() {
    let broker = working(Duration::ZERO).await;
    broker.books().probes.is_mute = true;
    let machine = Machine::new();
    let env = [("TANDEM_EMULATED_GPU", CARD)];
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", SCRIPT]);
    wait_until("everything stands still", || stand_still(&machine)).await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit_code().await, 3, "{}", agent.log());
    assert_eq!(machine.stdout(), "asked\n", "it ended by itself");
    assert!(machine.processes().is_empty(), "nothing is left");
    assert_eq!(broker.books().recorded[0].cause, EndCause::Terminated);
}
