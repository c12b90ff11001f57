//! What goes wrong with nodes and networks, through the sandbox's own control.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_adapters::wire::{Method, RateClass, Repeat, WireRequest};
use tandem_model::network::NetworkId;

use crate::dice::Dice;
use crate::plan::{Flavour, Plan};
use crate::points::Points;
use crate::queue::Event;
use crate::sim::Sim;

/// A fault.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) network: NetworkId,
    pub(crate) kind: Kind,
    pub(crate) lasts: Duration,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A node, and what the sandbox does to it.
    Node(&'static str),
    /// Everything that runs on the network falls silent.
    Silence,
    /// Its API answers nothing.
    ApiDown,
    /// Both.
    Blackout,
    /// It refuses to start what it lists.
    NoCapacity,
}

const KINDS: [Kind; 12] = [
    Kind::Node("crash"),
    Kind::Node("crash"),
    Kind::Node("crash"),
    Kind::Node("silent"),
    Kind::Node("silent"),
    Kind::Node("slow"),
    Kind::Node("stale_status"),
    Kind::Node("reallocate"),
    Kind::Silence,
    Kind::ApiDown,
    Kind::Blackout,
    Kind::NoCapacity,
];

/// The two networks by name.
pub(crate) const IONET: NetworkId = NetworkId::from_static("ionet");
/// The other one.
pub(crate) const AETHIR: NetworkId = NetworkId::from_static("aethir");

impl Fault {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            network: dice.pick(&[IONET, AETHIR]).clone(),
            kind: *dice.pick(&KINDS),
            lasts: dice.seconds(5, 150),
        }
    }
}

/// A request to the sandbox's control.
fn control(method: Method, path: &str, body: &Value) -> WireRequest {
    WireRequest {
        method,
        path: format!("/sandbox{path}"),
        query: Vec::new(),
        headers: Vec::new(),
        body: match body {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(body).unwrap_or_default(),
        },
        repeat: Repeat::Unsafe,
        rate: RateClass::Any,
        streams: false,
    }
}

impl Sim {
    /// Draws the faults of a run.
    pub(crate) fn faults_come(&mut self) {
        let until = self.plan.lasts.as_secs();
        for _ in 0..self.plan.faults {
            let at = self.chance.faults.seconds(10, until);
            let fault = Fault::draw(&mut self.chance.faults);
            self.fault_comes(at, fault);
        }
        if self.plan.flavour == Flavour::Long {
            // When more time is to be bought, the networks' APIs are down for a while.
            for network in [IONET, AETHIR] {
                let at = self.chance.faults.seconds(33 * 60, 46 * 60);
                let lasts = self.chance.faults.seconds(30, 1_400);
                let kind = Kind::ApiDown;
                self.fault_comes(
                    at,
                    Fault {
                        network,
                        kind,
                        lasts,
                    },
                );
            }
        }
    }

    /// Plans one fault.
    pub(crate) fn fault_comes(&mut self, at: Duration, fault: Fault) {
        let number = self.faults.len();
        self.faults.push(fault);
        self.queue.put(self.start.after(at), Event::Fault(number));
    }

    /// Asks the sandbox's control; what it said.
    pub(crate) fn ask_world(&mut self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self
            .world
            .handle(&control(method, path, body), self.moment());
        self.collect();
        let body = answer.map(|response| response.body).unwrap_or_default();
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// Something goes wrong.
    pub(crate) fn fault(&mut self, number: usize) {
        if self.at_peace {
            return;
        }
        let Fault {
            network,
            kind,
            lasts,
        } = self.faults[number].clone();
        self.note(format_args!("fault of {}: {kind:?}", network.as_str()));
        let until = self.after(lasts);
        let (scope, what, seconds, count) = match kind {
            Kind::Node(what @ ("crash" | "reallocate")) => ("node", what, None, None),
            Kind::Node(what) => ("node", what, Some(lasts.as_secs()), None),
            Kind::Silence | Kind::Blackout => ("network", "silent", Some(lasts.as_secs()), None),
            Kind::NoCapacity => ("network", "phantom_capacity", None, Some(2)),
            Kind::ApiDown => ("", "", None, None),
        };
        if matches!(kind, Kind::ApiDown | Kind::Blackout) {
            self.api_down.insert(network.clone(), until);
        }
        if !matches!(kind, Kind::Node(_)) {
            self.witness.network_is_bad(&network, self.now, until);
        }
        if kind == Kind::ApiDown {
            return;
        }
        let mut body = json!({ "network": network.as_str(), "scope": scope, "kind": what });
        if let Some(seconds) = seconds {
            body["duration_seconds"] = json!(seconds.max(1));
        }
        if let Some(count) = count {
            body["count"] = json!(count);
        }
        let said = self.ask_world(Method::Post, "/faults", &body);
        let hits = said.pointer("/faults/0/hits").and_then(Value::as_array);
        let hits: Vec<String> = hits
            .into_iter()
            .flatten()
            .filter_map(|hit| hit.as_str().map(str::to_owned))
            .collect();
        if said.get("error").is_some() {
            self.note(format_args!("nothing to break: {}", said["error"]));
        }
        if matches!(kind, Kind::Node(_)) {
            let lasts = if seconds.is_some() {
                lasts
            } else {
                Duration::ZERO
            };
            for unit in hits {
                self.witness.node_fails(&unit, &network, self.now, lasts);
            }
        }
    }

    /// Everything heals, and nobody dies any more.
    pub(crate) fn peace(&mut self) {
        self.note(format_args!("peace"));
        self.at_peace = true;
        self.api_down.clear();
        Points::spare(&mut self.points);
        self.ask_world(Method::Delete, "/faults", &Value::Null);
        self.broker_starts();
        let now = self.now;
        for customer in &mut self.customers {
            customer.ends_by(now);
        }
        for number in 0..self.customers.len() {
            if !self.customers[number].is_content {
                self.queue.put(now, Event::Customer(number));
            }
        }
    }
}

impl Plan {
    /// Whether nothing is planned to go wrong but the broker itself.
    pub(crate) fn spares_networks(&self) -> bool {
        matches!(self.flavour, Flavour::Calm | Flavour::BrokerAlone)
    }
}
