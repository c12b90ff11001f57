//! A world on a table: requests as a client would send them, time moved by hand.

#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::{Value, json};
use tandem_adapters::aethir::token;
use tandem_adapters::wire::{Method, RateClass, Repeat, WireRequest, WireResponse};
use tandem_model::secret::Secret;
use tandem_sandbox::world::{Effects, Moment, World, WorldOptions};

/// 2026-11-22T13:00:00Z.
pub(crate) const START_US: i64 = 1_795_352_400_000_000;

pub(crate) const CAAS: &str = "/enterprise/v1/io-cloud/caas";
pub(crate) const VMAAS: &str = "/enterprise/v1/io-cloud/vmaas";
/// A well-formed public key.
pub(crate) const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f tests";

pub(crate) struct Table {
    pub(crate) world: World,
    pub(crate) now_us: i64,
    nonce: u64,
}

/// A request with a path, query in the path, and a JSON body.
pub(crate) fn request(method: Method, target: &str, body: Option<&Value>) -> WireRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    WireRequest {
        method,
        path: path.to_owned(),
        query: pairs
            .map(|(k, v)| (k.to_owned(), v.replace('+', " ")))
            .collect(),
        headers: Vec::new(),
        body: body
            .map(|b| serde_json::to_vec(b).unwrap())
            .unwrap_or_default(),
        repeat: Repeat::Unsafe,
        rate: RateClass::Any,
        streams: false,
    }
}

pub(crate) fn body_of(answer: &WireResponse) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

impl Table {
    pub(crate) fn new(options: WorldOptions) -> Self {
        Self {
            world: World::new(1, options),
            now_us: START_US,
            nonce: 0,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::from_micros(self.now_us)
    }

    /// Lets time pass and drops the effects.
    pub(crate) fn pass(&mut self, seconds: i64) -> Effects {
        self.now_us += seconds * 1_000_000;
        self.world.advance(self.now())
    }

    pub(crate) fn send(&mut self, request: &WireRequest) -> (u16, Value) {
        let answer = self.world.handle(request, self.now()).unwrap();
        (answer.status, body_of(&answer))
    }

    pub(crate) fn ionet_as(
        &mut self,
        key: &str,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut request = request(method, target, body);
        request
            .headers
            .push(("x-api-key".to_owned(), key.to_owned()));
        self.send(&request)
    }

    pub(crate) fn ionet(
        &mut self,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        self.ionet_as("sandbox", method, target, body)
    }

    pub(crate) fn get(&mut self, target: &str) -> Value {
        let (status, body) = self.ionet(Method::Get, target, None);
        assert_eq!(status, 200, "{target}: {body}");
        body["data"].clone()
    }

    /// Deploys a container and gives its id.
    pub(crate) fn deploy(&mut self, body: &Value) -> String {
        let (status, answer) = self.ionet(Method::Post, &format!("{CAAS}/deploy"), Some(body));
        assert_eq!(status, 200, "{answer}");
        answer["deployment_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn details(&mut self, id: &str) -> Value {
        self.get(&format!("{CAAS}/deployment/{id}"))
    }

    pub(crate) fn workers(&mut self, id: &str) -> Value {
        self.get(&format!("{CAAS}/deployment/{id}/containers"))["workers"].clone()
    }

    pub(crate) fn aethir(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        self.nonce += 1;
        let mut request = request(method, &format!("/aethir/console-api/v2{path}"), body);
        let wall = self.now().wall;
        let made = token::make(
            "sandbox",
            &Secret::new("sandbox-secret"),
            wall,
            &self.nonce.to_string(),
        );
        request
            .headers
            .push((token::ACCESS_KEY_HEADER.to_owned(), "sandbox".to_owned()));
        request.headers.push((token::TOKEN_HEADER.to_owned(), made));
        self.send(&request)
    }

    pub(crate) fn control(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        self.send(&request(method, &format!("/sandbox{path}"), body))
    }

    pub(crate) fn fault(&mut self, body: &Value) -> Value {
        let (status, answer) = self.control(Method::Post, "/faults", Some(body));
        assert_eq!(status, 200, "{answer}");
        answer["faults"][0].clone()
    }

    pub(crate) fn truth(&mut self) -> Value {
        self.control(Method::Get, "/truth", None).1
    }

    /// Orders an H100 server on demand for two hours, and pays.
    pub(crate) fn order(&mut self, number: &str) -> Value {
        let (status, order) = self.aethir(Method::Post, "/orders", Some(&order_body(number)));
        assert_eq!(status, 200, "{order}");
        let id = order["data"]["orderId"].as_str().unwrap().to_owned();
        let (status, paid) = self.aethir(Method::Post, &format!("/orders/{id}/pay"), None);
        assert_eq!(status, 200, "{paid}");
        paid["data"].clone()
    }
}

/// The smallest deploy.
pub(crate) fn deploy_body(name: &str) -> Value {
    json!({
        "resource_private_name": name,
        "hardware_id": "RTX4090",
        "duration_hours": 1,
        "gpus_per_container": 1,
        "container_config": {"replica_count": 1, "traffic_port": 80},
        "registry_config": {"image_url": "nginx:latest"},
    })
}

/// The smallest order.
pub(crate) fn order_body(number: &str) -> Value {
    json!({
        "clientOrderNo": number,
        "specId": "h100-sxm5-80gb-8x-us-east-ondemand",
        "mode": "OnDemand",
        "servers": 1,
        "hours": 2,
        "sshPublicKey": PUBLIC_KEY,
    })
}
