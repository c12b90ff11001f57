//! Everything that happens in a run, in order: hashed whole, with the last of it kept in words.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};
use tandem_model::time::WorldTime;

/// Happenings that are kept in words.
const KEPT: usize = 40;

/// Where happenings are told while they happen.
pub type Sink = fn(&str);

/// The journal of a run.
pub(crate) struct Journal {
    hash: Hash,
    last: VecDeque<String>,
    sink: Option<Sink>,
    start: WorldTime,
    /// How many happenings there were.
    pub(crate) events: u64,
}

struct Hash(Sha256);

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Journal {
    pub(crate) fn new(start: WorldTime, sink: Option<Sink>) -> Self {
        Self {
            hash: Hash(Sha256::new()),
            last: VecDeque::new(),
            sink,
            start,
            events: 0,
        }
    }

    /// Notes something in words.
    pub(crate) fn note(&mut self, now: WorldTime, what: fmt::Arguments<'_>) {
        self.events += 1;
        let ms = now.since(self.start).as_millis();
        let line = format!("{:>8}.{:03} {what}", ms / 1_000, ms % 1_000);
        let _ = self.hash.write_str(&line);
        if let Some(sink) = self.sink {
            sink(&line);
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Adds to the hash what would be too long in words.
    pub(crate) fn add(&mut self, what: fmt::Arguments<'_>) {
        let _ = self.hash.write_fmt(what);
    }

    /// Adds bytes to the hash.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.hash.0.update(bytes);
    }

    /// The hash of everything.
    pub(crate) fn hash(&self) -> String {
        let digest = self.hash.0.clone().finalize();
        digest.iter().take(16).map(|b| format!("{b:02x}")).collect()
    }

    /// The last happenings, oldest first.
    pub(crate) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
