//! Memory patterns, loads, soak and time gaps of full and soak probes.

use super::Thresholds;
use super::findings::Findings;
use crate::report::{
    DeviceReport, Gaps, Health, Kind, Load, Outcome, Telemetry, event_reason, percentile,
};
use crate::verdict::{Effect, ReasonCode};

/// Minutes 1 to 3 of a soak: warm, and not yet hot.
const SOAK_START_MS: std::ops::Range<u64> = 60_000..180_000;
/// The end of a soak.
const SOAK_END_MS: u64 = 300_000;
/// Fewest samples in each of the two windows.
const SOAK_SAMPLES_MIN: usize = 30;
/// Reasons by which the hardware itself slows down.
const HARDWARE: u64 = event_reason::HW_THERMAL_SLOWDOWN;

/// What a long load says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoakVerdict {
    /// It keeps its speed.
    Good {
        /// Speed of the last five minutes, in thousandths of that of minutes 1 to 3.
        permille: u64,
    },
    /// It becomes slower.
    Slowed {
        /// As in `Good`.
        permille: u64,
        /// The minute in which the speed first stayed below the line.
        knee_minute: Option<u64>,
    },
    /// It was too short, or has too few samples.
    TooShort,
}

/// Judges a long load: the median speed of its last five minutes over that of minutes 1 to 3.
/// Results that differ and hardware that throttles are judged apart.
pub fn judge_soak(load: &Load, lines: &Thresholds) -> SoakVerdict {
    let end = load.samples.last().map_or(0, |sample| sample.at_ms);
    if end < SOAK_START_MS.end + SOAK_END_MS {
        return SoakVerdict::TooShort;
    }
    let median = |from: u64, to: u64| {
        let inside = load
            .samples
            .iter()
            .filter(|s| s.at_ms >= from && s.at_ms < to);
        let rates: Vec<u64> = inside.map(|s| s.gflops).collect();
        (rates.len() >= SOAK_SAMPLES_MIN).then(|| percentile(&rates, 50))?
    };
    let windows = (
        median(SOAK_START_MS.start, SOAK_START_MS.end),
        median(end - SOAK_END_MS, end.saturating_add(1)),
    );
    let (Some(start), Some(last)) = windows else {
        return SoakVerdict::TooShort;
    };
    let share = u128::from(last) * 1_000 / u128::from(start.max(1));
    let permille = u64::try_from(share).unwrap_or(u64::MAX);
    if permille >= lines.soak_good_permille {
        return SoakVerdict::Good { permille };
    }
    let line = u128::from(start) * u128::from(lines.soak_good_permille) / 1_000;
    SoakVerdict::Slowed {
        permille,
        knee_minute: knee_minute(load, line),
    }
}

/// The first minute after the start whose median speed is below `line`. Walks the samples and not
/// the minutes: moments are the prover's, up to 2^64 ms, and the samples are few.
fn knee_minute(load: &Load, line: u128) -> Option<u64> {
    let minute = |sample: &Telemetry| sample.at_ms / 60_000;
    let minutes = load.samples.chunk_by(|a, b| minute(a) == minute(b));
    let is_below = |inside: &&[Telemetry]| {
        let rates: Vec<u64> = inside.iter().map(|s| s.gflops).collect();
        percentile(&rates, 50).is_some_and(|rate| u128::from(rate) < line)
    };
    let mut later = minutes.filter(|inside| minute(&inside[0]) >= SOAK_START_MS.end / 60_000);
    later.find(is_below).map(|inside| minute(&inside[0]))
}

/// Names the longer tests that a report of this kind should have and lacks altogether.
pub(super) fn lacks_tests(kind: Kind, device: &DeviceReport, found: &mut Findings) {
    let has_soak = || device.health.as_ref().is_some_and(|h| h.soak.is_some());
    let lacks = match kind {
        Kind::Spot | Kind::Quick => false,
        Kind::Full => device.health.is_none(),
        Kind::Soak => !has_soak(),
    };
    if lacks {
        let detail = format!("a {kind:?} report without its longer tests");
        found.add(Effect::CouldNotRun, ReasonCode::MeasurementMissing, detail);
    }
}

