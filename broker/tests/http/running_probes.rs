//! Running work that is probed with its like at one moment, over HTTP.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use gpu_probe::emulate::{Answer as Next, EmulatedGpu, EmulatedProver};
use gpu_probe::exchange::{ProverMessage, VerifierMessage};
use gpu_probe::proof::hash;
use gpu_probe::protocol::{HEARTBEATS_PATH, MomentId, PROBES_PATH, ProbeReply, SpotOrder};
use gpu_probe::report::DeviceUuid;
use gpu_probe::verdict::{ProofLevel, ReasonCode, Verdict, VerdictOutcome};
use serde_json::json;
use tandem::clock::SystemClock;
use tandem::engine::probe::ProbeTerms;
use tandem::engine::probe::moments::{MomentKey, of_day};
use tandem::store::{Changes, DeviceSeen, DeviceVerdict, Store};
use tandem_model::gpu::GpuModel;
use tandem_model::id::{JobId, ProbeId};
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::{Clock, WorldTime};

use crate::agent::Agent;
use crate::quotes::GOOD;
use crate::stage::{Agents, Choices, Stage};

const CARD: &str = "rtx4090";
/// World seconds of a wall second.
const FACTOR: u32 = 10;
/// How long the cards compute, on the wall: longer than two requests are late for each other.
const WORK: Duration = Duration::from_millis(1_500);
const DAY_US: i64 = 86_400_000_000;

/// A key with exactly one moment of the card in the next minutes of the world.
fn key(now: WorldTime) -> MomentKey {
    let seconds = |at: WorldTime| (at.micros() - now.micros()).div_euclid(1_000_000);
    (0_u64..)
        .map(|n| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            MomentKey::new(bytes)
        })
        .find(|key| {
            let today = now.micros().div_euclid(DAY_US);
            let moments = (today..=today + 1).flat_map(|day| of_day(key, CARD, day, 4));
            let near = moments
                .map(|m| seconds(m.at))
                .filter(|s| (-60..1_500).contains(s));
            let near: Vec<i64> = near.collect();
            matches!(near[..], [only] if (250..330).contains(&only))
        })
        .unwrap()
}

fn card(seed: u64) -> EmulatedGpu {
    EmulatedGpu {
        model: GpuModel::by_id(CARD).unwrap(),
        gpus: 1,
        claims: None,
        seed,
    }
}

fn uuid(gpu: &EmulatedGpu) -> DeviceUuid {
    match EmulatedProver::new(gpu).hello() {
        ProverMessage::Hello(hello) => hello.devices[0].uuid,
        other => panic!("{other:?}"),
    }
}

/// As if no card were emulated: what levels follow is shown, where an emulated card has none.
fn as_if_real(message: ProverMessage, seed: u64) -> ProverMessage {
    fn key_like<K: From<[u8; 32]>>(_: &K, bytes: [u8; 32]) -> K {
        bytes.into()
    }
    let ProverMessage::Report(mut signed) = message else {
        return message;
    };
    let bytes = hash(&[b"emulated key", &seed.to_le_bytes(), &[0]]);
    let key = key_like(&gpu_probe::prover::fresh_key(), bytes);
    signed.report.emulated = false;
    ProverMessage::Report(Box::new(signed.report.sign(&key)))
}

/// A node whose work runs: beats until the story is over, and keeps what it is ordered.
struct Node<'s> {
    agent: Agent<'s>,
    seed: u64,
    order: RefCell<Option<SpotOrder>>,
}

impl<'s> Node<'s> {
    async fn placed(stage: &'s Stage, seed: u64) -> (Self, String) {
        let workload = format!("{GOOD}probe_while_running: true\n");
        let job = stage.job(&workload, json!({})).await;
        let shown = stage.get(&format!("/v1/jobs/{job}")).await.json();
        assert_eq!(shown["probe_while_running"], true);
        let agent = Agent::placed(stage, &job, Epoch(1)).await;
        let order = RefCell::new(None);
        (Self { agent, seed, order }, job)
    }

