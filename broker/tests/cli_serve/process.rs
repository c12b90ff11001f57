//! Starting brokers and commands in a home folder of their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A user's folders.
pub(crate) struct Home(tempfile::TempDir);

/// A process that said where it listens.
pub(crate) struct Started {
    child: Child,
    pub(crate) url: String,
    pub(crate) ready: Value,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.path().join("config/tandem/credentials.toml")
    }

    /// A command with this home and nothing of the environment around the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_DATA_HOME", self.path().join("data"))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn serve(&self, arguments: &[&str]) -> Started {
        self.serve_with(arguments, &[])
    }

    pub(crate) fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Started {
        let base = ["serve", "--listen", "127.0.0.1:0", "--json"];
        let all = [&base, arguments].concat();
        Self::begin(self.command(&all).envs(variables.iter().copied()))
    }

    /// Starts something that prints a document with its address and goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Started {
        Self::begin(&mut self.command(arguments))
    }

    fn begin(command: &mut Command) -> Started {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let documents = serde_json::Deserializer::from_reader(stdout);
        let first = documents.into_iter::<Value>().next();
        let Some(Ok(ready)) = first else {
            let _ = child.kill();
            panic!("it did not start: {:?}", child.wait());
        };
        let url = ready["url"].as_str().unwrap().to_owned();
        Started { child, url, ready }
    }

    /// Runs a command against a broker, with the key that the broker saved.
    pub(crate) fn run(&self, broker: &Started, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.env("TANDEM_URL", &broker.url).output().unwrap()
    }

    pub(crate) fn run_with(&self, broker: &Started, key: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.env("TANDEM_URL", &broker.url);
        command.env("TANDEM_API_KEY", key).output().unwrap()
    }

    /// Starts a command, waits for its first word, presses Ctrl-C, and returns what it said.
    pub(crate) fn interrupted(&self, broker: &Started, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let command = command
            .env("TANDEM_URL", &broker.url)
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut told = String::new();
        let mut reader = BufReader::new(child.stderr.take().unwrap());
        reader.read_line(&mut told).unwrap();
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        reader.read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{told}");
        told
    }

    pub(crate) fn json(&self, broker: &Started, arguments: &[&str]) -> Value {
        document(&self.run(broker, &[arguments, &["--json"]].concat()))
    }

    /// As [`Home::json`], with the first key that any broker saved here.
    pub(crate) fn json_with_key(&self, broker: &Started, arguments: &[&str]) -> Value {
        let saved = std::fs::read_to_string(self.credentials()).unwrap();
        let line = saved.lines().find(|l| l.starts_with("api_key")).unwrap();
        let key = line.split('"').nth(1).unwrap();
        document(&self.run_with(broker, key, &[arguments, &["--json"]].concat()))
    }
}

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON document")
}

impl Started {
    /// Asks for a quote until the market was read.
    pub(crate) fn until_quoted(&self, home: &Home, file: &str) -> Value {
        let begun = Instant::now();
        loop {
            let quoted = home.run(self, &["quote", file, "--json"]);
            if quoted.status.success() {
                return document(&quoted);
            }
            assert!(begun.elapsed() < PATIENCE, "{}", text(&quoted.stderr));
        }
    }

    /// Ends it as a supervisor does, and checks that it ended well.
    pub(crate) fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "it ended with {ended}");
    }

    /// Ends it as a power failure does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Requests = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Takes in whatever is posted.
pub(crate) struct Collector {
    pub(crate) url: String,
    requests: Requests,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Requests::default();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let path = line.split(' ').nth(1).unwrap().to_owned();
                let mut length = 0;
                while reader
                    .read_line({
                        line.clear();
                        &mut line
                    })
                    .unwrap()
                    > 2
                {
                    let lower = line.to_ascii_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push((path, body));
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                reader.get_mut().write_all(answer).unwrap();
            }
        });
        Self { url, requests }
    }

    pub(crate) fn received(&self, path: &str, part: &str) -> bool {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .any(|(at, body)| at == path && body.windows(part.len()).any(|w| w == part.as_bytes()))
    }
}
