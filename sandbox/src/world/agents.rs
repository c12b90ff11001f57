//! What runs on a unit: nothing yet, something that just runs, a simulated agent with its
//! workload, or a real process.

use std::collections::BTreeMap;

use gpu_probe::agent::{Action, AgentTime, Input, TICK_MS_MAX, step};
use gpu_probe::emulate::EMULATED_GPU_VARIABLE;
use gpu_probe::protocol::{
    BIND_PATH, CHECKPOINTS_PATH, HEARTBEATS_PATH, PROBES_PATH, RESULTS_PATH,
};
use serde::Serialize;
use std::time::Duration;

use super::World;
use super::effects::{AgentCall, AgentReply, ProcessOrder};
use super::life::Timer;
use super::options::{ExecScope, Moment};
use super::rental::UnitState;
use super::simulated::{CallKind, SimAgent};

/// Calls of agents under way; a further one counts as unreachable.
const CALLS_MAX: usize = 100_000;

/// What runs on a unit.
#[derive(Debug)]
pub(crate) enum Guest {
    /// Nothing.
    Idle,
    /// Something that just runs.
    Plain,
    /// A simulated agent and its workload.
    Agent(Box<SimAgent>),
    /// A real process of the shell.
    Process,
}

impl World {
    /// Starts what was deployed.
    pub(crate) fn start_guest(
        &mut self,
        index: u32,
        mut env: BTreeMap<String, String>,
        argv: Vec<String>,
    ) {
        let now = self.now;
        let unit = &mut self.units[index as usize];
        let id = unit.id.clone();
        if self.runs_for_real(&env) && !argv.is_empty() {
            let gpu = self.emulated_gpu(index).to_json();
            env.insert(EMULATED_GPU_VARIABLE.to_owned(), gpu);
            let unit = &mut self.units[index as usize];
            unit.guest = Guest::Process;
            unit.work_starts(now);
            self.effects.processes.push(ProcessOrder::Start {
                unit: id,
                argv,
                env,
            });
            return;
        }
        match SimAgent::from_env(&env, &id, now, &mut self.dice) {
            Some(Ok(agent)) => {
                self.units[index as usize].guest = Guest::Agent(Box::new(agent));
                self.say(index, "tandem: agent started");
                self.drive(index, Input::Tick);
                self.arm(now, Timer::Agent(index));
            }
            Some(Err(missing)) => {
                self.say(index, &format!("tandem: {missing} is missing or wrong"));
                self.guest_exits(index, 64);
            }
            None => {
                let unit = &mut self.units[index as usize];
                unit.guest = Guest::Plain;
                unit.work_starts(now);
                self.say(index, "started\nready");
            }
        }
    }

    /// Whether a deployment with this environment runs as a real process.
    pub(crate) fn runs_for_real(&self, env: &BTreeMap<String, String>) -> bool {
        match self.options.exec {
            ExecScope::Nothing => false,
            ExecScope::Marked => env.get("TANDEM_EXEC").is_some_and(|v| v == "1"),
            ExecScope::Everything => true,
        }
    }

    /// Marks the unit's own work as over.
    pub(crate) fn guest_exits(&mut self, index: u32, code: i32) {
        let now = self.now;
        let unit = &mut self.units[index as usize];
        if unit.state == UnitState::Running {
            unit.work_ends(now);
            unit.state = UnitState::Exited(code);
            unit.url_is_up = false;
            unit.event(now, format!("exited with code {code}"));
        }
    }

    pub(super) fn sim(&mut self, index: u32) -> Option<&mut SimAgent> {
        match &mut self.units[index as usize].guest {
            Guest::Agent(agent) => Some(agent),
            _ => None,
        }
    }

    /// Lets the workload work, ticks the agent, and arms the next wake.
    pub(crate) fn agent_wakes(&mut self, index: u32) {
        let unit = &self.units[index as usize];
        if unit.state != UnitState::Running {
            return;
        }
        let (now, slow) = (self.now, unit.slow);
        let Some(agent) = self.sim(index) else { return };
        if agent.wake_at.is_some_and(|at| at > now) {
            return;
        }
        let mut inputs = std::mem::take(&mut agent.unanswered);
        let worked = agent.work(now, slow);
        inputs.extend(worked.inputs);
        let done = agent.steps_done();
        if inputs.is_empty() {
            inputs.push(Input::Tick);
        }
        self.units[index as usize].steps_done = done;
        for line in worked.lines {
            self.say(index, &line);
        }
        for input in inputs {
            self.drive(index, input);
        }
        let tick = now.after(Duration::from_millis(TICK_MS_MAX));
        if let Some(agent) = self.sim(index) {
            let next = agent.next_step_at(slow).map_or(tick, |at| at.min(tick));
            let next = next.max(now.after(Duration::from_millis(1)));
            agent.wake_at = Some(next);
            self.arm(next, Timer::Agent(index));
        }
    }

