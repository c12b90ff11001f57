//! The Aethir-style API's shapes, endpoint by endpoint, as `docs/aethir-style-api.md` defines them.

use crate::common::{CONTEXT, container, failure, json, machine, run, start, tag};
use tandem_adapters::adapter::TransportFault;
use tandem_adapters::aethir::{Aethir, NETWORK, token, wire};
use tandem_adapters::{Command, FailureKind, Outcome, RateClass, Repeat};
use tandem_model::error::ErrorCode;
use tandem_model::money::Token;
use tandem_model::placement::RemoteState;
use tandem_model::secret::Secret;

fn aethir() -> Aethir {
    Aethir::new("ak", Secret::new("sk"))
}

fn ok(data: serde_json::Value) -> tandem_adapters::Answer {
    let body = serde_json::json!({
        "code": 135_000, "msg": "OK", "data": data, "time": "2026-11-22 00:00:00"
    });
    json(200, &body.to_string())
}

fn no(status: u16, code: u32, msg: &str) -> tandem_adapters::Answer {
    let body = serde_json::json!({"code": code, "msg": msg, "data": null, "time": ""});
    json(status, &body.to_string())
}

fn order(status: &str) -> serde_json::Value {
    serde_json::json!({
        "orderId": "o-1", "clientOrderNo": tag().to_string(), "status": status,
        "specId": "h100-us", "mode": "OnDemand", "servers": 2, "hours": 1,
        "createdMs": 1, "payByMs": 2, "startedMs": null, "endsMs": null, "endedMs": null,
        "endReason": null, "subtotal": "39.84", "discount": "0", "total": "39.84",
        "athUsdRate": "0.05", "athTotal": "796.8", "athPaid": "0", "refundedAth": "0",
        "autoRenew": false, "minutesServed": 5, "minutesRemaining": 55, "somethingNew": [1]
    })
}

fn server(index: u16, status: &str) -> serde_json::Value {
    serde_json::json!({
        "serverId": format!("s-{index}"), "orderId": "o-1", "index": index, "status": status,
        "fingerprint": format!("fp-{index}"), "gpuModel": "NVIDIA H100 80GB HBM3", "gpus": 8,
        "ingressHost": "203.0.113.9", "sshPort": 2200 + index, "sshUser": "root",
        "sshHostKey": "ssh-ed25519 AAAA", "privateIp": "10.0.0.1", "publicUrl": null,
        "lastHeartbeatMs": 1
    })
}

fn order_command() -> Command {
    start(NETWORK, "on-demand", "h100-us", machine())
}

fn extend() -> Command {
    Command::Extend {
        product: "on-demand".to_owned(),
        remote_id: "o-1".to_owned(),
        hours: 2,
        minutes_before: 60,
    }
}

#[test]
fn an_order_is_created_under_our_tag_and_paid() {
    let answers = vec![ok(order("TO_BE_PAID")), ok(order("IN_SERVICE"))];
    let (requests, outcome) = run(&aethir(), &order_command(), answers);
    assert_eq!(
        outcome,
        Outcome::Started {
            remote_id: "o-1".to_owned()
        }
    );
    assert_eq!(requests[0].path, "/console-api/v2/orders");
    assert_eq!(requests[1].path, "/console-api/v2/orders/o-1/pay");
    assert!(requests.iter().all(|r| r.repeat == Repeat::Safe));
    let sent: wire::OrderRequest = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(sent.client_order_no, tag().to_string());
    let header = |name| {
        let found = requests[0].headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).unwrap()
    };
    let token = header(token::TOKEN_HEADER);
    let claims = token::verify(token, header("x-ak"), &Secret::new("sk"), CONTEXT.wall).unwrap();
    assert_eq!(claims.nonce, "0000000000000007");
}

#[test]
fn asking_again_for_an_order_in_service_pays_nothing_and_an_ended_one_is_a_conflict() {
    let (_, outcome) = run(&aethir(), &order_command(), vec![ok(order("IN_SERVICE"))]);
    assert_eq!(
        outcome,
        Outcome::Started {
            remote_id: "o-1".to_owned()
        }
    );
    for status in ["COMPLETED", "CANCELLED"] {
        let (_, outcome) = run(&aethir(), &order_command(), vec![ok(order(status))]);
        assert_eq!(failure(outcome).kind, FailureKind::Conflict);
    }
}

