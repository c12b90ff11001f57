//! Finds processes by a mark in their environment and signals them: what a process group misses.
//!
//! A child keeps the environment it was started with even when it leaves its group and session
//! (proc(5): `/proc/<pid>/environ`). Where there is no `/proc` nothing is found.

use std::fs::{self, File};
use std::io::Read;

use rustix::process::{Pid, Signal, kill_process};

/// Variable that marks every process of a workload with the agent's run.
pub(super) const BOOT_MARK: &str = "TANDEM_BOOT_ID";
/// Most bytes of an environment read.
const ENVIRON_BYTES_MAX: u64 = 1024 * 1024;
/// Most rounds: a process may fork while the others are being killed.
const ROUNDS_MAX: usize = 10;

/// Kills every other process whose environment holds all of `marks` (`NAME=value`, or `NAME=` for
/// any value); returns how many signals were sent. Reads files: not for a runtime thread.
pub(super) fn kill_marked(marks: &[String]) -> usize {
    let mut sent = 0;
    for _ in 0..ROUNDS_MAX {
        let found: Vec<Pid> = marked(marks).collect();
        if found.is_empty() {
            break;
        }
        for pid in found {
            sent += usize::from(kill_process(pid, Signal::KILL).is_ok());
        }
    }
    sent
}

/// Sends every other process with all of `marks` a signal, twice over: one may be born meanwhile.
/// Returns how many signals were sent. Reads files: not for a runtime thread.
pub(super) fn signal_marked(marks: &[String], signal: Signal) -> usize {
    let once = || marked(marks).filter(|pid| kill_process(*pid, signal).is_ok());
    once().count() + once().count()
}

fn marked(marks: &[String]) -> impl Iterator<Item = Pid> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let names = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    names.filter_map(move |entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let mut environ = Vec::new();
        // A process that is dead and not yet waited for has an empty environment.
        let file = File::open(entry.path().join("environ")).ok()?;
        file.take(ENVIRON_BYTES_MAX)
            .read_to_end(&mut environ)
            .ok()?;
        let holds = |mark: &String| {
            environ
                .split(|b| *b == 0)
                .any(|entry| match mark.ends_with('=') {
                    true => entry.starts_with(mark.as_bytes()),
                    false => entry == mark.as_bytes(),
                })
        };
        (pid != own && marks.iter().all(holds))
            .then(|| Pid::from_raw(pid))
            .flatten()
    })
}
