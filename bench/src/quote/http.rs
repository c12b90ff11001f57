//! A client that costs little beside the server it measures: one request, made once, sent again and
//! again over connections that are kept.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tandem_model::secret::Secret;

/// Connections that are kept open.
pub(super) const CONNECTIONS: usize = 4;
/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A `POST` of JSON with an API key, as bytes.
pub(super) fn post(path: &str, key: &Secret, json: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        key.expose(),
        json.len()
    );
    [head.as_bytes(), json.as_bytes()].concat()
}

/// A connection that is kept.
pub(super) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens one.
    pub(super) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a request and reads the whole answer; its body lies in `body`.
    pub(super) fn ask(&mut self, request: &[u8], body: &mut Vec<u8>) {
        self.0.get_mut().write_all(request).unwrap();
        let mut line = String::new();
        let mut length = None;
        let mut status = String::new();
        loop {
            line.clear();
            assert!(
                self.0.read_line(&mut line).unwrap() > 0,
                "the server hung up"
            );
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if status.is_empty() {
                status = text.to_owned();
            }
            if let Some((name, value)) = text.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().ok();
            }
        }
        body.resize(length.expect("every answer here has a length"), 0);
        self.0.read_exact(body).unwrap();
        let text = String::from_utf8_lossy(body);
        assert!(status.starts_with("HTTP/1.1 200"), "{status}: {text}");
    }
}

/// Answers a second over [`CONNECTIONS`] connections for so long. Each connection sends all the
/// requests in turn, from a place of its own.
pub(super) fn requests_per_second(
    address: SocketAddr,
    requests: &[Vec<u8>],
    length: Duration,
) -> f64 {
    let one = |number: usize| {
        let mut connection = Connection::open(address);
        let mut body = Vec::new();
        let first = number * requests.len() / CONNECTIONS;
        let mut next = requests.iter().cycle().skip(first);
        let mut ask = || {
            let request = next.next().expect("there is a request");
            connection.ask(request, &mut body);
        };
        ask();
        let (start, mut done) = (Instant::now(), 0);
        while start.elapsed() < length {
            ask();
            done += 1;
        }
        f64::from(done) / start.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..CONNECTIONS)
            .map(|number| scope.spawn(move || one(number)))
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}
