//! The store's files and what a crash leaves of them.
//!
//! One store call runs at a time, so between two calls the files do not change and a copy is what
//! a dead process leaves. A crash inside a commit is a copy from before it with a part of what the
//! commit wrote to the write-ahead log: the log is written from front to back, and the database
//! itself only after the log is on the disk
//! (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tandem::store::sqlite::SqliteStore;
use tempfile::TempDir;

/// Waits for a store's answer; its only other thread is the store's own writer.
pub(crate) fn wait<T>(answer: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers needs nothing of the system");
    }
    RUNTIME.with(|runtime| runtime.block_on(answer))
}

/// The files at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    database: Vec<u8>,
    log: Vec<u8>,
}

/// The folder of one run.
#[derive(Debug)]
pub(crate) struct Disk {
    _folder: TempDir,
    file: PathBuf,
}

impl Disk {
    /// A fresh folder, in memory where the system has such a place.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.context("no folder for the store")?;
        let file = folder.path().join("tandem.db");
        Ok(Self {
            _folder: folder,
            file,
        })
    }

    fn log_file(&self) -> PathBuf {
        self.file.with_extension("db-wal")
    }

    /// Opens the store.
    pub(crate) fn open(&self) -> anyhow::Result<SqliteStore> {
        Ok(SqliteStore::open(&self.file)?)
    }

    /// What a process that dies now leaves.
    pub(crate) fn image(&self) -> anyhow::Result<Image> {
        Ok(Image {
            database: std::fs::read(&self.file)?,
            log: std::fs::read(self.log_file()).unwrap_or_default(),
        })
    }

    /// Puts files back; the store must be closed.
    pub(crate) fn restore(&self, image: &Image) -> anyhow::Result<()> {
        let _ = std::fs::remove_file(self.file.with_extension("db-shm"));
        std::fs::write(&self.file, &image.database)?;
        std::fs::write(self.log_file(), &image.log)?;
        Ok(())
    }
}

impl Image {
    /// What is left when the process died inside the commit between the two images, after a share
    /// in a thousand of what it wrote to the log: nothing of the commit holds.
    pub(crate) fn torn(self, after: &Self, permille: u64) -> Self {
        let before = self.log;
        let differs = |at: &usize| before.get(*at) != after.log.get(*at);
        let first = (0..after.log.len()).find(differs).unwrap_or(0);
        let last = (0..after.log.len()).rev().find(differs).unwrap_or(0);
        let span = last.saturating_sub(first);
        let share = span * usize::try_from(permille.min(1_000)).unwrap_or(0) / 1_000;
        let cut = first + share;
        let mut log = after.log[..cut].to_vec();
        log.extend(before.get(cut..).unwrap_or_default());
        Self {
            database: self.database,
            log,
        }
    }
}
