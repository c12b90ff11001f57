//! Soak and time gaps: what is healthy, what slows, what fails.

use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device, report};
use super::prover::{Exchange, failing};
use crate::report::{
    Gaps, Health, LatencyMap, Load, Outcome, Pattern, PatternPass, PatternTests, Telemetry,
    event_reason,
};
use crate::verdict::{ReasonCode, Verdict, VerdictOutcome};
use crate::verify::{Facts, Policy, SoakVerdict, Thresholds, judge_soak, judge_stored};

/// A load of so many minutes, one sample a second, with a rate by the minute.
fn load(minutes: u64, gflops: impl Fn(u64) -> u64) -> Load {
    let sample = |second: u64| Telemetry {
        at_ms: second * 1_000,
        gflops: gflops(second / 60),
        sm_clock_mhz: Some(1_900),
        memory_clock_mhz: None,
        power_mw: Some(300_000),
        core_celsius: Some(70),
        memory_celsius: None,
        ecc_uncorrected: Some(2),
        retired_pages: None,
        event_reasons: Some(event_reason::SW_POWER_CAP),
    };
    Load {
        duration_ms: minutes * 60_000,
        results: 1_000,
        mismatches: 0,
        samples: (1..=minutes * 60).map(sample).collect(),
    }
}

fn healthy() -> Health {
    Health {
        patterns: Outcome::Measured(PatternTests {
            bytes: 1 << 30,
            passes: vec![PatternPass {
                pattern: Pattern::Random,
                value: 3,
                errors: 0,
                first_bad_word: None,
            }],
        }),
        peers: Outcome::Measured(vec![]),
        steady_load: Outcome::Measured(load(1, |_| 100_000)),
        pulsed_load: Outcome::Measured(load(1, |_| 100_000)),
        gaps: Outcome::Measured(Gaps {
            duration_ns: 5_000_000_000,
            threshold_ns: 100_000,
            count: 1,
            gaps_ns: vec![400_000],
        }),
        latency_map: Outcome::Measured(LatencyMap {
            smids: vec![0, 1],
            regions: 2,
            hops: 64,
            cycles: vec![40_000; 4],
        }),
        soak: Some(Outcome::Measured(load(25, |_| 100_000))),
    }
}

fn judged(edit: impl FnOnce(&mut Health)) -> Verdict {
    let model = GpuModel::by_id("rtx4090").unwrap();
    let mut device = device(model, 1, &mut Noise::seeded(1));
    let mut health = healthy();
    edit(&mut health);
    device.health = Some(health);
    let signed = report(vec![device]).sign(&Exchange::key());
    judge_stored(&signed, &Policy::default(), &Facts::default())
}

fn soak(load: Load) -> impl FnOnce(&mut Health) {
    |health| health.soak = Some(Outcome::Measured(load))
}

#[test]
fn a_card_that_keeps_its_speed_is_good_and_its_power_cap_no_fault() {
    let verdict = judged(|_| {});
    assert_eq!(verdict.outcome, VerdictOutcome::Pass);
    assert!(!verdict.has(ReasonCode::SoakSlowed), "{verdict:?}");
    let lines = Thresholds::default();
    let cooling_down = load(25, |minute| 100_000 - minute * 150);
    assert_eq!(
        judge_soak(&cooling_down, &lines),
        SoakVerdict::Good { permille: 969 }
    );
}

#[test]
fn a_card_that_throttles_is_degraded_with_its_minute_or_fails() {
    let lines = Thresholds::default();
    let at = |left: u64| load(25, move |minute| if minute < 9 { 100_000 } else { left });
    let slowed = SoakVerdict::Slowed {
        permille: 900,
        knee_minute: Some(9),
    };
    assert_eq!(judge_soak(&at(90_000), &lines), slowed);
    let verdict = judged(soak(at(90_000)));
    assert_eq!(verdict.outcome, VerdictOutcome::Pass);
    assert!(verdict.has(ReasonCode::SoakSlowed));
    assert_eq!(
        verdict.evidence[0].reported_permille.map(|p| p <= 900),
        Some(true)
    );
    assert_eq!(failing(&judged(soak(at(84_000)))), [ReasonCode::SoakSlowed]);
    // A fast first minute is no reference.
    let boost = load(25, |minute| if minute == 0 { 150_000 } else { 100_000 });
    assert_eq!(
        judge_soak(&boost, &lines),
        SoakVerdict::Good { permille: 1_000 }
    );
}

#[test]
fn a_soak_that_is_too_short_could_not_run() {
    let verdict = judged(soak(load(7, |_| 100_000)));
    assert_eq!(verdict.outcome, VerdictOutcome::CouldNotRun);
    let mut thin = load(25, |_| 100_000);
    thin.samples.retain(|sample| sample.at_ms % 60_000 == 0);
    assert_eq!(
        judge_soak(&thin, &Thresholds::default()),
        SoakVerdict::TooShort
    );
    let empty = Load {
        samples: vec![],
        ..load(25, |_| 1)
    };
    assert_eq!(
        judge_soak(&empty, &Thresholds::default()),
        SoakVerdict::TooShort
    );
}

