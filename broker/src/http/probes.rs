//! `POST /agent/v1/probes`: a node's probe, message by message. The verifier is `gpu_probe::verify`,
//! its verdict goes to the engine, and only when that is durable the agent hears whether its
//! workload may start. A probe inside running work names its moment, and its challenge is held until
//! all of its cohort get theirs.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Data, Json, Payload};
use gpu_probe::exchange::{Hello, MESSAGE_BYTES_MAX, ProverMessage, VerifierMessage};
use gpu_probe::protocol::{ProbeReply, ProbeRequest, ProbeSaid, REQUEST_BYTES_MAX};
use gpu_probe::report::{ChallengeId, Kind};
use gpu_probe::verdict::{Effect, ProofLevel, Reason, ReasonCode, Verdict, VerdictOutcome};
use gpu_probe::verify::{Facts, Session};
use tandem_model::error::ErrorCode;
use tandem_model::id::ProbeId;

use super::agent::{not_the_agent, out_of_limits, unexpected};
use super::auth::bearer;
use super::body::{self, Reading};
use super::cohort;
use super::exchanges::{self, Key, Open, Opening};
use super::problem::Problem;
use super::server::Shared;
use crate::engine::message::{AgentReply, AgentRequest};
use crate::engine::probe::{NodeVerdict, ProbeOpens, ReportSeen};
use crate::ids;
use crate::store::DeviceRecord;

const READING: Reading = Reading {
    bytes_max: MESSAGE_BYTES_MAX + REQUEST_BYTES_MAX,
    unreadable: ErrorCode::AGENT_REQUEST,
    refused: ErrorCode::AGENT_REQUEST,
};

