//! How the story is told: lines as things happen, a bar while they do.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tandem_model::time::WorldTime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::output::tell;
use crate::engine::Board;

/// Time between two looks at the board.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Tells the story.
#[derive(Clone)]
pub struct Narrator {
    quiet: bool,
    bar: ProgressBar,
    /// Nobody reads stdout any more.
    unheard: CancellationToken,
}

impl Narrator {
    /// `quiet` sends every word to stderr.
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::new(0);
        let style = "{spinner} {wide_bar} {pos}/{len} jobs ended, {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        if quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self {
            quiet,
            bar,
            unheard: CancellationToken::new(),
        }
    }

    /// A line of the story.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| {
            if self.quiet {
                tell(text);
            } else if writeln!(std::io::stdout(), "{text}").is_err() {
                self.unheard.cancel();
            }
        });
    }

    /// Waits until nobody reads the story any more (`| head`).
    pub async fn unheard(&self) {
        self.unheard.cancelled().await;
    }

    /// A heading.
    pub fn chapter(&self, text: &str) {
        self.line("");
        self.line(&format!("== {text}"));
    }

    /// A table.
    pub fn table(&self, table: &Table) {
        self.line(&table.to_string());
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Tells every event of the board from now on.
    pub fn follow(&self, board: Board, start: WorldTime) -> Following {
        let stop = CancellationToken::new();
        let (narrator, until) = (self.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut seen = 0;
            loop {
                let last_look = until.is_cancelled();
                seen += narrator.tell_events(&board, seen, start);
                if last_look {
                    return;
                }
                tokio::select! {
                    () = until.cancelled() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        });
        Following { stop, task }
    }

    fn tell_events(&self, board: &Board, from: usize, start: WorldTime) -> usize {
        let events = board.events_from(from);
        for event in &events {
            let at = event.at.since(start).as_secs();
            self.line(&format!("{at:>5} s  {:<28} {}", event.name, event.what));
        }
        let (all, ended) = board.all(|jobs| {
            (
                jobs.len(),
                jobs.values().filter(|job| job.state.is_terminal()).count(),
            )
        });
        self.bar.set_length(all as u64);
        self.bar.set_position(ended as u64);
        events.len()
    }
}

/// A board being followed.
pub struct Following {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Following {
    /// Tells what is left and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        // The task only prints; when it panicked there is nothing left to tell.
        let _ = self.task.await;
    }
}
