//! The wire form is a promise to agents two releases old.

use super::*;
use serde_json::json;

fn job() -> JobId {
    JobId::from_parts(1_700_000_000_000, &[7; 10])
}

#[test]
fn an_unknown_directive_means_continue_and_an_unknown_phase_is_kept_as_unknown() {
    let reply: HeartbeatReply = serde_json::from_value(json!({
        "granted": true, "lease_ttl_ms": 30_000, "live_epoch": 1, "directive": "dance"
    }))
    .unwrap();
    assert_eq!(reply.directive, Directive::Continue);
    let phase: Phase = serde_json::from_value(json!("meditating")).unwrap();
    assert_eq!(phase, Phase::Unknown);
    let cause: EndCause = serde_json::from_value(json!("vanished")).unwrap();
    assert_eq!(cause, EndCause::Workload);
}

#[test]
fn every_directive_phase_and_cause_round_trips() {
    for d in [
        Directive::Continue,
        Directive::Stop,
        Directive::CheckpointAndStop,
    ] {
        let text = serde_json::to_string(&d).unwrap();
        assert_eq!(
            serde_json::from_str::<Directive>(&text).unwrap(),
            d,
            "{text}"
        );
    }
    for p in [
        Phase::Starting,
        Phase::Running,
        Phase::Ended,
        Phase::Checkpointing,
    ] {
        let text = serde_json::to_string(&p).unwrap();
        assert_eq!(serde_json::from_str::<Phase>(&text).unwrap(), p, "{text}");
    }
    for c in [
        EndCause::Workload,
        EndCause::RestoreFailed,
        EndCause::Terminated,
    ] {
        let text = serde_json::to_string(&c).unwrap();
        assert_eq!(
            serde_json::from_str::<EndCause>(&text).unwrap(),
            c,
            "{text}"
        );
    }
}

#[test]
fn a_bind_reply_keeps_its_secrets_on_the_wire_and_hides_them_when_printed() {
    let wire = json!({
        "lease_ttl_ms": 30_000, "heartbeat_interval_ms": 5_000, "orphan_ttl_ms": 900_000,
        "exclusive": false, "secrets": {"HF_TOKEN": "hunter2"}, "restore": null,
        "checkpoint_store": {"url": "s3://b/p", "access_key_id": "k", "secret_access_key": "hunter2"},
    });
    let reply: BindReply = serde_json::from_value(wire).unwrap();
    assert_eq!(reply.check(), Ok(()));
    assert!(!format!("{reply:?}").contains("hunter2"));
    let text = serde_json::to_string(&reply).unwrap();
    assert_eq!(text.matches("hunter2").count(), 2);
    assert_eq!(serde_json::from_str::<BindReply>(&text).unwrap(), reply);
}

#[test]
fn terms_that_no_agent_can_keep_are_refused_by_field() {
    let good = json!({
        "lease_ttl_ms": 30_000, "heartbeat_interval_ms": 5_000, "orphan_ttl_ms": 900_000,
        "exclusive": false,
    });
    for (field, value, refused) in [
        ("lease_ttl_ms", json!(0), "lease_ttl_ms"),
        ("orphan_ttl_ms", json!(u64::MAX), "orphan_ttl_ms"),
        (
            "heartbeat_interval_ms",
            json!(30_000),
            "heartbeat_interval_ms",
        ),
        ("secrets", json!({"TANDEM_EPOCH": "9"}), "secrets"),
        ("secrets", json!({"A=B": "9"}), "secrets"),
        ("secrets", json!({"A": "zero\u{0}byte"}), "secrets"),
    ] {
        let mut wire = good.clone();
        wire[field] = value;
        let reply: BindReply = serde_json::from_value(wire).unwrap();
        assert_eq!(reply.check().unwrap_err().field, refused);
    }
}

#[test]
fn a_key_cannot_leave_its_store() {
    let reference = |key: &str| CheckpointRef {
        epoch: Epoch(1),
        step: 1,
        key: key.to_owned(),
        sha256: Sha256::of(b""),
        bytes: 0,
    };
    assert_eq!(reference("job_1/1/12.tar").check(), Ok(()));
    for key in [
        "",
        "/etc/passwd",
        "a//b",
        "a/../b",
        "..",
        ".",
        "a/",
        "a\\b",
        "a b",
        "é",
        "a\0",
    ] {
        assert_eq!(reference(key).check().unwrap_err().field, "key", "{key:?}");
    }
}

#[test]
fn a_digest_is_64_lower_case_hex_digits() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Sha256::of(b"").to_string(), empty);
    assert_eq!(empty.parse(), Ok(Sha256::of(b"")));
    for bad in [
        "",
        &empty[1..],
        &empty.to_uppercase(),
        &format!("{empty}0"),
        &"é".repeat(32),
    ] {
        assert_eq!(bad.parse::<Sha256>(), Err(ParseSha256Error), "{bad}");
    }
}

#[test]
fn a_refusal_is_read_even_when_only_its_code_is_there() {
    let problem: Problem = serde_json::from_value(json!({"code": "TDM-4001"})).unwrap();
    assert_eq!(problem.live_epoch, None);
    let full = Problem::fenced("epoch 1 of the job is over", Some(Epoch(2)));
    let wire = serde_json::to_value(&full).unwrap();
    assert_eq!(wire["live_epoch"], json!(2));
    assert_eq!(serde_json::from_value::<Problem>(wire).unwrap(), full);
}

#[test]
fn bodies_over_their_limits_are_refused_by_field() {
    let heartbeat = HeartbeatRequest {
        job: job(),
        epoch: Epoch(1),
        rank: 0,
        boot_id: BootId::from_parts(1, &[1; 10]),
        sequence: 1,
        phase: Phase::Running,
        progress: Some(Progress {
            step: 1,
            total_steps: Some(2),
        }),
        uptime_ms: 0,
        worked_ms: 0,
        log_tail: vec!["a line".to_owned()],
    };
    assert_eq!(heartbeat.check(), Ok(()));
    let long = HeartbeatRequest {
        log_tail: vec!["x".repeat(LOG_LINE_BYTES_MAX + 1)],
        ..heartbeat.clone()
    };
    assert_eq!(long.check().unwrap_err().field, "log_tail");
    let many = HeartbeatRequest {
        log_tail: vec![String::new(); LOG_LINES_MAX + 1],
        ..heartbeat.clone()
    };
    assert_eq!(many.check().unwrap_err().field, "log_tail");
    let first = HeartbeatRequest {
        sequence: 0,
        ..heartbeat
    };
    assert_eq!(first.check().unwrap_err().field, "sequence");
}
