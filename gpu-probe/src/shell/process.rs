//! One command in its own process group: run, stop, kill, and leave nothing of it behind.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::output::Output;
use super::sweep;
use crate::agent::Input;

/// Longest wait for the rest of the output after the command is gone: something that escaped may
/// hold its end open.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// What a running command is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// SIGTERM, and SIGKILL after this long.
    Stop(Duration),
    /// SIGKILL at once.
    Kill,
    /// SIGSTOP: it stands still.
    Pause,
    /// SIGCONT: it goes on.
    Resume,
}

impl Order {
    /// Whether it ends the command.
    pub(super) const fn ends(self) -> bool {
        matches!(self, Self::Stop(_) | Self::Kill)
    }
}

/// How a command ended.
pub(super) struct Finished {
    pub(super) status: std::io::Result<ExitStatus>,
    /// Whether it was told to stop or killed, whatever its status says.
    pub(super) was_ordered: bool,
}

/// A command in its own process group.
pub(super) struct Running {
    child: Child,
    group: Option<Pid>,
    followers: Vec<JoinHandle<()>>,
    /// What its environment carries, wherever its processes go.
    marks: Vec<String>,
}

impl Running {
    /// Starts it; its output goes to `output` and to the agent's own.
    pub(super) fn start(
        mut command: Command,
        marks: Vec<String>,
        output: &Output,
        inputs: &mpsc::Sender<Input>,
    ) -> std::io::Result<Self> {
        command.process_group(0).stdin(Stdio::null());
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let mut followers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let follow = output
                .clone()
                .follow(stdout, tokio::io::stdout(), inputs.clone());
            followers.push(tokio::spawn(follow));
        }
        if let Some(stderr) = child.stderr.take() {
            let follow = output
                .clone()
                .follow(stderr, tokio::io::stderr(), inputs.clone());
            followers.push(tokio::spawn(follow));
        }
        Ok(Self {
            child,
            group,
            followers,
            marks,
        })
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, ?signal, "the process group took no signal");
        }
    }

    /// Waits for its end, obeying orders; then kills whatever of it is left.
    pub(super) async fn finish(mut self, orders: &mut mpsc::Receiver<Order>) -> Finished {
        let mut was_ordered = false;
        let mut patience: Option<tokio::time::Instant> = None;
        let status = loop {
            let kill_at = patience.unwrap_or_else(tokio::time::Instant::now);
            tokio::select! {
                status = self.child.wait() => break status,
                Some(order) = orders.recv() => {
                    was_ordered |= order.ends();
                    match order {
                        Order::Pause => self.signal_all(Signal::STOP).await,
                        Order::Resume => self.signal_all(Signal::CONT).await,
                        Order::Stop(grace) if patience.is_none() => {
                            self.signal(Signal::TERM);
                            patience = Some(tokio::time::Instant::now() + grace);
                        }
                        Order::Stop(_) => {}
                        Order::Kill => self.kill_all().await,
                    }
                }
                () = tokio::time::sleep_until(kill_at), if patience.is_some() => {
                    self.kill_all().await;
                    patience = None;
                }
            }
        };
        self.kill_all().await;
        let followers = std::mem::take(&mut self.followers);
        let drained = async {
            for follower in followers {
                let _ = follower.await;
            }
        };
        let _ = tokio::time::timeout(DRAIN_MAX, drained).await;
        Finished {
            status,
            was_ordered,
        }
    }

    /// Signals the group, and what left the group.
    async fn signal_all(&self, signal: Signal) {
        self.signal(signal);
        let marks = self.marks.clone();
        let swept = move || sweep::signal_marked(&marks, signal);
        if let Err(error) = tokio::task::spawn_blocking(swept).await {
            tracing::warn!(%error, ?signal, "processes outside the group took no signal");
        }
    }

    /// Kills the group, and what left the group.
    async fn kill_all(&self) {
        self.signal(Signal::KILL);
        let marks = self.marks.clone();
        let swept = tokio::task::spawn_blocking(move || sweep::kill_marked(&marks)).await;
        if let Ok(count) = swept
            && count > 0
        {
            tracing::debug!(count, "killed processes of the workload outside its group");
        }
    }
}