    async fn beat(&self, sequence: u64) {
        let body = self.agent.beat_body(sequence, &[]);
        let reply = self.agent.ok(HEARTBEATS_PATH, body).await;
        assert_eq!(reply["granted"], true, "{reply}");
        if !reply["spot_probe"].is_null() {
            let order: SpotOrder = serde_json::from_value(reply["spot_probe"].clone()).unwrap();
            let before = self.order.replace(Some(order));
            let is_same = before.is_none_or(|before| before.moment == order.moment);
            assert!(is_same, "one moment, said until it has come");
        }
    }

    /// The node's device, as operators name it.
    fn path(&self) -> String {
        format!("/v1/nodes/{}", uuid(&card(self.seed)))
    }

    /// Proves its card for a moment; each message is said twice, as by who lost the answer.
    async fn prove(&self, moment: MomentId) -> Verdict {
        let mut prover = EmulatedProver::new(&card(self.seed));
        let mut said = prover.hello();
        for _ in 0..64 {
            let more = json!({"moment": moment, "said": {"message": said}});
            let body = self.agent.body(more);
            let reply = self.agent.ok(PROBES_PATH, body.clone()).await;
            let reply: ProbeReply = serde_json::from_value(reply).unwrap();
            if matches!(reply.message, VerifierMessage::MatrixChallenge { .. }) {
                tokio::time::sleep(WORK).await;
            }
            match prover.answer(reply.message).expect("in turn") {
                Next::Send(next) => said = as_if_real(*next, self.seed),
                Next::Over(verdict) => {
                    let again = self.agent.ok(PROBES_PATH, body).await;
                    assert_eq!(again["may_start"], true, "told again");
                    return *verdict;
                }
            }
        }
        panic!("no verdict");
    }

    fn order(&self) -> SpotOrder {
        self.order.borrow().expect("it was ordered")
    }
}

/// As if a card had been judged so many days ago.
async fn judged(stage: &Stage, seed: u64, days: i64, outcome: VerdictOutcome) {
    let now = SystemClock::new(FACTOR).world();
    let seen = DeviceSeen {
        uuid: uuid(&card(seed)),
        at: WorldTime::from_micros(now.micros() - days * DAY_US),
        ban_after_fails: 3,
        latency: None,
        verdict: DeviceVerdict {
            probe: ProbeId::from_parts(1, &[1; 10]),
            job: JobId::from_parts(1, &[1; 10]),
            epoch: Epoch(1),
            rank: 0,
            network: NetworkId::from_static("ionet"),
            model: Some(CARD.to_owned()),
            outcome,
            proof_level: 1,
            speed_permille: None,
        },
    };
    let changes = Changes {
        devices: vec![seen],
        ..Changes::default()
    };
    stage.store.commit(changes).await.unwrap();
}

