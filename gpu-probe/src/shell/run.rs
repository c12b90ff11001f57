//! The agent's loop: inputs in, actions out, one effect each.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tandem_model::id::BootId;
use tandem_model::secret::Secret;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::broker_client::BrokerClient;
use super::clock::WorldClock;
use super::config::Config;
use super::error::{AgentError, EXIT_NOT_STARTED};
use super::probe::{Probe, Stopper, What};
use super::process::Order;
use super::store::{Store, StoreError};
use super::sweep::{self, BOOT_MARK};
use super::upload::upload;
use super::workload::{self, Launch};
use super::{health, restore};
use crate::agent::{self, Action, AgentState, Ended, ExitReason, Identity, Input, KillReason};
use crate::protocol::{
    BIND_PATH, BindReply, CHECKPOINTS_PATH, CheckpointRef, CheckpointStore, EndCause,
    HEARTBEATS_PATH, PROBES_PATH, RESULTS_PATH,
};

/// Pause between two ticks.
const TICK: Duration = Duration::from_millis(100);
/// Most inputs waiting; who gives more waits.
const INPUTS_MAX: usize = 256;
/// Longest and shortest wait for an answer of the broker.
const CALL_MAX: Duration = Duration::from_secs(10);
const CALL_MIN: Duration = Duration::from_millis(500);
/// Orders waiting for a workload: it is stopped once, killed once, and paused seldom.
const ORDERS_MAX: usize = 16;
/// Exit code of a shell whose command cannot be started (POSIX, 2.8.2).
const EXIT_CANNOT_START: u8 = 127;

/// Runs the agent to its end; returns the exit code: the workload's own, 128 and the signal it
/// died by, or [`EXIT_NOT_STARTED`].
///
/// # Errors
/// When it cannot begin: nothing was started and nothing reported.
pub async fn run(config: Config) -> Result<u8, AgentError> {
    for dir in [&config.home, &config.checkpoint_dir] {
        let path = dir.display().to_string();
        fs::create_dir_all(dir).map_err(|source| AgentError::Directory { path, source })?;
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(AgentError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AgentError::Signals)?;
    let mut effects = Effects::new(config)?;
    if let Some(port) = effects.config.health_port {
        effects.tasks.spawn(health::serve(port));
    }
    effects.end_leftovers().await;
    let mut state = AgentState::new(effects.identity.clone(), effects.clock.now());
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        let input = tokio::select! {
            Some(input) = effects.inputs.recv() => input,
            _ = ticks.tick() => Input::Tick,
            _ = terminate.recv() => Input::Terminate,
            _ = interrupt.recv() => Input::Terminate,
        };
        effects.note(&input);
        while effects.tasks.try_join_next().is_some() {}
        for action in agent::step(&mut state, input, effects.clock.now()) {
            if let Action::Exit(reason) = action {
                return Ok(effects.exit(reason).await);
            }
            effects.perform(action);
        }
    }
}

/// Everything the agent acts through.
struct Effects {
    config: Config,
    identity: Identity,
    clock: WorldClock,
    broker: BrokerClient,
    sender: mpsc::Sender<Input>,
    inputs: mpsc::Receiver<Input>,
    tasks: JoinSet<()>,
    orders: Option<mpsc::Sender<Order>>,
    /// Stops the probe under way when it is dropped.
    probe: Option<Stopper>,
    secrets: Vec<(String, Secret)>,
    has_store: bool,
    call_deadline: Duration,
    exit_code: u8,
}

impl Effects {
    fn new(config: Config) -> Result<Self, AgentError> {
        let clock = WorldClock::new(config.time_factor);
        let broker = BrokerClient::new(config.broker_url.clone(), config.token.clone())?;
        let (sender, inputs) = mpsc::channel(INPUTS_MAX);
        let identity = Identity {
            job: config.job,
            epoch: config.epoch,
            rank: config.rank,
            boot_id: new_boot_id(),
            container: config.container.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            kind: config.kind,
        };
        Ok(Self {
            config,
            identity,
            clock,
            broker,
            sender,
            inputs,
            tasks: JoinSet::new(),
            orders: None,
            probe: None,
            secrets: Vec::new(),
            has_store: false,
            call_deadline: CALL_MAX,
            exit_code: EXIT_NOT_STARTED,
        })
    }

