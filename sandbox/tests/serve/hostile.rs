//! Requests that no honest client sends, over a plain socket: each is answered in the form of the
//! network that was asked, and the sandbox stays up.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bench::{Bench, CAAS};

const AETHIR: &str = "/aethir/console-api/v2";

/// Sends bytes and reads until the server closes or says nothing for a while.
pub(crate) async fn say(bench: &Bench, bytes: &[u8]) -> String {
    let address = bench.running.url().replace("http://", "");
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The server may close before all is written: what it said is read all the same.
    let _sent = socket.write_all(bytes).await;
    let mut said = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let read = tokio::time::timeout(Duration::from_millis(700), socket.read(&mut buffer));
        match read.await {
            Ok(Ok(count)) if count > 0 => said.extend_from_slice(&buffer[..count]),
            _ => return String::from_utf8_lossy(&said).into_owned(),
        }
    }
}

fn head(method: &str, path: &str, more: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox\r\n{more}\r\n").into_bytes()
}

fn with_body(path: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\n{more}", body.len());
    let mut bytes = head("POST", path, &length);
    bytes.extend_from_slice(body);
    bytes
}

/// Status and JSON body of the first answer.
fn read(said: &str) -> (u16, Value) {
    let status = said.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let mut values = serde_json::Deserializer::from_str(body).into_iter();
    (
        status,
        values.next().and_then(Result::ok).unwrap_or(Value::Null),
    )
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_in_the_form_of_each_network() {
    let bench = Bench::start(|_| {}).await;
    let large = vec![b'x'; 3 << 20];
    let (status, body) =
        read(&say(&bench, &with_body(&format!("{CAAS}/deploy"), "", &large)).await);
    assert_eq!(
        (status, &body["detail"]),
        (413, &json!("Request body too large"))
    );
    let (status, body) =
        read(&say(&bench, &with_body(&format!("{AETHIR}/orders"), "", &large)).await);
    assert_eq!((status, &body["code"]), (400, &json!(135_400)), "{body}");
    for control in ["faults", "time"] {
        let path = format!("/sandbox/{control}");
        let (status, body) = read(&say(&bench, &with_body(&path, "", &large)).await);
        assert_eq!(status, 413, "{control}: {body}");
        assert!(body["error"].is_string(), "{control}: {body}");
    }
    let mut broken = head(
        "POST",
        &format!("{CAAS}/deploy"),
        "transfer-encoding: chunked\r\n",
    );
    broken.extend_from_slice(b"zz\r\n");
    let (status, body) = read(&say(&bench, &broken).await);
    assert!(
        status == 400 && body["detail"].is_string(),
        "{status} {body}"
    );
    bench.running.stop().await;
}

#[tokio::test]
async fn a_body_that_never_arrives_is_given_up() {
    let bench = Bench::start(|_| {}).await;
    let mut said = tokio::task::JoinSet::new();
    for path in [
        format!("{CAAS}/deploy"),
        format!("{AETHIR}/orders"),
        "/sandbox/time".to_owned(),
    ] {
        let address = bench.running.url().replace("http://", "");
        said.spawn(async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let request = head("POST", &path, "content-length: 100\r\n");
            socket.write_all(&request).await.unwrap();
            let mut all = String::new();
            // The server must close by itself; the end of the test's patience is a failure.
            let read =
                tokio::time::timeout(Duration::from_secs(30), socket.read_to_string(&mut all));
            read.await.unwrap().unwrap();
            (path, all)
        });
    }
    for (path, said) in said.join_all().await {
        let (status, body) = read(&said);
        match path.as_str() {
            path if path.starts_with(AETHIR) => {
                assert_eq!((status, &body["code"]), (400, &json!(135_400)))
            }
            path if path.starts_with("/sandbox") => {
                assert!(status == 408 && body["error"].is_string())
            }
            _ => assert!(status == 408 && body["detail"].is_string(), "{said}"),
        }
    }
    bench.running.stop().await;
}

