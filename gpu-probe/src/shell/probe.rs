//! The probe of a placement, at its start or inside its running work: the exchange of
//! `docs/gpu-probe.md` with the broker, on a thread of its own, because drivers block and may hang.
//!
//! A message without an answer is sent again, and a broker that has it answers as it did; but not the
//! two that end what is timed: a broker that had not got the first one would take the way for the
//! card's time. Without an answer the broker may also have been started again and know nothing of the
//! exchange: the probe of a start begins anew, that of running work has passed its moment. The thread
//! ends between two messages when it is told to. One that hangs in the driver is left behind.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::broker_client::BrokerClient;
use crate::agent::{CallError, Identity, Input, ProbeEnd};
use crate::bench::Scale;
use crate::cuda::Driver;
use crate::emulate::{Answer, EmulatedGpu, EmulatedProver};
use crate::exchange::{Plan, ProverMessage, VerifierMessage};
use crate::protocol::{MomentId, PROBES_PATH, ProbeReply, ProbeRequest, ProbeSaid};
use crate::prover::{Machine, Prover, ProverError, Send, fresh_key};
use crate::report::Kind;
use crate::verdict::Verdict;

/// Longest wait for the answer to a message: the verifier checks a device's openings meanwhile.
const MESSAGE_MAX: Duration = Duration::from_secs(60);
/// How often a message is sent, until it is answered.
const TRIES: usize = 3;
/// Pause between two of them.
const TRY_PAUSE: Duration = Duration::from_secs(1);
/// How often an exchange is begun; the broker allows no more.
const BEGINS: usize = 3;
/// Pause between two of them.
const BEGIN_PAUSE: Duration = Duration::from_secs(2);
/// Messages of one exchange: each of its steps, and two openings a device.
const MESSAGES_MAX: usize = 64;

/// What a probe needs.
pub(super) struct Probe {
    pub(super) identity: Identity,
    pub(super) broker: BrokerClient,
    /// Cards of a sandbox, instead of real ones.
    pub(super) emulated: Option<EmulatedGpu>,
}

/// Which probe.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// With which the placement begins.
    AtStart(Kind),
    /// Of the running work, at this moment.
    Spot(MomentId),
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
    what: What,
    inputs: mpsc::Sender<Input>,
    may_start: Option<bool>,
    /// Whether the exchange ended for want of an answer.
    is_unanswered: bool,
}

impl Probe {
    /// Starts the thread; its end becomes [`Input::Probed`] or [`Input::SpotProbed`].
    pub(super) fn start(self, what: What, inputs: mpsc::Sender<Input>) -> Stopper {
        let kept = Arc::new(());
        let mut line = Line {
            probe: self,
            runtime: Handle::current(),
            goes_on: Arc::downgrade(&kept),
            what,
            inputs: inputs.clone(),
            may_start: None,
            is_unanswered: false,
        };
        let work = move || {
            let end = line.run();
            // An agent that is gone needs no answer.
            let _ = line.inputs.blocking_send(what.ends(end));
        };
        let thread = std::thread::Builder::new().name("gpu-probe".to_owned());
        if let Err(error) = thread.spawn(work) {
            let end = ProbeEnd::could_not_run(format_args!("no thread for the probe: {error}"));
            tokio::spawn(async move {
                let _ = inputs.send(what.ends(end)).await;
            });
        }
        Stopper { _kept: kept }
    }
}

/// Whether the verifier's clock stands for the card's work until this message comes.
const fn ends_timed_work(message: &ProverMessage) -> bool {
    matches!(
        message,
        ProverMessage::MatrixCommit { .. } | ProverMessage::VramCommit { .. }
    )
}

impl What {
    /// What the agent learns of its end. A verdict of running work is for the broker alone.
    fn ends(self, end: ProbeEnd) -> Input {
        match (self, end) {
            (Self::AtStart(_), end) => Input::Probed(end),
            (Self::Spot(moment), ProbeEnd::CouldNotRun(why)) => Input::SpotProbed(moment, Err(why)),
            (Self::Spot(moment), ProbeEnd::MayStart | ProbeEnd::MayNotStart(_)) => {
                Input::SpotProbed(moment, Ok(()))
            }
        }
    }

    const fn moment(self) -> Option<MomentId> {
        match self {
            Self::AtStart(_) => None,
            Self::Spot(moment) => Some(moment),
        }
    }

