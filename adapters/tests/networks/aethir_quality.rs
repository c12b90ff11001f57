//! What follows from the Aethir-style API's quality reads: checkers' votes, host levels, slashes.

use tandem_adapters::aethir::quality::{
    self, CheckerReport, ContainerData, IncidentKind, Quality, Verdict,
};

fn report(license: &str, data: ContainerData) -> CheckerReport {
    CheckerReport {
        job_id: "j".to_owned(),
        client_id: "c".to_owned(),
        license_id: license.to_owned(),
        epoch: 1,
        period: 1,
        report_time_ms: 1,
        container_id: "s-0".to_owned(),
        job_type: 2,
        container_data: data,
        signature_data: String::new(),
    }
}

#[test]
fn checkers_vote_by_simple_majority_once_per_licence() {
    let yes = || ContainerData::Capacity { qualified: true };
    let no = || ContainerData::Capacity { qualified: false };
    let alive = |loss| ContainerData::Liveness {
        continues: true,
        loss,
        duration_seconds: 60,
    };
    let verdict = |votes: Vec<(&str, ContainerData)>| {
        quality::majority(
            &votes
                .into_iter()
                .map(|(l, d)| report(l, d))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        verdict(vec![("1", yes()), ("2", yes()), ("3", no())]),
        Verdict::Passed
    );
    assert_eq!(
        verdict(vec![("1", no()), ("2", yes()), ("3", no())]),
        Verdict::Failed
    );
    assert_eq!(
        verdict(vec![("1", no()), ("2", yes())]),
        Verdict::NoMajority
    );
    assert_eq!(verdict(vec![]), Verdict::NoMajority);
    // Findings that differ in their figures are different findings.
    assert_eq!(
        verdict(vec![("1", alive(0)), ("2", alive(1)), ("3", alive(2))]),
        Verdict::NoMajority
    );
    // One licence that reports three times has one vote.
    let stuffed = vec![
        ("1", yes()),
        ("1", yes()),
        ("1", yes()),
        ("2", no()),
        ("3", no()),
    ];
    assert_eq!(verdict(stuffed), Verdict::Failed);
}

#[test]
fn host_levels_and_slashes_follow_the_published_rules() {
    let figures = |offline: u32, uptime: &str, capacity| Quality {
        heartbeats_expected: 100,
        heartbeats_seen: 100,
        offline_seconds_today: offline,
        monthly_uptime_percent: tandem_adapters::decimal::Decimal::new(uptime),
        capacity_qualified: capacity,
        qoe_samples: Vec::new(),
    };
    for (quality, kept) in [
        (figures(0, "99.0", None), Some(true)),
        (figures(1_800, "99.9", None), Some(false)),
        (figures(0, "98.99", None), Some(false)),
        (figures(0, "100", Some(false)), Some(false)),
        (figures(0, "unclear", None), None),
    ] {
        assert_eq!(quality::keeps_host_level(&quality), kept, "{quality:?}");
    }
    assert_eq!(quality::slash_thirds(&IncidentKind::Interruption), Some(1));
    assert_eq!(quality::slash_thirds(&IncidentKind::Deception), Some(3));
    assert_eq!(quality::slash_thirds(&IncidentKind::Offline), Some(0));
}
