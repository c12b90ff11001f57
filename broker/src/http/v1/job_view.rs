//! What a job shows: the store's documents, which the engine writes, as the API's shapes. The only
//! file of the HTTP side that reads those documents.

use std::time::Duration;

use gpu_probe::report::Kind;
use serde::de::DeserializeOwned;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::time::WorldTime;

use crate::api::{
    CheckpointView, EventView, JobProbeView, JobSummary, JobView, NodeView, PerformanceBreachView,
    PlacementView, ProbeReasonView, ProbeView, ProbedDeviceView, QueueView, QuoteView, TermView,
};
use crate::engine::job::{Attempt, EventDocument, JobDocument};
use crate::engine::message::JobSpec;
use crate::engine::probe::{PerformanceBreach, ProbeReason, ProbeReceipt, Probed, ProbedDevice};
use crate::engine::records;
use crate::engine::renewal::Renewals;
use crate::engine::step::start_by;
use crate::http::problem::Problem;
use crate::store::{
    ChargeRecord, EventRecord, JobRecord, Liveness, PlacementRecord, ProbeRecord, Store,
};
use crate::vault::Vault;

fn read<T: DeserializeOwned>(id: JobId, what: &'static str, document: &str) -> Result<T, Problem> {
    records::read(id, what, document).map_err(|error| Problem::defect(&error))
}

/// What was agreed of a job.
pub(super) fn spec(record: &JobRecord) -> Result<JobSpec, Problem> {
    read(record.id, "specification", &record.spec)
}

/// A job as a list shows it.
pub(super) fn summary(record: &JobRecord) -> Result<JobSummary, Problem> {
    let spec = spec(record)?;
    let document: JobDocument = read(record.id, "job", &record.document)?;
    Ok(of_spec(record.id, record.state, &spec, document.ended_at))
}

fn of_spec(id: JobId, state: JobState, spec: &JobSpec, ended_at: Option<WorldTime>) -> JobSummary {
    JobSummary {
        id,
        name: spec.workload.name.clone(),
        state,
        kind: spec.workload.kind,
        class: spec.classification.class,
        tier: spec.quote.tier,
        gpus: spec.quote.gpus,
        accepted_at: spec.accepted_at.into(),
        ended_at: ended_at.map(Into::into),
    }
}

/// A job that was accepted just now.
pub(super) fn accepted(id: JobId, spec: &JobSpec) -> JobView {
    JobView {
        summary: of_spec(id, JobState::Queued, spec, None),
        quote: QuoteView::from(&spec.quote),
        term: Some(term(&Renewals::default(), spec, Duration::ZERO)),
        queue: None,
        probe_while_running: spec.workload.probe_while_running,
        placements: Vec::new(),
        nodes: Vec::new(),
        checkpoint: None,
        charged_micro_usd: MicroUsd::ZERO,
        charged_gpu_us: 0,
        delivered_gpu_seconds: 0,
        cause: None,
        output_sha256: None,
    }
}

/// Everything that is known of a job.
pub(super) async fn view(store: &dyn Store, record: JobRecord) -> Result<JobView, Problem> {
    let id = record.id;
    let spec = spec(&record)?;
    let document: JobDocument = read(id, "job", &record.document)?;
    let attempts = attempts(store.placements(id).await?)?;
    let liveness = store.liveness(id).await?;
    let charges = store.charges(id).await?;
    let queue = match record.state {
        JobState::Queued => Some(QueueView {
            before: store.queued_before(id).await?,
            start_by: Some(start_by(&spec, &document, has_run(&attempts)).into()),
        }),
        _ => None,
    };
    let checkpoint = document.session.pointer().map(|pointer| CheckpointView {
        epoch: pointer.epoch,
        step: pointer.step,
        sha256: pointer.sha256.to_string(),
        bytes: pointer.bytes,
    });
    Ok(JobView {
        summary: of_spec(id, record.state, &spec, document.ended_at),
        quote: QuoteView::from(&spec.quote),
        term: Some(term(
            &document.renewals,
            &spec,
            attempts.iter().map(|(_, a)| proved(a, &liveness)).sum(),
        )),
        queue,
        probe_while_running: spec.workload.probe_while_running,
        delivered_gpu_seconds: delivered(&attempts, &liveness, &spec),
        placements: attempts.iter().map(placement).collect(),
        nodes: liveness.iter().map(|beat| node(beat, &document)).collect(),
        checkpoint,
        charged_micro_usd: charged(&charges),
        charged_gpu_us: charges
            .iter()
            .fold(0, |sum, c| c.gpu_us.saturating_add(sum)),
        cause: document.cause,
        output_sha256: document.output_sha256,
    })
}

