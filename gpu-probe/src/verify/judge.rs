//! From a report, and what a live exchange showed, to a verdict.

use super::findings::Findings;
use super::reference::{self, ProofRates, blocks_needed, claim_of};
use super::{CheckFindings, Facts, Policy, floors, health, identity, physics};
use crate::exchange::{DevicePlan, Plan};
use crate::report::{DeviceReport, Digest, Kind, PublicKey, SignedReport};
use crate::verdict::{Basis, Effect, Evidence, ProofLevel, ReasonCode, Verdict};
use tandem_model::gpu::GpuModel;

/// What a live exchange showed, by the verifier's own clock.
#[derive(Debug, Clone)]
pub struct Live {
    /// What was asked.
    pub plan: Plan,
    /// The key that opened the exchange.
    pub public_key: PublicKey,
    /// The least round trip that was seen, bounded by the policy, in ms.
    pub rtt_ms: u64,
    /// From the matrix challenge to the roots of all devices, in ms.
    pub matrix_elapsed_ms: u64,
    /// From the key to the roots of all devices, in ms.
    pub vram_elapsed_ms: u64,
    /// Whether all openings came in time.
    pub openings_in_time: bool,
    /// By device, in the plan's order.
    pub devices: Vec<LiveDevice>,
}

/// What a live exchange showed of one device.
#[derive(Debug, Clone)]
pub struct LiveDevice {
    /// The card that it is claimed to be.
    pub model: Option<GpuModel>,
    /// Blocks that were filled.
    pub blocks: u64,
    /// Root of the last product.
    pub last_matrix_root: Digest,
    /// Root of the last pass.
    pub last_vram_root: Digest,
    /// What was wrong with roots and openings.
    pub findings: Vec<CheckFindings>,
}

/// Judges a stored report, of which no verifier's clock knows: proof level 0, and no speed.
pub fn judge_stored(signed: &SignedReport, policy: &Policy, facts: &Facts) -> Verdict {
    judge(signed, policy, facts, None)
}

/// Judges a report. Every reason is listed; without `live` neither proof can be shown.
pub fn judge(
    signed: &SignedReport,
    policy: &Policy,
    facts: &Facts,
    live: Option<&Live>,
) -> Verdict {
    let report = &signed.report;
    let mut found = Findings::default();
    check_origin(signed, policy, facts, live, &mut found);
    identity::check_fleet(report, facts, &mut found);
    let mut evidence = Vec::new();
    for (at, device) in report.devices.iter().enumerate() {
        found.about(Some(device.identity.cuda.uuid));
        let live =
            live.and_then(|live| Some((live, live.plan.devices.get(at)?, live.devices.get(at)?)));
        health::lacks_tests(report.kind, device, &mut found);
        evidence.push(check_device(
            report.kind,
            device,
            policy,
            facts,
            live,
            &mut found,
        ));
    }
    let (outcome, reasons) = found.finish();
    let fails = reasons.iter().any(|r| r.effect >= Effect::CouldNotRun);
    let proof_level = match live {
        None => ProofLevel::Claimed,
        // Nothing is shown by a card that is not there.
        Some(_) if report.emulated => ProofLevel::Claimed,
        Some(_) if fails => ProofLevel::Claimed,
        Some(_) if facts.attested => ProofLevel::Attested,
        Some(_) if facts.challenged_together && facts.stayed_the_same => ProofLevel::Continuous,
        Some(_) => ProofLevel::TimedProof,
    };
    let speed = |e: &Evidence| {
        let timed = e.timed_permille?;
        Some(e.reported_permille.map_or(timed, |said| said.min(timed)))
    };
    Verdict {
        outcome,
        proof_level,
        speed_permille: evidence.iter().map(speed).min().flatten(),
        reasons,
        evidence,
    }
}

