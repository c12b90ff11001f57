//! The networks as the engine uses them: one adapter, one transport and one set of terms each, and
//! one SSH key for all machines of this installation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
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
/// Nodes of one placement that are started at the same time: all of the largest in two rounds.
const SSH_AT_ONCE_MAX: usize = 32;
/// Nodes whose failure is told in words.
const FAILED_TOLD_MAX: usize = 4;

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
            Performance::Ssh(starts) => self.start_all_over_ssh(starts).await,
        }
    }

    /// Starts every node at the same time, for each may take long to fetch its image; a node that
    /// fails keeps no other one from starting.
    async fn start_all_over_ssh(&self, starts: &[SshStart]) -> Performed {
        let mut each = Vec::new();
        for start in starts {
            each.push(async move { (start.rank, self.start_over_ssh(start).await) });
        }
        let mut ended: Vec<_> = stream::iter(each)
            .buffer_unordered(SSH_AT_ONCE_MAX)
            .collect()
            .await;
        ended.sort_by_key(|(rank, _)| *rank);
        let mut shown = HostKeys::new();
        let mut failed = Vec::new();
        for (rank, result) in ended {
            match result {
                Ok(key) => {
                    shown.insert(rank, key);
                }
                Err(why) => failed.push(format!("node {rank}: {why}")),
            }
        }
        let result = match failed.len() {
            0 => Ok(()),
            count if count > FAILED_TOLD_MAX => {
                failed.truncate(FAILED_TOLD_MAX);
                Err(format!("{}; {count} nodes in all", failed.join("; ")))
            }
            _ => Err(failed.join("; ")),
        };
        Performed::Ssh(result, shown)
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Barrier;

    use tandem_model::launch::SshLaunch;
    use tandem_model::placement::SshAddress;

    use super::*;
    use crate::clock::SystemClock;

    /// Machines that speak no SSH, and hang up only when all of them were reached.
    fn machines(count: u16) -> Vec<SshStart> {
        let reached = Arc::new(Barrier::new(count.into()));
        let machine = |rank| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let reached = Arc::clone(&reached);
            std::thread::spawn(move || {
                let (mut connection, _) = listener.accept().unwrap();
                reached.wait();
                connection.write_all(b"220 no SSH here\r\n").ok();
            });
            SshStart {
                rank,
                address: SshAddress {
                    host: "127.0.0.1".into(),
                    port,
                    user: "root".into(),
                    host_key: None,
                },
                launch: SshLaunch {
                    script: "true".into(),
                    env: BTreeMap::new(),
                    secret_env: BTreeMap::new(),
                },
                host_key: None,
            }
        };
        (0..count).map(machine).collect()
    }

    #[tokio::test]
    async fn all_nodes_of_a_gang_are_started_at_the_same_time_and_each_failure_is_told() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(1));
        let networks = Networks::new(Vec::new(), SshKeyPair::generate(), &clock).unwrap();
        let starts = Performance::Ssh(machines(8));
        // One after the other, the first would be waited for until its deadline.
        let acted = tokio::time::timeout(SSH_TIMEOUT / 4, networks.act(&starts));
        let Performed::Ssh(Err(why), shown) = acted.await.expect("all are reached at once") else {
            panic!("no machine speaks SSH");
        };
        assert!(shown.is_empty());
        for told in ["node 0: ", "node 3: ", "8 nodes in all"] {
            assert!(why.contains(told), "{why}");
        }
    }
}
