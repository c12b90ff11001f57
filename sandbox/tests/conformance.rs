//! Our adapters against our sandbox, in memory and over HTTP: the suite that every adapter and
//! every peer must pass.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::time::Duration;

use common::{START_US, request};
use serde_json::json;
use tandem_adapters::adapter::Context;
use tandem_adapters::conformance::{Fault, Peer, check_registry};
use tandem_adapters::{Answer, Method, TransportFault, WireRequest, WireResponse};
use tandem_model::network::NetworkId;
use tandem_model::time::{WallTime, WorldTime};
use tandem_sandbox::world::{Moment, World, WorldOptions};
use tandem_sandbox::{Options, Running, serve};

struct InMemory {
    world: World,
    world_us: i64,
    wall_us: i64,
    nonce: u64,
}

impl InMemory {
    fn now(&self) -> Moment {
        Moment {
            world: WorldTime::from_micros(self.world_us),
            wall: WallTime::from_micros(self.wall_us),
        }
    }

    fn handle(&mut self, request: &WireRequest) -> Answer {
        // A request takes a while, as it would over a network.
        self.world_us += 10_000;
        self.wall_us += 10_000;
        self.world.handle(request, self.now())
    }
}

fn prefixed(network: &NetworkId, mut request: WireRequest) -> WireRequest {
    if network.as_str() == "aethir" {
        request.path = format!("/aethir{}", request.path);
    }
    request
}

impl Peer for InMemory {
    fn context(&mut self) -> Context {
        self.nonce += 1;
        let now = self.now();
        Context {
            wall: now.wall,
            world: now.world,
            nonce: self.nonce,
        }
    }

    async fn send(&mut self, network: &NetworkId, request: WireRequest) -> Answer {
        self.handle(&prefixed(network, request))
    }

    async fn inject(&mut self, fault: &Fault) {
        let body = serde_json::to_value(fault).unwrap();
        let answer = self
            .handle(&request(Method::Post, "/sandbox/faults", Some(&body)))
            .unwrap();
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }

    async fn heal(&mut self) {
        let answer = self.handle(&request(Method::Delete, "/sandbox/faults", None));
        assert_eq!(answer.unwrap().status, 200);
    }

    async fn advance(&mut self, world: Duration) {
        self.world_us += i64::try_from(world.as_micros()).unwrap();
        let now = self.now();
        self.world.advance(now);
    }

    async fn pause(&mut self, wall: Duration) {
        self.wall_us += i64::try_from(wall.as_micros()).unwrap();
    }
}

#[tokio::test]
async fn our_adapters_and_the_world_agree_in_memory() {
    let mut peer = InMemory {
        world: World::new(7, WorldOptions::default()),
        world_us: START_US,
        wall_us: START_US,
        nonce: 0,
    };
    check_registry(&mut peer, "sandbox").await.assert_clean();
}

struct OverHttp {
    running: Running,
    client: reqwest::Client,
    nonce: u64,
}

impl OverHttp {
    async fn control(&self, method: reqwest::Method, path: &str, body: Option<serde_json::Value>) {
        let url = format!("{}/sandbox/{path}", self.running.url());
        let mut call = self.client.request(method, url);
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call.send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{}", answer.text().await.unwrap());
    }

    async fn exchange(
        &self,
        network: &NetworkId,
        request: WireRequest,
    ) -> reqwest::Result<WireResponse> {
        let base = match network.as_str() {
            "aethir" => self.running.aethir_url(),
            _ => self.running.ionet_url(),
        };
        let method = reqwest::Method::from_bytes(request.method.as_str().as_bytes()).unwrap();
        let mut url = reqwest::Url::parse(&format!("{base}{}", request.path)).unwrap();
        for (name, value) in &request.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut call = self.client.request(method, url).body(request.body);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        let answer = call.send().await?;
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned()));
        Ok(WireResponse {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: answer.bytes().await?.to_vec(),
        })
    }
}

impl Peer for OverHttp {
    fn context(&mut self) -> Context {
        self.nonce += 1;
        let now = self.running.now();
        Context {
            wall: now.wall,
            world: now.world,
            nonce: self.nonce,
        }
    }

    async fn send(&mut self, network: &NetworkId, request: WireRequest) -> Answer {
        self.exchange(network, request)
            .await
            .map_err(|_| TransportFault::MaybeSent)
    }

    async fn inject(&mut self, fault: &Fault) {
        let body = serde_json::to_value(fault).unwrap();
        self.control(reqwest::Method::POST, "faults", Some(body))
            .await;
    }

    async fn heal(&mut self) {
        self.control(reqwest::Method::DELETE, "faults", None).await;
    }

    async fn advance(&mut self, world: Duration) {
        let body = json!({ "advance_seconds": world.as_secs() });
        self.control(reqwest::Method::POST, "time", Some(body))
            .await;
    }

    async fn pause(&mut self, wall: Duration) {
        tokio::time::sleep(wall).await;
    }
}

#[tokio::test]
async fn our_adapters_and_the_sandbox_agree_over_http() {
    let mut options = Options::new("127.0.0.1:0".parse().unwrap(), 7);
    // The limits are kept in memory above, where waiting costs nothing.
    options.world.rate_limits = false;
    let running = serve(options).await.unwrap();
    let mut peer = OverHttp {
        running,
        client: reqwest::Client::new(),
        nonce: 0,
    };
    let report = check_registry(&mut peer, "sandbox").await;
    peer.running.stop().await;
    report.assert_clean();
}