    /// Kills what an earlier agent of this job left running in this directory when it was killed.
    async fn end_leftovers(&self) {
        let home = format!("TANDEM_HOME={}", self.config.home.display());
        let job = format!("TANDEM_JOB_ID={}", self.config.job);
        let marks = vec![home, job, format!("{BOOT_MARK}=")];
        let swept = tokio::task::spawn_blocking(move || sweep::kill_marked(&marks)).await;
        if let Ok(count) = swept
            && count > 0
        {
            tracing::warn!(count, "killed processes that an earlier agent had left");
        }
    }

    /// Takes from an input what only the shell needs.
    fn note(&mut self, input: &Input) {
        match input {
            Input::BindReplied(_, Ok(reply)) if reply.check().is_ok() => self.note_terms(reply),
            Input::WorkloadEnded(ended) => self.exit_code = exit_code_of(ended),
            Input::Uploaded(step, Err(error)) => {
                tracing::warn!(
                    step,
                    error,
                    code = "TDM-4002",
                    "a checkpoint was not uploaded"
                );
            }
            Input::Probed(end) => tracing::info!(?end, "the probe is over"),
            Input::SpotProbed(moment, end) => {
                tracing::info!(%moment, ?end, "the probe of the running work is over");
            }
            Input::Restored(Err(error)) => tracing::error!(error, "nothing is started"),
            _ => {}
        }
    }

    fn note_terms(&mut self, reply: &BindReply) {
        self.secrets = reply.secrets.clone().into_iter().collect();
        self.has_store = reply.checkpoint_store.is_some();
        let third = self
            .clock
            .wall(Duration::from_millis(reply.lease_ttl_ms / 3));
        self.call_deadline = third.clamp(CALL_MIN, CALL_MAX);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::SendBind(number, body) => {
                let call = self.call(BIND_PATH, body, move |r| Input::BindReplied(number, r));
                self.tasks.spawn(call);
            }
            Action::SendHeartbeat(body) => {
                let sequence = body.sequence;
                let wrap = move |r| Input::HeartbeatReplied(sequence, r);
                self.tasks.spawn(self.call(HEARTBEATS_PATH, body, wrap));
            }
            Action::SendCheckpoint(body) => {
                let step = body.step;
                let wrap = move |r| Input::CheckpointReplied(step, r);
                self.tasks.spawn(self.call(CHECKPOINTS_PATH, body, wrap));
            }
            Action::SendResult(body) => {
                tracing::info!(
                    exit_code = body.exit_code,
                    signal = body.signal,
                    "reporting the end"
                );
                self.tasks
                    .spawn(self.call(RESULTS_PATH, body, Input::ResultReplied));
            }
            Action::Probe(kind) => self.probe(What::AtStart(kind)),
            Action::ProbeSpot(moment) => self.probe(What::Spot(moment)),
            Action::Pause => self.order(Order::Pause),
            Action::Resume => self.order(Order::Resume),
            Action::AbortProbe => {
                tracing::info!("the probe is given up");
                self.probe = None;
            }
            Action::SendProbe(body) => {
                tracing::warn!(said = ?body.said, "the probe could not run");
                let call = self.call(PROBES_PATH, body, Input::ProbeReplied);
                self.tasks.spawn(call);
            }
            Action::Restore(checkpoint, store) => self.restore(checkpoint, store),
            Action::Upload(step, store) => self.upload(step, store),
            Action::Start { restored_step } => self.start(restored_step),
            Action::Stop(reason) => {
                tracing::info!(?reason, "stopping the workload");
                self.order(Order::Stop(self.clock.wall(self.config.stop_grace)));
            }
            Action::Kill(reason) => self.kill(reason),
            // Handled by the loop: it ends there.
            Action::Exit(_) => {}
        }
    }

    /// A call to the broker whose answer becomes an input.
    fn call<B, R>(
        &self,
        path: &'static str,
        body: B,
        wrap: impl FnOnce(Result<R, agent::CallError>) -> Input + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        B: serde::Serialize + Send + Sync + 'static,
        R: serde::de::DeserializeOwned + Send + 'static,
    {
        let (broker, sender, deadline) =
            (self.broker.clone(), self.sender.clone(), self.call_deadline);
        async move {
            let reply = broker.call(path, &body, deadline).await;
            let _ = sender.send(wrap(reply)).await;
        }
    }

    fn probe(&mut self, what: What) {
        tracing::info!(?what, "probing the GPUs");
        let probe = Probe {
            identity: self.identity.clone(),
            broker: self.broker.clone(),
            emulated: self.config.emulated_gpu.clone(),
        };
        self.probe = Some(probe.start(what, self.sender.clone()));
    }

    fn restore(&mut self, checkpoint: CheckpointRef, told: CheckpointStore) {
        let dir = self.config.checkpoint_dir.clone();
        let sender = self.sender.clone();
        self.tasks.spawn(async move {
            let outcome = fetch(&dir, &checkpoint, told).await;
            let outcome = outcome.map_err(|error| format!("TDM-4002: {}", error.chain()));
            let _ = sender.send(Input::Restored(outcome)).await;
        });
    }

    fn upload(&mut self, step: u64, told: CheckpointStore) {
        let dir = self.config.checkpoint_dir.clone();
        let sender = self.sender.clone();
        let of = (self.identity.job, self.identity.epoch, step);
        self.tasks.spawn(async move {
            let outcome = match open(told).await {
                Ok(store) => upload(&store, &dir, of).await,
                Err(error) => Err(error),
            };
            let outcome = outcome.map_err(|error| error.chain());
            let _ = sender.send(Input::Uploaded(step, outcome)).await;
        });
    }

    fn start(&mut self, restored_step: Option<u64>) {
        tracing::info!(restored_step, "starting the workload");
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        self.orders = Some(orders);
        let launch = Launch {
            config: self.config.clone(),
            identity: self.identity.clone(),
            secrets: self.secrets.clone(),
            restored_step,
            owns_checkpoints: self.has_store,
        };
        self.tasks
            .spawn(workload::run(launch, receiver, self.sender.clone()));
    }

    fn kill(&mut self, reason: KillReason) {
        tracing::warn!(?reason, code = "TDM-4001", "killing the workload");
        self.order(Order::Kill);
    }

    fn order(&self, order: Order) {
        let full = self
            .orders
            .as_ref()
            .is_some_and(|orders| orders.try_send(order).is_err());
        if full {
            tracing::debug!(?order, "the workload is gone already");
        }
    }

    async fn exit(mut self, reason: ExitReason) -> u8 {
        tracing::info!(?reason, exit_code = self.exit_code, "the agent exits");
        self.tasks.shutdown().await;
        self.exit_code
    }
}

