//! io.net's shapes of deployments that exist: status, listing, extension, stop, logs.

use crate::common::{CONTEXT, container, failure, json, machine, run, start};
use tandem_adapters::adapter::TransportFault;
use tandem_adapters::ionet::{IoNet, NETWORK, VmPriceUnit};
use tandem_adapters::{Adapter, Command, FailureKind, Method, Outcome, Repeat, WireResponse};
use tandem_model::error::ErrorCode;
use tandem_model::money::MicroUsd;
use tandem_model::placement::RemoteState;
use tandem_model::secret::Secret;

const ID: &str = "0b6f7a52-8f5e-4a44-9c5b-0d8a0f7f7d11";

fn ionet() -> IoNet {
    IoNet::new(Secret::new("io-key"), VmPriceUnit::default())
}

fn status(product: &str) -> Command {
    Command::Status {
        product: product.to_owned(),
        remote_id: ID.to_owned(),
    }
}

#[test]
fn a_status_shows_the_workers_and_a_404_just_after_the_deployment_is_not_an_end() {
    let details = format!(
        r#"{{"data":{{"id":"{ID}","status":"running","created_at":"2026-01-01T00:00:00Z",
        "amount_paid":"19.92","completed_percent":10.5,"total_gpus":8,"locations":null,
        "compute_minutes_served":6.0,"compute_minutes_remaining":"54","is_cc":null}}}}"#
    );
    let workers = r#"{"data":{"total":2,"workers":[
        {"container_id":"b","device_id":"d2","status":"weird","public_url":null},
        {"container_id":"a","device_id":"d1","status":"running",
         "public_url":"https://a.example","container_events":null}]}}"#;
    let answers = vec![json(200, &details), json(200, workers)];
    let (requests, outcome) = run(&ionet(), &status("caas"), answers);
    assert_eq!(
        requests[1].path,
        format!("/enterprise/v1/io-cloud/caas/deployment/{ID}/containers")
    );
    let Outcome::Status(seen) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(seen.state, RemoteState::Running);
    assert_eq!(seen.public_url.as_deref(), Some("https://a.example"));
    assert_eq!(seen.device.as_deref(), Some("d1"));
    assert_eq!(
        (seen.minutes_served, seen.minutes_remaining),
        (Some(6), Some(54))
    );
    assert_eq!(seen.paid, Some(MicroUsd::new(19_920_000)));
    assert_eq!(seen.nodes.len(), 2);

    let gone = json(404, r#"{"detail":"Deployment not found"}"#);
    let (_, outcome) = run(&ionet(), &status("caas"), vec![gone]);
    assert_eq!(failure(outcome).kind, FailureKind::NotFound);
}

#[test]
fn a_machine_shows_its_ssh_address_and_open_port() {
    let details = format!(r#"{{"data":{{"id":"{ID}","status":"running"}}}}"#);
    let vms = r#"{"data":{"total":1,"workers":[{"vm_id":"v1","device_id":"d1","status":"running",
        "ssh_access":"ssh -p 2222 ubuntu@203.0.113.7","vm_events":null,"network_services":{
        "port-8080":{"port":8080,"protocol":"tcp","whitelist":["0.0.0.0/0"],
        "public_ip":"203.0.113.7","public_port":30080,"srv_record":null}},"is_external":true}]}}"#;
    let answers = vec![json(200, &details), json(200, vms)];
    let (requests, outcome) = run(&ionet(), &status("vmaas"), answers);
    assert!(requests[1].path.ends_with("/vms"));
    let Outcome::Status(seen) = outcome else {
        panic!("{outcome:?}")
    };
    let ssh = seen.ssh.unwrap();
    assert_eq!(
        (ssh.host.as_str(), ssh.port, ssh.user.as_str()),
        ("203.0.113.7", 2222, "ubuntu")
    );
    assert_eq!(seen.public_url.as_deref(), Some("http://203.0.113.7:30080"));
}

#[test]
fn an_unknown_state_stays_pending_and_an_ended_one_asks_for_no_workers() {
    let answers = |word: &str| {
        json(
            200,
            &format!(r#"{{"data":{{"id":"{ID}","status":{word}}}}}"#),
        )
    };
    let none = || json(200, r#"{"data":{"total":0,"workers":null}}"#);
    for word in ["\"hibernating\"", "null", "7"] {
        let (_, outcome) = run(&ionet(), &status("caas"), vec![answers(word), none()]);
        let Outcome::Status(seen) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(seen.state, RemoteState::Pending, "{word}");
    }
    let (_, outcome) = run(&ionet(), &status("caas"), vec![answers("\"destroyed\"")]);
    let Outcome::Status(seen) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(seen.state, RemoteState::Stopped);
}

fn page_of(names: &[String], total: usize) -> String {
    let rows: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(i, name)| serde_json::json!({"id": format!("{name}-{i}"), "name": name, "status": "running"}))
        .collect();
    serde_json::json!({"data": {"deployments": rows, "total": total, "statuses": []}}).to_string()
}

#[test]
fn a_listing_reads_every_page_of_both_products_and_keeps_our_names_only() {
    let full: Vec<String> = (0..100).map(|i| format!("other-{i}")).collect();
    let ours = vec!["tandem-x-1".to_owned(), "web".to_owned()];
    let answers = vec![
        json(200, &page_of(&full, 102)),
        json(200, &page_of(&ours, 102)),
        json(200, r#"{"data":{"deployments":null,"total":0}}"#),
    ];
    let command = Command::List {
        tag_prefix: "tandem-".to_owned(),
    };
    let (requests, outcome) = run(&ionet(), &command, answers);
    let pages: Vec<_> = requests.iter().map(|r| r.query[0].1.as_str()).collect();
    assert_eq!(pages, ["1", "2", "1"]);
    let Outcome::Listed(found) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].tag.as_deref(), Some("tandem-x-1"));
}

