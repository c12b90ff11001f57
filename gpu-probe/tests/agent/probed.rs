//! A placement that is to be probed: the real agent, emulated cards, and a real session of the
//! verifier behind the broker's API.

use gpu_probe::exchange::ProverMessage;
use gpu_probe::protocol::{EndCause, Phase, ProbeSaid};
use gpu_probe::report::Kind;
use gpu_probe::verdict::{ReasonCode, VerdictOutcome};
use rustix::process::Signal;
use tandem_model::workload::WorkloadKind;

use super::broker::{Broker, terms};
use super::rig::{Machine, wait_until};

const HONEST: &str = r#"{"model":"rtx4090","gpus":2,"claims":null,"seed":3}"#;
const LYING: &str = r#"{"model":"rtx4080","gpus":1,"claims":"rtx4090","seed":3}"#;
const SCRIPT: &str = "echo ran";

async fn ordering_a_probe() -> Broker {
    let broker = Broker::start(WorkloadKind::Job, terms(), None).await;
    broker.books().probes.ordered = Some(Kind::Quick);
    broker
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_card_passes_and_then_the_workload_starts() {
    let broker = ordering_a_probe().await;
    let machine = Machine::new();
    let env = [("TANDEM_EMULATED_GPU", HONEST)];
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", SCRIPT]);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_eq!(machine.stdout(), "ran\n");
    let books = broker.books();
    let verdict = books.probes.verdict().expect("the exchange is over");
    assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
    assert_eq!(verdict.evidence.len(), 2);
    let first = books.heartbeats.first().map(|beat| beat.phase);
    assert_eq!(first, Some(Phase::Probing));
    assert_eq!(books.recorded[0].cause, EndCause::Workload);
    let probing = books
        .heartbeats
        .iter()
        .filter(|b| b.phase == Phase::Probing);
    assert!(probing.into_iter().all(|beat| beat.worked_ms == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_card_fails_and_nothing_is_started() {
    let broker = ordering_a_probe().await;
    let machine = Machine::new();
    let env = [("TANDEM_EMULATED_GPU", LYING)];
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", SCRIPT]);
    assert_eq!(agent.exit_code().await, 75, "{}", agent.log());
    assert_eq!(machine.stdout(), "", "nothing ran");
    let books = broker.books();
    let verdict = books.probes.verdict().expect("the exchange is over");
    assert!(verdict.has(ReasonCode::CensusMismatch), "{verdict:?}");
    let report = &books.recorded[0];
    assert_eq!((report.cause, report.worked_ms), (EndCause::ProbeFailed, 0));
    let detail = report.detail.as_deref().unwrap_or_default();
    assert!(detail.contains("census_mismatch"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_driver_the_broker_is_told_and_decides() {
    for may_start in [true, false] {
        let broker = ordering_a_probe().await;
        broker.books().probes.may_start_unprobed = may_start;
        let machine = Machine::new();
        let env = [("TANDEM_CUDA_LIBRARY", "/nowhere/libcuda.so.1")];
        let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", SCRIPT]);
        let expected = if may_start { 0 } else { 75 };
        assert_eq!(agent.exit_code().await, expected, "{}", agent.log());
        assert_eq!(machine.stdout(), if may_start { "ran\n" } else { "" });
        let books = broker.books();
        let [ProbeSaid::CouldNotRun { detail }] = &books.probes.said[..] else {
            panic!("{:?}", books.probes.said);
        };
        assert!(detail.starts_with("TDM-8001"), "{detail}");
        let cause = books.recorded[0].cause;
        assert_eq!(cause == EndCause::ProbeFailed, !may_start, "{cause:?}");
    }
}

fn begins(said: &[ProbeSaid]) -> usize {
    let is_hello = |s: &&ProbeSaid| matches!(s, ProbeSaid::Message(ProverMessage::Hello(_)));
    said.iter().filter(is_hello).count()
}

/// Everything that an agent says whose card passes and whose workload runs, under this broker.
async fn passes(broker: &Broker) -> Vec<ProbeSaid> {
    let machine = Machine::new();
    let env = [("TANDEM_EMULATED_GPU", HONEST)];
    let mut agent = machine.agent(broker, 1, &env, &["/bin/sh", "-c", SCRIPT]);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_eq!(machine.stdout(), "ran\n");
    let books = broker.books();
    let verdict = books.probes.verdict().expect("the exchange is over");
    assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
    books.probes.said.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_was_lost_is_said_again() {
    let broker = ordering_a_probe().await;
    broker.books().probes.lost_at = Some(2);
    let said = passes(&broker).await;
    let ready = ProbeSaid::Message(ProverMessage::MatrixBegin);
    assert_eq!(said[1..3], [ready.clone(), ready]);
    assert_eq!(begins(&said), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_timed_work_is_never_said_again() {
    let broker = ordering_a_probe().await;
    broker.books().probes.forgotten_at = Some(3);
    let said = passes(&broker).await;
    let is_commit =
        |s: &&ProbeSaid| matches!(s, ProbeSaid::Message(ProverMessage::MatrixCommit { .. }));
    assert!(is_commit(&&said[2]), "{:?}", said[2]);
    assert_eq!(begins(&said[3..4]), 1, "a new exchange: {:?}", said[3]);
    assert_eq!(said.iter().filter(is_commit).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_the_broker_forgot_is_begun_anew() {
    let broker = ordering_a_probe().await;
    broker.books().probes.forgotten_at = Some(4);
    assert_eq!(begins(&passes(&broker).await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_exchanges_without_an_answer_the_broker_is_told_why() {
    let broker = ordering_a_probe().await;
    broker.books().probes.is_deaf = true;
    broker.books().probes.may_start_unprobed = true;
    let machine = Machine::new();
    let env = [("TANDEM_EMULATED_GPU", HONEST)];
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", SCRIPT]);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    let books = broker.books();
    let said = &books.probes.said;
    assert_eq!(begins(said), 9, "three times three: {said:?}");
    let Some(ProbeSaid::CouldNotRun { detail }) = said.last() else {
        panic!("{said:?}");
    };
    assert!(detail.contains("not answered"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_go_on_while_the_broker_takes_its_time_and_a_signal_ends_the_probe() {
    let broker = ordering_a_probe().await;
    broker.books().probes.is_mute = true;
    let machine = Machine::new();
    let env = [("TANDEM_EMULATED_GPU", HONEST)];
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", SCRIPT]);
    // Longer than a lease lasts.
    wait_until("fifteen heartbeats came", || {
        let books = broker.books();
        let probing = books
            .heartbeats
            .iter()
            .filter(|b| b.phase == Phase::Probing);
        probing.count() >= 15
    })
    .await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit_code().await, 75, "{}", agent.log());
    let books = broker.books();
    assert_eq!(books.probes.said.len(), 1, "{:?}", books.probes.said);
    assert_eq!(books.recorded[0].cause, EndCause::Terminated);
    assert_eq!(machine.stdout(), "");
}
