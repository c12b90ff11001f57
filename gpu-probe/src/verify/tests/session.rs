//! The state machine: each message once, in order, within its life.

use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device, uuid};
use super::prover::{Card, Exchange, Forge, policy};
use crate::exchange::*;
use crate::hex::HexBytes;
use crate::report::Kind;
use crate::verify::reference::claim_of;
use crate::verify::{Facts, Refused, Session};

fn hello() -> Hello {
    let model = GpuModel::by_id("rtx4090").unwrap();
    Hello {
        format_version: 1,
        agent_version: "0.1.0".to_owned(),
        public_key: HexBytes(Exchange::key().verifying_key().to_bytes()),
        devices: vec![claim_of(&device(model, 1, &mut Noise::seeded(1)))],
    }
}

fn open(secret: u8) -> Session {
    Session::new(
        policy(16, 1),
        Facts::default(),
        Kind::Quick,
        [secret; 32],
        1_000,
    )
}

#[test]
fn messages_out_of_order_are_refused_and_the_third_ends_the_session() {
    let mut session = open(1);
    for _ in 0..2 {
        let refused = session.step(ProverMessage::MatrixBegin, 1_001);
        assert_eq!(refused, Err(Refused::OutOfOrder { due: "hello" }));
    }
    session.step(ProverMessage::Hello(hello()), 1_002).unwrap();
    let again = session.step(ProverMessage::Hello(hello()), 1_003);
    assert_eq!(
        again,
        Err(Refused::OutOfOrder {
            due: "matrix_begin"
        })
    );
    let ended = session.step(ProverMessage::MatrixBegin, 1_004);
    assert_eq!(ended, Err(Refused::Ended));
}

#[test]
fn a_message_out_of_its_limits_is_refused_even_when_nobody_parsed_it() {
    for devices in [0, 17] {
        let mut session = open(1);
        let mut many = hello();
        many.devices = vec![many.devices[0].clone(); devices];
        let refused = session.step(ProverMessage::Hello(many), 1_001);
        assert!(matches!(refused, Err(Refused::Malformed(_))), "{refused:?}");
        session.step(ProverMessage::Hello(hello()), 1_002).unwrap();
        session.step(ProverMessage::MatrixBegin, 1_003).unwrap();
        let row = RowOpening {
            job: 0,
            row: 0,
            values: "A".repeat(ROW_TEXT_LEN_MAX + 1),
            path: vec![],
        };
        let openings = MatrixOpenings {
            uuid: hello().devices[0].uuid,
            rows: vec![row],
        };
        let refused = session.step(ProverMessage::MatrixOpenings(openings), 1_004);
        assert!(matches!(refused, Err(Refused::Malformed(_))), "{refused:?}");
    }
}

#[test]
fn the_seed_of_the_products_comes_with_the_clock_and_differs_by_secret() {
    let key = |secret: u8| {
        let mut session = open(secret);
        session.step(ProverMessage::Hello(hello()), 1_002).unwrap();
        match session.step(ProverMessage::MatrixBegin, 1_003).unwrap() {
            VerifierMessage::MatrixChallenge { key, .. } => key,
            other => panic!("a challenge was due: {other:?}"),
        }
    };
    assert_ne!(key(1), key(2));
    assert_ne!(key(1).0, open(1).plan().nonce.0);
}

#[test]
fn a_session_that_is_too_old_ends() {
    let mut session = open(1);
    let max_ms = 10_000_000;
    let late = session.step(ProverMessage::Hello(hello()), 1_000 + max_ms + 1);
    assert_eq!(late, Err(Refused::Expired { max_ms }));
    let after = session.step(ProverMessage::Hello(hello()), 1_001);
    assert_eq!(after, Err(Refused::Ended));
}

#[test]
fn long_probes_have_their_time_for_each_device() {
    for (kind, more_ms) in [(Kind::Full, 120_000), (Kind::Soak, 2_400_000)] {
        let mut opening = hello();
        for number in 2..=4 {
            let mut device = opening.devices[0].clone();
            device.uuid = uuid(number);
            opening.devices.push(device);
        }
        let (facts, max_ms) = (Facts::default(), 10_000_000 + 4 * more_ms);
        let mut session = Session::new(policy(32, 0), facts, kind, [1; 32], 1_000);
        session.step(ProverMessage::Hello(opening), 1_001).unwrap();
        let reply = session.step(ProverMessage::MatrixBegin, 1_000 + max_ms);
        assert!(reply.is_ok(), "{kind:?}: {reply:?}");
        let late = session.step(ProverMessage::MatrixBegin, 1_001 + max_ms);
        assert_eq!(late, Err(Refused::Expired { max_ms }));
    }
}

#[test]
fn nobody_foresees_a_challenge_and_the_same_secret_gives_the_same() {
    let (one, other) = (open(1), open(2));
    assert_ne!(one.plan().nonce, other.plan().nonce);
    assert_ne!(one.plan().challenge_id, other.plan().challenge_id);
    assert_eq!(one.plan(), open(1).plan());
}

#[test]
fn other_devices_are_refused() {
    let mut session = open(3);
    let VerifierMessage::Plan(plan) = session.step(ProverMessage::Hello(hello()), 1_002).unwrap()
    else {
        panic!("a plan was due");
    };
    let mut card = Card::new(hello().devices[0].clone(), &plan, &Exchange::key());
    let reply = session.step(ProverMessage::MatrixBegin, 1_010).unwrap();
    let VerifierMessage::MatrixChallenge { key, .. } = reply else {
        panic!("a challenge was due");
    };
    let mut roots = card.multiply(&plan.devices[0], &key.0, Forge::Nothing);
    roots.uuid = HexBytes([8; 16]);
    let foreign = ProverMessage::MatrixCommit {
        devices: vec![roots.clone()],
    };
    assert_eq!(session.step(foreign, 1_020), Err(Refused::OtherDevices));
    roots.uuid = plan.devices[0].uuid;
    let commit = ProverMessage::MatrixCommit {
        devices: vec![roots],
    };
    let VerifierMessage::MatrixPicks { devices, .. } = session.step(commit, 1_030).unwrap() else {
        panic!("picks were due");
    };
    let jobs = &devices[0].jobs;
    assert_eq!(jobs.len(), PICKED_JOBS);
    assert!(jobs.iter().all(|job| job.rows.len() == PICKED_ROWS));
}

#[test]
fn a_report_waits_for_the_checks() {
    let exchange = Exchange::of("rtx4090").proving(1);
    let sent = exchange.sent.clone();
    exchange.run(|_| {});
    let (mut sent, mut session) = (sent.take(), {
        let (policy, facts) = (policy(32, 1), Facts::default());
        Session::new(policy, facts, Kind::Quick, [5; 32], 1_000_000)
    });
    let (now, report) = sent.pop().unwrap();
    for (now, text) in &sent {
        let message = ProverMessage::parse(text).unwrap();
        session.step(message, *now).unwrap();
    }
    let message = ProverMessage::parse(&report).unwrap();
    for outstanding in [2, 1] {
        let refused = session.step(message.clone(), now);
        let waits = Refused::ChecksOutstanding { count: outstanding };
        assert_eq!(refused, Err(waits));
        let check = session.take_check().unwrap();
        assert_eq!(session.checks_outstanding(), outstanding);
        session.checked(check.run());
    }
    let verdict = session.step(message.clone(), now).unwrap();
    assert!(matches!(verdict, VerifierMessage::Verdict(_)));
    assert_eq!(session.step(message, now), Err(Refused::Ended));
}