    /// The most thorough probe that was ordered.
    const fn kind(self) -> Kind {
        match self {
            Self::AtStart(kind) => kind,
            Self::Spot(_) => Kind::Spot,
        }
    }
}

impl Line {
    fn run(&mut self) -> ProbeEnd {
        let begins = match self.what {
            What::AtStart(_) => BEGINS,
            What::Spot(_) => 1,
        };
        let mut end = self.once();
        for _ in 1..begins {
            if !std::mem::take(&mut self.is_unanswered) || self.goes_on.upgrade().is_none() {
                break;
            }
            self.rest(BEGIN_PAUSE);
            end = self.once();
        }
        end
    }

    /// One exchange.
    fn once(&mut self) -> ProbeEnd {
        let outcome = match self.probe.emulated.clone() {
            Some(gpu) => self.emulated(&gpu).map_err(ProbeEnd::could_not_run),
            None => self.measured().map_err(|error| match error {
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

    /// Says that the cards are needed no more: work that is paused for them may go on.
    fn needs_no_cards(&self) {
        if let (What::Spot(moment), Some(_)) = (self.what, self.goes_on.upgrade()) {
            let _ = self.inputs.blocking_send(Input::SpotMeasured(moment));
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
            moment: self.what.moment(),
            said: ProbeSaid::Message(message),
        };
        let tries = match &request.said {
            ProbeSaid::Message(message) if ends_timed_work(message) => 1,
            _ => TRIES,
        };
        let mut reply = self.call(&request);
        for _ in 1..tries {
            if reply != Err(CallError::Unreachable) || self.goes_on.upgrade().is_none() {
                break;
            }
            self.rest(TRY_PAUSE);
            reply = self.call(&request);
        }
        self.is_unanswered = reply == Err(CallError::Unreachable);
        match reply {
            Ok(reply) => {
                self.may_start = reply.may_start;
                Ok(reply.message)
            }
            Err(CallError::Refused { .. }) => Err("the broker refused a message".to_owned()),
            Err(CallError::Unreachable) => Err("a message was not answered".to_owned()),
        }
    }

    fn rest(&self, pause: Duration) {
        // The timer is made inside, where the runtime is known.
        let resting = async { tokio::time::sleep(pause).await };
        self.runtime.block_on(resting);
    }

    fn call(&self, request: &ProbeRequest) -> Result<ProbeReply, CallError> {
        let call = self.probe.broker.call(PROBES_PATH, request, MESSAGE_MAX);
        self.runtime.block_on(call)
    }

    fn emulated(&mut self, gpu: &EmulatedGpu) -> Result<Verdict, String> {
        let mut prover = EmulatedProver::new(gpu);
        let mut message = prover.hello();
        for _ in 0..MESSAGES_MAX {
            if matches!(message, ProverMessage::MatrixOpenings(_)) {
                self.needs_no_cards();
            }
            let reply = self.say(message)?;
            match prover.answer(reply).map_err(|e| e.to_string())? {
                Answer::Send(next) => message = *next,
                Answer::Over(verdict) => return Ok(*verdict),
            }
        }
        Err(format!("no verdict after {MESSAGES_MAX} messages"))
    }

    /// Probes the real cards, no more thoroughly than was ordered.
    fn measured(&mut self) -> Result<Verdict, ProverError> {
        let machine = Machine::open(Driver::load()?, None)?;
        let scale = Scale::standard();
        self.exchange(&machine, &scale)
    }

    fn exchange(&mut self, machine: &Machine, scale: &Scale) -> Result<Verdict, ProverError> {
        let (cards, key) = (machine.cards(scale)?, fresh_key());
        let began = Instant::now();
        let clock_ns = move || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let prover = Prover {
            cards: &cards,
            key: &key,
            clock_ns: &clock_ns,
        };
        let what = self.what;
        let hello = machine.hello(&key);
        let report = |plan: &Plan, proofs| {
            let kind = plan.kind.min(what.kind());
            machine.report(&cards, kind, Some((plan, proofs)), &|_, _| ())
        };
        let line = std::cell::RefCell::new(self);
        let mut say = |message| line.borrow_mut().say(message);
        match what {
            What::AtStart(_) => prover.run(&mut say as Send<'_>, hello, report),
            What::Spot(_) => prover.run_spot(&mut say as Send<'_>, hello, |plan, proofs| {
                let report = report(plan, proofs);
                line.borrow().needs_no_cards();
                report
            }),
        }
    }
}
