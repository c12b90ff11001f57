//! Probes over HTTP: a whole exchange with an emulated card, a card that lies, and what is refused.

use std::time::Duration;

use gpu_probe::emulate::{Answer as Next, EmulatedGpu, EmulatedProver};
use gpu_probe::exchange::{MESSAGE_BYTES_MAX, ProverMessage, VerifierMessage};
use gpu_probe::protocol::{HEARTBEATS_PATH, PROBES_PATH, ProbeReply, REQUEST_BYTES_MAX};
use gpu_probe::verdict::{ReasonCode, Verdict, VerdictOutcome};
use serde_json::{Value, json};
use tandem::engine::probe::ProbeTerms;
use tandem_model::gpu::GpuModel;
use tandem_model::placement::Epoch;

use crate::agent::Agent;
use crate::quotes::GOOD;
use crate::stage::{Agents, Choices, Stage};

pub(crate) async fn stage() -> Stage {
    Stage::with(Choices {
        agents: Agents::Told,
        probe: ProbeTerms {
            at_start: true,
            within: Duration::from_secs(36_000),
            ..ProbeTerms::OFF
        },
        ..Choices::default()
    })
    .await
}

/// The card that was rented for a job.
pub(crate) async fn rented(stage: &Stage, job: &str) -> GpuModel {
    let shown = stage.get(&format!("/v1/jobs/{job}")).await.json();
    let gpu = shown["placements"][0]["gpu"].as_str().expect("a card");
    GpuModel::by_id(gpu).expect("a card of the catalogue")
}

fn message(agent: &Agent<'_>, message: &ProverMessage) -> Value {
    agent.body(json!({"said": {"message": message}}))
}

/// Proves emulated cards; each message is said twice, as by who lost the answer.
pub(crate) async fn prove(agent: &Agent<'_>, gpu: &EmulatedGpu) -> (Verdict, Option<bool>) {
    let mut prover = EmulatedProver::new(gpu);
    let mut said = prover.hello();
    for _ in 0..64 {
        let body = message(agent, &said);
        let reply = agent.ok(PROBES_PATH, body.clone()).await;
        assert_eq!(agent.ok(PROBES_PATH, body).await, reply, "told again");
        let reply: ProbeReply = serde_json::from_value(reply).unwrap();
        match prover.answer(reply.message).expect("in turn") {
            Next::Send(next) => {
                assert_eq!(reply.may_start, None);
                said = *next;
            }
            Next::Over(verdict) => return (*verdict, reply.may_start),
        }
    }
    panic!("no verdict");
}

