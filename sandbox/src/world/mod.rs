//! The emulated world: a pure machine over both networks.
//!
//! Requests, agents' replies and moments go in; responses and effects (agent calls, process
//! orders) come out. Nothing here reads a clock, does I/O or draws randomness that the seed does
//! not fix, and everything that is iterated is ordered, so equal inputs give equal bytes.

mod agents;
mod cards;
mod dice;
mod effects;
mod life;
mod machines;
mod market;
mod options;
mod probes;
mod rental;
mod simulated;

use std::collections::BTreeMap;

use tandem_adapters::adapter::Answer;
use tandem_adapters::wire::{WireRequest, WireResponse};
use tandem_model::time::{WallTime, WorldTime};

pub use effects::{AgentCall, AgentReply, Effects, ProcessOrder};
pub use machines::{Row, Service, SshReply};
pub use options::{
    ExecScope, Moment, NODES_MAX, Network, Profile, SpotTrace, SshEndpoint, WorldOptions,
};
pub use rental::{LOG_LINES_MAX, Stream};

pub(crate) use cards::{CARDS, Card, PLACES, lie_about};
pub(crate) use dice::{Dice, mix};
pub(crate) use life::Timer;
pub(crate) use market::Market;
pub(crate) use rental::{
    ContainerSpec, Launch, MachineSpec, NewRental, NoRoom, PortService, Product, Rental, Status,
    Unit, UnitState,
};

/// Rentals that a world can hold, ended ones included.
pub const RENTALS_MAX: usize = 100_000;
/// Largest request body in bytes.
pub const REQUEST_BODY_BYTES_MAX: usize = 1 << 20;

/// Why a request cannot be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The body is larger than [`REQUEST_BODY_BYTES_MAX`].
    TooLarge,
    /// The body did not arrive in time.
    Late,
    /// The body broke off or is framed wrongly.
    Broken,
    /// No network knows the method.
    Method,
}

impl Unread {
    /// HTTP status and words.
    pub(crate) const fn status_and_words(self) -> (u16, &'static str) {
        match self {
            Self::TooLarge => (413, "Request body too large"),
            Self::Late => (408, "Request body did not arrive in time"),
            Self::Broken => (400, "Request body could not be read"),
            Self::Method => (405, "Method Not Allowed"),
        }
    }
}

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Rental(u32),
    Unit(u32),
}

/// The emulated world.
#[derive(Debug)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) options: WorldOptions,
    pub(crate) now: WorldTime,
    pub(crate) wall: WallTime,
    pub(crate) dice: Dice,
    pub(crate) market: Market,
    pub(crate) rentals: Vec<Rental>,
    pub(crate) units: Vec<Unit>,
    pub(crate) ids: BTreeMap<String, Named>,
    pub(crate) timers: BTreeMap<(WorldTime, u64), Timer>,
    pub(crate) timers_made: u64,
    pub(crate) effects: Effects,
    /// Unit and kind of each call under way.
    pub(crate) calls: BTreeMap<u64, (u32, simulated::CallKind)>,
    pub(crate) calls_made: u64,
    pub(crate) ionet: crate::ionet::State,
    pub(crate) aethir: crate::aethir::State,
    pub(crate) control: crate::control::State,
}

impl World {
    /// A world of this seed; nothing is rented yet. More than [`NODES_MAX`] nodes are cut.
    pub fn new(seed: u64, mut options: WorldOptions) -> Self {
        options.nodes = options.nodes.min(NODES_MAX);
        let mut dice = Dice::new(seed);
        let market = Market::new(seed, &options, &mut dice);
        Self {
            seed,
            now: WorldTime::default(),
            wall: WallTime::default(),
            dice,
            market,
            rentals: Vec::new(),
            units: Vec::new(),
            ids: BTreeMap::new(),
            timers: BTreeMap::new(),
            timers_made: 0,
            effects: Effects::default(),
            calls: BTreeMap::new(),
            calls_made: 0,
            ionet: crate::ionet::State::default(),
            aethir: crate::aethir::State::default(),
            control: crate::control::State::new(&options),
            options,
        }
    }

    /// Answers one request at a moment: `/aethir/…` is the Aethir-style network, `/sandbox/…` the
    /// sandbox's own control, everything else io.net. A bad request gets the network's own error
    /// form; only a fault that cuts the connection leaves a request without an answer, which is
    /// `TransportFault::MaybeSent`.
    pub fn handle(&mut self, request: &WireRequest, now: Moment) -> Answer {
        if request.body.len() > REQUEST_BODY_BYTES_MAX {
            return Ok(self.refuse_unread(&request.path, Unread::TooLarge, now));
        }
        self.catch_up(now);
        if let Some(path) = below(&request.path, "/aethir") {
            crate::aethir::handle(self, request, path)
        } else if let Some(path) = below(&request.path, "/sandbox") {
            Ok(crate::control::handle(self, request, path))
        } else {
            crate::ionet::handle(self, request)
        }
    }

    /// The answer to a request that cannot be taken in, in the form of the network it was sent to.
    pub(crate) fn refuse_unread(&mut self, path: &str, why: Unread, now: Moment) -> WireResponse {
        self.catch_up(now);
        if below(path, "/aethir").is_some() {
            crate::aethir::refuse_unread(self, why)
        } else if below(path, "/sandbox").is_some() {
            crate::control::refuse_unread(why)
        } else {
            crate::ionet::refuse_unread(why)
        }
    }

    /// Lets the world run until a moment and takes out what the shell must do.
    pub fn advance(&mut self, now: Moment) -> Effects {
        self.catch_up(now);
        std::mem::take(&mut self.effects)
    }

    /// When something happens next by itself.
    pub fn next_timer(&self) -> Option<WorldTime> {
        self.timers.keys().next().map(|(at, _)| *at)
    }

    /// Replaces where public URLs and the SSH server lie, once the shell knows its ports.
    pub fn set_endpoints(&mut self, public_base: String, ssh: SshEndpoint) {
        self.options.public_base = public_base;
        self.options.ssh = ssh;
    }
}

/// The rest of a path below a folder.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