/// The term after so much work.
fn term(renewals: &Renewals, spec: &JobSpec, worked: Duration) -> TermView {
    const SECOND_US: u64 = 1_000_000;
    let worked_us = u64::try_from(worked.as_micros()).unwrap_or(u64::MAX);
    let rates = renewals.rates(&spec.quote);
    let next = rates.later.iter().find(|later| later.from_us > worked_us);
    TermView {
        number: renewals.count + 1,
        rate_micro_usd_per_gpu_hour: rates.at(worked_us),
        worked_seconds: worked.as_secs(),
        firm_until_seconds: renewals.firm_until_us(&spec.quote) / SECOND_US,
        next_rate_micro_usd_per_gpu_hour: next.map(|next| next.rate),
        next_rate_from_seconds: next.map(|next| next.from_us / SECOND_US),
        stops_at_seconds: renewals.stops_at_us.map(|us| us / SECOND_US),
    }
}

fn has_run(attempts: &[(bool, Attempt)]) -> bool {
    attempts.iter().any(|(_, a)| a.bound_at.is_some())
}

fn attempts(records: Vec<PlacementRecord>) -> Result<Vec<(bool, Attempt)>, Problem> {
    let read = |record: PlacementRecord| {
        let attempt = read(record.job, "attempt", &record.document)?;
        Ok((record.live, attempt))
    };
    records.into_iter().map(read).collect()
}

fn placement((live, attempt): &(bool, Attempt)) -> PlacementView {
    PlacementView {
        id: attempt.placement.id,
        epoch: attempt.placement.epoch,
        live: *live,
        network: attempt.placement.network.clone(),
        product: attempt.offer.product.clone(),
        gpu: attempt.offer.gpu.id().to_owned(),
        grade: attempt.offer.grade,
        country: attempt.offer.country,
        decided_at: attempt.decided_at.into(),
        bound_at: attempt.bound_at.map(Into::into),
        left_at: attempt.left_at.map(Into::into),
        left_because: attempt.left_because.clone(),
        fenced_at: attempt.fenced_at.map(Into::into),
        probes: probes(attempt),
        performance_breaches: attempt.performance_breaches.iter().map(breach).collect(),
    }
}

fn breach((rank, breach): (&u16, &PerformanceBreach)) -> PerformanceBreachView {
    PerformanceBreachView {
        rank: *rank,
        promised_permille: breach.promised_permille,
        measured_permille: breach.measured_permille,
        proof_level: breach.proof_level.number(),
        at: breach.at.into(),
    }
}

/// What came of the probes at the start, then of those while the work ran.
fn probes(attempt: &Attempt) -> Vec<ProbeView> {
    let at_start = attempt.probes.iter();
    let at_start = at_start.map(|(rank, probed)| probe(*rank, false, probed));
    let running = attempt.running_probes.iter().flat_map(|(rank, probes)| {
        let answered = probes.answered.iter();
        answered.map(|answered| probe(*rank, true, &answered.probed))
    });
    at_start.chain(running).collect()
}