async fn open(told: CheckpointStore) -> Result<Store, StoreError> {
    tokio::task::spawn_blocking(move || Store::open(&told)).await?
}

async fn fetch(
    dir: &Path,
    checkpoint: &CheckpointRef,
    told: CheckpointStore,
) -> Result<(), StoreError> {
    let aside = dir.to_owned();
    tokio::task::spawn_blocking(move || restore::set_aside(&aside)).await??;
    restore::restore(&open(told).await?, checkpoint, dir).await
}

/// The exit code that says how the workload ended.
fn exit_code_of(ended: &Ended) -> u8 {
    let byte = |code: i32| u8::try_from(code & 0xff).unwrap_or(u8::MAX);
    match (ended.cause, ended.exit_code, ended.signal) {
        (_, Some(code), _) => byte(code),
        (_, None, Some(signal)) => byte(128 + signal),
        (EndCause::StartFailed, None, None) => EXIT_CANNOT_START,
        _ => EXIT_NOT_STARTED,
    }
}

/// A name for this run: the time and random bytes, so that no two runs share one.
fn new_boot_id() -> BootId {
    let random = uuid::Uuid::new_v4();
    let mut bytes = [0; 10];
    // Bytes 6 and 8 of a version 4 UUID hold fixed bits (RFC 9562, 5.4); the rest is random.
    bytes[..6].copy_from_slice(&random.as_bytes()[..6]);
    bytes[6..].copy_from_slice(&random.as_bytes()[12..]);
    #[expect(
        clippy::disallowed_methods,
        reason = "the agent's shell owns its clock"
    )]
    let now = std::time::SystemTime::now();
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    BootId::from_parts(u64::try_from(since.as_millis()).unwrap_or(0), &bytes)
}
