//! `gpu-probe verify` as a person or a script runs it.

#![allow(clippy::unwrap_used, reason = "tests assert by panicking")]

use std::process::{Command, Output};

use ed25519_dalek::SigningKey;
use gpu_probe::hex::HexBytes;
use gpu_probe::report::{Driver, FORMAT_VERSION, Kind, Report, SignedReport};
use gpu_probe::verdict::{ReasonCode, Verdict, VerdictOutcome};
use tempfile::NamedTempFile;

/// A signed report of a machine without a device.
fn signed() -> SignedReport {
    let report = Report {
        format_version: FORMAT_VERSION,
        kind: Kind::Quick,
        challenge_id: HexBytes([0; 16]),
        nonce: HexBytes([0; 32]),
        started_at_unix_ms: 0,
        agent_version: "0.1.0".to_owned(),
        emulated: false,
        kernels_sha256: HexBytes([0; 32]),
        driver: Driver {
            cuda_version: 12_040,
            version: None,
            is_virtual: None,
        },
        devices: vec![],
        public_key: HexBytes([0; 32]),
    };
    report.sign(&SigningKey::from_bytes(&[3; 32]))
}

fn verify(text: &[u8], args: &[&str]) -> Output {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpu-probe"));
    command.arg("verify").arg(file.path()).args(args);
    command.output().unwrap()
}

#[test]
fn a_report_without_devices_could_not_run_and_says_what_a_file_cannot_show() {
    let text = serde_json::to_vec(&signed()).unwrap();
    let output = verify(&text, &[]);
    assert_eq!(output.status.code(), Some(2));
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in [
        "could not run",
        "proof level 0",
        "live exchange",
        "measurement_missing",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn a_changed_report_fails_as_json() {
    let mut signed = signed();
    signed.report.started_at_unix_ms = 1;
    let output = verify(&serde_json::to_vec(&signed).unwrap(), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let verdict: Verdict = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict.outcome, VerdictOutcome::Fail);
    assert!(verdict.has(ReasonCode::SignatureInvalid));
}

#[test]
fn what_is_no_report_is_refused_with_its_name_and_nothing_on_stdout() {
    for text in [&b"{}"[..], b"", &[b'['; 100_000], &vec![b' '; 5 << 20]] {
        let output = verify(text, &["--json"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        assert!(!output.stderr.is_empty());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpu-probe"));
    let missing = command.args(["verify", "no-such-file"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such-file"));
}