#[test]
fn a_refused_payment_releases_the_order_and_a_lost_one_is_unknown() {
    let answers = vec![
        ok(order("TO_BE_PAID")),
        no(402, 135_402, "wallet"),
        ok(order("CANCELLED")),
    ];
    let (requests, outcome) = run(&aethir(), &order_command(), answers);
    assert!(requests[2].path.ends_with("/orders/o-1/release"));
    let refused = failure(outcome);
    assert_eq!(refused.kind, FailureKind::NoCredit);
    assert!(
        refused.detail.contains("wallet (code 135402)"),
        "{refused:?}"
    );
    for lost in [Err(TransportFault::MaybeSent), no(500, 135_500, "busy")] {
        let answers = vec![ok(order("TO_BE_PAID")), lost];
        let (_, outcome) = run(&aethir(), &order_command(), answers);
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
}

#[test]
fn a_refused_payment_whose_release_is_not_confirmed_is_unknown() {
    for unconfirmed in [
        Err(TransportFault::CircuitOpen),
        Err(TransportFault::NotSent),
        Err(TransportFault::MaybeSent),
        no(401, 135_401, "credentials refused"),
        no(500, 135_500, "busy"),
        ok(order("TO_BE_PAID")),
        ok(order("IN_SERVICE")),
    ] {
        for refused in [no(402, 135_402, "wallet"), Err(TransportFault::CircuitOpen)] {
            let answers = vec![ok(order("TO_BE_PAID")), refused, unconfirmed.clone()];
            let (_, outcome) = run(&aethir(), &order_command(), answers);
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        }
    }
}

#[test]
fn an_order_that_cannot_be_placed_is_refused_with_its_reason() {
    for (status, code, kind) in [
        (400, 135_400, FailureKind::Refused),
        (401, 135_401, FailureKind::Credentials),
        (409, 135_409, FailureKind::Conflict),
        (410, 135_410, FailureKind::NoCapacity),
        (429, 135_429, FailureKind::RateLimited),
    ] {
        let (_, outcome) = run(&aethir(), &order_command(), vec![no(status, code, "x")]);
        assert_eq!(failure(outcome).kind, kind);
    }
    let odd = json(200, r#"{"code":135500,"msg":"busy","data":null,"time":""}"#);
    let (_, outcome) = run(&aethir(), &order_command(), vec![odd]);
    assert!(matches!(outcome, Outcome::Unknown { .. }));
    let command = start(NETWORK, "reserve", "h100-us", container());
    let (requests, outcome) = run(&aethir(), &command, vec![]);
    assert!(requests.is_empty());
    assert_eq!(failure(outcome).code, ErrorCode::LAUNCH_IMPOSSIBLE);
}

#[test]
fn a_status_shows_every_server_by_rank_and_waits_for_the_last_check() {
    let command = Command::Status {
        product: "on-demand".to_owned(),
        remote_id: "o-1".to_owned(),
    };
    for (second, state) in [
        ("IN_SERVICE", RemoteState::Running),
        ("CHECKING", RemoteState::Pending),
        ("OFFLINE", RemoteState::Running),
        ("SOMETHING_NEW", RemoteState::Running),
    ] {
        let servers = serde_json::json!([server(1, second), server(0, "IN_SERVICE")]);
        let (_, outcome) = run(
            &aethir(),
            &command,
            vec![ok(order("IN_SERVICE")), ok(servers)],
        );
        let Outcome::Status(seen) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(seen.state, state, "{second}");
        assert_eq!(seen.device.as_deref(), Some("fp-0"));
        assert_eq!(seen.nodes[1].ssh.as_ref().unwrap().port, 2201);
        assert_eq!(seen.nodes[1].remote_word, second);
        assert_eq!(
            (seen.minutes_served, seen.minutes_remaining),
            (Some(5), Some(55))
        );
    }
}

#[test]
fn an_order_that_is_not_in_service_is_read_in_one_request() {
    let command = Command::Status {
        product: "reserve".to_owned(),
        remote_id: "o-1".to_owned(),
    };
    let with_reason = |reason: &str| {
        let mut ended = order("COMPLETED");
        ended["endReason"] = reason.into();
        ended
    };
    for (body, state) in [
        (order("TO_BE_PAID"), RemoteState::AwaitingPayment),
        (order("CANCELLED"), RemoteState::Stopped),
        (order("PAUSED"), RemoteState::Pending),
        (with_reason("time_up"), RemoteState::Completed),
        (with_reason("released"), RemoteState::Stopped),
        (with_reason("provider_fault"), RemoteState::Failed),
        (with_reason("a new reason"), RemoteState::Completed),
    ] {
        let (_, outcome) = run(&aethir(), &command, vec![ok(body)]);
        let Outcome::Status(seen) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(seen.state, state, "{}", seen.remote_word);
    }
}

#[test]
fn a_listing_is_a_bulk_read_page_by_page_with_our_prefix() {
    let page = |records: Vec<serde_json::Value>, current: u32| {
        ok(serde_json::json!({
            "records": records, "current": current, "size": 100, "total": 101, "pages": 2
        }))
    };
    let mut other = order("IN_SERVICE");
    other["clientOrderNo"] = "somebody-else".into();
    other["orderId"] = "o-2".into();
    let answers = vec![
        page(vec![order("IN_SERVICE"); 100], 1),
        page(vec![other], 2),
    ];
    let command = Command::List {
        tag_prefix: "tandem-".to_owned(),
    };
    let (requests, outcome) = run(&aethir(), &command, answers);
    assert!(requests.iter().all(|r| r.rate == RateClass::Bulk));
    assert!(
        requests[1]
            .query
            .contains(&("current".to_owned(), "2".to_owned()))
    );
    let Outcome::Listed(found) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].state, RemoteState::Running);
}

