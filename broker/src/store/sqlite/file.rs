//! The database's file: one process at a time, readable by its owner alone, copied while in use.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::failed;
use crate::store::StoreError;

/// The right of this process to a database; the system lets it go when the process ends.
pub(super) struct Hold(File);

impl Hold {
    /// Locks `<file>.lock`, or says that another has it.
    pub(super) fn take(file: &Path) -> Result<Self, StoreError> {
        let lock = lock_path(file);
        let cannot = |error| failed(&format!("cannot open {}", lock.display()), error);
        let handle = private()
            .write(true)
            .create(true)
            .open(&lock)
            .map_err(cannot)?;
        match handle.try_lock() {
            Ok(()) => Ok(Self(handle)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Database(format!(
                "{} is in use by another broker; stop that one, or give this one a data folder of \
                 its own",
                file.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Closing alone would keep the lock while a process that is just being started has a copy
        // of the handle. An error changes nothing: the handle is closed next.
        let _ = self.0.unlock();
    }
}

fn lock_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// What makes files that only their owner reads: the database holds keys.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the database's file when there is none; its write-ahead log takes its permissions over.
pub(super) fn make(file: &Path) -> Result<(), StoreError> {
    match private().write(true).create_new(true).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(&format!("cannot make {}", file.display()), error)),
    }
}

/// Copies the database into a new file.
pub(super) fn copy(connection: &Connection, to: &Path) -> Result<(), StoreError> {
    let cannot = |error: &dyn std::fmt::Display| {
        failed(&format!("cannot back up to {}", to.display()), error)
    };
    let name = to
        .to_str()
        .ok_or_else(|| cannot(&"the path is not UTF-8"))?;
    let made = private()
        .write(true)
        .create_new(true)
        .open(to)
        .map_err(|e| cannot(&e))?;
    let copied = connection
        .execute("VACUUM INTO ?1", params![name])
        .map_err(|e| cannot(&e))
        .and_then(|_| made.sync_all().map_err(|e| cannot(&e)));
    if copied.is_err() {
        // Half a copy must not look like one.
        let _ = std::fs::remove_file(to);
    }
    copied
}