/// `POST /agent/v1/probes`
pub(super) async fn probe(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<ProbeReply>, Problem> {
    let asked = read(&shared, &request, payload).await?;
    let now_ms = shared.state.clock.wall().unix_ms();
    let key = Key {
        job: asked.job,
        epoch: asked.epoch,
        rank: asked.rank,
        boot_id: asked.boot_id,
        moment: asked.moment,
    };
    let reply = match asked.said {
        ProbeSaid::CouldNotRun { detail } => {
            let (source, gave_up) = source(&shared, key, now_ms).await;
            let verdict = match gave_up {
                true => given_up(&key),
                false => could_not_run(detail),
            };
            let may_start = judge(&shared, key, source, &verdict).await?;
            shared.probes.close(&key);
            ends(verdict, may_start)
        }
        ProbeSaid::Message(ProverMessage::Hello(hello)) => {
            begin(&shared, key, hello, now_ms).await?
        }
        ProbeSaid::Message(message) => go_on(&shared, key, message, now_ms).await?,
    };
    Ok(Json(reply))
}

/// Reads a body, then checks its token and its limits.
async fn read(
    shared: &Shared,
    request: &HttpRequest,
    payload: Payload,
) -> Result<ProbeRequest, Problem> {
    let token = bearer(request.headers()).ok_or_else(not_the_agent)?;
    // Only a long body waits for its turn: what is timed is short.
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let is_long = length.is_none_or(|bytes| bytes > REQUEST_BYTES_MAX);
    let permit = match is_long {
        true => Some(shared.probes.turn_to_read().await?),
        false => None,
    };
    let asked: ProbeRequest = body::json(request, payload, &READING).await?;
    drop(permit);
    let vault = &shared.state.vault;
    if !vault.is_agent_token(token.expose(), asked.job, asked.epoch) {
        return Err(not_the_agent());
    }
    asked.check().map_err(|field| out_of_limits(&field))?;
    if let ProbeSaid::Message(message) = &asked.said {
        message.check().map_err(|why| {
            let detail = format!("the probe's message: {why}");
            Problem::field("/said", detail).code(ErrorCode::AGENT_REQUEST)
        })?;
    }
    Ok(asked)
}

/// The verdict of an agent that has nothing to probe with.
fn could_not_run(detail: String) -> Verdict {
    Verdict {
        outcome: VerdictOutcome::CouldNotRun,
        proof_level: ProofLevel::Claimed,
        speed_permille: None,
        reasons: vec![Reason {
            code: ReasonCode::MeasurementMissing,
            effect: Effect::CouldNotRun,
            device: None,
            detail,
        }],
        evidence: Vec::new(),
    }
}

/// What a verdict came from.
struct Source {
    probe: ProbeId,
    kind: Kind,
    challenge_id: Option<ChallengeId>,
    report: Option<ReportSeen>,
}

impl Source {
    fn of(open: &Open) -> Self {
        Self {
            probe: open.probe,
            kind: open.plan().kind,
            challenge_id: Some(open.plan().challenge_id),
            report: open.report.clone(),
        }
    }
}

/// The open exchange of a node, or none; and whether its prover has seen what it must open, and did
/// not answer it to the end.
async fn source(shared: &Shared, key: Key, now_ms: u64) -> (Source, bool) {
    if let Some(open) = shared.probes.get(&key, now_ms) {
        let open = open.lock().await;
        return (Source::of(&open), open.is_picked());
    }
    let none = Source {
        probe: ids::fresh(&*shared.state.clock, ProbeId::from_parts),
        kind: match key.moment {
            Some(_) => Kind::Spot,
            None => Kind::Quick,
        },
        challenge_id: None,
        report: None,
    };
    (none, false)
}

/// The verdict of a prover that began anew, or gave up, once it knew what it must open: it may have
/// waited for picks that suit it. While its work runs that leaves nobody the first time: the engine
/// counts it.
fn given_up(key: &Key) -> Verdict {
    let mut verdict = could_not_run("given up after rows or blocks were picked".to_owned());
    verdict.reasons[0].code = ReasonCode::OpeningsMissing;
    if key.moment.is_none() {
        verdict.outcome = VerdictOutcome::Fail;
        verdict.reasons[0].effect = Effect::Fail;
    }
    verdict
}

fn ends(verdict: Verdict, may_start: bool) -> ProbeReply {
    ProbeReply {
        message: VerifierMessage::Verdict(Box::new(verdict)),
        may_start: Some(may_start),
    }
}

/// `hello`: asks the engine whether this node may be probed, and opens an exchange. A node that was
/// judged before is told so at once.
async fn begin(
    shared: &Shared,
    key: Key,
    hello: Hello,
    now_ms: u64,
) -> Result<ProbeReply, Problem> {
    let message = ProverMessage::Hello(hello.clone());
    if let Some(open) = shared.probes.get(&key, now_ms) {
        let digest = exchanges::digest(&message);
        if let Some(message) = open.lock().await.repeated(&digest) {
            return Ok(goes_on(message));
        }
    }
    let (source, gave_up) = source(shared, key, now_ms).await;
    if gave_up {
        let verdict = given_up(&key);
        let may_start = judge(shared, key, source, &verdict).await?;
        return Ok(ends(verdict, may_start));
    }
    let place = shared.probes.place(&key, now_ms).await?;
    let now_ms = shared.state.clock.wall().unix_ms();
    let opens = AgentRequest::ProbeOpens(ProbeOpens {
        job: key.job,
        epoch: key.epoch,
        rank: key.rank,
        boot_id: key.boot_id,
        moment: key.moment,
    });
    let (facts, kind, challenge_at) = match shared.state.engine.agent(opens).await? {
        AgentReply::ProbeOpens { sold_as, gpus } => (sold(sold_as, gpus), Kind::Quick, None),
        AgentReply::SpotOpens(spot) => {
            let facts = Facts {
                expected: spot.expected,
                ..sold(spot.sold_as, spot.gpus)
            };
            (facts, Kind::Spot, Some(spot.challenge_at))
        }
        AgentReply::Probed {
            probed, may_start, ..
        } => {
            return Ok(ends(probed.as_verdict(), may_start));
        }
        other => return Err(unexpected(&other)),
    };
    let facts = known(shared, &key, &hello, facts).await?;
    let policy = (*shared.state.probe_policy).clone();
    let opening = Opening {
        probe: ids::fresh(&*shared.state.clock, ProbeId::from_parts),
        session: Session::new(policy, facts, kind, secret(), now_ms),
        challenge_at,
    };
    let open = shared.probes.open(key, place, opening, now_ms);
    let mut open = open.lock().await;
    let answer = shared.probes.step(&mut open, message, now_ms).await?;
    Ok(goes_on(answer))
}

fn goes_on(message: VerifierMessage) -> ProbeReply {
    ProbeReply {
        message,
        may_start: None,
    }
}

/// What was sold.
fn sold(sold_as: String, gpus: u32) -> Facts {
    Facts {
        sold_as: Some(sold_as),
        sold_count: Some(gpus),
        ..Facts::default()
    }
}

/// Adds what the store knows of the devices that a node names.
async fn known(
    shared: &Shared,
    key: &Key,
    hello: &Hello,
    mut facts: Facts,
) -> Result<Facts, Problem> {
    let uuids: BTreeSet<_> = hello.devices.iter().map(|claim| claim.uuid).collect();
    let named = uuids.len();
    let known = shared
        .state
        .store
        .devices(uuids.into_iter().collect())
        .await?;
    let days = shared.state.probe_policy.thresholds.continuity_days;
    let needed = Duration::from_secs(u64::from(days) * 86_400);
    let now = shared.state.clock.world();
    let has_stayed = |device: &DeviceRecord| {
        let since = device.spotless_since.filter(|_| device.ban.is_none());
        since.is_some_and(|since| now.since(since) >= needed)
    };
    facts.stayed_the_same = known.len() == named && known.iter().all(has_stayed);
    let own = (key.job, key.epoch, key.rank);
    for device in known {
        // A ban is for what starts from now on; work that runs goes on.
        if device.ban.is_some() && key.moment.is_none() {
            facts.banned.insert(device.uuid);
        }
        if device.in_use_by.is_some_and(|by| by != own) {
            facts.in_use_elsewhere.insert(device.uuid);
        }
    }
    Ok(facts)
}

/// 32 bytes that nobody can guess: 244 bits of the system's entropy, hashed.
fn secret() -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let parts = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    let bytes: Vec<u8> = parts.iter().flat_map(|part| *part.as_bytes()).collect();
    Sha256::digest(bytes).into()
}

