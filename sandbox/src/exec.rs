//! What was deployed, run as real local processes.
//!
//! Each container or machine has a fresh directory, a process group of its own, and a marker in
//! its environment by which everything that it started is found and killed, also what left the
//! group. There is no isolation: whoever deploys to such a sandbox runs code on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use gpu_probe::emulate::EMULATED_GPU_VARIABLE;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::process::{Child, Command};

use crate::http::Shared;
use crate::world::{ProcessOrder, Stream};

/// Environment name by which the processes of a unit are found.
const MARKER: &str = "TANDEM_SANDBOX_UNIT";
/// Sandboxes of one process that share a work directory.
const FOLDERS_MAX: u32 = 1_000;
/// Real processes started by one sandbox at a time.
const PROCESSES_MAX: usize = 256;
/// Bytes of one line read; longer ones are cut into several.
const LINE_BYTES_MAX: u64 = 4_096;
/// Bytes of output that a script over SSH gives back.
const SCRIPT_OUTPUT_BYTES_MAX: u64 = 1 << 20;
/// Longest time for a script over SSH; what it started in the background goes on.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(120);
/// Readings of the process list for one signal, should a unit fork faster than it is reached.
const SCANS_MAX: usize = 16;
/// Variables that a process takes over from the sandbox.
const INHERITED: [&str; 3] = ["PATH", "LANG", "TZ"];

/// How what was deployed runs as real processes.
#[derive(Debug, Clone)]
pub struct ExecOptions {
    /// Directory under which each sandbox has its own, and in that each unit.
    pub work_dir: PathBuf,
    /// The agent's program, put into `PATH` under its own name.
    pub agent_path: Option<PathBuf>,
    /// Only deployments with `TANDEM_EXEC=1` in their environment; others are simulated.
    pub only_marked: bool,
}

/// Runs and ends real processes.
pub(crate) struct Exec {
    options: ExecOptions,
    root: PathBuf,
    /// Process group of each unit's main process.
    groups: Mutex<BTreeMap<String, Option<Pid>>>,
}