/// Checks the longer tests of one device; gives the share of speed that is left after a soak.
pub(super) fn check(health: &Health, lines: &Thresholds, found: &mut Findings) -> Option<u64> {
    patterns(health, found);
    for (name, load) in [
        ("steady", &health.steady_load),
        ("pulsed", &health.pulsed_load),
    ] {
        match load {
            Outcome::Measured(load) => one_load(name, load, found),
            other => lacking(name, other, found),
        }
    }
    match &health.gaps {
        Outcome::Measured(gaps) => time_gaps(gaps, lines, found),
        other => lacking("time gaps", other, found),
    }
    if let Some(reason) = health.latency_map.reason() {
        let detail = format!("latency map: {reason}");
        found.note(ReasonCode::MeasurementMissing, detail);
    }
    match health.soak.as_ref()? {
        Outcome::Measured(load) => {
            one_load("soak", load, found);
            soak(load, lines, found)
        }
        other => {
            lacking("soak", other, found);
            None
        }
    }
}

fn lacking<T>(name: &str, outcome: &Outcome<T>, found: &mut Findings) {
    let (effect, code) = match outcome {
        Outcome::Failed { .. } => (Effect::Fail, ReasonCode::MeasurementFailed),
        _ => (Effect::CouldNotRun, ReasonCode::MeasurementMissing),
    };
    let reason = outcome.reason().unwrap_or_default();
    found.add(effect, code, format!("{name}: {reason}"));
}

fn patterns(health: &Health, found: &mut Findings) {
    let Outcome::Measured(tests) = &health.patterns else {
        lacking("memory patterns", &health.patterns, found);
        return;
    };
    for pass in tests.passes.iter().filter(|pass| pass.errors > 0) {
        let first = pass.first_bad_word.unwrap_or_default();
        let detail = format!(
            "{:?}: {} words differ, the first is {first}",
            pass.pattern, pass.errors
        );
        found.fail(ReasonCode::MemoryErrors, detail);
    }
}

fn one_load(name: &str, load: &Load, found: &mut Findings) {
    if load.mismatches > 0 {
        let detail = format!(
            "{name}: {} of {} results differ",
            load.mismatches, load.results
        );
        found.fail(ReasonCode::ResultsDiffer, detail);
    }
    let throttled = |s: &&Telemetry| s.event_reasons.is_some_and(|bits| bits & HARDWARE != 0);
    if let Some(sample) = load.samples.iter().find(throttled) {
        let detail = format!("{name}: slowed by hardware for heat at {} ms", sample.at_ms);
        found.fail(ReasonCode::HardwareThrottled, detail);
    }
    let ecc: Vec<u64> = load
        .samples
        .iter()
        .filter_map(|s| s.ecc_uncorrected)
        .collect();
    if let (Some(first), Some(last)) = (ecc.first(), ecc.last())
        && last > first
    {
        let detail = format!("{name}: {} uncorrected ECC errors", last - first);
        found.fail(ReasonCode::MemoryErrors, detail);
    }
}

fn soak(load: &Load, lines: &Thresholds, found: &mut Findings) -> Option<u64> {
    match judge_soak(load, lines) {
        SoakVerdict::Good { permille } => Some(permille.min(1_000)),
        SoakVerdict::Slowed {
            permille,
            knee_minute,
        } => {
            let knee = knee_minute.map_or(String::new(), |m| format!(", from minute {m}"));
            let detail = format!("{permille} permille of its first speed at the end{knee}");
            let effect = if permille < lines.soak_fail_permille {
                Effect::Fail
            } else {
                Effect::Degraded
            };
            found.add(effect, ReasonCode::SoakSlowed, detail);
            Some(permille)
        }
        SoakVerdict::TooShort => {
            let detail = "soak: shorter than eight minutes, or too few samples".to_owned();
            found.add(Effect::CouldNotRun, ReasonCode::MeasurementMissing, detail);
            None
        }
    }
}

/// Gaps longer than a millisecond are someone else's time slices. Display and driver may take one
/// now and then: a few are a note, a hundredth of the time fails.
fn time_gaps(gaps: &Gaps, lines: &Thresholds, found: &mut Findings) {
    let long = gaps.gaps_ns.iter().filter(|ns| **ns > lines.gap_ns_max);
    let (count, sum) = long.fold((0_u64, 0_u128), |(n, sum), ns| {
        (n + 1, sum + u128::from(*ns))
    });
    if count == 0 {
        return;
    }
    let permille = sum * 1_000 / u128::from(gaps.duration_ns.max(1));
    let detail = format!(
        "{count} gaps, {permille} permille of {} ns",
        gaps.duration_ns
    );
    let effect = if permille >= u128::from(lines.gaps_permille) {
        Effect::Fail
    } else {
        Effect::Note
    };
    found.add(effect, ReasonCode::TimeGaps, detail);
}