/// All nodes beat until the story is over.
async fn beat_all(nodes: &[(Node<'_>, String)], is_over: &Cell<bool>) {
    let mut sequence = 1;
    while !is_over.get() {
        for (node, _) in nodes {
            node.beat(sequence).await;
        }
        sequence += 1;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Waits until every node was ordered, and until the moment has come.
async fn until_the_moment(nodes: &[(Node<'_>, String)]) -> MomentId {
    for _ in 0..1_200 {
        if nodes.iter().all(|(node, _)| node.order.borrow().is_some()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // They are told until the moment: the last answer says best how long that is.
    let orders: Vec<SpotOrder> = nodes.iter().map(|(node, _)| node.order()).collect();
    let moment = orders[0].moment;
    assert!(orders.iter().all(|order| order.moment == moment));
    let (first, _) = &nodes[0];
    let hello = EmulatedProver::new(&card(first.seed)).hello();
    let early = json!({"moment": moment, "said": {"message": hello}});
    let early = first.agent.post(PROBES_PATH, first.agent.body(early)).await;
    assert_eq!(early.status, 409, "its moment has not come");
    let longest_ms = orders.iter().map(|order| order.in_ms).max().unwrap();
    let left = Duration::from_millis(longest_ms / u64::from(FACTOR) + 20);
    tokio::time::sleep(left).await;
    moment
}

/// A stage on which running work is probed at one moment, soon.
async fn stage() -> Stage {
    let now = SystemClock::new(FACTOR).world();
    let stage = Stage::with(Choices {
        agents: Agents::Told,
        probe: ProbeTerms {
            while_running_per_day: 4,
            moments: key(now),
            within: Duration::from_secs(36_000),
            ..ProbeTerms::OFF
        },
        ..Choices::default()
    })
    .await;
    for seed in 1..=3 {
        judged(&stage, seed, 8, VerdictOutcome::Pass).await;
    }
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_compute_at_one_moment_with_old_devices_reach_level_two() {
    let stage = stage().await;
    let mut nodes = Vec::new();
    // The third is late, and the fourth's card is new.
    for seed in 1..=4 {
        nodes.push(Node::placed(&stage, seed).await);
    }
    for (node, _) in &nodes {
        assert_eq!(node.agent.bind().await.get("probe"), None);
    }
    let is_over = Cell::new(false);
    let story = async {
        let moment = until_the_moment(&nodes).await;
        let held = tokio::join!(
            nodes[0].0.prove(moment),
            nodes[1].0.prove(moment),
            nodes[3].0.prove(moment),
        );
        // Those were held for the moment; this one comes after them.
        let late = nodes[2].0.prove(moment).await;
        is_over.set(true);
        (held, late)
    };
    let ((), ((one, two, new), late)) = tokio::join!(beat_all(&nodes, &is_over), story);
    for (verdict, level) in [
        (&one, ProofLevel::Continuous),
        (&two, ProofLevel::Continuous),
        (&late, ProofLevel::TimedProof),
        (&new, ProofLevel::TimedProof),
    ] {
        assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
        assert_eq!(verdict.proof_level, level, "{verdict:?}");
        assert!(verdict.has(ReasonCode::NotShownBySpot));
    }
    let path = format!("/v1/jobs/{}", nodes[0].1);
    let shown = stage.get(&path).await.json();
    let probe = &shown["placements"][0]["probes"][0];
    assert_eq!(
        (
            &probe["while_running"],
            &probe["proof_level"],
            &probe["outcome"]
        ),
        (&json!(true), &json!(2), &json!("pass")),
        "{shown}"
    );
    assert_eq!(shown["state"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_against_a_device_ends_no_running_work_and_lowers_its_level() {
    let stage = stage().await;
    // The third failed before it was known for a week, the fourth later, in a ban that was lifted.
    judged(&stage, 3, 730, VerdictOutcome::Fail).await;
    judged(&stage, 4, 800, VerdictOutcome::Pass).await;
    judged(&stage, 4, 2, VerdictOutcome::Fail).await;
    let mut nodes = Vec::new();
    for seed in 1..=4 {
        nodes.push(Node::placed(&stage, seed).await);
    }
    for (node, _) in &nodes {
        node.agent.bind().await;
    }
    let change = async |seed: usize, how: &str| {
        let path = format!("{}/{how}", nodes[seed - 1].0.path());
        let changed = stage.post(&path, json!({"reason": "lies"})).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    };
    change(2, "ban").await;
    change(4, "ban").await;
    change(4, "unban").await;
    let is_over = Cell::new(false);
    let story = async {
        let moment = until_the_moment(&nodes).await;
        let proofs = tokio::join!(
            nodes[0].0.prove(moment),
            nodes[1].0.prove(moment),
            nodes[2].0.prove(moment),
            nodes[3].0.prove(moment),
        );
        is_over.set(true);
        proofs
    };
    let ((), (good, banned, long_ago, lifted)) = tokio::join!(beat_all(&nodes, &is_over), story);
    for (verdict, level) in [
        (&good, ProofLevel::Continuous),
        (&banned, ProofLevel::TimedProof),
        (&long_ago, ProofLevel::Continuous),
        (&lifted, ProofLevel::TimedProof),
    ] {
        assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
        assert_eq!(verdict.proof_level, level, "{verdict:?}");
        assert!(!verdict.has(ReasonCode::DeviceBanned));
    }
    let job = stage.get(&format!("/v1/jobs/{}", nodes[1].1)).await.json();
    assert_eq!(job["state"], "running", "{job}");
    let shown = stage.get(&nodes[1].0.path()).await.json();
    assert_eq!(shown["ban"]["reason"], "lies");
}
