//! The probe with which a placement begins: what is ordered at binding, what came of it, and what
//! an agent may do before it is judged; and the probes inside running work (`running`), at moments
//! that `moments` draws. Pure; the verifier itself runs behind HTTP.
//!
//! A node that was told to probe is *barred* until its verdict is accepted: no work of it is proved,
//! no checkpoint moves the pointer, and no outcome of its workload counts.

mod breach;
mod intake;
pub mod moments;
mod record;
pub mod running;

use std::collections::BTreeMap;
use std::time::Duration;

use gpu_probe::protocol::MomentId;
use gpu_probe::report::{ChallengeId, DeviceUuid, Digest, Kind, LatencySummary, SignedReport};
use gpu_probe::verdict::{Basis, Effect, ProofLevel, Reason, ReasonCode, Verdict, VerdictOutcome};
use serde::{Deserialize, Serialize};
use tandem_model::id::{BootId, JobId, ProbeId};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_pricing::probes::{Shown, TimedSpeed};

use moments::MomentKey;

pub use breach::PerformanceBreach;
pub(super) use breach::note_speed;
pub(super) use intake::{ends, hear, is_barred, may_publish, open, order, take};
pub use record::ProbeReceipt;

/// Most reasons kept of a verdict, the worst.
pub const REASONS_MAX: usize = 16;
/// Most bytes kept of a reason's detail.
pub const DETAIL_BYTES_MAX: usize = 200;
/// Most devices kept of a verdict: as many as a report may hold.
pub const DEVICES_MAX: usize = gpu_probe::report::DEVICES_MAX;
/// How often a node may begin its probe: after a broker was started again it begins anew, and who
/// begins anew for kinder questions gets few.
pub const OPENINGS_MAX: u32 = 3;
/// Reasons that are told in words.
const TOLD_MAX: usize = 3;

/// What is done where nothing could be measured or judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCouldNotRun {
    /// The workload starts all the same.
    #[default]
    GoOn,
    /// The placement is left.
    Leave,
}

/// How placements are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeTerms {
    /// Whether every placement starts with a quick probe.
    pub at_start: bool,
    /// What is done where it could not run.
    pub on_could_not_run: OnCouldNotRun,
    /// Failed probes after which a job never takes an offer again, at least 1.
    pub fails_of_offer: u32,
    /// Failed verdicts after which a device is banned, at least 1.
    pub ban_after_fails: u32,
    /// Expected share of failed starts, in thousandths, above which a kind of machines loses its
    /// grade as data-centre hardware.
    pub grade_failed_permille: u32,
    /// How long the verdict may take from the binding, or from the moment, in world time.
    pub within: Duration,
    /// Moments of a model and day at which running work is probed that agreed to it, up to
    /// [`moments::PER_DAY_MAX`]; 0 for none.
    pub while_running_per_day: u32,
    /// The key by which they are drawn.
    pub moments: MomentKey,
}

impl ProbeTerms {
    /// Nothing is probed; the rest as configured by default.
    pub const OFF: Self = Self {
        at_start: false,
        on_could_not_run: OnCouldNotRun::GoOn,
        fails_of_offer: 2,
        ban_after_fails: 3,
        grade_failed_permille: 300,
        within: Duration::from_secs(540),
        while_running_per_day: 0,
        moments: MomentKey::new([0; 32]),
    };

    /// Whether a workload starts after such an outcome.
    fn accepts(&self, outcome: VerdictOutcome) -> bool {
        match outcome {
            VerdictOutcome::Pass => true,
            VerdictOutcome::CouldNotRun => self.on_could_not_run == OnCouldNotRun::GoOn,
            VerdictOutcome::Fail => false,
        }
    }
}

/// What is kept of the report behind a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSeen {
    /// SHA-256 of the signed report, as compact JSON.
    pub sha256: Digest,
    /// What it shows of its devices' latencies.
    pub latency: BTreeMap<DeviceUuid, LatencySummary>,
}

impl ReportSeen {
    /// What is kept of a report.
    pub fn of(signed: &SignedReport) -> Self {
        let devices = signed.report.devices.iter();
        let latency = devices.filter_map(|d| Some((d.identity.cuda.uuid, LatencySummary::of(d)?)));
        Self {
            sha256: signed.sha256(),
            latency: latency.collect(),
        }
    }
}

/// A verdict on one node, as the verifier found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeVerdict {
    /// The probe: one verdict, however often it is told.
    pub probe: ProbeId,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// The run of the agent that was probed.
    pub boot_id: BootId,
    /// How much was probed.
    pub kind: Kind,
    /// The challenge, where one was asked.
    pub challenge_id: Option<ChallengeId>,
    /// The report, where one came.
    pub report: Option<ReportSeen>,
    /// The moment, for a probe inside running work.
    pub moment: Option<MomentId>,
    /// What was found.
    pub verdict: Box<Verdict>,
}

/// A node begins its probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeOpens {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node.
    pub rank: u16,
    /// The run of the agent that is probed.
    pub boot_id: BootId,
    /// The moment, for a probe inside running work.
    pub moment: Option<MomentId>,
}

impl NodeVerdict {
    /// The probe that it ends.
    pub const fn opens(&self) -> ProbeOpens {
        ProbeOpens {
            job: self.job,
            epoch: self.epoch,
            rank: self.rank,
            boot_id: self.boot_id,
            moment: self.moment,
        }
    }
}

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReason {
    /// Which.
    pub code: ReasonCode,
    /// What it did to the outcome.
    pub effect: Effect,
    /// In words; up to [`DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
}

