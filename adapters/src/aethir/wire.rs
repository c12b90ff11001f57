//! Every body of the Aethir-style API (`docs/aethir-style-api.md`), for both of its sides.
//!
//! Field names are camelCase on the wire. Fields that a later server may leave out have defaults;
//! words of an enumeration that are not known are kept as `Other`.

mod order;

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;

pub use order::*;

/// Path under which everything below lies.
pub const BASE_PATH: &str = "/console-api/v2";

/// `code` of an answer without error.
pub const CODE_OK: u32 = 135_000;
/// A field is missing or wrong (HTTP 400).
pub const CODE_FIELD: u32 = 135_400;
/// Credentials (HTTP 401).
pub const CODE_CREDENTIALS: u32 = 135_401;
/// The wallet holds too little (HTTP 402).
pub const CODE_WALLET: u32 = 135_402;
/// No such thing (HTTP 404).
pub const CODE_NOT_FOUND: u32 = 135_404;
/// The state does not allow it (HTTP 409).
pub const CODE_CONFLICT: u32 = 135_409;
/// No free server (HTTP 410).
pub const CODE_NO_CAPACITY: u32 = 135_410;
/// Rate limit (HTTP 429).
pub const CODE_RATE_LIMIT: u32 = 135_429;
/// Busy: it may have been done, ask again with the same number (HTTP 500).
pub const CODE_BUSY: u32 = 135_500;

/// Largest page.
pub const PAGE_SIZE_MAX: u32 = 100;
/// Seconds after its creation at which an unpaid order is cancelled.
pub const PAYMENT_WINDOW_SECONDS: u32 = 900;
/// Hours of a settlement period, the unit in which `Reserve` is sold.
pub const SETTLEMENT_PERIOD_HOURS: u32 = 24;
/// Longest `clientOrderNo` and `clientExtensionNo` in characters.
pub const CLIENT_NUMBER_CHARS_MAX: usize = 128;

/// What every answer is wrapped in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// `CODE_OK` or one of the others.
    pub code: u32,
    /// In words.
    #[serde(default)]
    pub msg: String,
    /// The body; none on failure.
    #[serde(default = "Option::default")]
    pub data: Option<T>,
    /// When it was answered, `YYYY-MM-DD HH:MM:SS` UTC.
    #[serde(default)]
    pub time: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What lies on it.
    #[serde(default = "Vec::new")]
    pub records: Vec<T>,
    /// Its number, from 1.
    pub current: u32,
    /// Records on a full page.
    pub size: u32,
    /// Records on all pages.
    pub total: u64,
    /// Number of pages.
    pub pages: u32,
}

/// How capacity is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// In whole settlement periods, cheaper.
    Reserve,
    /// By the hour.
    OnDemand,
    /// A word we do not know.
    #[serde(untagged)]
    Other(String),
}

/// Link between servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FabricWord {
    /// None but the internet.
    None,
    /// A private Ethernet.
    Ethernet,
    /// InfiniBand.
    Infiniband,
    /// A word we do not know.
    #[serde(untagged)]
    Other(String),
}

/// A kind of server for sale (`GET /catalog/specs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Its id.
    pub spec_id: String,
    /// As NVIDIA names the card.
    pub gpu_model: String,
    /// GPUs in one server; servers are not divided.
    pub gpus_per_server: u16,
    /// Region name.
    pub region: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// How it is sold.
    pub mode: Mode,
    /// USD for one server for one hour.
    pub price_per_server_hour: Decimal,
    /// Servers free now.
    pub servers_available: u32,
    /// Memory of one GPU in GB.
    pub vram_gb_per_gpu: u16,
    /// Whether the GPUs of a server are linked by NVLink.
    pub nvlink: bool,
    /// Link between servers.
    pub fabric: FabricWord,
    /// Weight of the specification in staking.
    #[serde(default)]
    pub k_value: Decimal,
    /// Stake of the host for one GPU in ATH.
    #[serde(default)]
    pub stake_per_gpu_ath: Decimal,
}

/// Body of `POST /quotes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuoteRequest {
    /// What.
    pub spec_id: String,
    /// How it is sold.
    pub mode: Mode,
    /// How many servers.
    pub servers: u16,
    /// For how many hours.
    pub hours: u32,
}

/// Answer of `POST /quotes`; it reserves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// USD before discounts.
    pub subtotal: Decimal,
    /// USD taken off.
    pub discount: Decimal,
    /// USD to pay.
    pub total: Decimal,
    /// USD for one ATH.
    pub ath_usd_rate: Decimal,
    /// When that rate was taken.
    pub rate_time_ms: u64,
    /// ATH to pay.
    pub ath_total: Decimal,
    /// Until when.
    pub expires_at_ms: u64,
}

/// Where a server stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerStatus {
    /// Being checked by the network.
    Checking,
    /// Its host has not staked yet.
    WaitingForStaking,
    /// Idle.
    Online,
    /// Rented and reachable.
    InService,
    /// No heartbeat.
    Offline,
    /// Its stake is below what is required.
    Slashed,
    /// A word we do not know.
    #[serde(untagged)]
    Other(String),
}

impl ServerStatus {
    /// The word on the wire.
    pub fn word(&self) -> &str {
        match self {
            Self::Checking => "CHECKING",
            Self::WaitingForStaking => "WAITING_FOR_STAKING",
            Self::Online => "ONLINE",
            Self::InService => "IN_SERVICE",
            Self::Offline => "OFFLINE",
            Self::Slashed => "SLASHED",
            Self::Other(word) => word,
        }
    }
}

/// A server of an order (`GET /orders/{orderId}/servers`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Its id.
    pub server_id: String,
    /// The order it serves.
    pub order_id: String,
    /// Its rank in the order, from 0.
    pub index: u16,
    /// Where it stands.
    pub status: ServerStatus,
    /// Identity of the hardware.
    pub fingerprint: String,
    /// As NVIDIA names the card.
    pub gpu_model: String,
    /// GPUs in it.
    pub gpus: u16,
    /// Host name or address of its ingress; none until it is up.
    #[serde(default)]
    pub ingress_host: Option<String>,
    /// Port of its SSH server.
    #[serde(default)]
    pub ssh_port: Option<u16>,
    /// User of its SSH server.
    #[serde(default)]
    pub ssh_user: Option<String>,
    /// Its host key in OpenSSH form; none until it is up.
    #[serde(default)]
    pub ssh_host_key: Option<String>,
    /// Address on the fabric.
    #[serde(default)]
    pub private_ip: Option<String>,
    /// Where a service on it answers.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Last heartbeat of the host's agent.
    #[serde(default)]
    pub last_heartbeat_ms: Option<u64>,
}

/// Tail of a machine's console (`GET /servers/{serverId}/console`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleTail {
    /// Lines, oldest first.
    #[serde(default)]
    pub lines: Vec<String>,
}

/// What we hold (`GET /wallet`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wallet {
    /// ATH.
    pub ath: Decimal,
    /// USD for one ATH.
    pub ath_usd_rate: Decimal,
    /// When that rate was taken.
    pub rate_time_ms: u64,
}

/// One order's share of a closed day (`GET /settlements`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settlement {
    /// The day, `YYYY-MM-DD` UTC.
    pub date: String,
    /// The order.
    pub order_id: String,
    /// USD.
    pub fiat: Decimal,
    /// ATH.
    pub ath: Decimal,
    /// Share of the host.
    pub host_share_ath: Decimal,
    /// Share of the protocol.
    pub protocol_share_ath: Decimal,
}