fn probe(rank: u16, while_running: bool, probed: &Probed) -> ProbeView {
    ProbeView {
        rank,
        while_running,
        outcome: probed.outcome,
        accepted: probed.accepted,
        proof_level: probed.proof_level.number(),
        speed_permille: probed.speed_permille,
        reasons: reasons(&probed.reasons),
        at: probed.at.into(),
    }
}

fn reasons(all: &[ProbeReason]) -> Vec<ProbeReasonView> {
    let reason = |reason: &ProbeReason| ProbeReasonView {
        code: reason.code,
        effect: reason.effect,
        detail: reason.detail.clone(),
    };
    all.iter().map(reason).collect()
}

/// A verdict on a node, signed.
pub(super) fn job_probe(record: &ProbeRecord, vault: &Vault) -> Result<JobProbeView, Problem> {
    let said: ProbeReceipt = read(record.job, "verdict", &record.document)?;
    let device = |device: ProbedDevice| ProbedDeviceView {
        uuid: device.uuid,
        model: device.model,
        failed: device.failed,
    };
    Ok(JobProbeView {
        id: said.probe,
        epoch: said.epoch,
        network: said.network,
        sold_as: said.sold_as,
        kind: said.kind,
        probe: ProbeView {
            rank: said.rank,
            while_running: said.kind == Kind::Spot,
            outcome: said.outcome,
            accepted: said.accepted,
            proof_level: said.proof_level,
            speed_permille: said.speed_permille,
            reasons: reasons(&said.reasons),
            at: said.judged_at.into(),
        },
        devices: said.devices.into_iter().map(device).collect(),
        challenge_id: said.challenge_id.map(|id| id.to_string()),
        report_sha256: said.report_sha256.map(|digest| digest.to_string()),
        receipt: vault.probe_receipt(&record.document),
    })
}

/// What a node said last. Phase and progress are those of the last commit.
fn node(beat: &Liveness, document: &JobDocument) -> NodeView {
    let session = &document.session;
    let is_live = session.live_epoch() == Some(beat.epoch);
    let bound = session.bound(beat.rank).filter(|_| is_live);
    let phase = bound.and_then(|b| serde_json::to_value(b.phase).ok());
    let progress = bound.and_then(|b| b.progress);
    NodeView {
        epoch: beat.epoch,
        rank: beat.rank,
        last_seen: beat.last_seen.into(),
        lease_until: beat.lease_until.into(),
        phase: phase.and_then(|p| p.as_str().map(str::to_owned)),
        step: progress.map(|p| p.step),
        total_steps: progress.and_then(|p| p.total_steps),
    }
}

/// Proved GPU time over all attempts; a gang has proved what its slowest node has.
fn delivered(attempts: &[(bool, Attempt)], liveness: &[Liveness], spec: &JobSpec) -> u64 {
    let of_attempt = |(_, a): &(bool, Attempt)| proved(a, liveness) * spec.gpus_charged(&a.offer);
    let delivered: Duration = attempts.iter().map(of_attempt).sum();
    delivered.as_secs()
}

/// Time of work that the agents of an attempt proved, newer heartbeats included.
fn proved(attempt: &Attempt, liveness: &[Liveness]) -> Duration {
    let epoch = attempt.placement.epoch;
    let beats = liveness.iter().filter(|b| b.epoch == epoch);
    let beaten = beats.map(|b| b.proved_us).min().unwrap_or(0);
    attempt.proved.max(Duration::from_micros(beaten))
}

fn charged(charges: &[ChargeRecord]) -> MicroUsd {
    let add = |sum: MicroUsd, charge: &ChargeRecord| sum.plus(charge.amount).unwrap_or(sum);
    charges.iter().fold(MicroUsd::ZERO, add)
}

/// What happened.
pub(super) fn event(record: &EventRecord) -> Result<EventView, Problem> {
    let document: EventDocument = read(record.job, "event", &record.document)?;
    Ok(EventView {
        sequence: record.sequence,
        job: record.job,
        at: record.at.into(),
        state: document.state,
        epoch: document.epoch,
        what: document.what,
    })
}
