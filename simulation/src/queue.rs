//! What is going to happen, by world time and then in the order in which it was decided.

use std::collections::BTreeMap;

use tandem_adapters::adapter::Answer;
use tandem_adapters::wire::WireRequest;
use tandem_model::network::NetworkId;
use tandem_model::time::WorldTime;
use tandem_sandbox::world::{AgentCall, AgentReply};

/// What a request meets on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Answered,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It is answered with an error of the server and not carried out.
    ErrorBefore,
    /// It is carried out and answered with an error of the server.
    ErrorAfter,
}

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// An agent's call is at the broker.
    Call(Box<AgentCall>),
    /// An agent has its answer, or knows that there is none.
    Reply(u64, AgentReply),
    /// An agent goes on with the exchange of its probe that this call opened.
    Probe(u64),
    /// The challenge that this call waits for is given; whether the answer gets lost.
    Challenge(u64, bool),
    /// A request is at its network.
    Request(u64, NetworkId, Box<WireRequest>, Fate),
    /// An answer is at the broker.
    Answer(u64, Box<Answer>),
    /// A script is at its machine.
    Script(u64),
    /// A script's end is at the broker.
    Scripted(u64, Result<String, String>),
    /// A fault of nodes or networks.
    Fault(usize),
    /// A customer does something.
    Customer(usize),
    /// The broker starts again.
    BrokerBack,
    /// Nothing goes wrong any more.
    Peace,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(WorldTime, u64), Event>,
    made: u64,
}

impl Queue {
    pub(crate) fn put(&mut self, at: WorldTime, event: Event) {
        self.made += 1;
        self.events.insert((at, self.made), event);
    }

    /// When the next thing happens.
    pub(crate) fn next(&self) -> Option<WorldTime> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    /// What is due, one at a time.
    pub(crate) fn due(&mut self, now: WorldTime) -> Option<Event> {
        let entry = self.events.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Takes out requests that `keep` does not keep: those of a broker that died.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Event) -> bool) {
        self.events.retain(|_, event| keep(event));
    }
}
