//! The agent's sockets: its health port.

use std::net::TcpListener;

use tandem_model::workload::WorkloadKind;

use super::broker::{Broker, terms};
use super::rig::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn the_health_port_answers_200_and_mute_connections_do_not_block_it() {
    let broker = Broker::start(WorkloadKind::Job, terms(), None).await;
    let machine = Machine::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let told = port.to_string();
    let env = [("TANDEM_HEALTH_PORT", &told[..])];
    let script = "while [ ! -e \"$TANDEM_HOME/go\" ]; do sleep 0.1; done";
    let mut agent = machine.agent(&broker, 1, &env, &["/bin/sh", "-c", script]);
    let url = format!("http://127.0.0.1:{port}/");
    let mut mute = Vec::new();
    let mut answered = 0;
    for _ in 0..600 {
        if let Ok(reply) = reqwest::get(&url).await {
            assert_eq!(reply.status(), 200);
            answered += 1;
            for _ in 0..40 {
                mute.extend(tokio::net::TcpStream::connect(("127.0.0.1", port)).await);
            }
        }
        if answered == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(answered, 2, "{}", agent.log());
    std::fs::write(machine.path("go"), "").unwrap();
    assert_eq!(agent.exit_code().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_port_that_something_else_holds_does_not_keep_the_job_from_running() {
    let broker = Broker::start(WorkloadKind::Job, terms(), None).await;
    let machine = Machine::new();
    let holder = TcpListener::bind("0.0.0.0:0").unwrap();
    let told = holder.local_addr().unwrap().port().to_string();
    let env = [("TANDEM_HEALTH_PORT", &told[..])];
    let mut agent = machine.agent(&broker, 1, &env, &["echo", "ran"]);
    assert_eq!(agent.exit_code().await, 0, "{}", agent.log());
    assert_eq!(machine.stdout(), "ran\n");
    assert!(agent.log().contains("TDM-5003"), "{}", agent.log());
}