/// Who signed, for which challenge, with which kernels and devices.
fn check_origin(
    signed: &SignedReport,
    policy: &Policy,
    facts: &Facts,
    live: Option<&Live>,
    found: &mut Findings,
) {
    let report = &signed.report;
    if let Err(error) = signed.check_signature() {
        found.fail(ReasonCode::SignatureInvalid, error.to_string());
    }
    if facts.challenge_reused {
        let detail = format!("challenge {} was answered before", report.challenge_id);
        found.fail(ReasonCode::ChallengeReused, detail);
    }
    let enrolled = facts.enrolled_key.filter(|key| *key != report.public_key);
    let opened = live.map(|live| live.public_key);
    if let Some(key) = enrolled.or(opened.filter(|key| *key != report.public_key)) {
        let detail = format!("signed by {} instead of {key}", report.public_key);
        found.fail(ReasonCode::WrongKey, detail);
    }
    if !policy.kernels.is_empty() && !policy.kernels.contains(&report.kernels_sha256) {
        let detail = format!("kernels {} are of no known release", report.kernels_sha256);
        found.fail(ReasonCode::KernelsUnknown, detail);
    }
    if report.emulated {
        let effect = if policy.accepts_emulated {
            Effect::Note
        } else {
            Effect::Fail
        };
        let detail = "no card was measured: the numbers are a sandbox's".to_owned();
        found.add(effect, ReasonCode::Emulated, detail);
    }
    if report.devices.is_empty() {
        let detail = "the report has no device".to_owned();
        found.add(Effect::CouldNotRun, ReasonCode::MeasurementMissing, detail);
    }
    let Some(live) = live else {
        let detail = "only a live exchange shows that the work was done, in time, for this \
                      challenge, and that the memory is there";
        found.note(ReasonCode::NotShownOffline, detail.to_owned());
        return;
    };
    let asked = (live.plan.challenge_id, live.plan.nonce);
    if (report.challenge_id, report.nonce) != asked {
        let detail = format!("it answers {} instead of {}", report.challenge_id, asked.0);
        found.fail(ReasonCode::WrongChallenge, detail);
    }
    if report.kind < live.plan.kind {
        let detail = format!("a {:?} report instead of {:?}", report.kind, live.plan.kind);
        found.add(Effect::CouldNotRun, ReasonCode::MeasurementMissing, detail);
    }
    let shown = report.devices.iter().map(|d| d.identity.cuda.uuid);
    if !shown.eq(live.plan.devices.iter().map(|d| d.uuid)) {
        let detail = "the report's devices are not those of the exchange".to_owned();
        found.fail(ReasonCode::DevicesDiffer, detail);
    }
    if !live.openings_in_time {
        let detail = "openings came after their deadline".to_owned();
        found.fail(ReasonCode::OpeningsLate, detail);
    }
}

/// Checks one device; `live` is what the exchange, the plan and the session say of it.
pub(super) fn check_device(
    kind: Kind,
    device: &DeviceReport,
    policy: &Policy,
    facts: &Facts,
    live: Option<(&Live, &DevicePlan, &LiveDevice)>,
    found: &mut Findings,
) -> Evidence {
    let uuid = device.identity.cuda.uuid;
    let mut evidence = Evidence {
        matrix_elapsed_ms: live.map(|(live, ..)| live.matrix_elapsed_ms),
        vram_elapsed_ms: live.map(|(live, ..)| live.vram_elapsed_ms),
        vram_proven_mib: live.map(|(.., device)| device.blocks),
        ..Evidence::none(uuid)
    };
    identity::check_sources(device, found);
    identity::check_silicon(device, found);
    floors::missing(kind, device, found);
    let model = match live {
        Some((.., device)) => device.model,
        None => reference::identify(&claim_of(device), facts.sold_as.as_deref()),
    };
    let left = device
        .health
        .as_ref()
        .and_then(|health| health::check(health, &policy.thresholds, found));
    if let Some(model) = model {
        evidence.model = Some(model.id().to_owned());
        identity::check_tuple(device, model, policy, found);
        physics::check(device, model, policy, found);
        let share = floors::check(device, model, policy, found);
        let lowest = share.into_iter().chain(left).min();
        evidence.reported_permille = lowest.and_then(|share| u32::try_from(share).ok());
    } else {
        let detail = format!(
            "no card of the catalogue fits `{}`",
            device.identity.cuda.name
        );
        found.add(Effect::CouldNotRun, ReasonCode::ModelUnknown, detail);
    }
    if let Some((live, plan, shown)) = live {
        for (code, detail) in shown.findings.iter().flat_map(|check| &check.findings) {
            found.fail(*code, detail.clone());
        }
        check_summaries(device, live, plan, shown, policy, found);
        if let Some(model) = model {
            let rates = ProofRates::of(model, policy);
            evidence.basis = Some(rates.basis);
            evidence.timed_permille =
                Some(check_times(model, rates, live, plan, shown, policy, found));
        }
    }
    evidence
}

