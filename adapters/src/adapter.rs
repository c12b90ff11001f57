//! The one trait of this crate: what a network adapter must translate.
//!
//! A command may need several requests (create an order, then pay it; read a deployment, then its
//! containers). [`Adapter::next`] is therefore asked again with every answer so far, and says what
//! to send next or what came out. It is a pure function of its arguments, so the same exchange
//! runs against a live network, against the sandbox over HTTP, and against the sandbox's world in
//! memory.

use tandem_model::network::{NetworkId, Product};
use tandem_model::time::{WallTime, WorldTime};

use crate::command::{Command, Outcome};
use crate::wire::{RateLimit, WireRequest, WireResponse};

/// What an adapter may know of the moment: it reads neither clock nor entropy itself.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Wall time, for signatures.
    pub wall: WallTime,
    /// World time, stamped on what was observed.
    pub world: WorldTime,
    /// A number never used before, for single-use tokens.
    pub nonce: u64,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportFault {
    /// The request certainly did not leave: nothing happened at the network.
    #[error("the request was not sent")]
    NotSent,
    /// It may have arrived: the effect is unknown.
    #[error("no answer came before the deadline or the connection broke")]
    MaybeSent,
    /// An answer came and was larger than the limit.
    #[error("the answer was larger than the limit")]
    TooLarge,
    /// Held back by the circuit breaker; not sent.
    #[error("calls to this network are held back after repeated failures")]
    CircuitOpen,
    /// Our share of the network's rate limit is spent, and waiting would pass the deadline; not
    /// sent.
    #[error("our share of the network's rate limit is spent")]
    RateLimited,
}

/// What came back for one request.
pub type Answer = Result<WireResponse, TransportFault>;

/// What to do next in an exchange.
#[derive(Debug)]
pub enum Step {
    /// Send this and ask again with its answer added.
    Send(WireRequest),
    /// The exchange is over.
    Done(Outcome),
}

/// Most requests in one exchange; the runner ends longer ones as unknown.
pub const EXCHANGE_REQUESTS_MAX: usize = 64;

/// Translates commands to a network's requests and its answers to outcomes.
pub trait Adapter: Send + Sync {
    /// The network.
    fn network(&self) -> NetworkId;

    /// Its products and their terms.
    fn products(&self) -> &[Product];

    /// Its rate limits, per credential.
    fn rate_limits(&self) -> &[RateLimit];

    /// What to send next, or what came out, given every answer so far in order.
    ///
    /// With no answers this is `request(command)`; with all of them it is `outcome(response)`.
    fn next(&self, command: &Command, answers: &[Answer], context: Context) -> Step;
}
