//! What the workload left in its directory: finished checkpoints and how far it is.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::agent::Input;
use crate::protocol::{Progress, STEP_MAX};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Most names looked at in the directory.
const NAMES_MAX: usize = 100_000;
/// Most bytes of a progress file read.
const PROGRESS_BYTES_MAX: u64 = 256;

/// The step that a finished checkpoint is named after: `step-<n>`. Hidden names, a `.tmp` suffix
/// and everything else is unfinished or not a checkpoint.
pub(super) fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("step-")?;
    let plain =
        !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
    let step = plain.then(|| digits.parse::<u64>().ok()).flatten()?;
    (step <= STEP_MAX).then_some(step)
}

/// The finished checkpoints in a directory; none when it cannot be read.
pub(super) fn checkpoints(dir: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(names) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let found = names
        .take(NAMES_MAX)
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let step = step_of(entry.file_name().to_str()?)?;
            Some((step, entry.path()))
        });
    found.collect()
}

/// Reads `step total` or `step`; anything else says nothing.
fn parse_progress(text: &str) -> Option<Progress> {
    let mut words = text
        .split([' ', '\t', '\n', '\r', '/'])
        .filter(|word| !word.is_empty());
    let number = |word: &str| word.parse::<u64>().ok().filter(|n| *n <= STEP_MAX);
    let step = number(words.next()?)?;
    let total_steps = match words.next() {
        None => None,
        Some(word) => Some(number(word)?),
    };
    words
        .next()
        .is_none()
        .then_some(Progress { step, total_steps })
}

fn read_progress(file: &Path) -> Option<Progress> {
    let mut text = String::new();
    File::open(file)
        .ok()?
        .take(PROGRESS_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    parse_progress(&text)
}

/// Looks again and again; tells only what is new.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    dir: PathBuf,
    progress_file: PathBuf,
    step: Option<u64>,
    progress: Option<Progress>,
}

impl Watch {
    pub(super) fn new(dir: PathBuf, progress_file: PathBuf) -> Self {
        Self {
            dir,
            progress_file,
            step: None,
            progress: None,
        }
    }

    /// What is new since the last look. Reads files: not for a runtime thread.
    pub(super) fn look(&mut self) -> Vec<Input> {
        let mut news = Vec::new();
        let newest = checkpoints(&self.dir)
            .into_iter()
            .map(|(step, _)| step)
            .max();
        if newest > self.step {
            self.step = newest;
            news.extend(newest.map(Input::CheckpointFinished));
        }
        let by_checkpoint = self.step.map(|step| Progress {
            step,
            total_steps: None,
        });
        let progress = read_progress(&self.progress_file).or(by_checkpoint);
        if progress.is_some() && progress != self.progress {
            self.progress = progress;
            news.extend(progress.map(Input::Progress));
        }
        news
    }

    /// Looks until the receiver is gone.
    pub(super) async fn follow(mut self, inputs: mpsc::Sender<Input>) {
        loop {
            let looked = tokio::task::spawn_blocking(move || (self.look(), self)).await;
            let Ok((news, watch)) = looked else {
                return;
            };
            self = watch;
            for input in news {
                if inputs.send(input).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_step_name_is_a_finished_checkpoint() {
        assert_eq!(step_of("step-12"), Some(12));
        assert_eq!(step_of("step-00012"), Some(12));
        let others = [
            "step-",
            "step-12.tmp",
            ".step-12",
            "step--1",
            "step-1 ",
            "Step-1",
            "step-+1",
            "12",
        ];
        for name in others {
            assert_eq!(step_of(name), None, "{name}");
        }
        assert_eq!(
            step_of("step-99999999999999999999"),
            None,
            "beyond the range"
        );
    }

    #[test]
    fn progress_is_a_step_and_perhaps_a_total() {
        let some = |step, total_steps| Some(Progress { step, total_steps });
        assert_eq!(parse_progress("7 100\n"), some(7, Some(100)));
        assert_eq!(parse_progress("7/100"), some(7, Some(100)));
        assert_eq!(parse_progress("7"), some(7, None));
        for bad in ["", "seven", "7 x", "-7", "7 8 9", "99999999999999999999"] {
            assert_eq!(parse_progress(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_look_tells_the_highest_step_once_and_falls_back_to_it_as_progress() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("checkpoints");
        let mut watch = Watch::new(dir.clone(), home.path().join("progress"));
        assert!(watch.look().is_empty(), "nothing is there yet");
        fs::create_dir(&dir).unwrap();
        for name in ["step-1", "step-3", "step-2", "step-9.tmp", ".step-8"] {
            fs::write(dir.join(name), b"x").unwrap();
        }
        let by_step = Progress {
            step: 3,
            total_steps: None,
        };
        assert_eq!(
            watch.look(),
            [Input::CheckpointFinished(3), Input::Progress(by_step)]
        );
        assert!(watch.look().is_empty());
        fs::remove_file(dir.join("step-3")).unwrap();
        assert!(
            watch.look().is_empty(),
            "a checkpoint that was deleted brings no lower one"
        );
        fs::write(home.path().join("progress"), "5 9").unwrap();
        let told = Progress {
            step: 5,
            total_steps: Some(9),
        };
        assert_eq!(watch.look(), [Input::Progress(told)]);
    }
}
