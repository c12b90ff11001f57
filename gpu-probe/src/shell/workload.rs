//! The workload's life: set-up, the command, its last checkpoint, its end.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use tandem_model::secret::Secret;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::config::Config;
use super::output::Output;
use super::process::{Order, Running};
use super::restore;
use super::store::StoreError;
use super::sweep::BOOT_MARK;
use super::watch::Watch;
use crate::agent::{Ended, Identity, Input};
use crate::protocol::{EndCause, Sha256};

/// Largest output file that is digested, in bytes.
const OUTPUT_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Variables of the agent that the workload does not see.
const HIDDEN: [&str; 2] = ["TANDEM_AGENT_TOKEN", "TANDEM_SETUP"];

/// Everything needed to start a workload.
pub(super) struct Launch {
    pub(super) config: Config,
    pub(super) identity: Identity,
    pub(super) secrets: Vec<(String, Secret)>,
    pub(super) restored_step: Option<u64>,
    /// Whether checkpoints are kept in a store: what lies in the directory before the start is
    /// then an earlier attempt's. Otherwise the customer manages them.
    pub(super) owns_checkpoints: bool,
}

/// Runs set-up and command to their end; tells `Started`, the last news and `WorkloadEnded`.
pub(super) async fn run(
    launch: Launch,
    mut orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
) {
    let output = Output::default();
    let (cause, end) = match launch.prepare().await {
        Ok(()) => {
            let following = tokio::spawn(launch.watch().follow(inputs.clone()));
            let ended = launch.run_all(&mut orders, &output, &inputs).await;
            following.abort();
            ended
        }
        Err(detail) => (EndCause::StartFailed, Err(detail)),
    };
    let watch = launch.watch();
    let path = launch.config.output_file;
    let closing = tokio::task::spawn_blocking(move || (last_look(watch), digest_of(path)));
    let (news, output_sha256) = closing.await.unwrap_or_default();
    for input in news {
        let _ = inputs.send(input).await;
    }
    let (status, detail) = match end {
        Ok(status) => (status, None),
        Err(detail) => (None, Some(detail)),
    };
    let ended = Ended {
        cause,
        exit_code: status.and_then(|s| s.code()),
        signal: status.and_then(|s| s.signal()),
        output_sha256,
        output_tail: output.tail(),
        detail,
    };
    let _ = inputs.send(Input::WorkloadEnded(Box::new(ended))).await;
}

fn last_look(mut watch: Watch) -> Vec<Input> {
    watch.look()
}

/// How a command ended: its status, none when an order came before it, or why it did not start.
type End = Result<Option<ExitStatus>, String>;

impl Launch {
    fn watch(&self) -> Watch {
        Watch::new(
            self.config.checkpoint_dir.clone(),
            self.config.progress_file.clone(),
        )
    }

    /// Clears what an earlier attempt left here, so that it is not taken for this one's.
    async fn prepare(&self) -> Result<(), String> {
        let config = self.config.clone();
        let sets_aside = self.owns_checkpoints && self.restored_step.is_none();
        let prepared = tokio::task::spawn_blocking(move || {
            if sets_aside {
                restore::set_aside(&config.checkpoint_dir)?;
            }
            let own = [&config.progress_file, &config.output_file];
            for file in own
                .into_iter()
                .filter(|file| file.starts_with(&config.home))
            {
                restore::remove(file)
                    .map_err(|e| StoreError::Disk(file.display().to_string(), e))?;
            }
            Ok::<(), StoreError>(())
        });
        let outcome = prepared.await.map_err(StoreError::from).flatten();
        outcome.map_err(|error| format!("TDM-4002: {}", error.chain()))
    }

    async fn run_all(
        &self,
        orders: &mut mpsc::Receiver<Order>,
        output: &Output,
        inputs: &mpsc::Sender<Input>,
    ) -> (EndCause, End) {
        if let Some(setup) = &self.config.setup {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", setup]);
            match self.run_one(shell, orders, output, inputs, false).await {
                Ok(Some(status)) if status.success() => {}
                end => return (EndCause::SetupFailed, end),
            }
        }
        let mut words = self.config.command.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command.args(words);
        match self.run_one(command, orders, output, inputs, true).await {
            Err(detail) => (EndCause::StartFailed, Err(detail)),
            end => (EndCause::Workload, end),
        }
    }

    async fn run_one(
        &self,
        mut command: Command,
        orders: &mut mpsc::Receiver<Order>,
        output: &Output,
        inputs: &mpsc::Sender<Input>,
        is_workload: bool,
    ) -> End {
        self.set_environment(&mut command);
        // An order that came between two commands ends the workload before the second.
        if orders.try_recv().is_ok_and(Order::ends) {
            return Ok(None);
        }
        let marks = vec![format!("{BOOT_MARK}={}", self.identity.boot_id)];
        let name = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let running = Running::start(command, marks, output, inputs)
            .map_err(|error| format!("command `{name}` cannot be started: {error}"))?;
        if is_workload {
            let _ = inputs.send(Input::Started).await;
        }
        let finished = running.finish(orders).await;
        let status = finished
            .status
            .map_err(|e| format!("the workload's end was not seen: {e}"))?;
        // Set-up that was stopped is not followed by the command, whatever its exit code says.
        let goes_on = is_workload || !finished.was_ordered;
        Ok(Some(status).filter(|status| goes_on || !status.success()))
    }

    fn set_environment(&self, command: &mut Command) {
        let config = &self.config;
        for name in HIDDEN {
            command.env_remove(name);
        }
        command
            .env(BOOT_MARK, self.identity.boot_id.to_string())
            .env("TANDEM_HOME", &config.home)
            .env("TANDEM_RANK", config.rank.to_string())
            .env("TANDEM_NODES", config.nodes.to_string())
            .env("TANDEM_CHECKPOINT_DIR", &config.checkpoint_dir)
            .env("TANDEM_PROGRESS_FILE", &config.progress_file)
            .env("TANDEM_OUTPUT_FILE", &config.output_file);
        match self.restored_step {
            Some(step) => command.env("TANDEM_RESTORED_STEP", step.to_string()),
            None => command.env_remove("TANDEM_RESTORED_STEP"),
        };
        for (name, value) in &self.secrets {
            command.env(name, value.expose());
        }
    }
}

/// Digest of a file; `None` when it is absent, no file, or larger than the limit.
fn digest_of(path: PathBuf) -> Option<Sha256> {
    use sha2::Digest;
    let mut file = std::fs::File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > OUTPUT_FILE_BYTES_MAX {
        return None;
    }
    let mut digest = sha2::Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match std::io::Read::read(&mut file, &mut chunk) {
            Ok(0) => return Some(Sha256::new(digest.finalize().into())),
            Ok(count) => digest.update(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
