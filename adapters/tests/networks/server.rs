//! Servers that misbehave on purpose, and the transport that is pointed at them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tandem_adapters::ionet::{self, IoNet, VmPriceUnit};
use tandem_adapters::transport::{TraceId, Transport, TransportOptions};
use tandem_adapters::{Adapter, Command, Outcome};
use tandem_model::secret::Secret;
use tandem_model::time::{Clock, WallTime, WorldTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::common::{container, start};

pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn world(&self) -> WorldTime {
        crate::common::CONTEXT.world
    }
    fn wall(&self) -> WallTime {
        crate::common::CONTEXT.wall
    }
}

pub(crate) fn ionet() -> IoNet {
    IoNet::new(Secret::new("io-key-hunter2"), VmPriceUnit::default())
}

pub(crate) fn options(base_url: &str) -> TransportOptions {
    TransportOptions {
        allows_plain_http: true,
        retry_wait: Duration::from_millis(5),
        request_timeout: Duration::from_millis(1_500),
        ..TransportOptions::new(base_url)
    }
}

pub(crate) fn transport(adapter: &dyn Adapter, base_url: &str) -> Transport {
    Transport::new(adapter, options(base_url), Arc::new(StoppedClock)).expect("a valid base URL")
}

pub(crate) async fn perform(adapter: &dyn Adapter, base_url: &str, command: &Command) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    let transport = transport(adapter, base_url);
    transport
        .perform(adapter, command, TraceId::new([7; 16]), deadline)
        .await
}

pub(crate) fn deploy() -> Command {
    start(ionet::NETWORK, "caas", "12@US", container())
}

pub(crate) fn status() -> Command {
    Command::Status {
        product: "caas".to_owned(),
        remote_id: "d1".to_owned(),
    }
}

/// Gives its answers one after another, the last one for ever.
pub(crate) struct InTurn(Mutex<Vec<ResponseTemplate>>);

impl InTurn {
    pub(crate) fn new(mut answers: Vec<ResponseTemplate>) -> Self {
        answers.reverse();
        Self(Mutex::new(answers))
    }
}

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let mut left = self.0.lock().expect("no test panics while it holds it");
        if left.len() > 1 {
            left.pop()
        } else {
            left.last().cloned()
        }
        .expect("never empty")
    }
}

pub(crate) async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.expect("recording is on")
}

pub(crate) fn running() -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_string(r#"{"data":{"id":"d1","status":"running"},"new_field":1}"#)
}

/// A server whose details come in turn and which shows no workers.
pub(crate) async fn details(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let no_workers =
        ResponseTemplate::new(200).set_body_string(r#"{"data":{"workers":null,"total":0}}"#);
    Mock::given(path_regex("containers$"))
        .respond_with(no_workers)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(InTurn::new(answers))
        .mount(&server)
        .await;
    server
}

/// Answers every connection with the same bytes, then closes it, or keeps it open.
pub(crate) async fn raw_server(bytes: Vec<u8>, keeps_open: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = [0; 16_384];
            let _read = socket.read(&mut asked).await;
            let _written = socket.write_all(&bytes).await;
            if keeps_open {
                held.push(socket);
            }
        }
    });
    format!("http://{address}")
}
