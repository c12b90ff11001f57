//! What the engine asks of a network, and what can come out: done, failed or unknown.

use std::time::Duration;

use tandem_model::error::ErrorCode;
use tandem_model::launch::ContainerLaunch;
use tandem_model::money::{MicroUsd, TokenAmount};
use tandem_model::offer::Offer;
use tandem_model::placement::{Observed, PlacementTag};

/// Everything needed to create a placement.
#[derive(Debug, Clone)]
pub struct StartOrder {
    /// The name it carries, by which it is found again.
    pub tag: PlacementTag,
    /// The offer taken; its `locator` is the adapter's own.
    pub offer: Offer,
    /// Nodes (servers, replicas).
    pub nodes: u16,
    /// GPUs of each node.
    pub gpus_per_node: u16,
    /// Prepaid hours.
    pub hours: u32,
    /// What is created.
    pub what: Creation,
}

/// What a network is asked to create.
#[derive(Debug, Clone)]
pub enum Creation {
    /// A container that starts the workload by itself.
    Container(ContainerLaunch),
    /// A machine; the workload is started over SSH once it has an address.
    Machine {
        /// Public key in OpenSSH form that it must accept.
        ssh_public_key: String,
        /// Ports that it must publish.
        ports: Vec<u16>,
    },
}

/// What the engine asks of a network.
#[derive(Debug, Clone)]
pub enum Command {
    /// Read the whole market.
    Offers,
    /// Create a placement.
    Start(Box<StartOrder>),
    /// Look at one thing.
    Status {
        /// Product it was rented under.
        product: String,
        /// The network's id.
        remote_id: String,
    },
    /// Find everything whose tag starts with this.
    List {
        /// See `PlacementTag::prefix_of`.
        tag_prefix: String,
    },
    /// Buy more time.
    Extend {
        /// Product it was rented under.
        product: String,
        /// The network's id.
        remote_id: String,
        /// Hours to add.
        hours: u32,
        /// Minutes served + remaining before the call; tells a late look-up whether it worked.
        minutes_before: u32,
    },
    /// Stop and give back.
    Stop {
        /// Product it was rented under.
        product: String,
        /// The network's id.
        remote_id: String,
    },
    /// Read the log.
    Logs {
        /// Product it was rented under.
        product: String,
        /// The network's id.
        remote_id: String,
    },
    /// Read what we hold at the network.
    Balance,
}

/// Why a network's answer means no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The request itself is wrong for the network.
    Refused,
    /// Nothing of that id exists.
    NotFound,
    /// The capacity is gone.
    NoCapacity,
    /// Not enough credit or balance.
    NoCredit,
    /// The key is missing, wrong or lacks the right.
    Credentials,
    /// Too many requests.
    RateLimited,
    /// The state does not allow it (already stopped, already paid).
    Conflict,
    /// The network has no such function for this product.
    Unsupported,
    /// The network itself failed, with nothing done.
    NetworkFault,
}

/// A certain no: nothing was created, extended or stopped by this command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of no.
    pub kind: FailureKind,
    /// Stable code.
    pub code: ErrorCode,
    /// The network's own words, shortened, without secrets.
    pub detail: String,
    /// How long the network asks us to wait.
    pub retry_after: Option<Duration>,
}

/// An offer that could not be read into our terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableOffer {
    /// The network's own key.
    pub locator: String,
    /// Why.
    pub reason: String,
}

/// What came out of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The market.
    Offers {
        /// Offers in our terms.
        offers: Vec<Offer>,
        /// Those that could not be read, with the reason.
        unreadable: Vec<UnreadableOffer>,
    },
    /// Created.
    Started {
        /// The network's id.
        remote_id: String,
    },
    /// The thing looked at.
    Status(Box<Observed>),
    /// The things found.
    Listed(Vec<Observed>),
    /// Time was added.
    Extended(Box<Observed>),
    /// The stop was accepted; it may take a while.
    Stopping,
    /// Lines of the log, oldest first.
    Logs {
        /// The lines.
        lines: Vec<String>,
        /// Whether the network said that the log is complete.
        complete: bool,
    },
    /// What we hold at the network.
    Balance {
        /// In dollars, where the network keeps dollars.
        usd: Option<MicroUsd>,
        /// In its token, where it keeps tokens.
        token: Option<TokenAmount>,
    },
    /// A certain no.
    Failed(Failure),
    /// It may or may not have happened; to be looked up by our tag, never guessed.
    Unknown {
        /// Stable code.
        code: ErrorCode,
        /// What is known.
        detail: String,
    },
}