#[test]
fn a_server_with_smaller_pages_hides_nothing_and_a_wrong_total_does_not_hang() {
    let ten: Vec<String> = (0..10).map(|i| format!("other-{i}")).collect();
    let ours = vec!["tandem-x-1".to_owned()];
    let answers = vec![
        json(200, &page_of(&ten, 99)),
        json(200, &page_of(&ours, 99)),
        json(200, &page_of(&[], 99)),
        json(200, &page_of(&[], 0)),
    ];
    let command = Command::List {
        tag_prefix: "tandem-".to_owned(),
    };
    let (_, outcome) = run(&ionet(), &command, answers);
    let Outcome::Listed(found) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(found.len(), 1);
}

#[test]
fn a_listing_with_a_bad_page_is_no_listing() {
    let command = Command::List {
        tag_prefix: "tandem-".to_owned(),
    };
    for body in [
        r#"{"data":{"deployments":[{"name":"x"}]}}"#,
        "[]",
        "nonsense",
        "{}",
    ] {
        let (_, outcome) = run(&ionet(), &command, vec![json(200, body)]);
        assert_eq!(
            failure(outcome).code,
            ErrorCode::NETWORK_ANSWER_INVALID,
            "{body}"
        );
    }
}

#[test]
fn an_extension_gives_the_new_minutes_and_a_lost_answer_is_unknown() {
    let command = Command::Extend {
        product: "caas".to_owned(),
        remote_id: ID.to_owned(),
        hours: 2,
        minutes_before: 60,
    };
    let details = format!(
        r#"{{"data":{{"id":"{ID}","status":"running","compute_minutes_served":10,
        "compute_minutes_remaining":170}}}}"#
    );
    let (requests, outcome) = run(&ionet(), &command, vec![json(200, &details)]);
    assert_eq!(requests[0].body, br#"{"duration_hours":2}"#);
    assert_eq!(requests[0].repeat, Repeat::Unsafe);
    let Outcome::Extended(seen) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(seen.minutes_remaining, Some(170));
    let (_, outcome) = run(&ionet(), &command, vec![Err(TransportFault::MaybeSent)]);
    assert!(matches!(outcome, Outcome::Unknown { .. }));
    let (_, outcome) = run(&ionet(), &command, vec![Err(TransportFault::NotSent)]);
    assert_eq!(failure(outcome).kind, FailureKind::NetworkFault);
}

#[test]
fn a_stop_is_accepted_and_a_second_one_is_a_conflict_or_not_found() {
    let command = Command::Stop {
        product: "caas".to_owned(),
        remote_id: ID.to_owned(),
    };
    let body = format!(r#"{{"status":"success","deployment_id":"{ID}"}}"#);
    let (requests, outcome) = run(&ionet(), &command, vec![json(200, &body)]);
    assert_eq!(requests[0].method, Method::Delete);
    assert_eq!(outcome, Outcome::Stopping);
    for (status, kind) in [(404, FailureKind::NotFound), (409, FailureKind::Conflict)] {
        let (_, outcome) = run(&ionet(), &command, vec![json(status, "{}")]);
        assert_eq!(failure(outcome).kind, kind);
    }
}

#[test]
fn logs_come_from_both_outputs_of_every_container() {
    let command = Command::Logs {
        product: "caas".to_owned(),
        remote_id: ID.to_owned(),
    };
    let workers = r#"{"data":{"total":1,"workers":[{"container_id":"c/1"}]}}"#;
    let stream = |text: &str| {
        Ok(WireResponse {
            status: 200,
            headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
            body: text.as_bytes().to_vec(),
        })
    };
    let answers = vec![
        json(200, workers),
        stream("data: out\n\nevent: complete\ndata:\n\n"),
        stream("data: err\n\n"),
    ];
    let (requests, outcome) = run(&ionet(), &command, answers);
    assert!(requests[1].streams);
    assert!(requests[1].path.ends_with("/log/c%2F1"));
    let lines = vec!["out".to_owned(), "err".to_owned()];
    assert_eq!(
        outcome,
        Outcome::Logs {
            lines,
            complete: false
        }
    );
}

#[test]
fn what_the_network_cannot_do_is_said_without_a_request() {
    for command in [
        Command::Balance,
        Command::Logs {
            product: "vmaas".to_owned(),
            remote_id: ID.to_owned(),
        },
        Command::Stop {
            product: "baremetal".to_owned(),
            remote_id: ID.to_owned(),
        },
        start(NETWORK, "baremetal", "12@US", container()),
    ] {
        let (requests, outcome) = run(&ionet(), &command, vec![]);
        assert!(requests.is_empty());
        assert_eq!(failure(outcome).kind, FailureKind::Unsupported);
    }
    let (_, outcome) = run(
        &ionet(),
        &start(NETWORK, "caas", "12@US", machine()),
        vec![],
    );
    assert_eq!(failure(outcome).code, ErrorCode::LAUNCH_IMPOSSIBLE);
}

#[test]
fn an_id_from_the_network_cannot_redirect_a_request() {
    let command = Command::Stop {
        product: "caas".to_owned(),
        remote_id: "../x?a=b".to_owned(),
    };
    let (requests, _) = run(&ionet(), &command, vec![json(200, "{}")]);
    assert!(
        requests[0].path.ends_with("/deployment/..%2Fx%3Fa%3Db"),
        "{}",
        requests[0].path
    );
    assert!(matches!(
        ionet().next(&command, &[], CONTEXT),
        tandem_adapters::Step::Send(_)
    ));
}
