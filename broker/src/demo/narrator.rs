//! How the story is told: lines as things happen, a bar while they do.

use std::io::{IsTerminal, Write};

use comfy_table::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::cli::output::tell;

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

    /// A heading.
    pub fn chapter(&self, text: &str) {
        self.line("");
        self.line(&format!("== {text}"));
    }

    /// A table.
    pub fn table(&self, table: &Table) {
        self.line(&table.to_string());
    }

    /// What happened to somebody, in world seconds since the start.
    pub fn event(&self, second: i64, who: &str, place: &str, what: &str) {
        self.line(&format!("{second:>5} s  {who:<26} {place:<12} {what}"));
    }

    /// How many jobs have ended.
    pub fn progress(&self, ended: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(ended as u64);
    }

    /// Waits until nobody reads the story any more (`| head`).
    pub async fn unheard(&self) {
        self.unheard.cancelled().await;
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