pub(crate) fn honest(model: GpuModel) -> EmulatedGpu {
    EmulatedGpu {
        model,
        gpus: 1,
        claims: None,
        seed: 7,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_proves_itself_may_start_and_everybody_can_see_why() {
    let stage = stage().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    assert_eq!(agent.bind().await["probe"], "quick");
    let model = rented(&stage, &job).await;
    let (verdict, may_start) = prove(&agent, &honest(model)).await;
    assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
    assert_eq!(may_start, Some(true));
    let shown = stage.get(&format!("/v1/jobs/{job}")).await.json();
    let probe = &shown["placements"][0]["probes"][0];
    assert_eq!(
        (&probe["rank"], &probe["outcome"], &probe["accepted"]),
        (&json!(0), &json!("pass"), &json!(true)),
        "{probe}"
    );
    assert_eq!(probe["proof_level"], 0, "emulated cards prove nothing");
    let counted = stage.get("/metrics").await.text;
    let line = "tandem_probe_verdicts_total{outcome=\"pass\"} 1\n";
    assert!(counted.contains(line), "once, though said twice");
    let beat = agent.ok(HEARTBEATS_PATH, agent.beat_body(1, &[])).await;
    assert_eq!(
        (&beat["granted"], &beat["directive"]),
        (&json!(true), &json!("continue"))
    );
    // The same cards on another machine, while this one runs.
    let second = stage.job(GOOD, json!({})).await;
    let other = Agent::placed(&stage, &second, Epoch(1)).await;
    other.bind().await;
    let (verdict, may_start) = prove(&other, &honest(rented(&stage, &second).await)).await;
    assert_eq!(
        (verdict.outcome, may_start),
        (VerdictOutcome::Fail, Some(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_under_another_name_is_left_before_the_workload_starts() {
    let stage = stage().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let liar = EmulatedGpu {
        model: GpuModel::by_id("l4").unwrap(),
        claims: Some(rented(&stage, &job).await),
        ..honest(GpuModel::by_id("l4").unwrap())
    };
    let (verdict, may_start) = prove(&agent, &liar).await;
    assert_eq!(verdict.outcome, VerdictOutcome::Fail);
    assert_eq!(may_start, Some(false));
    let path = format!("/v1/jobs/{job}");
    let shown = stage.get(&path).await.json();
    let first = &shown["placements"][0];
    let why = first["left_because"].as_str().unwrap_or_default();
    assert!(why.contains("node 0 failed the probe: "), "{first}");
    assert!(
        !first["probes"][0]["reasons"][0]["detail"]
            .as_str()
            .unwrap()
            .is_empty()
    );
    assert_eq!(shown["charged_micro_usd"], 0);
    let body = agent.body(json!({"step": 0, "cause": "probe_failed"}));
    agent.ok(gpu_probe::protocol::RESULTS_PATH, body).await;
    let next = stage
        .until("a replacement", &path, |job| {
            job["placements"]
                .as_array()
                .is_some_and(|all| all.len() == 2)
        })
        .await;
    assert_eq!(next["charged_micro_usd"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_for_the_bound_agent_alone_and_in_order() {
    let stage = stage().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    let hello = EmulatedProver::new(&honest(rented(&stage, &job).await)).hello();
    let status = async |agent: &Agent<'_>, said: &ProverMessage| {
        agent.post(PROBES_PATH, message(agent, said)).await.status
    };
    assert_eq!(status(&agent.with_token("x"), &hello).await, 401);
    assert_eq!(status(&agent, &hello).await, 409, "not bound");
    agent.bind().await;
    let begin = ProverMessage::MatrixBegin;
    assert_eq!(status(&agent, &begin).await, 422, "nothing is open");
    assert_eq!(status(&agent, &hello).await, 200);
    let commit = ProverMessage::MatrixCommit {
        devices: Vec::new(),
    };
    assert_eq!(status(&agent, &commit).await, 422, "out of order");
    assert_eq!(status(&agent, &begin).await, 200, "the order is kept");
    let too_long = "x".repeat(MESSAGE_BYTES_MAX + REQUEST_BYTES_MAX);
    let too_long = agent.body(json!({"said": {"could_not_run": {"detail": too_long}}}));
    assert_eq!(agent.post(PROBES_PATH, too_long).await.status, 413);
    let none = agent.body(json!({"said": {"could_not_run": {"detail": "no driver"}}}));
    let reply = agent.ok(PROBES_PATH, none.clone()).await;
    assert_eq!(reply["may_start"], true, "{reply}");
    assert_eq!(agent.ok(PROBES_PATH, none).await["may_start"], true);
    let again = agent.ok(PROBES_PATH, message(&agent, &hello)).await;
    assert_eq!(again["may_start"], true, "judged already");
    let counted = stage.get("/metrics").await.text;
    let line = "tandem_probe_verdicts_total{outcome=\"could_not_run\"} 1\n";
    assert!(counted.contains(line), "once, though said twice");
}

/// Proves until rows are picked, and no further.
async fn until_picks(agent: &Agent<'_>, gpu: &EmulatedGpu) {
    let mut prover = EmulatedProver::new(gpu);
    let mut said = prover.hello();
    loop {
        let reply = agent.ok(PROBES_PATH, message(agent, &said)).await;
        let reply: ProbeReply = serde_json::from_value(reply).unwrap();
        if matches!(reply.message, VerifierMessage::MatrixPicks { .. }) {
            return;
        }
        match prover.answer(reply.message).expect("in turn") {
            Next::Send(next) => said = *next,
            Next::Over(verdict) => panic!("no picks: {verdict:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_or_begins_anew_once_he_knows_what_to_open_fails() {
    let stage = stage().await;
    for anew in [true, false] {
        let job = stage.job(GOOD, json!({})).await;
        let agent = Agent::placed(&stage, &job, Epoch(1)).await;
        agent.bind().await;
        let gpu = EmulatedGpu {
            seed: u64::from(anew),
            ..honest(rented(&stage, &job).await)
        };
        until_picks(&agent, &gpu).await;
        let body = match anew {
            true => message(&agent, &EmulatedProver::new(&gpu).hello()),
            false => agent.body(json!({"said": {"could_not_run": {"detail": "lost"}}})),
        };
        let reply = agent.ok(PROBES_PATH, body).await;
        assert_eq!(reply["may_start"], false, "{reply}");
        let reply: ProbeReply = serde_json::from_value(reply).unwrap();
        let VerifierMessage::Verdict(verdict) = reply.message else {
            panic!("a verdict was due");
        };
        assert_eq!(verdict.outcome, VerdictOutcome::Fail);
        assert_eq!(verdict.reasons[0].code, ReasonCode::OpeningsMissing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_speed_is_promised_where_it_is_measured_and_not_on_the_cheapest_tier() {
    let workload = json!({"workload": GOOD.replace("RTX4090", "any")});
    let promised = |reply: &Value| {
        let tiers = reply["tiers"].as_array().expect("tiers").iter();
        let quoted = tiers.filter(|tier| !tier["quote"].is_null());
        let speed = |tier: &Value| tier["quote"]["objectives"]["speed_permille_min"].as_u64();
        let named = |tier: &Value| tier["tier"].as_str().unwrap_or_default().to_owned();
        quoted.map(|tier| (named(tier), speed(tier))).collect()
    };
    let probed = stage().await;
    let reply = probed.post("/v1/quotes", workload.clone()).await.json();
    let found: Vec<(String, Option<u64>)> = promised(&reply);
    let on = |tier: &str, speed| (tier.to_owned(), speed);
    assert!(found.contains(&on("consumer", None)), "{found:?}");
    assert!(found.contains(&on("enterprise", Some(850))), "{found:?}");
    let passes = gpu_probe::verify::Policy::default()
        .thresholds
        .pass_permille;
    assert_eq!(passes, 850, "what is promised passes without remark");
    let unprobed = Stage::open().await;
    let reply = unprobed.post("/v1/quotes", workload).await.json();
    let found: Vec<(String, Option<u64>)> = promised(&reply);
    assert!(found.contains(&on("enterprise", None)), "{found:?}");
}
