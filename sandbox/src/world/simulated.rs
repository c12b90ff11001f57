//! A simulated agent's own memory: who it is, its workload's steps, its calls under way.

use std::collections::BTreeMap;
use std::time::Duration;

use gpu_probe::agent::{
    AgentState, AgentTime, CallError, Ended, ExitReason, Identity, Input, ProbeEnd, Uploaded,
};
use gpu_probe::emulate::EmulatedProver;
use gpu_probe::protocol::{EndCause, MomentId, Problem, Progress, Sha256};
use serde::de::DeserializeOwned;
use tandem_model::id::{BootId, JobId};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_model::workload::WorkloadKind;

use super::dice::Dice;
use super::effects::AgentReply;

/// Steps of the simulated work when the environment does not say.
const STEPS: u64 = 60;
/// Seconds between checkpoints when the environment does not say.
const CHECKPOINT_SECONDS: u64 = 30;
/// How much slower a slow node is.
const SLOWNESS: u32 = 4;
/// Workloads with more steps print every tenth.
const TALKATIVE_STEPS_MAX: u64 = 200;
/// Size that a simulated checkpoint claims to have.
const CHECKPOINT_BYTES: u64 = 1 << 20;

/// Which call an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Bind(u64),
    Heartbeat(u64),
    Checkpoint(u64),
    /// A message of a probe's exchange; of which moment, when work runs.
    Probe(Option<MomentId>),
    /// A probe that could not run.
    Unprobed,
    Result,
}

pub(super) fn read<T: DeserializeOwned>(reply: &AgentReply) -> Result<T, CallError> {
    match reply {
        AgentReply::Answered {
            status: 200..=299,
            body,
        } => serde_json::from_slice(body).map_err(|_| CallError::Unreachable),
        AgentReply::Answered {
            status: Problem::FENCED_STATUS,
            body,
        } => {
            let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
            Err(CallError::Refused {
                live_epoch: problem.live_epoch,
            })
        }
        AgentReply::Answered { .. } | AgentReply::Unreachable => Err(CallError::Unreachable),
    }
}

/// The end of a probe at the start, or of a moment.
pub(super) fn ends_unjudged(moment: Option<MomentId>, end: ProbeEnd) -> Input {
    match (moment, end) {
        (None, end) => Input::Probed(end),
        (Some(moment), ProbeEnd::CouldNotRun(why)) => Input::SpotProbed(moment, Err(why)),
        (Some(moment), _) => Input::SpotProbed(moment, Ok(())),
    }
}

impl CallKind {
    /// What the agent learns from an answer; of a probe's message, from none.
    pub(crate) fn input(self, reply: &AgentReply) -> Input {
        match self {
            Self::Bind(number) => Input::BindReplied(number, read(reply)),
            Self::Heartbeat(sequence) => Input::HeartbeatReplied(sequence, read(reply)),
            Self::Checkpoint(step) => Input::CheckpointReplied(step, read(reply)),
            Self::Probe(moment) => ends_unjudged(
                moment,
                ProbeEnd::could_not_run("a message was not answered"),
            ),
            Self::Unprobed => Input::ProbeReplied(read(reply)),
            Self::Result => Input::ResultReplied(read(reply)),
        }
    }
}

/// What happened since the workload last worked.
#[derive(Debug, Default)]
pub(crate) struct Worked {
    pub(crate) inputs: Vec<Input>,
    pub(crate) lines: Vec<String>,
}

/// The workload while it runs.
#[derive(Debug)]
struct Work {
    done: u64,
    /// When the step under way began.
    step_began: WorldTime,
    /// Since when it stands still for a probe.
    stands_since: Option<WorldTime>,
    checkpointed_at: WorldTime,
    checkpointed_step: u64,
}

/// A simulated agent and its workload.
#[derive(Debug)]
pub(crate) struct SimAgent {
    pub(crate) state: AgentState,
    pub(crate) broker_url: String,
    pub(crate) token: String,
    /// Answers of calls that reached nobody, given at the next wake.
    pub(crate) unanswered: Vec<Input>,
    pub(crate) wake_at: Option<WorldTime>,
    /// The probe under way.
    pub(crate) prover: Option<Box<EmulatedProver>>,
    key_prefix: String,
    /// None for a service, which runs on.
    steps: Option<u64>,
    step_time: Duration,
    checkpoint_every: Duration,
    code: i32,
    work: Option<Work>,
    steps_done: u64,
}

