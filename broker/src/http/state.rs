//! What the routes answer from, and the limits that hold for all of them.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use actix_web::web::Bytes;
use gpu_probe::protocol::CheckpointStore;
use gpu_probe::verify::Policy;
use sha2::{Digest, Sha256};
use tandem_model::id::InstallationId;
use tandem_model::network::Product;
use tandem_model::time::Clock;
use tandem_model::token::TokenRate;
use tandem_pricing::jurisdiction::Digester;
use tandem_sla::detect::Windows;

use super::metrics::Metrics;
use crate::engine::handle::EngineHandle;
use crate::policies::Policies;
use crate::sales::Sales;
use crate::store::Store;
use crate::store::tenants::Tenants;
use crate::vault::Vault;

/// The agent's executable as it is served.
#[derive(Clone)]
pub struct AgentBinary {
    /// Its bytes.
    pub bytes: Bytes,
    /// Their SHA-256, 64 hex digits.
    pub sha256: String,
}

impl AgentBinary {
    /// Reads an executable.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        std::fs::read(path).map(Self::of)
    }

    /// Takes the bytes of an executable.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self {
            sha256: sha256_hex(&bytes),
            bytes: Bytes::from(bytes),
        }
    }
}

/// SHA-256 as 64 hex digits.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Limits that the operator may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiLimits {
    /// Requests of one API key a second, over time.
    pub requests_per_second: NonZeroU32,
    /// Requests of one API key at once.
    pub burst: NonZeroU32,
    /// Event and log streams of one account that may be open.
    pub streams_per_account: usize,
}

impl Default for ApiLimits {
    /// 50 requests a second, 200 at once, 32 streams.
    fn default() -> Self {
        const fn count(n: u32) -> NonZeroU32 {
            NonZeroU32::new(n).expect("a limit is not zero")
        }
        Self {
            requests_per_second: count(50),
            burst: count(200),
            streams_per_account: 32,
        }
    }
}

/// What the routes answer from. Whoever starts the broker builds it and gives it to
/// [`super::server::serve`].
pub struct ApiState {
    /// What became of quotes.
    pub sales: Arc<Sales>,
    /// What tokens cost, as far as that is known.
    pub token_rates: Vec<TokenRate>,
    /// Windows of detection, from which promises follow.
    pub windows: Windows,
    /// Rules about where work may run.
    pub places: Arc<Digester>,
    /// The engine.
    pub engine: EngineHandle,
    /// Jobs, events, logs, charges.
    pub store: Arc<dyn Store>,
    /// Accounts, keys, kept answers.
    pub tenants: Arc<dyn Tenants>,
    /// This installation.
    pub installation: InstallationId,
    /// Whether every placement starts with a probe.
    pub are_probed: bool,
    /// How probes are judged.
    pub probe_policy: Arc<Policy>,
    /// The installation's keys.
    pub vault: Arc<Vault>,
    /// World and wall time.
    pub clock: Arc<dyn Clock>,
    /// Products of every configured network.
    pub products: Vec<Product>,
    /// The pricing policy in force.
    pub policies: Arc<Policies>,
    /// The executable served to start scripts.
    pub agent: AgentBinary,
    /// Where agents keep checkpoints.
    pub checkpoint_store: Option<CheckpointStore>,
    /// Limits.
    pub limits: ApiLimits,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}
