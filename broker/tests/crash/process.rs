//! The processes of a test: a sandbox, and a broker that is killed and started again on the same
//! port and data folder. All of them are killed when the test ends, however it ends.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

/// Asks a process to end.
pub(crate) const TERM: &str = "-TERM";
/// How many times faster than the wall the world runs.
const SPEED: &str = "10";

/// A process that is killed when it is dropped.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sandbox and the broker.
pub(crate) struct Processes {
    broker: Option<Guarded>,
    sandbox: Guarded,
    sandbox_url: String,
    address: SocketAddr,
    key: String,
    folder: tempfile::TempDir,
}

/// A port that is free now. Nothing else takes it meanwhile but by accident.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Starts `tandem` and reads the document that it prints when it is ready.
fn start(arguments: &[&str], folder: &Path) -> (Guarded, Value) {
    let log = std::fs::File::options()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .arg("--json")
        .args(arguments)
        .env("TANDEM__MASTER_KEY_FILE", folder.join("keys/master.key"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut guarded = Guarded(child);
    let mut text = String::new();
    let mut out = BufReader::new(guarded.0.stdout.take().unwrap());
    loop {
        let read = out.read_line(&mut text).unwrap();
        if let Ok(document) = serde_json::from_str(&text) {
            return (guarded, document);
        }
        if read == 0 {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("`tandem {}` is not ready: {log}", arguments.join(" "));
        }
    }
}

impl Processes {
    /// Starts both in a fresh folder.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machines = folder.path().join("machines");
        let arguments = [
            "sandbox",
            "--listen",
            "127.0.0.1:0",
            "--speed",
            SPEED,
            "--exec-marked",
            "--exec",
            machines.to_str().unwrap(),
        ];
        let (sandbox, ready) = start(&arguments, folder.path());
        let mut processes = Self {
            broker: None,
            sandbox,
            sandbox_url: ready["url"].as_str().unwrap().to_owned(),
            address: free_port(),
            key: String::new(),
            folder,
        };
        let ready = processes.start_broker();
        processes.key = ready["admin_key"].as_str().unwrap().to_owned();
        processes
    }

    /// Starts the broker; what it says when it is ready.
    pub(crate) fn start_broker(&mut self) -> Value {
        let data = self.folder.path().join("data");
        let address = self.address.to_string();
        let arguments = [
            "serve",
            "--no-save-key",
            "--listen",
            &address,
            "--sandbox-url",
            &self.sandbox_url,
            "--data-dir",
            data.to_str().unwrap(),
        ];
        let (broker, ready) = start(&arguments, self.folder.path());
        self.broker = Some(broker);
        ready
    }

    /// `kill -9`.
    pub(crate) fn kill_broker(&mut self) {
        drop(self.broker.take());
    }

    /// Asks the broker to end with a signal and waits until it did.
    pub(crate) fn end_broker(&mut self, signal: &str) -> ExitStatus {
        let mut broker = self.broker.take().unwrap();
        let id = broker.0.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
        broker.0.wait().unwrap()
    }

    /// Whether a process of a machine is alive, frozen or not: the sandbox marks them with the
    /// machine's folder, which has its id as name.
    pub(crate) fn has_process(machine: &str) -> bool {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let mut environments = entries.filter_map(|e| std::fs::read(e.path().join("environ")).ok());
        let is_mark = |pair: &[u8]| {
            pair.starts_with(b"TANDEM_SANDBOX_UNIT=") && pair.ends_with(machine.as_bytes())
        };
        environments.any(|all| all.split(|b| *b == 0).any(is_mark))
    }

    /// Where the sandbox is.
    pub(crate) fn sandbox_url(&self) -> &str {
        &self.sandbox_url
    }

    /// Where the broker is, running or not.
    pub(crate) fn broker_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first admin key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.kill_broker();
        // The sandbox ends the real processes that it started only when it is asked to.
        let id = self.sandbox.0.id().to_string();
        let _ = Command::new("kill").args([TERM, &id]).status();
        let _ = self.sandbox.0.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            let log = log.unwrap_or_default();
            let from = log.len().saturating_sub(20_000);
            let from = log.ceil_char_boundary(from);
            println!("{}", &log[from..]);
        }
    }
}