fn number(env: &BTreeMap<String, String>, name: &str) -> Option<u64> {
    env.get(name).and_then(|text| text.parse().ok())
}

/// Seconds with a fraction, in microseconds.
fn seconds(env: &BTreeMap<String, String>, name: &str) -> Option<Duration> {
    let text = env.get(name)?;
    let micros = tandem_model::money::MicroUsd::parse_decimal_usd(text)
        .ok()?
        .get();
    u64::try_from(micros)
        .ok()
        .filter(|us| *us > 0)
        .map(Duration::from_micros)
}

impl SimAgent {
    /// The agent that an environment asks for: none without a broker, the name of a variable when
    /// one is missing or wrong.
    pub(crate) fn from_env(
        env: &BTreeMap<String, String>,
        container: &str,
        now: WorldTime,
        dice: &mut Dice,
    ) -> Option<Result<Self, &'static str>> {
        let broker_url = env
            .get("TANDEM_BROKER_URL")?
            .trim_end_matches('/')
            .to_owned();
        Some(Self::read(env, container, broker_url, now, dice))
    }

    fn read(
        env: &BTreeMap<String, String>,
        container: &str,
        broker_url: String,
        now: WorldTime,
        dice: &mut Dice,
    ) -> Result<Self, &'static str> {
        let parsed = |name: &'static str| env.get(name).ok_or(name);
        let job: JobId = parsed("TANDEM_JOB_ID")?
            .parse()
            .map_err(|_| "TANDEM_JOB_ID")?;
        let epoch: u32 = parsed("TANDEM_EPOCH")?
            .parse()
            .map_err(|_| "TANDEM_EPOCH")?;
        let rank = number(env, "TANDEM_RANK").unwrap_or(0);
        let token = parsed("TANDEM_AGENT_TOKEN")?.clone();
        let kind = match env.get("TANDEM_KIND").map(String::as_str) {
            Some("service") => WorkloadKind::Service,
            _ => WorkloadKind::Job,
        };
        let unix_ms = u64::try_from(now.micros() / 1_000).unwrap_or(0);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&dice.bits().to_be_bytes());
        random[8..].copy_from_slice(&dice.bits().to_be_bytes()[..2]);
        let identity = Identity {
            job,
            epoch: Epoch(epoch),
            rank: u16::try_from(rank).map_err(|_| "TANDEM_RANK")?,
            boot_id: BootId::from_parts(unix_ms, &random),
            container: container.to_owned(),
            agent_version: "sandbox".to_owned(),
            kind,
        };
        let checkpoint_seconds = number(env, "TANDEM_CHECKPOINT_INTERVAL_SECONDS");
        let code = env.get("TANDEM_SIM_EXIT_CODE").and_then(|c| c.parse().ok());
        Ok(Self {
            key_prefix: format!("{job}/{epoch}"),
            state: AgentState::new(
                identity,
                AgentTime(u64::try_from(now.micros()).unwrap_or(0)),
            ),
            broker_url,
            token,
            unanswered: Vec::new(),
            wake_at: None,
            prover: None,
            steps: match kind {
                WorkloadKind::Service => None,
                WorkloadKind::Job => Some(number(env, "TANDEM_SIM_STEPS").unwrap_or(STEPS)),
            },
            step_time: seconds(env, "TANDEM_SIM_STEP_SECONDS").unwrap_or(Duration::from_secs(1)),
            checkpoint_every: Duration::from_secs(
                checkpoint_seconds.unwrap_or(CHECKPOINT_SECONDS).max(1),
            ),
            code: code.unwrap_or(0),
            work: None,
            steps_done: 0,
        })
    }

    /// Steps done in all, those before a restored checkpoint included.
    pub(crate) fn steps_done(&self) -> u64 {
        self.steps_done
    }

    /// The workload starts, from a restored step or from nothing.
    pub(crate) fn start(&mut self, restored: Option<u64>, now: WorldTime) {
        let done = restored.unwrap_or(0);
        self.work = Some(Work {
            done,
            step_began: now,
            stands_since: None,
            checkpointed_at: now,
            checkpointed_step: done,
        });
        self.steps_done = done;
    }

    fn step_length(&self, slow: bool) -> Duration {
        if slow {
            self.step_time * SLOWNESS
        } else {
            self.step_time
        }
    }

    /// When the step under way is done.
    pub(crate) fn next_step_at(&self, slow: bool) -> Option<WorldTime> {
        let work = self.work.as_ref().filter(|_| self.steps.is_some())?;
        if work.stands_since.is_some() {
            return None;
        }
        Some(work.step_began.after(self.step_length(slow)))
    }

    /// Works until now: steps, checkpoints, and the end.
    pub(crate) fn work(&mut self, now: WorldTime, slow: bool) -> Worked {
        let mut worked = Worked::default();
        let length = self.step_length(slow);
        let (Some(work), Some(total)) = (&mut self.work, self.steps) else {
            return worked;
        };
        if work.stands_since.is_some() {
            return worked;
        }
        let before = work.done;
        while work.done < total && work.step_began.after(length) <= now {
            work.step_began = work.step_began.after(length);
            work.done += 1;
            if total <= TALKATIVE_STEPS_MAX || work.done.is_multiple_of(10) {
                worked.lines.push(format!("step {}/{total}", work.done));
            }
        }
        self.steps_done = work.done;
        if work.done > before {
            let progress = Progress {
                step: work.done,
                total_steps: Some(total),
            };
            worked.inputs.push(Input::Progress(progress));
            worked.inputs.push(Input::Printed(worked.lines.clone()));
        }
        let is_over = work.done >= total;
        let is_due = now.since(work.checkpointed_at) >= self.checkpoint_every;
        if (is_due || is_over) && work.done > work.checkpointed_step {
            work.checkpointed_at = now;
            work.checkpointed_step = work.done;
            worked.inputs.push(Input::CheckpointFinished(work.done));
        }
        if is_over {
            self.work = None;
            let line = format!("workload ended with code {}", self.code);
            worked.inputs.push(self.ended(Some(self.code), None));
            worked.lines.push(line);
        }
        worked
    }

    fn ended(&self, exit_code: Option<i32>, signal: Option<i32>) -> Input {
        Input::WorkloadEnded(Box::new(Ended {
            cause: EndCause::Workload,
            exit_code,
            signal,
            output_sha256: None,
            output_tail: format!("{} steps done", self.steps_done),
            detail: None,
        }))
    }

    /// The object that an upload of a step leaves; nothing is really stored.
    pub(crate) fn upload(&self, step: u64) -> Input {
        let key = format!("{}/{step}", self.key_prefix);
        let uploaded = Uploaded {
            sha256: Sha256::of(key.as_bytes()),
            bytes: CHECKPOINT_BYTES,
            key,
        };
        Input::Uploaded(step, Ok(uploaded))
    }

    /// SIGSTOP; whether there was something to stop.
    pub(crate) fn pause(&mut self, now: WorldTime) -> bool {
        let works = self.work.as_mut();
        let Some(work) = works.filter(|work| work.stands_since.is_none()) else {
            return false;
        };
        work.stands_since = Some(now);
        true
    }

    /// SIGCONT: the step under way goes on where it was. Whether something stood still.
    pub(crate) fn resume(&mut self, now: WorldTime) -> bool {
        let Some(work) = &mut self.work else {
            return false;
        };
        let Some(since) = work.stands_since.take() else {
            return false;
        };
        work.step_began = work.step_began.after(now.since(since));
        true
    }

    /// SIGTERM: the workload writes a checkpoint and ends.
    pub(crate) fn stop(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        if let Some(work) = self.work.take() {
            if work.done > work.checkpointed_step {
                inputs.push(Input::CheckpointFinished(work.done));
            }
            inputs.push(self.ended(None, Some(15)));
        }
        inputs
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Input {
        self.work = None;
        self.ended(None, Some(9))
    }

    /// The agent's own exit code.
    pub(crate) fn exit_code(&self, reason: ExitReason) -> i32 {
        match reason {
            ExitReason::Recorded => self.code,
            _ => 75,
        }
    }
}
