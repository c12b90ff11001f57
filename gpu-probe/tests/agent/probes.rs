//! The broker's side of a probe: a real session of the verifier, with faults on the way.

use std::time::{Duration, Instant};

use gpu_probe::exchange::{ProverMessage, VerifierMessage};
use gpu_probe::protocol::{MomentId, ProbeReply, ProbeRequest, ProbeSaid, SpotOrder};
use gpu_probe::report::Kind;
use gpu_probe::verdict::{Verdict, VerdictOutcome};
use gpu_probe::verify::{Facts, Policy, Session};

/// What the broker orders, does wrong, and saw of probes.
pub(crate) struct Probes {
    /// The probe that a binding orders.
    pub(crate) ordered: Option<Kind>,
    /// The probe that every answer to a working agent's heartbeat orders.
    pub(crate) spot_ordered: Option<SpotOrder>,
    /// How long every answer to a probe's message takes.
    pub(crate) delay: Duration,
    /// Whether a placement may start whose probe could not run.
    pub(crate) may_start_unprobed: bool,
    /// The message, from 1, whose answer is lost.
    pub(crate) lost_at: Option<usize>,
    /// The message, from 1, from which on the exchange is forgotten, until one begins anew.
    pub(crate) forgotten_at: Option<usize>,
    /// Whether no message of an exchange is answered.
    pub(crate) is_deaf: bool,
    /// Whether answers take longer than any test.
    pub(crate) is_mute: bool,
    /// Everything that the agent said.
    pub(crate) said: Vec<ProbeSaid>,
    session: Session,
    is_forgotten: bool,
    /// What was said last, and its answer.
    last: Option<(ProverMessage, ProbeReply)>,
    began: Instant,
}

impl Probes {
    pub(crate) fn new() -> Self {
        let (policy, facts) = (Policy::sandbox(), Facts::default());
        Self {
            ordered: None,
            spot_ordered: None,
            delay: Duration::ZERO,
            may_start_unprobed: false,
            lost_at: None,
            forgotten_at: None,
            is_deaf: false,
            is_forgotten: false,
            last: None,
            is_mute: false,
            said: Vec::new(),
            session: Session::new(policy, facts, Kind::Quick, [9; 32], 0),
            began: Instant::now(),
        }
    }

    /// Orders a probe inside the running work, at once.
    pub(crate) fn order_spot(&mut self, moment: MomentId) {
        let (policy, facts) = (Policy::sandbox(), Facts::default());
        self.session = Session::new(policy, facts, Kind::Spot, [9; 32], 0);
        self.spot_ordered = Some(SpotOrder { moment, in_ms: 0 });
    }

    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.session.verdict()
    }

    /// Answers what an agent says; `None` when the answer is lost.
    pub(crate) fn answer(&mut self, request: ProbeRequest) -> Option<ProbeReply> {
        let moment = self.spot_ordered.map(|order| order.moment);
        assert_eq!(request.moment, moment, "of which probe it is");
        self.said.push(request.said.clone());
        let is_lost = self.lost_at == Some(self.said.len());
        self.is_forgotten |= self.forgotten_at == Some(self.said.len());
        let message = match request.said {
            ProbeSaid::Message(message) => message,
            ProbeSaid::CouldNotRun { .. } => {
                return Some(ProbeReply {
                    message: VerifierMessage::Ok,
                    may_start: Some(self.may_start_unprobed),
                });
            }
        };
        message.check().ok()?;
        if let Some((_, again)) = self.last.as_ref().filter(|(last, _)| *last == message) {
            return Some(again.clone());
        }
        if self.is_deaf {
            return None;
        }
        if self.is_forgotten {
            if !matches!(message, ProverMessage::Hello(_)) {
                return None;
            }
            self.is_forgotten = false;
            let (policy, facts) = (Policy::sandbox(), Facts::default());
            self.session = Session::new(policy, facts, Kind::Quick, [8; 32], 0);
        }
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        let reply = self.session.step(message.clone(), now_ms).ok()?;
        while let Some(check) = self.session.take_check() {
            self.session.checked(check.run());
        }
        let verdict = self.session.verdict();
        let reply = ProbeReply {
            may_start: verdict.map(|v| v.outcome == VerdictOutcome::Pass),
            message: reply,
        };
        self.last = Some((message, reply.clone()));
        (!is_lost).then_some(reply)
    }
}