#[test]
fn differing_results_heat_and_memory_errors_fail() {
    let differing = judged(|health| {
        if let Outcome::Measured(load) = &mut health.pulsed_load {
            load.mismatches = 1;
        }
    });
    assert_eq!(failing(&differing), [ReasonCode::ResultsDiffer]);
    let hot = judged(|health| {
        if let Outcome::Measured(load) = &mut health.steady_load {
            load.samples[30].event_reasons = Some(event_reason::HW_THERMAL_SLOWDOWN);
        }
    });
    assert_eq!(failing(&hot), [ReasonCode::HardwareThrottled]);
    let bad_word = judged(|health| {
        if let Outcome::Measured(tests) = &mut health.patterns {
            tests.passes[0].errors = 1;
        }
    });
    assert_eq!(failing(&bad_word), [ReasonCode::MemoryErrors]);
    let ecc = judged(|health| {
        if let Outcome::Measured(load) = &mut health.steady_load {
            load.samples[50].ecc_uncorrected = Some(3);
            load.samples[59].ecc_uncorrected = Some(3);
        }
    });
    assert_eq!(failing(&ecc), [ReasonCode::MemoryErrors]);
}

#[test]
fn a_shared_device_is_seen_by_its_gaps_and_a_display_is_forgiven() {
    let with = |gaps_ns: Vec<u64>| {
        judged(move |health| {
            if let Outcome::Measured(gaps) = &mut health.gaps {
                gaps.gaps_ns = gaps_ns;
            }
        })
    };
    assert_eq!(
        failing(&with(vec![2_000_000; 1_000])),
        [ReasonCode::TimeGaps]
    );
    let few = with(vec![2_000_000; 3]);
    assert_eq!(few.outcome, VerdictOutcome::Pass);
    assert!(few.has(ReasonCode::TimeGaps));
}

#[test]
fn a_test_that_could_not_run_is_no_failure_and_one_that_failed_is() {
    let reason = "no memory".to_owned();
    let missing = judged(|health| health.patterns = Outcome::CouldNotRun { reason });
    assert_eq!(missing.outcome, VerdictOutcome::CouldNotRun);
    let reason = "launch fault".to_owned();
    let broken = judged(|health| health.gaps = Outcome::Failed { reason });
    assert_eq!(failing(&broken), [ReasonCode::MeasurementFailed]);
}

#[test]
fn a_report_that_leaves_its_tests_or_samples_out_could_not_run() {
    use crate::report::Kind;
    let model = GpuModel::by_id("rtx4090").unwrap();
    let outcome = |edit: fn(&mut crate::report::Report)| {
        let mut report = report(vec![device(model, 1, &mut Noise::seeded(1))]);
        edit(&mut report);
        let signed = report.sign(&Exchange::key());
        judge_stored(&signed, &Policy::default(), &Facts::default()).outcome
    };
    assert_eq!(outcome(|_| {}), VerdictOutcome::Pass);
    let lacking: [fn(&mut crate::report::Report); 5] = [
        |report| report.kind = Kind::Full,
        |report| report.kind = Kind::Soak,
        |report| {
            report.kind = Kind::Soak;
            report.devices[0].health = Some(Health {
                soak: None,
                ..healthy()
            });
        },
        |report| {
            if let Outcome::Measured(bandwidth) = &mut report.devices[0].bandwidth {
                bandwidth.copy.timing.event_ns.clear();
                bandwidth.copy.timing.timer_ns.clear();
            }
        },
        |report| {
            if let Outcome::Measured(rate) = &mut report.devices[0].tensor_f16 {
                rate.timing.event_ns = vec![0; 3];
                rate.timing.timer_ns.clear();
            }
        },
    ];
    for edit in lacking {
        assert_eq!(outcome(edit), VerdictOutcome::CouldNotRun);
    }
}

#[test]
fn samples_as_late_as_a_number_can_say_are_judged_at_once() {
    let mut late = load(3, |_| 1_000);
    let mut last = late.samples[0];
    last.gflops = 1;
    for second in 0..30 {
        last.at_ms = u64::MAX - 30_000 + second * 1_000;
        late.samples.push(last);
    }
    let slowed = SoakVerdict::Slowed {
        permille: 1,
        knee_minute: Some((u64::MAX - 30_000) / 60_000),
    };
    assert_eq!(judge_soak(&late, &Thresholds::default()), slowed);
    late.samples.iter_mut().for_each(|s| s.gflops = 1_000);
    late.samples.last_mut().unwrap().at_ms = u64::MAX;
    judge_soak(&late, &Thresholds::default());
}
