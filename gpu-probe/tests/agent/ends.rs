//! However a workload ends, its end is reported as it was and nothing of it is left running.

use gpu_probe::protocol::{Directive, EndCause, Phase, ResultReport};
use gpu_probe::session::LeaseTerms;
use rustix::process::Signal;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;
use tandem_model::workload::WorkloadKind;

use super::broker::{Broker, terms};
use super::rig::{Machine, read, wait_until};

async fn broker() -> Broker {
    Broker::start(WorkloadKind::Job, terms(), None).await
}

fn report(broker: &Broker) -> ResultReport {
    let books = broker.books();
    let last = books.recorded.last().cloned();
    last.expect("an end was recorded")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_is_reported_and_becomes_the_agents_own() {
    let broker = broker().await;
    let machine = Machine::new();
    let mut agent = machine.shell(&broker, "echo out; echo err >&2; exit 3");
    assert_eq!(agent.exit_code().await, 3);
    let report = report(&broker);
    assert_eq!(
        (report.exit_code, report.signal, report.cause),
        (Some(3), None, EndCause::Workload)
    );
    assert!(report.output_tail.contains("out\n") && report.output_tail.contains("err\n"));
    assert_eq!(machine.stdout(), "out\n", "output is passed on unchanged");
    assert!(agent.log().contains("err\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_by_signal_is_reported_as_one() {
    let broker = broker().await;
    let machine = Machine::new();
    let mut agent = machine.shell(&broker, "kill -SEGV $$");
    assert_eq!(agent.exit_code().await, 128 + 11);
    let report = report(&broker);
    assert_eq!((report.exit_code, report.signal), (None, Some(11)));
}

#[tokio::test(flavor = "multi_thread")]
async fn children_that_were_left_behind_die_with_the_workload_even_in_sessions_of_their_own() {
    let broker = broker().await;
    let machine = Machine::new();
    let script =
        "sleep 1000 & setsid sleep 1000 & (trap '' TERM HUP; sleep 1000) & echo up; exit 0";
    let mut agent = machine.shell(&broker, script);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_eq!(machine.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_ignores_sigterm_is_killed_after_the_grace() {
    let broker = broker().await;
    let machine = Machine::new();
    let script = "trap '' TERM; touch \"$TANDEM_HOME/up\"; while :; do sleep 0.1; done";
    let env = [("TANDEM_STOP_GRACE_SECONDS", "1")];
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", script]);
    wait_until("the workload runs", || machine.path("up").exists()).await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit_code().await, 137);
    assert_eq!(machine.processes(), []);
    assert_eq!(report(&broker).cause, EndCause::Terminated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_exist_is_the_jobs_own_failure() {
    let broker = broker().await;
    let machine = Machine::new();
    let mut agent = machine.agent(&broker, 1, &[], &["/no/such/program"]);
    assert_eq!(agent.exit_code().await, 127);
    let report = report(&broker);
    assert_eq!(report.cause, EndCause::StartFailed);
    assert!(report.detail.unwrap().contains("/no/such/program"));
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_runs_before_the_command_and_its_failure_is_told_apart() {
    let broker_of_good = broker().await;
    let machine = Machine::new();
    let env = [("TANDEM_SETUP", "echo setup")];
    let mut agent = machine.agent(&broker_of_good, 1, &env, &["echo", "command"]);
    assert_eq!(agent.exit_code().await, 0);
    assert_eq!(machine.stdout(), "setup\ncommand\n");
    for heartbeat in &broker_of_good.books().heartbeats {
        let works = heartbeat.phase != Phase::Starting;
        assert!(works || heartbeat.worked_ms == 0, "set-up is no work");
    }

    let broker_of_bad = broker().await;
    let machine = Machine::new();
    let env = [("TANDEM_SETUP", "exit 9")];
    let mut agent = machine.agent(&broker_of_bad, 1, &env, &["echo", "command"]);
    assert_eq!(agent.exit_code().await, 9);
    assert_eq!(machine.stdout(), "");
    assert_eq!(report(&broker_of_bad).cause, EndCause::SetupFailed);
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_that_survives_a_stop_is_not_followed_by_the_command() {
    let broker = broker().await;
    let machine = Machine::new();
    let setup = "trap 'exit 0' TERM; touch \"$TANDEM_HOME/up\"; while :; do sleep 0.1; done";
    let mut agent = machine.agent(&broker, 1, &[("TANDEM_SETUP", setup)], &["echo", "command"]);
    wait_until("set-up runs", || machine.path("up").exists()).await;
    agent.signal(Signal::TERM);
    agent.exit_code().await;
    assert_eq!(machine.stdout(), "");
    let report = report(&broker);
    assert_eq!((report.cause, report.worked_ms), (EndCause::Terminated, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workload_gets_its_secrets_and_not_the_agents_token() {
    let broker = broker().await;
    broker
        .books()
        .grants
        .secrets
        .insert("HF_TOKEN".to_owned(), Secret::new("hunter2"));
    let machine = Machine::new();
    let script =
        "echo \"$HF_TOKEN $TANDEM_EPOCH $TANDEM_RANK $TANDEM_NODES\"; env | grep -c AGENT_TOKEN";
    let mut agent = machine.shell(&broker, script);
    assert_eq!(agent.exit_code().await, 1, "grep finds nothing");
    assert_eq!(machine.stdout(), "hunter2 1 0 1\n0\n");
    assert!(!agent.log().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_of_the_same_epoch_starts_nothing() {
    let broker = broker().await;
    let first = Machine::new();
    let mut agent = first.shell(
        &broker,
        "while [ ! -e \"$TANDEM_HOME/go\" ]; do sleep 0.1; done",
    );
    wait_until("the first is bound", || {
        broker.books().session.bound(0).is_some()
    })
    .await;
    let second = Machine::new();
    let mut twin = second.shell(&broker, "echo started");
    assert_eq!(twin.exit_code().await, 75);
    assert_eq!(second.stdout(), "");
    std::fs::write(first.path("go"), "").unwrap();
    assert_eq!(agent.exit_code().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_attempt_kills_the_workload_and_nothing_is_reported() {
    let broker = Broker::start(WorkloadKind::Service, terms(), None).await;
    let machine = Machine::new();
    let env = [("TANDEM_KIND", "service")];
    let mut agent = machine.agent(&broker, 1, &env, &["sleep", "1000"]);
    wait_until("the service runs", || !broker.books().heartbeats.is_empty()).await;
    broker.books().session.raise_epoch(Epoch(2), 1).unwrap();
    assert_eq!(agent.exit_code().await, 137);
    assert_eq!(machine.processes(), []);
    assert!(broker.books().recorded.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_the_broker_directs_is_confirmed_and_is_no_outcome() {
    let broker = broker().await;
    let machine = Machine::new();
    let mut agent = machine.agent(&broker, 1, &[], &["sleep", "1000"]);
    wait_until("the job runs", || !broker.books().heartbeats.is_empty()).await;
    {
        let mut books = broker.books();
        books.session.revoke();
        books.session.direct(Directive::Stop);
    }
    agent.exit_code().await;
    assert_eq!(report(&broker).cause, EndCause::StopDirected);
    let mut books = broker.books();
    let now = books.now();
    assert_eq!(
        books.session.fence(false, now),
        Ok(()),
        "no lease is waited for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_agent_left_running_dies_when_the_next_one_starts_there() {
    let broker = broker().await;
    let machine = Machine::new();
    let agent = machine.agent(&broker, 1, &[], &["sleep", "1000"]);
    let is_up = || machine.processes().len() == 2;
    wait_until("agent and workload run", is_up).await;
    let before = machine.processes();
    agent.signal(Signal::KILL);
    wait_until("the agent is gone", || machine.processes().len() == 1).await;
    broker.replace(2).await;
    let mut next = machine.agent(&broker, 2, &[], &["true"]);
    assert_eq!(next.exit_code().await, 0);
    assert_eq!(machine.processes(), [], "{before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_that_runs_faster_renews_its_lease_in_time() {
    let fast = LeaseTerms {
        lease_ttl: std::time::Duration::from_secs(30),
        heartbeat_interval: std::time::Duration::from_secs(5),
        ..terms()
    };
    let broker = Broker::start(WorkloadKind::Job, fast, None).await;
    let machine = Machine::new();
    let env = [("TANDEM_TIME_FACTOR", "10")];
    let script = "while [ ! -e \"$TANDEM_HOME/go\" ]; do sleep 0.1; done";
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", script]);
    wait_until("heartbeats come", || broker.books().heartbeats.len() >= 6).await;
    let uptime_ms = broker.books().heartbeats.last().map_or(0, |h| h.uptime_ms);
    assert!(
        uptime_ms >= 10_000,
        "uptime is told in world time: {uptime_ms}"
    );
    std::fs::write(machine.path("go"), "").unwrap();
    assert_eq!(agent.exit_code().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_variable_is_named_and_nothing_starts() {
    let broker = broker().await;
    let machine = Machine::new();
    let mut agent = machine.agent(&broker, 1, &[("TANDEM_JOB_ID", "")], &["echo", "started"]);
    assert_eq!(agent.exit_code().await, 78);
    let log = read(&machine.path("stderr"));
    assert!(
        log.contains("TDM-4003") && log.contains("TANDEM_JOB_ID"),
        "{log}"
    );
    assert_eq!((machine.stdout(), broker.books().calls), (String::new(), 0));
}