/// What a script printed, and its exit status.
pub(crate) struct ScriptOutput {
    pub(crate) exit: u32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Exec {
    /// Takes a folder of its own under the work directory, so that sandboxes of one seed, whose
    /// units have the same ids, do not touch each other's processes.
    pub(crate) fn new(options: ExecOptions) -> anyhow::Result<Self> {
        let root = own_folder(&options.work_dir).with_context(|| {
            let shown = options.work_dir.display();
            format!("the directory for processes {shown} cannot be made or written")
        })?;
        Ok(Self {
            options,
            root,
            groups: Mutex::new(BTreeMap::new()),
        })
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Option<Pid>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory of a unit, made when it is not there.
    fn directory(&self, unit: &str) -> std::io::Result<PathBuf> {
        let path = self.root.join(unit);
        std::fs::create_dir_all(path.join("tandem"))?;
        Ok(path)
    }

    fn command(&self, program: &str, home: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Some(folder) = self.options.agent_path.as_deref().and_then(Path::parent) {
            let own = std::env::var_os("PATH").unwrap_or_default();
            let all = [folder.to_owned()]
                .into_iter()
                .chain(std::env::split_paths(&own));
            if let Ok(path) = std::env::join_paths(all) {
                command.env("PATH", path);
            }
        }
        command
            .env("HOME", home)
            .env("TANDEM_HOME", home.join("tandem"))
            .env(MARKER, home)
            .current_dir(home)
            .process_group(0)
            .kill_on_drop(false)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Carries out one order of the world.
    pub(crate) fn perform(&self, shared: &Arc<Shared>, order: ProcessOrder) {
        match order {
            ProcessOrder::Start { unit, argv, env } => {
                if let Err(error) = self.start(shared, &unit, &argv, env) {
                    let line = format!("cannot start: {error:#}");
                    let now = shared.now();
                    let mut world = shared.world();
                    world.process_printed(&unit, Stream::Stderr, &line);
                    world.process_ended(&unit, 127, now);
                }
            }
            ProcessOrder::Kill { unit } => {
                self.signal(&unit, Signal::KILL);
                self.groups().remove(&unit);
            }
            ProcessOrder::Freeze { unit } => self.signal(&unit, Signal::STOP),
            ProcessOrder::Thaw { unit } => self.signal(&unit, Signal::CONT),
        }
    }

    fn start(
        &self,
        shared: &Arc<Shared>,
        unit: &str,
        argv: &[String],
        env: BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.groups().len() < PROCESSES_MAX,
            "{PROCESSES_MAX} processes run already; stop a deployment first"
        );
        let (program, args) = argv.split_first().context("no program was given")?;
        let home = self
            .directory(unit)
            .context("its directory cannot be made")?;
        let mut command = self.command(program, &home);
        command.args(args).stdin(Stdio::null());
        for (name, value) in env
            .iter()
            .filter(|(n, _)| !matches!(n.as_str(), "HOME" | "TANDEM_HOME" | MARKER))
        {
            command.env(name, value);
        }
        let child = command
            .spawn()
            .with_context(|| format!("`{program}` cannot be run"))?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        self.groups().insert(unit.to_owned(), group);
        tokio::spawn(watch(Arc::clone(shared), unit.to_owned(), child));
        Ok(())
    }

    /// Sends a signal to everything that a unit started.
    fn signal(&self, unit: &str, signal: Signal) {
        let group = self.groups().get(unit).copied();
        let Some(group) = group else { return };
        if let Some(group) = group {
            let _gone = kill_process_group(group, signal);
        }
        // A process forked while the list was read is in the next list, so it is read until
        // nothing new is in it.
        let home = self.root.join(unit);
        let mut reached = BTreeSet::new();
        for _ in 0..SCANS_MAX {
            let new: Vec<Pid> = marked(&home)
                .into_iter()
                .filter(|pid| reached.insert(pid.as_raw_nonzero()))
                .collect();
            if new.is_empty() {
                return;
            }
            for pid in new {
                let _gone = kill_process(pid, signal);
            }
        }
    }

    /// Kills everything that this sandbox started.
    pub(crate) fn kill_all(&self) {
        let units: Vec<String> = self.groups().keys().cloned().collect();
        for unit in units {
            self.signal(&unit, Signal::KILL);
        }
        self.groups().clear();
    }

    /// Runs a script with `sh -s` in a machine's directory, with the machine's emulated cards. What it leaves in the background lives
    /// on and is ended with the machine.
    pub(crate) async fn script(
        &self,
        unit: &str,
        script: &[u8],
        emulated_gpu: &str,
    ) -> anyhow::Result<ScriptOutput> {
        let home = self
            .directory(unit)
            .context("the machine's directory cannot be made")?;
        let mut command = self.command("sh", &home);
        command.env(EMULATED_GPU_VARIABLE, emulated_gpu);
        let mut child = command.arg("-s").stdin(Stdio::piped()).spawn()?;
        self.groups().entry(unit.to_owned()).or_insert(None);
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let run = async {
            let feed = async {
                if let Some(mut stdin) = stdin {
                    let _closed_early = stdin.write_all(script).await;
                }
            };
            let ((), stdout, stderr) = tokio::join!(feed, read_all(stdout), read_all(stderr));
            let status = child.wait().await;
            (stdout, stderr, status)
        };
        let (stdout, stderr, status) = tokio::time::timeout(SCRIPT_DEADLINE, run)
            .await
            .context("the script did not end in time")?;
        let exit = status?
            .code()
            .and_then(|c| u32::try_from(c).ok())
            .unwrap_or(255);
        Ok(ScriptOutput {
            exit,
            stdout,
            stderr,
        })
    }
}

/// Reads a pipe to its end. A background process that keeps it open must have let go of it, as a
/// bootstrap script that redirects its output does.
async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let _broken = pipe
            .take(SCRIPT_OUTPUT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .await;
    }
    bytes
}

/// A new folder below `work_dir`, with its full path.
fn own_folder(work_dir: &Path) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(work_dir)?;
    let work_dir = work_dir.canonicalize()?;
    for number in 0..FOLDERS_MAX {
        let path = work_dir.join(format!("{}-{number}", std::process::id()));
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

/// Processes whose environment carries the marker of a unit's directory.
fn marked(home: &Path) -> Vec<Pid> {
    let wanted = format!("{MARKER}={}", home.display());
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let id: i32 = entry.file_name().to_str()?.parse().ok()?;
            let environ = std::fs::read(entry.path().join("environ")).ok()?;
            let is_it = environ
                .split(|b| *b == 0)
                .any(|pair| pair == wanted.as_bytes());
            if is_it { Pid::from_raw(id) } else { None }
        })
        .collect()
}

/// Follows a process: its output into the log, its end into the world.
async fn watch(shared: Arc<Shared>, unit: String, mut child: Child) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let out = tokio::spawn(follow(
        Arc::clone(&shared),
        unit.clone(),
        Stream::Stdout,
        stdout,
    ));
    let err = tokio::spawn(follow(
        Arc::clone(&shared),
        unit.clone(),
        Stream::Stderr,
        stderr,
    ));
    let status = child.wait().await;
    let drained = async { tokio::join!(out, err) };
    let _left_open = tokio::time::timeout(Duration::from_secs(1), drained).await;
    let code = status.ok().and_then(|s| s.code()).unwrap_or(137);
    let now = shared.now();
    shared.world().process_ended(&unit, code, now);
    shared.wake();
}

async fn follow(
    shared: Arc<Shared>,
    unit: String,
    stream: Stream,
    pipe: Option<impl AsyncRead + Unpin>,
) {
    let Some(pipe) = pipe else { return };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .await;
        if !matches!(read, Ok(n) if n > 0) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        shared.world().process_printed(&unit, stream, &text);
    }
}
