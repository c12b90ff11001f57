//! The probe of a placement: the exchange of `docs/gpu-probe.md` with the broker, on a thread of its
//! own, because drivers block and may hang.
//!
//! Each message is sent once: without its answer the exchange cannot go on, and could not run. The
//! thread ends between two messages when it is told to. One that hangs in the driver is left behind.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::broker_client::BrokerClient;
use crate::agent::{CallError, Identity, Input, ProbeEnd};
use crate::bench::Scale;
use crate::cuda::Driver;
use crate::emulate::{Answer, EmulatedGpu, EmulatedProver};
use crate::exchange::{ProverMessage, VerifierMessage};
use crate::protocol::{PROBES_PATH, ProbeReply, ProbeRequest, ProbeSaid};
use crate::prover::{Machine, Prover, ProverError, Send, fresh_key};
use crate::report::Kind;
use crate::verdict::Verdict;

/// Longest wait for the answer to a message: the verifier checks a device's openings meanwhile.
const MESSAGE_MAX: Duration = Duration::from_secs(60);
/// Messages of one exchange: each of its steps, and two openings a device.
const MESSAGES_MAX: usize = 64;

/// What a probe needs.
pub(super) struct Probe {
    pub(super) identity: Identity,
    pub(super) broker: BrokerClient,
    /// Cards of a sandbox, instead of real ones.
    pub(super) emulated: Option<EmulatedGpu>,
}

/// Keeps a probe going; one whose stopper is dropped ends before its next message.
pub(super) struct Stopper {
    _kept: Arc<()>,
}

/// The way to the broker, and what it decided.
struct Line {
    probe: Probe,
    runtime: Handle,
    goes_on: Weak<()>,
    may_start: Option<bool>,
}

impl Probe {
    /// Starts the thread; its end becomes [`Input::Probed`].
    pub(super) fn start(self, kind: Kind, inputs: mpsc::Sender<Input>) -> Stopper {
        let kept = Arc::new(());
        let mut line = Line {
            probe: self,
            runtime: Handle::current(),
            goes_on: Arc::downgrade(&kept),
            may_start: None,
        };
        let sender = inputs.clone();
        let work = move || {
            let end = line.run(kind);
            // An agent that is gone needs no answer.
            let _ = sender.blocking_send(Input::Probed(end));
        };
        let thread = std::thread::Builder::new().name("gpu-probe".to_owned());
        if let Err(error) = thread.spawn(work) {
            let end = ProbeEnd::could_not_run(format_args!("no thread for the probe: {error}"));
            tokio::spawn(async move {
                let _ = inputs.send(Input::Probed(end)).await;
            });
        }
        Stopper { _kept: kept }
    }
}

impl Line {
    fn run(&mut self, kind: Kind) -> ProbeEnd {
        let outcome = match self.probe.emulated.clone() {
            Some(gpu) => self.emulated(&gpu).map_err(ProbeEnd::could_not_run),
            None => self.measured(kind).map_err(|error| match error {
                ProverError::Card(error) => {
                    ProbeEnd::CouldNotRun(format!("{}: {error}", error.code()))
                }
                error => ProbeEnd::could_not_run(error),
            }),
        };
        match outcome {
            Ok(verdict) => ProbeEnd::decided(&verdict, self.may_start),
            Err(end) => end,
        }
    }

    /// Sends a message and waits for its answer.
    fn say(&mut self, message: ProverMessage) -> Result<VerifierMessage, String> {
        if self.goes_on.upgrade().is_none() {
            return Err("the probe was given up".to_owned());
        }
        let me = &self.probe.identity;
        let request = ProbeRequest {
            job: me.job,
            epoch: me.epoch,
            rank: me.rank,
            boot_id: me.boot_id,
            said: ProbeSaid::Message(message),
        };
        let call = self.probe.broker.call(PROBES_PATH, &request, MESSAGE_MAX);
        let reply: Result<ProbeReply, CallError> = self.runtime.block_on(call);
        match reply {
            Ok(reply) => {
                self.may_start = reply.may_start;
                Ok(reply.message)
            }
            Err(CallError::Refused { .. }) => Err("the broker refused a message".to_owned()),
            Err(CallError::Unreachable) => Err("a message was not answered".to_owned()),
        }
    }

    fn emulated(&mut self, gpu: &EmulatedGpu) -> Result<Verdict, String> {
        let mut prover = EmulatedProver::new(gpu);
        let mut message = prover.hello();
        for _ in 0..MESSAGES_MAX {
            let reply = self.say(message)?;
            match prover.answer(reply).map_err(|e| e.to_string())? {
                Answer::Send(next) => message = *next,
                Answer::Over(verdict) => return Ok(*verdict),
            }
        }
        Err(format!("no verdict after {MESSAGES_MAX} messages"))
    }

    /// Probes the real cards, no more thoroughly than was ordered.
    fn measured(&mut self, kind: Kind) -> Result<Verdict, ProverError> {
        let machine = Machine::open(Driver::load()?, None)?;
        let scale = Scale::standard();
        let outcome = self.exchange(&machine, &scale, kind);
        if machine.driver().is_abandoned() {
            // Its destructors would wait for the kernel that hangs.
            std::mem::forget(machine);
        }
        outcome
    }

    fn exchange(
        &mut self,
        machine: &Machine,
        scale: &Scale,
        kind: Kind,
    ) -> Result<Verdict, ProverError> {
        let (cards, key) = (machine.cards(scale)?, fresh_key());
        let began = Instant::now();
        let clock_ns = move || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let prover = Prover {
            cards: &cards,
            key: &key,
            clock_ns: &clock_ns,
        };
        let mut say = |message| self.say(message);
        let quiet = |_: u32, _: &'static str| {};
        let outcome = prover.run(&mut say as Send<'_>, machine.hello(&key), |plan, proofs| {
            let kind = plan.kind.min(kind);
            machine.report(&cards, kind, Some((plan, proofs)), &quiet)
        });
        if machine.driver().is_abandoned() {
            std::mem::forget(cards);
        }
        outcome
    }
}
