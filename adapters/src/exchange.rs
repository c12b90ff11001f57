//! One command's exchange with a network: the answers so far, and what to do next.
//!
//! It sends nothing: the transport, the conformance suite and the simulation each send what it
//! asks for in their own way, and so run the same exchange.

use tandem_model::error::ErrorCode;

use crate::adapter::{Adapter, Answer, Context, EXCHANGE_REQUESTS_MAX, Step};
use crate::command::{Command, Outcome};

/// A command under way at a network.
pub struct Exchange<'a> {
    adapter: &'a dyn Adapter,
    command: &'a Command,
    answers: Vec<Answer>,
}

impl<'a> Exchange<'a> {
    /// A command of which nothing was sent yet.
    pub fn new(adapter: &'a dyn Adapter, command: &'a Command) -> Self {
        Self {
            adapter,
            command,
            answers: Vec::new(),
        }
    }

    /// What to send next, or what came out. Asked again without an answer, it gives the same
    /// request with fresh single-use tokens: so a request is sent again.
    ///
    /// After [`EXCHANGE_REQUESTS_MAX`] answers the exchange is over and its outcome unknown.
    pub fn step(&self, context: Context) -> Step {
        match self.adapter.next(self.command, &self.answers, context) {
            Step::Send(_) if self.answers.len() >= EXCHANGE_REQUESTS_MAX => {
                Step::Done(Outcome::Unknown {
                    code: ErrorCode::NETWORK_ANSWER_INVALID,
                    detail: format!("not finished after {EXCHANGE_REQUESTS_MAX} requests"),
                })
            }
            step => step,
        }
    }

    /// Adds the answer to the request of the last [`Self::step`].
    pub fn answered(&mut self, answer: Answer) {
        self.answers.push(answer);
    }
}
