//! What a job shows: the store's documents, which the engine writes, as the API's shapes. The only
//! file of the HTTP side that reads those documents.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::time::WorldTime;

use crate::api::{
    CheckpointView, EventView, JobSummary, JobView, NodeView, PerformanceBreachView, PlacementView,
    ProbeReasonView, ProbeView, QueueView, QuoteView,
};
use crate::engine::job::{Attempt, EventDocument, JobDocument};
use crate::engine::message::JobSpec;
use crate::engine::probe::{PerformanceBreach, Probed};
use crate::engine::records;
use crate::engine::step::start_by;
use crate::http::problem::Problem;
use crate::store::{ChargeRecord, EventRecord, JobRecord, Liveness, PlacementRecord, Store};

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
        queue: None,
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
        queue,
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
        probes: attempt.probes.iter().map(probe).collect(),
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

fn probe((rank, probed): (&u16, &Probed)) -> ProbeView {
    let reasons = probed.reasons.iter().map(|reason| ProbeReasonView {
        code: reason.code,
        effect: reason.effect,
        detail: reason.detail.clone(),
    });
    ProbeView {
        rank: *rank,
        outcome: probed.outcome,
        accepted: probed.accepted,
        proof_level: probed.proof_level.number(),
        speed_permille: probed.speed_permille,
        reasons: reasons.collect(),
        at: probed.at.into(),
    }
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
    let of_attempt = |attempt: &Attempt| {
        let beats = liveness
            .iter()
            .filter(|b| b.epoch == attempt.placement.epoch);
        let beaten = beats.map(|b| b.proved_us).min().unwrap_or(0);
        let proved = attempt.proved.max(Duration::from_micros(beaten));
        proved * spec.gpus_charged(&attempt.offer)
    };
    let delivered: Duration = attempts.iter().map(|(_, a)| of_attempt(a)).sum();
    delivered.as_secs()
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
