//! What a world is made from, and how fast things happen in it.

use std::time::Duration;

use tandem_model::money::MicroUsd;
use tandem_model::time::{WallTime, WorldTime};

/// The two clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// World time: boots, billing, prepaid time, agents.
    pub world: WorldTime,
    /// Wall time: rate limits and signatures.
    pub wall: WallTime,
}

impl Moment {
    /// Both clocks at the same number of microseconds since 1970.
    pub const fn from_micros(us: i64) -> Self {
        Self {
            world: WorldTime::from_micros(us),
            wall: WallTime::from_micros(us),
        }
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Boots in 2 to 5 s.
    #[default]
    Quick,
    /// Published times (`docs/sandbox.md`).
    Measured,
}

/// Durations of a profile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// From a request to `deploying`.
    pub(crate) accept: Duration,
    /// Shortest boot of a container.
    pub(crate) container_min: Duration,
    /// Longest boot of a container.
    pub(crate) container_max: Duration,
    /// Shortest boot of a machine.
    pub(crate) machine_min: Duration,
    /// Longest boot of a machine.
    pub(crate) machine_max: Duration,
    /// From running to a public URL.
    pub(crate) url: Duration,
    /// From a stop request to the end.
    pub(crate) teardown: Duration,
    /// From a crash to the network's noticing.
    pub(crate) notice: Duration,
}

impl Profile {
    pub(crate) const fn timing(self) -> Timing {
        match self {
            Self::Quick => Timing {
                accept: Duration::from_millis(300),
                container_min: Duration::from_secs(2),
                container_max: Duration::from_secs(5),
                machine_min: Duration::from_secs(2),
                machine_max: Duration::from_secs(5),
                url: Duration::from_millis(500),
                teardown: Duration::from_secs(1),
                notice: Duration::from_secs(5),
            },
            // io.net publishes 52 s mean and 95 s at the 95th percentile for a container, and
            // 30 to 90 s more for an image of 10 to 20 GB; machines are an assumption.
            Self::Measured => Timing {
                accept: Duration::from_secs(5),
                container_min: Duration::from_secs(40),
                container_max: Duration::from_secs(150),
                machine_min: Duration::from_secs(300),
                machine_max: Duration::from_secs(900),
                url: Duration::from_secs(10),
                teardown: Duration::from_secs(30),
                notice: Duration::from_secs(60),
            },
        }
    }
}

/// Where the machines' SSH server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshEndpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Host key in OpenSSH form.
    pub host_key: String,
}

/// Which deployments run as real local processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecScope {
    /// None: everything is simulated.
    #[default]
    Nothing,
    /// Those whose environment has `TANDEM_EXEC=1`.
    Marked,
    /// All of them.
    Everything,
}

/// How many nodes are available over time; those above the number are preempted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotTrace {
    /// Which network follows it.
    pub network: Network,
    /// Seconds between two steps, at least 1.
    pub gap_seconds: u32,
    /// Nodes available at each step; after the last step it holds no more.
    pub available: Vec<u32>,
}

/// The two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// io.net.
    Ionet,
    /// The Aethir-style network.
    Aethir,
}

impl Network {
    /// Its short name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ionet => "ionet",
            Self::Aethir => "aethir",
        }
    }

    /// From its short name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ionet, Self::Aethir]
            .into_iter()
            .find(|n| n.as_str() == text)
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Ionet => 0,
            Self::Aethir => 1,
        }
    }
}

/// Most nodes of a world.
pub const NODES_MAX: u32 = 1_000_000;

/// What a world is made from, beside its seed.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// How long things take.
    pub profile: Profile,
    /// Nodes of both networks together, at most [`NODES_MAX`].
    pub nodes: u32,
    /// Devices in a thousand that are not the card they are sold as.
    pub lying_permille: u16,
    /// Faults per running unit and hour, in thousandths; 0 for none.
    pub random_faults_permille: u32,
    /// Whether prices begin at the first hour of their course when the world begins, so that a seed
    /// tells the same story on every day; else they go by the date.
    pub prices_from_start: bool,
    /// Availability over time.
    pub spot: Option<SpotTrace>,
    /// Whether io.net gives the unused time of a deleted container back (its sources disagree).
    pub caas_refunds: bool,
    /// Whether io.net's VM price is per GPU-hour instead of per configuration-hour (its sources
    /// disagree).
    pub vm_price_per_gpu: bool,
    /// What a new io.net account holds.
    pub balance: MicroUsd,
    /// Whole ATH that a new wallet holds.
    pub wallet_ath: u64,
    /// Whether the networks' rate limits hold.
    pub rate_limits: bool,
    /// Start of public URLs, without a slash at the end.
    pub public_base: String,
    /// Where the machines' SSH server listens.
    pub ssh: SshEndpoint,
    /// Which deployments run as real processes.
    pub exec: ExecScope,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            profile: Profile::Quick,
            nodes: 3_000,
            lying_permille: 0,
            random_faults_permille: 0,
            prices_from_start: false,
            spot: None,
            caas_refunds: false,
            vm_price_per_gpu: false,
            balance: MicroUsd::from_cents(100_000_000),
            wallet_ath: 50_000_000,
            rate_limits: true,
            public_base: "http://127.0.0.1:7070".to_owned(),
            ssh: SshEndpoint {
                host: "127.0.0.1".to_owned(),
                port: 7022,
                // A valid ed25519 public key that belongs to nobody; the shell publishes its own.
                host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f".to_owned(),
            },
            exec: ExecScope::Nothing,
        }
    }
}
