//! What a machine is when its GPUs are probed: honest, lying, mute, or patched to work all the same;
//! and the verdict that comes of it. A machine keeps what it is for the whole run.

use gpu_probe::report::DeviceUuid;
use gpu_probe::verdict::{
    Effect, Evidence, ProofLevel, Reason, ReasonCode, Verdict, VerdictOutcome,
};

use crate::dice::Dice;

/// What a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Its cards are what they were sold as.
    Honest,
    /// They are, and slower than a good one.
    Slow,
    /// Nothing can be measured on it.
    Unable,
    /// One of its cards is not what it was sold as.
    Liar,
    /// It shows a card of another machine.
    Copy,
    /// It was told to probe and never says a word of it.
    Mute,
    /// It starts its work without the probe.
    Skips,
    /// It does, and says that it still probes until it has a checkpoint or a result.
    Hides,
    /// It lies, is told so, and starts its work all the same.
    Deaf,
    /// It passes, and claims that it worked since it was bound.
    Backdates,
}

/// Machines that do nothing wrong.
const GOOD: [Nature; 6] = [
    Nature::Honest,
    Nature::Honest,
    Nature::Honest,
    Nature::Honest,
    Nature::Slow,
    Nature::Unable,
];
const BAD: [Nature; 8] = [
    Nature::Liar,
    Nature::Liar,
    Nature::Copy,
    Nature::Mute,
    Nature::Skips,
    Nature::Hides,
    Nature::Deaf,
    Nature::Backdates,
];
/// What fails a card.
const LIES: [ReasonCode; 4] = [
    ReasonCode::VramTooSlow,
    ReasonCode::MatrixTooSlow,
    ReasonCode::RowWrong,
    ReasonCode::SmCountMismatch,
];

impl Nature {
    /// Draws one; so many in a thousand are bad.
    pub(crate) fn draw(dice: &mut Dice, bad: u64) -> Self {
        if dice.permille(bad) {
            *dice.pick(&BAD)
        } else {
            *dice.pick(&GOOD)
        }
    }

    /// Whether its placements may be left for what it does.
    pub(crate) fn is_bad(self) -> bool {
        !GOOD.contains(&self)
    }

    /// Whether its agent is not the one that was sent there.
    pub(crate) fn is_patched(self) -> bool {
        use Nature as N;
        matches!(self, N::Skips | N::Hides | N::Deaf | N::Backdates)
    }
}

/// What the store knows against the devices that a machine shows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) banned: Vec<DeviceUuid>,
    pub(crate) in_use_elsewhere: Vec<DeviceUuid>,
    /// The machine showed other ones before.
    pub(crate) has_changed: bool,
}

impl Known {
    /// Whether an honest machine fails for it.
    pub(crate) fn fails(&self) -> bool {
        !self.banned.is_empty() || !self.in_use_elsewhere.is_empty() || self.has_changed
    }
}

fn reason(code: ReasonCode, effect: Effect, device: Option<DeviceUuid>) -> Reason {
    Reason {
        code,
        effect,
        device,
        detail: format!("{code} was drawn"),
    }
}

/// What the verifier finds of a machine.
pub(crate) fn verdict(
    nature: Nature,
    cards: &[DeviceUuid],
    known: &Known,
    dice: &mut Dice,
) -> Verdict {
    let mut reasons = Vec::new();
    let banned = known.banned.iter();
    reasons.extend(banned.map(|c| reason(ReasonCode::DeviceBanned, Effect::Fail, Some(*c))));
    let twice = known.in_use_elsewhere.iter();
    reasons.extend(twice.map(|c| reason(ReasonCode::DeviceDuplicate, Effect::Fail, Some(*c))));
    let changed = known.has_changed;
    reasons.extend(changed.then(|| reason(ReasonCode::DeviceChanged, Effect::Fail, None)));
    // A reason can be one card's, or the whole machine's.
    let one = cards.get(usize::try_from(dice.below(cards.len() as u64 + 1)).unwrap_or(0));
    reasons.extend(match nature {
        Nature::Liar | Nature::Deaf => Some(reason(*dice.pick(&LIES), Effect::Fail, one.copied())),
        Nature::Unable => Some(reason(
            ReasonCode::MeasurementMissing,
            Effect::CouldNotRun,
            one.copied(),
        )),
        Nature::Slow => Some(reason(
            ReasonCode::BandwidthLow,
            Effect::Degraded,
            one.copied(),
        )),
        _ => dice
            .permille(300)
            .then(|| reason(ReasonCode::ReferenceNotMeasured, Effect::Note, one.copied())),
    });
    let worst = reasons.iter().map(|r| r.effect).max();
    let outcome = match worst {
        Some(Effect::Fail) => VerdictOutcome::Fail,
        Some(Effect::CouldNotRun) => VerdictOutcome::CouldNotRun,
        _ => VerdictOutcome::Pass,
    };
    let speed = match nature {
        Nature::Slow => dice.between(400, 900),
        _ => dice.between(930, 1_000),
    };
    let levels = [
        ProofLevel::TimedProof,
        ProofLevel::TimedProof,
        ProofLevel::Continuous,
        ProofLevel::Attested,
    ];
    let is_shown = outcome == VerdictOutcome::Pass;
    Verdict {
        outcome,
        proof_level: match is_shown {
            true => *dice.pick(&levels),
            false => ProofLevel::Claimed,
        },
        speed_permille: is_shown.then(|| u32::try_from(speed).unwrap_or(1_000)),
        reasons,
        evidence: cards.iter().copied().map(Evidence::none).collect(),
    }
}

/// The verdict on a machine that says that it has nothing to probe with.
pub(crate) fn could_not_run() -> Verdict {
    not_measured(ReasonCode::MeasurementMissing)
}

/// The verdict on one that gave up, or began anew, once it knew what it must open.
pub(crate) fn withheld() -> Verdict {
    not_measured(ReasonCode::OpeningsMissing)
}

fn not_measured(why: ReasonCode) -> Verdict {
    Verdict {
        outcome: VerdictOutcome::CouldNotRun,
        proof_level: ProofLevel::Claimed,
        speed_permille: None,
        reasons: vec![reason(why, Effect::CouldNotRun, None)],
        evidence: Vec::new(),
    }
}
