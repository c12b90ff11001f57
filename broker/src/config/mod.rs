//! The configuration: compiled-in defaults, then a file, environment variables and flags, then
//! validation that names every wrong key and where its value came from.
//!
//! The defaults are a commented file, `default.toml`, which is also the reference of all keys: what
//! is not in it is refused.

mod layers;
mod paths;
mod probe;
mod read;
mod show;
mod url;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use gpu_probe::protocol::CheckpointStore;
use tandem_adapters::ionet::VmPriceUnit;
use tandem_model::secret::Secret;
use tandem_model::token::TokenRate;
use tandem_pricing::jurisdiction::Rules;

pub use layers::{Flag, Layers, Sources};
pub use paths::{credentials_file, under_home};
pub use probe::ProbeConfig;
pub use show::{show, show_json};

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("default.toml");
/// What every variable of the configuration begins with.
pub const VARIABLE_PREFIX: &str = "TANDEM__";

/// Everything that an operator can choose, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How machines reach the broker; none means the address taken.
    pub public_url: Option<String>,
    /// Folder of the embedded store.
    pub data_dir: PathBuf,
    /// Where the master key comes from.
    pub master_key: MasterKeySource,
    /// io.net, when it is used.
    pub ionet: Option<IoNetConfig>,
    /// The Aethir-style network, when it is used.
    pub aethir: Option<AethirConfig>,
    /// The agent's executable; none means the one beside this program.
    pub agent_path: Option<PathBuf>,
    /// Where checkpoints are kept; none means a folder of the data folder.
    pub checkpoint_store: Option<CheckpointStore>,
    /// How often the networks' offers are read.
    pub market_refresh: Duration,
    /// What one customer may ask at once.
    pub limits: LimitsConfig,
    /// How placements are probed.
    pub probe: ProbeConfig,
    /// Where work may run, for whom.
    pub jurisdiction: Rules,
    /// What tokens cost, as far as that is configured.
    pub token_rates: Vec<TokenRate>,
    /// How long denials are kept.
    pub denials_kept: Duration,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

/// Where the master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file, made when it is missing.
    File(PathBuf),
    /// Given as it is, 64 hex digits.
    Given(Secret),
}

/// How io.net is used.
#[derive(Debug, Clone)]
pub struct IoNetConfig {
    /// Where it is.
    pub url: String,
    /// API key.
    pub api_key: Secret,
    /// What the price of a machine is for.
    pub vm_price_unit: VmPriceUnit,
}

/// How the Aethir-style network is used.
#[derive(Debug, Clone)]
pub struct AethirConfig {
    /// Where it is.
    pub url: String,
    /// Names us.
    pub access_key: String,
    /// Signs our requests.
    pub secret_key: Secret,
}

/// What one customer may ask at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Requests of one API key in a second, over time.
    pub requests_per_second: NonZeroU32,
    /// Requests of one API key at once.
    pub burst: NonZeroU32,
    /// Event and log streams of one account that may be open.
    pub streams_per_account: u32,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For a person on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For a person.
    Human,
    /// One JSON object a line.
    Json,
}

/// Where logs and spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// How logs look.
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`.
    pub log_filter: String,
    /// Where spans go over OTLP; none means nowhere.
    pub otlp_endpoint: Option<String>,
}

/// One key that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, dotted.
    pub key: String,
    /// Where its value came from: a file, a variable or a flag.
    pub origin: String,
    /// What is wrong; never the value of a secret.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}): {}", self.key, self.origin, self.text)
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The file is no TOML.
    #[error("{path} is not valid TOML: {why}")]
    Syntax {
        /// The file.
        path: String,
        /// Where and what.
        why: String,
    },
    /// Keys are unknown or their values refused; all of them at once.
    #[error("{}", problems_text(.0))]
    Problems(Vec<Problem>),
}

fn problems_text(problems: &[Problem]) -> String {
    let plural = if problems.len() == 1 { "" } else { "s" };
    let lines: Vec<String> = problems.iter().map(|p| format!("\n  {p}")).collect();
    format!(
        "{} problem{plural} in the configuration:{}",
        problems.len(),
        lines.concat()
    )
}

/// Reads every layer and validates the whole.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    read::validate(&Layers::read(sources)?, sources)
}

#[cfg(test)]
mod tests;
