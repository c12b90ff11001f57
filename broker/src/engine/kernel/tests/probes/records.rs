//! What is kept of verdicts: a record for a receipt, and a line in each device's history, in the
//! commit of the verdict and once.

use std::collections::BTreeMap;

use gpu_probe::report::LatencySummary;

use super::*;
use crate::engine::probe::{ProbeReceipt, ReportSeen};
use crate::store::Changes;

fn receipts(changes: &Changes) -> Vec<ProbeReceipt> {
    let read = |text: &str| serde_json::from_str(text).unwrap();
    changes.probes.iter().map(|p| read(&p.document)).collect()
}

fn with(mut request: Request, change: impl FnOnce(&mut NodeVerdict)) -> Request {
    if let Request::Agent(AgentRequest::Probed(said)) = &mut request {
        change(said);
    }
    request
}

#[test]
fn one_card_does_not_stand_for_two_nodes() {
    let mut rig = rig(probing());
    rig.running(1, 2);
    let pass = |rank| said(1, rank, boot(BOOT), verdict(VerdictOutcome::Pass, 3));
    assert!(rig.may_start(5, pass(0)));
    assert!(!rig.may_start(5, pass(1)));
    rig.was_left("node 1 failed the probe: device_duplicate (node 0 shows device 0303");
}

#[test]
fn two_nodes_that_show_one_device_in_one_commit_each_have_a_record_and_a_line() {
    let mut rig = rig(probing());
    rig.running(1, 2);
    let pass = |rank| said(1, rank, boot(BOOT), verdict(VerdictOutcome::Pass, 3));
    rig.ask(5, pass(0));
    rig.ask(5, pass(1));
    let changes = rig.turn(5).unwrap().changes;
    let said: Vec<_> = receipts(&changes)
        .into_iter()
        .map(|r| (r.rank, r.outcome, r.accepted, r.proof_level))
        .collect();
    let first = (0, VerdictOutcome::Pass, true, 1);
    assert_eq!(said, [first, (1, VerdictOutcome::Fail, false, 0)]);
    let lines: Vec<_> = changes
        .devices
        .iter()
        .map(|d| (d.uuid, d.verdict.rank))
        .collect();
    assert_eq!(lines, [(HexBytes([3; 16]), 0), (HexBytes([3; 16]), 1)]);
    assert_ne!(changes.probes[0].id, changes.probes[1].id);
}

#[test]
fn a_receipt_says_all_that_was_found_and_the_history_has_the_latencies() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    let latency = LatencySummary {
        memory_ps: Some(512_000),
        l2_knee_bytes: Some(40 << 20),
        map: None,
    };
    let report = ReportSeen {
        sha256: HexBytes([9; 32]),
        latency: BTreeMap::from([(HexBytes([1; 16]), latency.clone())]),
    };
    let judged = with(judged(0, VerdictOutcome::Fail), |v| v.report = Some(report));
    rig.ask(5, judged);
    let changes = rig.turn(5).unwrap().changes;
    let receipt = &receipts(&changes)[0];
    assert_eq!(receipt.probe, changes.probes[0].id);
    assert_eq!(
        (receipt.job, receipt.epoch, receipt.rank),
        (job(1), Epoch(1), 0)
    );
    assert_eq!(receipt.installation, rig.kernel.terms().installation);
    assert_eq!(
        (receipt.network.as_str(), receipt.sold_as.as_str()),
        ("ionet", "rtx4090")
    );
    assert_eq!(receipt.speed_permille, Some(940));
    assert_eq!(receipt.reasons.len(), 16);
    assert!(receipt.devices[0].failed);
    assert_eq!(receipt.challenge_id, Some(HexBytes([7; 16])));
    assert_eq!(receipt.report_sha256, Some(HexBytes([9; 32])));
    assert_eq!(receipt.judged_at, at(5));
    let device = &changes.devices[0];
    assert_eq!(device.latency, Some(latency));
    assert_eq!(device.verdict.outcome, VerdictOutcome::Fail);
}

#[test]
fn a_verdict_is_recorded_with_the_first_commit_that_holds_and_never_again() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    rig.ask(5, judged(0, VerdictOutcome::Pass));
    let turn = rig.turn(5).unwrap();
    assert_eq!(turn.changes.probes.len(), 1);
    let attempt = &turn.changes.placements[0].document;
    assert!(
        attempt.contains("\"outcome\":\"pass\""),
        "one commit has both"
    );
    rig.kernel
        .refused(turn, &StoreError::Database("full".into()), at(5));
    // The broker asks again after a crash or a full disk, under the same id.
    rig.ask(6, judged(0, VerdictOutcome::Pass));
    let turn = rig.turn(6).unwrap();
    assert_eq!(receipts(&turn.changes)[0].judged_at, at(6));
    rig.kernel.committed(turn);
    rig.ask(7, judged(0, VerdictOutcome::Fail));
    let turn = rig.turn(7).unwrap();
    assert!(turn.changes.probes.is_empty() && turn.changes.devices.is_empty());
}

#[test]
fn what_a_machine_says_moves_no_cursor_and_turns_no_text() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    let hostile = "no\u{1b}[2Jdriver\u{9b}31m\u{7}\r\n\u{202e}dessap\u{2066}\u{200b}\u{feff}!";
    let judged = with(judged(0, VerdictOutcome::CouldNotRun), |v| {
        v.verdict.reasons.truncate(1);
        v.verdict.reasons[0].detail = hostile.to_owned();
    });
    rig.ask(5, judged);
    let changes = rig.turn(5).unwrap().changes;
    assert_eq!(
        receipts(&changes)[0].reasons[0].detail,
        "no[2Jdriver31mdessap!"
    );
}
