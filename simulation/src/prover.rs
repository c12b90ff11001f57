//! The agent's side of one exchange: where it is, what it says next, and what an answer says to it.
//!
//! `hello` opens an exchange, and at a start `matrix_begin` stands for everything that follows it: the
//! engine hears of an exchange only that it opens and what came of it. At a moment of running work it
//! asks for the challenge, which is held; `matrix_commit` brings the roots, and `matrix_openings` stand
//! for the rest: from the picks on giving up counts as no answer.

use gpu_probe::exchange::{MatrixOpenings, ProverMessage, VerifierMessage};
use gpu_probe::hex::HexBytes;
use gpu_probe::protocol::{MomentId, ProbeReply, ProbeRequest, ProbeSaid, Problem};
use gpu_probe::report::DeviceUuid;
use tandem_sandbox::world::{AgentCall, AgentReply};

use crate::agents::answered;
use crate::conduct::Conduct;
use crate::exchanges::NOT_OPEN;
use crate::natures::Nature;

/// Where the agent's side of an exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Opens,
    /// The work stands still, and the driver is opened.
    Settles,
    /// It waits for the challenge of its moment.
    Begins,
    Computes,
    Commits,
    Measures,
    Reports,
    /// Judged, a patched agent says that nothing could be measured: a milder verdict may follow.
    Regrets,
}

/// The agent's side of an exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) hello: AgentCall,
    pub(crate) cards: Vec<DeviceUuid>,
    pub(crate) nature: Nature,
    /// At a moment of running work: which, and what the machine does at it.
    pub(crate) moment: Option<MomentId>,
    pub(crate) conduct: Conduct,
    pub(crate) stage: Stage,
    /// How often it still says a message again, or begins anew.
    pub(crate) tries_left: u64,
}

/// What an answer says to the agent's side.
pub(crate) enum Heard {
    GoOn,
    Challenged,
    Picked,
    Decided,
    NotOpen,
    Refused,
    Nothing,
}

pub(crate) fn heard(reply: &AgentReply) -> Heard {
    let AgentReply::Answered { status, body } = reply else {
        return Heard::Nothing;
    };
    match (*status, serde_json::from_slice::<ProbeReply>(body)) {
        (200, Ok(reply)) if reply.may_start.is_some() => Heard::Decided,
        (200, Ok(reply)) => match reply.message {
            VerifierMessage::MatrixChallenge { .. } => Heard::Challenged,
            VerifierMessage::MatrixPicks { .. } => Heard::Picked,
            _ => Heard::GoOn,
        },
        (NOT_OPEN, _) => Heard::NotOpen,
        (Problem::FENCED_STATUS, _) => Heard::Refused,
        _ => Heard::Nothing,
    }
}

/// What a patched agent takes a reply for.
pub(crate) fn as_if_it_may_start(reply: &AgentReply) -> AgentReply {
    match reply {
        AgentReply::Answered { body, .. } => match serde_json::from_slice::<ProbeReply>(body) {
            Ok(told) => answered(
                200,
                &ProbeReply {
                    may_start: Some(true),
                    ..told
                },
            ),
            Err(_) => reply.clone(),
        },
        AgentReply::Unreachable => reply.clone(),
    }
}

impl Exchange {
    /// One that begins, at a start.
    pub(crate) fn opens(
        hello: AgentCall,
        (cards, nature): (Vec<DeviceUuid>, Nature),
        tries_left: u64,
    ) -> Self {
        Self {
            hello,
            cards,
            nature,
            moment: None,
            conduct: Conduct::Answers,
            stage: Stage::Opens,
            tries_left,
        }
    }

    /// The same at a moment of running work.
    pub(crate) fn at_moment(self, moment: MomentId, conduct: Conduct) -> Self {
        Self {
            moment: Some(moment),
            conduct,
            ..self
        }
    }

    /// Whether it is of a unit at a moment.
    pub(crate) fn is_of(&self, unit: &str, moment: MomentId) -> bool {
        self.hello.node == unit && self.moment == Some(moment)
    }

    /// The message that is due.
    pub(crate) fn says(&self) -> AgentCall {
        let mut call = self.hello.clone();
        let said: Result<ProbeRequest, _> = serde_json::from_slice(&call.body);
        let next = match self.stage {
            Stage::Begins => ProbeSaid::Message(ProverMessage::MatrixBegin),
            Stage::Commits => ProbeSaid::Message(ProverMessage::MatrixCommit {
                devices: Vec::new(),
            }),
            Stage::Reports => ProbeSaid::Message(match self.moment {
                None => ProverMessage::MatrixBegin,
                Some(_) => ProverMessage::MatrixOpenings(MatrixOpenings {
                    uuid: self.cards.first().copied().unwrap_or(HexBytes([0; 16])),
                    rows: Vec::new(),
                }),
            }),
            Stage::Regrets => ProbeSaid::CouldNotRun {
                detail: "it said so later".to_owned(),
            },
            Stage::Opens | Stage::Settles | Stage::Computes | Stage::Measures => return call,
        };
        if let Ok(mut said) = said {
            said.said = next;
            call.body = serde_json::to_vec(&said).unwrap_or_default();
        }
        call
    }
}