#[test]
fn the_same_extension_always_carries_the_same_number() {
    let numbers: Vec<_> = [extend(), extend()]
        .iter()
        .map(|command| {
            let (requests, outcome) = run(&aethir(), command, vec![ok(order("IN_SERVICE"))]);
            assert!(matches!(outcome, Outcome::Extended(_)));
            let body: wire::ExtendRequest = serde_json::from_slice(&requests[0].body).unwrap();
            body.client_extension_no
        })
        .collect();
    assert_eq!(numbers[0], numbers[1]);
    assert!(numbers[0].contains("o-1") && numbers[0].len() <= wire::CLIENT_NUMBER_CHARS_MAX);
}

#[test]
fn a_release_stops_and_consoles_and_the_wallet_are_read() {
    let stop = Command::Stop {
        product: "reserve".to_owned(),
        remote_id: "o-1".to_owned(),
    };
    let (_, outcome) = run(&aethir(), &stop, vec![ok(order("COMPLETED"))]);
    assert_eq!(outcome, Outcome::Stopping);

    let logs = Command::Logs {
        product: "reserve".to_owned(),
        remote_id: "o-1".to_owned(),
    };
    let servers = serde_json::json!([server(0, "IN_SERVICE"), server(1, "IN_SERVICE")]);
    let tail = |text: &str| ok(serde_json::json!({"lines": [text]}));
    let (requests, outcome) = run(&aethir(), &logs, vec![ok(servers), tail("a"), tail("b")]);
    assert!(requests[1].path.ends_with("/servers/s-0/console"));
    let lines = vec!["0: a".to_owned(), "1: b".to_owned()];
    assert_eq!(
        outcome,
        Outcome::Logs {
            lines,
            complete: false
        }
    );

    let wallet = serde_json::json!({"ath": "12.5", "athUsdRate": "0.05", "rateTimeMs": 1});
    let (_, outcome) = run(&aethir(), &Command::Balance, vec![ok(wallet)]);
    let Outcome::Balance {
        token: Some(ath),
        usd: None,
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (ath.token, ath.base_units),
        (Token::Ath, 12_500_000_000_000_000_000)
    );
}

#[test]
fn every_body_survives_writing_and_reading() {
    let read: wire::Order = serde_json::from_str(&order("PAUSED").to_string()).unwrap();
    assert_eq!(read.status, wire::OrderStatus::Other("PAUSED".to_owned()));
    let written = serde_json::to_string(&read).unwrap();
    assert!(written.contains(r#""status":"PAUSED""#) && written.contains(r#""athTotal":"796.8""#));
    assert_eq!(serde_json::from_str::<wire::Order>(&written).unwrap(), read);
}