#[tokio::test]
async fn methods_that_no_network_knows_are_refused_in_the_form_of_each_network() {
    let bench = Bench::start(|_| {}).await;
    for method in ["OPTIONS", "BREW"] {
        let (status, body) = read(&say(&bench, &head(method, &format!("{CAAS}/deploy"), "")).await);
        assert_eq!(
            (status, &body["detail"]),
            (405, &json!("Method Not Allowed"))
        );
        let (status, body) =
            read(&say(&bench, &head(method, &format!("{AETHIR}/wallet"), "")).await);
        assert_eq!((status, &body["code"]), (404, &json!(135_404)));
        let (status, body) = read(&say(&bench, &head(method, "/sandbox/faults", "")).await);
        assert!(
            status == 405 && body["error"].is_string(),
            "{status} {body}"
        );
    }
    bench.running.stop().await;
}

/// Sends each request and holds the status of its answer against what is expected.
async fn each_is_answered(bench: &Bench, requests: Vec<(Vec<u8>, u16)>) {
    for (bytes, expected) in requests {
        let said = say(bench, &bytes).await;
        let shown = String::from_utf8_lossy(&bytes);
        assert_eq!(read(&said).0, expected, "{shown:.200}: {said:.300}");
    }
    let (status, _) = bench.call("GET", &format!("{CAAS}/hardware"), None).await;
    assert_eq!(status, 200, "it is still up");
}

#[tokio::test]
async fn odd_heads_are_answered_and_leave_the_sandbox_up() {
    let bench = Bench::start(|_| {}).await;
    let list = format!("{CAAS}/deployments");
    let get = |path: &str| head("GET", &format!("{CAAS}/{path}"), "");
    let large = format!("x-big: {}\r\n", "a".repeat(300_000));
    let many: String = (0..300).map(|n| format!("x-{n}: 1\r\n")).collect();
    let mut raw = format!("GET {CAAS}/deployment/").into_bytes();
    raw.extend_from_slice(b"\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut latin = format!("GET {list} HTTP/1.1\r\nhost: x\r\nx-api-key: s").into_bytes();
    latin.extend_from_slice(b"\xe9\r\n\r\n");
    assert_eq!(
        read(&say(&bench, &latin).await),
        (401, json!({"detail": "Invalid API key"}))
    );
    let requests = vec![
        (head("GET", &list, &large), 431),
        (head("GET", &list, &many), 431),
        (get("deployment/%ff%fe%00"), 404),
        (get("deployments?page=%00&status=%zz"), 422),
        (get("deployment/../deployments"), 404),
        (get(&"a".repeat(50_000)), 404),
        (raw, 400),
        (b"\x16\x03\x01\x02\x00\x01junk\r\n\r\n".to_vec(), 400),
    ];
    each_is_answered(&bench, requests).await;
    let said = say(&bench, &head("GET", &list, "").repeat(5)).await;
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 5, "{said}");
    bench.running.stop().await;
}

#[tokio::test]
async fn odd_bodies_are_answered_and_leave_the_sandbox_up() {
    let bench = Bench::start(|_| {}).await;
    let deploy = |more: &str, body: &[u8]| with_body(&format!("{CAAS}/deploy"), more, body);
    let requests = vec![
        (deploy("content-type: application/xml\r\n", b"<a/>"), 422),
        (
            deploy("content-encoding: gzip\r\n", b"\x1f\x8b\x08junk"),
            422,
        ),
        (deploy("", b"[1]"), 422),
        (deploy("", b"\xff\xfe"), 422),
        (deploy("", &b"[".repeat(400_000)), 422),
        (deploy("", &b"{\"a\":".repeat(100_000)), 422),
        (deploy("content-length: 2\r\n", b"{}{}"), 400),
        (deploy("transfer-encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ];
    each_is_answered(&bench, requests).await;
    bench.running.stop().await;
}
