//! One machine for an agent: a directory, the real binary, and what runs there.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::broker::{Broker, TOKEN};

/// Longest wait for anything; reached only when it will not happen.
const DEADLINE: Duration = Duration::from_secs(90);

/// Waits for a condition; fails with its name when it does not come.
pub(crate) async fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) struct Machine {
    home: TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Starts the agent of an epoch here.
    pub(crate) fn agent(
        &self,
        broker: &Broker,
        epoch: u32,
        env: &[(&str, &str)],
        command: &[&str],
    ) -> Agent {
        let open = |name: &str| {
            let path = self.path(name);
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let mut agent = Command::new(env!("CARGO_BIN_EXE_gpu-probe"));
        agent
            .args(["agent", "--"])
            .args(command)
            .env("TANDEM_BROKER_URL", &broker.url)
            .env("TANDEM_JOB_ID", broker.job.to_string())
            .env("TANDEM_EPOCH", epoch.to_string())
            .env("TANDEM_AGENT_TOKEN", TOKEN)
            .env("TANDEM_HOME", self.home.path())
            .env("TANDEM_STOP_GRACE_SECONDS", "20")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(open("stdout"))
            .stderr(open("stderr"))
            .process_group(0);
        Agent {
            child: agent.spawn().unwrap(),
            log: self.path("stderr"),
        }
    }

    /// Starts the agent over a shell script.
    pub(crate) fn shell(&self, broker: &Broker, script: &str) -> Agent {
        self.agent(broker, 1, &[], &["/bin/sh", "-c", script])
    }

    /// What the agent's standard output got.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.path("stdout")).unwrap_or_default()
    }

    /// Everything alive that belongs to this machine, the agent included.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mark = format!("TANDEM_HOME={}", self.home.path().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environ
                .split(|b| *b == 0)
                .any(|entry| entry == mark.as_bytes())
            {
                found.extend(Pid::from_raw(pid));
            }
        }
        found
    }

    /// Signals everything on this machine, as its power switch or its hypervisor would.
    pub(crate) fn signal(&self, signal: Signal) {
        for pid in self.processes() {
            let _ = kill_process(pid, signal);
        }
    }
}

pub(crate) struct Agent {
    child: Child,
    log: PathBuf,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn has_exited(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its exit code, once it has one; with its log when that takes too long.
    pub(crate) async fn exit_code(&mut self) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("the agent was not killed");
            }
            assert!(
                start.elapsed() < DEADLINE,
                "the agent did not exit:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
