//! What an agent does while no broker answers.

use std::time::Duration;

use gpu_probe::session::{LeaseTerms, Outcome};
use tandem_model::workload::WorkloadKind;

use super::broker::{Broker, terms};
use super::rig::{Machine, wait_until};

const WAITS_FOR_GO: &str = "while [ ! -e \"$TANDEM_HOME/go\" ]; do sleep 0.1; done";

fn short_orphan() -> LeaseTerms {
    LeaseTerms {
        orphan_ttl: Duration::from_secs(3),
        ..terms()
    }
}

async fn run_a_while(broker: &Broker) {
    wait_until("heartbeats come", || broker.books().heartbeats.len() >= 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_while_the_broker_is_away_reports_when_it_is_back() {
    let broker = Broker::start(WorkloadKind::Job, terms(), None).await;
    let machine = Machine::new();
    let mut agent = machine.shell(&broker, WAITS_FOR_GO);
    run_a_while(&broker).await;
    broker.books().is_away = true;
    wait_until("the lease has run out", || {
        let books = broker.books();
        !books.session.holds_lease(books.now())
    })
    .await;
    std::fs::write(machine.path("go"), "").unwrap();
    let calls = broker.books().calls;
    wait_until("the result was tried in vain", || {
        broker.books().calls >= calls + 10
    })
    .await;
    assert!(!agent.has_exited(), "the result is kept: {}", agent.log());
    broker.books().is_away = false;
    assert_eq!(agent.exit_code().await, 0);
    assert!(matches!(
        broker.books().session.outcome(),
        Some(Outcome::Succeeded(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_killed_when_the_broker_stays_away_longer_than_orphan_ttl() {
    let broker = Broker::start(WorkloadKind::Job, short_orphan(), None).await;
    let machine = Machine::new();
    let mut agent = machine.shell(&broker, WAITS_FOR_GO);
    run_a_while(&broker).await;
    broker.books().is_away = true;
    assert_eq!(agent.exit_code().await, 137, "{}", agent.log());
    assert_eq!(machine.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_outlives_any_absence_of_the_broker_and_renews_when_it_is_back() {
    let broker = Broker::start(WorkloadKind::Service, short_orphan(), None).await;
    let machine = Machine::new();
    let env = [("TANDEM_KIND", "service")];
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", WAITS_FOR_GO]);
    run_a_while(&broker).await;
    broker.books().is_away = true;
    let (heartbeats, since) = {
        let books = broker.books();
        (books.heartbeats.len(), books.now())
    };
    wait_until("orphan_ttl has passed twice", || {
        broker.books().now().since(since) > 2 * short_orphan().orphan_ttl
    })
    .await;
    assert!(!agent.has_exited(), "{}", agent.log());
    broker.books().is_away = false;
    wait_until("it renews", || broker.books().heartbeats.len() > heartbeats).await;
    std::fs::write(machine.path("go"), "").unwrap();
    assert_eq!(agent.exit_code().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_job_is_killed_with_its_lease() {
    let exclusive = LeaseTerms {
        exclusive: true,
        ..terms()
    };
    let broker = Broker::start(WorkloadKind::Job, exclusive, None).await;
    let machine = Machine::new();
    let mut agent = machine.shell(&broker, WAITS_FOR_GO);
    run_a_while(&broker).await;
    broker.books().is_away = true;
    assert_eq!(agent.exit_code().await, 137, "{}", agent.log());
    let books = broker.books();
    let waited = books.now().since(books.session.bound(0).unwrap().heard_at);
    assert!(
        waited < terms().orphan_ttl,
        "it did not wait for orphan_ttl"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_before_its_broker_binds_when_it_comes() {
    let broker = Broker::start(WorkloadKind::Job, terms(), None).await;
    broker.books().is_away = true;
    let machine = Machine::new();
    let mut agent = machine.agent(&broker, 1, &[], &["echo", "started"]);
    wait_until("it has asked twice", || broker.books().calls >= 2).await;
    assert_eq!(machine.stdout(), "", "nothing starts without a lease");
    broker.books().is_away = false;
    assert_eq!(agent.exit_code().await, 0);
    assert_eq!(machine.stdout(), "started\n");
}
