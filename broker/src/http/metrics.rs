//! What is counted of this process, and the text of `/metrics`.
//!
//! Names have the prefix `tandem`, base units and no ids in labels, after the Prometheus naming
//! rules. Other parts of the broker register theirs in the same registry.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gpu_probe::verdict::VerdictOutcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tandem_model::network::NetworkId;
use tandem_model::time::WorldTime;

use crate::engine::market::{Market, NetworkReading};

/// Upper ends of the classes of answering times, in seconds: the proposal of the OpenTelemetry
/// semantic conventions for `http.server.request.duration`.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Network {
    network: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    network: String,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdicts {
    outcome: &'static str,
}

/// What is counted.
pub struct Metrics {
    registry: Mutex<Registry>,
    answered: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    offers: Family<Network, Gauge>,
    refused: Family<Refusal, Gauge>,
    age: Family<Network, Gauge>,
    /// Event and log streams that are open.
    pub(super) streams: Gauge,
    /// Quotes given.
    pub(super) quotes: Counter,
    /// Jobs accepted.
    pub(super) accepted: Counter,
    probe_verdicts: Family<Verdicts, Counter>,
    devices_banned: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tandem");
        let metrics = Self {
            answered: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            offers: Family::default(),
            refused: Family::default(),
            age: Family::default(),
            streams: Gauge::default(),
            quotes: Counter::default(),
            accepted: Counter::default(),
            probe_verdicts: Family::default(),
            devices_banned: Gauge::default(),
            registry: Mutex::default(),
        };
        let m = &metrics;
        registry.register("http_requests", "Requests answered", m.answered.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's head",
            Unit::Seconds,
            m.seconds.clone(),
        );
        registry.register(
            "http_streams",
            "Event and log streams open",
            m.streams.clone(),
        );
        registry.register("quotes", "Quotes given", m.quotes.clone());
        registry.register("jobs_accepted", "Jobs accepted", m.accepted.clone());
        registry.register(
            "probe_verdicts",
            "Nodes that were judged by their probe",
            m.probe_verdicts.clone(),
        );
        registry.register(
            "devices_banned",
            "Devices that fail every probe because they are banned",
            m.devices_banned.clone(),
        );
        registry.register(
            "network_offers",
            "Offers in the last reading",
            m.offers.clone(),
        );
        registry.register(
            "network_offers_refused",
            "Offers of the last reading that the gate refused, by reason",
            m.refused.clone(),
        );
        registry.register_with_unit(
            "network_reading_age",
            "World time since the offers were read",
            Unit::Seconds,
            m.age.clone(),
        );
        *metrics.lock() = registry;
        metrics
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        // Registering and encoding leave the registry whole even when they panic half-way.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers what another part of the broker counts.
    pub fn register(&self, with: impl FnOnce(&mut Registry)) {
        with(&mut self.lock());
    }

    /// Counts an answered request by the pattern of its route, never by its path.
    pub(super) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        let answered = Answered {
            method: method.clone(),
            route: route.clone(),
            status,
        };
        self.answered.get_or_create(&answered).inc();
        let seconds = self.seconds.get_or_create(&Route { method, route });
        seconds.observe(took.as_secs_f64());
    }

    /// Counts a verdict.
    pub(super) fn judged(&self, outcome: VerdictOutcome) {
        let outcome = match outcome {
            VerdictOutcome::Pass => "pass",
            VerdictOutcome::CouldNotRun => "could_not_run",
            VerdictOutcome::Fail => "fail",
        };
        self.probe_verdicts
            .get_or_create(&Verdicts { outcome })
            .inc();
    }

    /// Sets how many devices are banned.
    pub(super) fn set_devices_banned(&self, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.devices_banned.set(count);
    }

    fn set_refused(&self, network: &NetworkId, reading: &NetworkReading) {
        for (code, count) in &reading.refused {
            let label = Refusal {
                network: network.to_string(),
                code,
            };
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            self.refused.get_or_create(&label).set(count);
        }
    }

    /// The text that Prometheus reads (OpenMetrics 1.0).
    pub(super) fn text(&self, market: &Market, now: WorldTime) -> Result<String, std::fmt::Error> {
        self.refused.clear();
        for (network, reading) in &market.networks {
            self.set_refused(network, reading);
            let label = Network {
                network: network.to_string(),
            };
            let count = i64::try_from(market.offers_of(network)).unwrap_or(i64::MAX);
            self.offers.get_or_create(&label).set(count);
            if let Some(read_at) = reading.read_at {
                let age = i64::try_from(now.since(read_at).as_secs()).unwrap_or(i64::MAX);
                self.age.get_or_create(&label).set(age);
            }
        }
        let mut out = String::new();
        text::encode(&mut out, &self.lock())?;
        Ok(out)
    }
}