/// One device of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedDevice {
    /// Which, by its own word.
    pub uuid: DeviceUuid,
    /// Catalogue id of the card that its facts fit, when they fit one.
    pub model: Option<String>,
    /// Whether a reason that fails the probe names it.
    pub failed: bool,
}

/// What came of the probe of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// The outcome.
    pub outcome: VerdictOutcome,
    /// How much was shown.
    pub proof_level: ProofLevel,
    /// Speed in thousandths of a good card of the model.
    pub speed_permille: Option<u32>,
    /// Whether every device was timed against a reference that was measured on a good card.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_referenced: bool,
    /// The worst [`REASONS_MAX`] reasons, worst first.
    pub reasons: Vec<ProbeReason>,
    /// Up to [`DEVICES_MAX`] devices.
    pub devices: Vec<ProbedDevice>,
    /// Whether the workload might start after it.
    pub accepted: bool,
    /// When it came.
    pub at: WorldTime,
}

/// Whether a character moves a cursor, or turns or hides what stands beside it.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || c.is_control()
}

/// Up to `bytes` bytes of a text, whole characters and none that moves a cursor.
fn short(text: &str, bytes: usize) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !is_unseen(*c)) {
        if kept.len() + c.len_utf8() > bytes {
            break;
        }
        kept.push(c);
    }
    kept
}

impl Probed {
    fn of(verdict: &Verdict, terms: &ProbeTerms, now: WorldTime) -> Self {
        let reasons = verdict.reasons.iter().take(REASONS_MAX);
        let fails = |uuid| {
            let by = |r: &Reason| r.effect == Effect::Fail && r.device == Some(uuid);
            verdict.reasons.iter().any(by)
        };
        let devices = verdict.evidence.iter().take(DEVICES_MAX);
        Self {
            outcome: verdict.outcome,
            proof_level: verdict.proof_level,
            speed_permille: verdict.speed_permille,
            is_referenced: verdict.evidence.iter().all(|device| {
                device.timed_permille.is_some() && device.basis == Some(Basis::Measured)
            }),
            reasons: reasons
                .map(|reason| ProbeReason {
                    code: reason.code,
                    effect: reason.effect,
                    detail: short(&reason.detail, DETAIL_BYTES_MAX),
                })
                .collect(),
            devices: devices
                .map(|device| ProbedDevice {
                    uuid: device.uuid,
                    model: device.model.clone(),
                    failed: fails(device.uuid),
                })
                .collect(),
            accepted: terms.accepts(verdict.outcome),
            at: now,
        }
    }

    /// What it shows of machines of its kind; none where nothing could be judged. Only a speed by
    /// the verifier's own clock, of a card that is there, counts.
    pub fn shown(&self) -> Option<Shown> {
        match self.outcome {
            VerdictOutcome::CouldNotRun => None,
            VerdictOutcome::Fail => Some(Shown::Failed),
            VerdictOutcome::Pass => {
                let is_timed = self.accepted && self.proof_level >= ProofLevel::TimedProof;
                let speed = self.speed_permille.filter(|_| is_timed);
                Some(Shown::Passed(speed.map(|permille| TimedSpeed {
                    permille,
                    is_referenced: self.is_referenced,
                })))
            }
        }
    }

    /// The verdict as far as it is kept.
    pub fn as_verdict(&self) -> Verdict {
        let reasons = self.reasons.iter().map(|reason| Reason {
            code: reason.code,
            effect: reason.effect,
            device: None,
            detail: reason.detail.clone(),
        });
        Verdict {
            outcome: self.outcome,
            proof_level: self.proof_level,
            speed_permille: self.speed_permille,
            reasons: reasons.collect(),
            evidence: Vec::new(),
        }
    }

    /// Fails what shows a device that another node of the attempt showed: one card stands for one.
    fn refuse_twins(&mut self, own: u16, all: &BTreeMap<u16, Self>) {
        for (rank, other) in all.iter().filter(|(rank, _)| **rank != own) {
            let shown = |d: &&ProbedDevice| other.devices.iter().any(|o| o.uuid == d.uuid);
            let Some(twin) = self.devices.iter().find(shown) else {
                continue;
            };
            let detail = format!("node {rank} shows device {} too", twin.uuid);
            let reason = ProbeReason {
                code: ReasonCode::DeviceDuplicate,
                effect: Effect::Fail,
                detail,
            };
            self.reasons.insert(0, reason);
            self.reasons.truncate(REASONS_MAX);
            self.outcome = VerdictOutcome::Fail;
            self.proof_level = ProofLevel::Claimed;
            self.accepted = false;
        }
    }

    /// Outcome and worst reasons, in words.
    pub fn in_words(&self) -> String {
        let outcome = match self.outcome {
            VerdictOutcome::Pass => "passed the probe",
            VerdictOutcome::CouldNotRun => "could not be probed",
            VerdictOutcome::Fail => "failed the probe",
        };
        let matters = |r: &&ProbeReason| r.effect >= Effect::Degraded;
        let told = self.reasons.iter().filter(matters).take(TOLD_MAX);
        let reasons: Vec<String> = told.map(|r| format!("{} ({})", r.code, r.detail)).collect();
        let level = self.proof_level.number();
        let speed = self
            .speed_permille
            .map_or_else(String::new, |s| format!(", speed {s} of 1000"));
        let why = if reasons.is_empty() {
            String::new()
        } else {
            format!(": {}", reasons.join("; "))
        };
        match self.outcome {
            VerdictOutcome::Pass => format!("{outcome}, proof level {level}{speed}{why}"),
            _ => format!("{outcome}{why}"),
        }
    }
}
