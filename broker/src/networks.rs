//! The networks as the engine uses them: one adapter, one transport and one set of terms each, and
//! one SSH key for all machines of this installation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tandem_adapters::adapter::Adapter;
use tandem_adapters::command::{Command, Failure, FailureKind, Outcome};
use tandem_adapters::ssh::{self, PinnedHostKey, SshKeyPair};
use tandem_adapters::transport::{TraceId, Transport, TransportError, TransportOptions};
use tandem_model::error::ErrorCode;
use tandem_model::network::{NetworkId, Product};
use tandem_model::time::Clock;
use tokio::time::Instant;

use crate::engine::commands::{COMMAND_TIMEOUT, Performance, Performed, SshStart};
use crate::engine::job::HostKeys;

/// Longest time for a start over SSH.
const SSH_TIMEOUT: Duration = Duration::from_secs(120);

struct Network {
    adapter: Arc<dyn Adapter>,
    transport: Transport,
}

/// Every network that this broker can rent on.
pub struct Networks {
    all: BTreeMap<NetworkId, Network>,
    key: SshKeyPair,
}

impl Networks {
    /// Joins adapters to their transports.
    pub fn new(
        all: Vec<(Arc<dyn Adapter>, TransportOptions)>,
        key: SshKeyPair,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, TransportError> {
        let mut networks = BTreeMap::new();
        for (adapter, options) in all {
            let transport = Transport::new(adapter.as_ref(), options, Arc::clone(clock))?;
            networks.insert(adapter.network(), Network { adapter, transport });
        }
        Ok(Self { all: networks, key })
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &NetworkId> {
        self.all.keys()
    }

    /// Carries out a command on a network.
    pub async fn perform(&self, network: &NetworkId, command: &Command) -> Outcome {
        let Some(found) = self.all.get(network) else {
            return not_configured();
        };
        let trace = TraceId::new(*uuid::Uuid::new_v4().as_bytes());
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        found
            .transport
            .perform(found.adapter.as_ref(), command, trace, deadline)
            .await
    }

    /// The products of a network; none for an unknown one.
    pub fn products(&self, network: &NetworkId) -> &[Product] {
        self.all
            .get(network)
            .map_or(&[], |found| found.adapter.products())
    }

    /// Products of every network.
    pub fn all_products(&self) -> Vec<Product> {
        let adapters = self.all.values().map(|found| &found.adapter);
        adapters.flat_map(|a| a.products().to_vec()).collect()
    }

    /// Does what the engine ordered.
    pub async fn act(&self, performance: &Performance) -> Performed {
        match performance {
            Performance::Command(network, command) => {
                Performed::Outcome(self.perform(network, command).await)
            }
            Performance::Ssh(starts) => {
                let mut shown = HostKeys::new();
                for start in starts {
                    match self.start_over_ssh(start).await {
                        Ok(key) => shown.insert(start.rank, key),
                        Err(why) => return Performed::Ssh(Err(why), shown),
                    };
                }
                Performed::Ssh(Ok(()), shown)
            }
        }
    }

    /// The public key that machines must accept, in OpenSSH form.
    pub fn ssh_public_key(&self) -> String {
        self.key.public_line()
    }

    /// Runs a start script on a machine and returns the host key that it showed.
    ///
    /// The key must be the one that its network publishes or, where it publishes none, the one
    /// that this placement's machine `showed_before`. Another placement's machine may have had the
    /// same address, so nothing is remembered by address.
    async fn start_over_ssh(&self, start: &SshStart) -> Result<String, String> {
        let known = start
            .address
            .host_key
            .clone()
            .or_else(|| start.host_key.clone());
        let pinned = known.map_or(PinnedHostKey::FirstUse, PinnedHostKey::Known);
        let deadline = Instant::now() + SSH_TIMEOUT;
        let finished = ssh::start(&start.address, &start.launch, &self.key, &pinned, deadline)
            .await
            .map_err(|error| format!("{}: {error}", error.code()))?;
        match finished.exit_status {
            Some(0) => Ok(finished.host_key),
            status => {
                let status = status.map_or("a signal".to_owned(), |s| format!("status {s}"));
                let last = finished.output.lines().next_back().unwrap_or("no output");
                Err(format!("the start script ended with {status}: {last}"))
            }
        }
    }
}

/// The outcome of a command for a network that this broker has no adapter for.
fn not_configured() -> Outcome {
    Outcome::Failed(Failure {
        kind: FailureKind::Refused,
        code: ErrorCode::NETWORK_REFUSED,
        detail: "the network is not configured".into(),
        retry_after: None,
    })
}