    /// Gives one input to the agent's own step function and performs what it asks for.
    fn drive(&mut self, index: u32, input: Input) {
        let now = self.now;
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if matches!(input, Input::WorkloadEnded(_)) {
                self.units[index as usize].work_ends(now);
            }
            let Some(agent) = self.sim(index) else { return };
            let at = AgentTime(u64::try_from(now.micros()).unwrap_or(0));
            for action in step(&mut agent.state, input, at) {
                inputs.extend(self.perform(index, action));
            }
        }
    }

    fn perform(&mut self, index: u32, action: Action) -> Vec<Input> {
        let now = self.now;
        match action {
            Action::SendBind(number, body) => self.call(index, CallKind::Bind(number), &body),
            Action::SendHeartbeat(body) => {
                self.call(index, CallKind::Heartbeat(body.sequence), &body)
            }
            Action::SendCheckpoint(body) => {
                self.call(index, CallKind::Checkpoint(body.step), &body)
            }
            Action::SendResult(body) => self.call(index, CallKind::Result, &body),
            Action::Probe(_) => self.probe_begins(index, None),
            Action::ProbeSpot(moment) => self.probe_begins(index, Some(moment)),
            Action::AbortProbe => {
                if let Some(agent) = self.sim(index) {
                    agent.prover = None;
                }
                Vec::new()
            }
            Action::SendProbe(body) => self.call(index, CallKind::Unprobed, &body),
            Action::Restore(..) => vec![Input::Restored(Ok(()))],
            Action::Upload(step, _) => {
                let uploaded = self.sim(index).map(|agent| agent.upload(step));
                uploaded.into_iter().collect()
            }
            Action::Start { restored_step } => {
                self.units[index as usize].work_starts(now);
                self.say(index, "workload started");
                if let Some(agent) = self.sim(index) {
                    agent.start(restored_step, now);
                }
                vec![Input::Started]
            }
            Action::Pause => {
                if self.sim(index).is_some_and(|agent| agent.pause(now)) {
                    self.units[index as usize].work_ends(now);
                }
                Vec::new()
            }
            Action::Resume => {
                if self.sim(index).is_some_and(|agent| agent.resume(now)) {
                    self.units[index as usize].work_starts(now);
                }
                Vec::new()
            }
            Action::Stop(_) => self.sim(index).map_or_else(Vec::new, SimAgent::stop),
            Action::Kill(_) => self
                .sim(index)
                .map_or_else(Vec::new, |agent| vec![agent.kill()]),
            Action::Exit(reason) => {
                let code = self.sim(index).map_or(0, |agent| agent.exit_code(reason));
                self.say(index, &format!("tandem: agent ended: {reason:?}"));
                self.guest_exits(index, code);
                self.units[index as usize].guest = Guest::Idle;
                Vec::new()
            }
        }
    }

    /// Emits a call, or notes that it reaches nobody.
    pub(super) fn call(&mut self, index: u32, kind: CallKind, body: &impl Serialize) -> Vec<Input> {
        let is_silent = self.units[index as usize].silent_since.is_some();
        let is_crowded = self.calls.len() >= CALLS_MAX;
        let id = self.calls_made + 1;
        let node = self.units[index as usize].id.clone();
        let Some(agent) = self.sim(index) else {
            return Vec::new();
        };
        if is_silent || is_crowded {
            agent.unanswered.push(kind.input(&AgentReply::Unreachable));
            return Vec::new();
        }
        let path = match kind {
            CallKind::Bind(_) => BIND_PATH,
            CallKind::Heartbeat(_) => HEARTBEATS_PATH,
            CallKind::Checkpoint(_) => CHECKPOINTS_PATH,
            CallKind::Probe(_) | CallKind::Unprobed => PROBES_PATH,
            CallKind::Result => RESULTS_PATH,
        };
        let call = AgentCall {
            id,
            node,
            method: "POST",
            path: path.to_owned(),
            body: serde_json::to_vec(body).unwrap_or_default(),
            token: agent.token.clone(),
            broker_url: agent.broker_url.clone(),
        };
        self.calls_made = id;
        self.calls.insert(id, (index, kind));
        self.effects.agent_calls.push(call);
        Vec::new()
    }

    /// Whether the simulated agent of a unit holds its lease, by its own count.
    pub fn holds_lease(&self, unit: &str) -> bool {
        let unit = self.unit_index(unit).map(|n| &self.units[n as usize]);
        let Some(Guest::Agent(agent)) = unit.map(|unit| &unit.guest) else {
            return false;
        };
        let now = AgentTime(u64::try_from(self.now.micros()).unwrap_or(0));
        agent.state.holds_lease(now)
    }

    /// Lets the workload go on that stands still for the probe of a call under way: the probe needs the
    /// cards no more. For who carries an exchange in the agent's place.
    pub fn spot_is_measured(&mut self, call: u64, now: Moment) {
        self.catch_up(now);
        let Some((index, CallKind::Probe(Some(moment)))) = self.calls.get(&call).copied() else {
            return;
        };
        if self.units[index as usize].state == UnitState::Running {
            self.drive(index, Input::SpotMeasured(moment));
        }
    }

    /// Gives an agent the answer to one of its calls. Answers to calls that are not under way are
    /// ignored.
    pub fn agent_reply(&mut self, call: u64, reply: AgentReply, now: Moment) {
        self.catch_up(now);
        let Some((index, kind)) = self.calls.remove(&call) else {
            return;
        };
        let unit = &self.units[index as usize];
        if unit.state != UnitState::Running {
            return;
        }
        let reply = match unit.silent_since {
            Some(_) => AgentReply::Unreachable,
            None => reply,
        };
        match kind {
            CallKind::Probe(moment) => {
                for input in self.probe_replied(index, moment, &reply) {
                    self.drive(index, input);
                }
            }
            _ => self.drive(index, kind.input(&reply)),
        }
    }
}
