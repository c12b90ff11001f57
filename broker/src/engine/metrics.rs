//! What the engine counts of itself, registered beside what HTTP counts. No ids in labels.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tandem_model::network::NetworkId;

use super::commands::Performed;
use super::kernel::Kernel;
use super::step::Order;
use tandem_adapters::command::Outcome;

/// Upper ends of the classes of a commit's time, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ordered {
    network: String,
    order: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Network {
    network: String,
}

/// What the engine counts of itself; clones share their counts.
#[derive(Debug, Clone)]
pub struct EngineMetrics {
    heartbeats: Counter,
    refused: Counter,
    performance_breaches: Counter,
    decisions: Counter,
    commit: Histogram,
    orders: Family<Ordered, Counter>,
    jobs: Family<State, Gauge>,
    usable: Family<Network, Gauge>,
}

impl Default for EngineMetrics {
    fn default() -> Self {
        Self {
            heartbeats: Counter::default(),
            refused: Counter::default(),
            performance_breaches: Counter::default(),
            decisions: Counter::default(),
            commit: Histogram::new(SECONDS),
            orders: Family::default(),
            jobs: Family::default(),
            usable: Family::default(),
        }
    }
}

impl EngineMetrics {
    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let e = self.clone();
        registry.register("heartbeats", "Heartbeats written", e.heartbeats);
        registry.register("commits_refused", "Turns that the store refused", e.refused);
        registry.register(
            "performance_breaches",
            "Nodes that were slower than promised",
            e.performance_breaches,
        );
        registry.register("decisions", "Jobs decided on and committed", e.decisions);
        registry.register_with_unit(
            "commit_duration",
            "Time of one turn's commit",
            Unit::Seconds,
            e.commit,
        );
        registry.register("orders", "Orders performed, by what came of them", e.orders);
        registry.register("jobs_open", "Jobs that this broker holds", e.jobs);
        registry.register(
            "network_usable",
            "1 when new placements may be made on the network, else 0",
            e.usable,
        );
    }

    /// Counts a commit of so many jobs.
    pub(super) fn committed(&self, jobs: usize, seconds: f64) {
        self.decisions.inc_by(jobs as u64);
        self.commit.observe(seconds);
    }

    /// Counts nodes that were slower than promised.
    pub(super) fn slower_than_promised(&self, nodes: usize) {
        self.performance_breaches.inc_by(nodes as u64);
    }

    /// Counts a turn that the store refused.
    pub(super) fn refused(&self) {
        self.refused.inc();
    }

    /// Counts heartbeats that were written.
    pub(super) fn beats(&self, count: usize) {
        self.heartbeats.inc_by(count as u64);
    }

    /// Counts what came of an order.
    pub(super) fn performed(&self, network: &NetworkId, order: Order, performed: &Performed) {
        let outcome = match performed {
            Performed::Outcome(Outcome::Failed(_)) | Performed::Ssh(Err(_), _) => "failed",
            Performed::Outcome(Outcome::Unknown { .. }) => "unknown",
            Performed::Outcome(_) | Performed::Ssh(Ok(()), _) => "done",
        };
        let label = Ordered {
            network: network.to_string(),
            order: order.name(),
            outcome,
        };
        self.orders.get_or_create(&label).inc();
    }

    /// Takes over how the jobs and networks stand.
    pub(super) fn survey(&self, kernel: &Kernel) {
        self.jobs.clear();
        for job in kernel.jobs() {
            let state = format!("{:?}", job.state()).to_lowercase();
            self.jobs.get_or_create(&State { state }).inc();
        }
        for (network, health) in kernel.health() {
            let network = network.to_string();
            let usable = i64::from(health.may_enter());
            self.usable.get_or_create(&Network { network }).set(usable);
        }
    }
}