/// Any later message; the verdict goes to the engine.
async fn go_on(
    shared: &Shared,
    key: Key,
    message: ProverMessage,
    now_ms: u64,
) -> Result<ProbeReply, Problem> {
    let open = shared.probes.get(&key, now_ms);
    let open = open.ok_or_else(exchanges::not_open)?;
    let answer_at = open.lock().await.answer_at(&message, now_ms);
    let now_ms = match answer_at {
        None => now_ms,
        Some(until) => {
            cohort::hold(&*shared.state.clock, until).await;
            shared.state.clock.wall().unix_ms()
        }
    };
    let mut open = open.lock().await;
    match shared.probes.step(&mut open, message, now_ms).await? {
        VerifierMessage::Verdict(verdict) => {
            let may_start = judge(shared, key, Source::of(&open), &verdict).await?;
            Ok(ends(*verdict, may_start))
        }
        answer => Ok(goes_on(answer)),
    }
}

/// Gives a verdict to the engine; it is durable when this returns. Counted is what is recorded.
async fn judge(
    shared: &Shared,
    key: Key,
    source: Source,
    verdict: &Verdict,
) -> Result<bool, Problem> {
    let verdict = NodeVerdict {
        probe: source.probe,
        job: key.job,
        epoch: key.epoch,
        rank: key.rank,
        boot_id: key.boot_id,
        moment: key.moment,
        kind: source.kind,
        challenge_id: source.challenge_id,
        report: source.report,
        verdict: Box::new(verdict.clone()),
    };
    let request = AgentRequest::Probed(verdict);
    match shared.state.engine.agent(request).await? {
        AgentReply::Probed {
            probed,
            may_start,
            is_first,
        } => {
            if is_first {
                shared.state.metrics.judged(probed.outcome);
            }
            Ok(may_start)
        }
        other => Err(unexpected(&other)),
    }
}