/// The two proofs by the verifier's clock; gives the lower share of their references.
fn check_times(
    model: GpuModel,
    rates: ProofRates,
    live: &Live,
    plan: &DevicePlan,
    shown: &LiveDevice,
    policy: &Policy,
    found: &mut Findings,
) -> u32 {
    if rates.basis != Basis::Measured {
        let detail = format!("no measured reference of {model}: the deadlines are wide");
        found.note(ReasonCode::ReferenceNotMeasured, detail);
    }
    let needed = blocks_needed(model, policy);
    if live.plan.kind.is_thorough() && shown.blocks < needed {
        let detail = format!(
            "{} MiB were filled, {needed} are asked of {model}",
            shown.blocks
        );
        found.add(Effect::CouldNotRun, ReasonCode::VramNotFilled, detail);
    }
    let forgiven = live.rtt_ms + policy.sizing.allowance_ms;
    let mut share = |code, what: &str, reference_ms: u64, elapsed_ms: u64| {
        let net = elapsed_ms.saturating_sub(forgiven).max(1);
        let permille = u128::from(reference_ms) * 1_000 / u128::from(net);
        let permille = u64::try_from(permille).unwrap_or(u64::MAX);
        let what = format!(
            "{what}: {elapsed_ms} ms of which {forgiven} are forgiven, {reference_ms} expected,"
        );
        found.floor(code, &what, permille, &policy.thresholds)
    };
    let matrix = share(
        ReasonCode::MatrixTooSlow,
        "matrix loop",
        rates.matrix_ms(plan),
        live.matrix_elapsed_ms,
    );
    // Nothing was read where nothing was filled.
    let vram = (shown.blocks > 0).then(|| {
        let reference_ms = rates.vram_ms(shown.blocks, plan.vram_passes);
        let code = ReasonCode::VramTooSlow;
        share(code, "VRAM passes", reference_ms, live.vram_elapsed_ms)
    });
    let lowest = vram.map_or(matrix, |vram| vram.min(matrix));
    u32::try_from(lowest).unwrap_or(1_000)
}

/// What the prover says of its proofs against what the verifier saw of them.
fn check_summaries(
    device: &DeviceReport,
    live: &Live,
    plan: &DevicePlan,
    shown: &LiveDevice,
    policy: &Policy,
    found: &mut Findings,
) {
    let ms = |ns: u64| ns / 1_000_000;
    let forgiven = policy.sizing.rtt_ms_max + policy.sizing.allowance_ms;
    let mut compare = |name: &str, same: bool, said_ns: u64, seen_ms: u64| {
        if !same {
            let detail = format!("{name}: other sizes or another last root than were proven");
            found.fail(ReasonCode::SummaryDisagrees, detail);
        }
        // No longer than it can have been, and not shorter than half of what nothing else explains.
        let too_long = ms(said_ns) > seen_ms;
        let too_short = ms(said_ns).saturating_mul(2) < seen_ms.saturating_sub(forgiven);
        if too_long || too_short {
            let detail = format!("{name}: {} ms said, {seen_ms} ms seen", ms(said_ns));
            found.fail(ReasonCode::SummaryDisagrees, detail);
        }
    };
    if let Some(said) = device.matrix.measured() {
        let same = (said.n, said.jobs, said.last_root)
            == (plan.matrix_n, plan.matrix_jobs, shown.last_matrix_root);
        compare("matrix proof", same, said.loop_ns, live.matrix_elapsed_ms);
    }
    if let Some(said) = device.vram.measured() {
        let same = (said.blocks, said.passes, said.last_root)
            == (shown.blocks, plan.vram_passes, shown.last_vram_root);
        compare("VRAM proof", same, said.passes_ns, live.vram_elapsed_ms);
    }
}
