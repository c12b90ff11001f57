//! What lies on the disk: the data folder, and the master key apart from it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;

use crate::cli::failure::Failure;
use crate::config::MasterKeySource;
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;
use crate::vault::{self, Vault};

/// The store's file within the data folder.
const STORE_FILE: &str = "tandem.db";
/// The folder of checkpoints within the data folder, where no other place is configured.
const CHECKPOINTS: &str = "checkpoints";
/// Longest file of a master key in bytes.
const KEY_FILE_BYTES_MAX: u64 = 1_024;
/// Permissions of others.
const OTHERS: u32 = 0o077;

/// The store's file in a data folder.
pub fn store_file(data_dir: &Path) -> PathBuf {
    data_dir.join(STORE_FILE)
}

fn data_dir_failure(data_dir: &Path, why: impl std::fmt::Display) -> Failure {
    let message = format!(
        "the data folder {} cannot be used: {why}",
        data_dir.display()
    );
    Failure::new(ErrorCode::DATA_DIR, message)
}

/// Makes the data folder where it is missing, for its owner alone, and opens the store in it.
pub(super) fn open_store(data_dir: &Path) -> Result<SqliteStore, Failure> {
    make_private(data_dir).map_err(|error| {
        data_dir_failure(data_dir, error).hint("choose one that you may write: --data-dir DIR")
    })?;
    SqliteStore::open(&store_file(data_dir)).map_err(|error| {
        let hint = match &error {
            StoreError::Database(why) if why.contains("in use by another broker") => {
                "stop the other broker, or give this one a folder of its own: --data-dir DIR"
            }
            _ => "see docs/operating.md, \"Backups\", for putting a backup in its place",
        };
        data_dir_failure(data_dir, error).hint(hint)
    })
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)
}

/// The folder that stands for a bucket, for machines that see this disk.
pub(super) fn checkpoint_folder(data_dir: &Path) -> Result<PathBuf, Failure> {
    let folder = data_dir.join(CHECKPOINTS);
    let made = make_private(&folder).and_then(|()| std::path::absolute(&folder));
    made.map_err(|error| data_dir_failure(data_dir, error))
}

fn key_failure(message: String) -> Failure {
    Failure::new(ErrorCode::MASTER_KEY, message)
}

/// The vault on the master key, which is made when its file is missing.
pub(super) fn open_vault(source: &MasterKeySource) -> Result<Vault, Failure> {
    let (key, name) = match source {
        MasterKeySource::Given(key) => (key.clone(), "master_key".to_owned()),
        MasterKeySource::File(path) => (read_or_make(path)?, path.display().to_string()),
    };
    Vault::new(&key).map_err(|error| {
        key_failure(format!("the master key in {name} cannot be used: {error}"))
            .hint("give the key of this installation; a new one opens nothing that is sealed")
    })
}

fn read_or_make(path: &Path) -> Result<Secret, Failure> {
    let refuse = |why: std::io::Error| {
        key_failure(format!(
            "the master key's file {} cannot be used: {why}",
            path.display()
        ))
        .hint("set master_key_file to a file of this user outside the data folder")
    };
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return make(path).map_err(refuse),
        other => other.map_err(refuse)?,
    };
    let mode = file.metadata().map_err(refuse)?.permissions().mode();
    if mode & OTHERS != 0 {
        let shown = path.display();
        let message = format!(
            "other users can read the master key's file {shown} (mode {:o})",
            mode & 0o777
        );
        return Err(key_failure(message).hint(format!("chmod 600 {shown}")));
    }
    let mut text = String::new();
    let mut limited = Read::take(&mut file, KEY_FILE_BYTES_MAX);
    limited.read_to_string(&mut text).map_err(refuse)?;
    Ok(Secret::new(text.trim()))
}

/// Makes a key. Brokers that start at once agree: a key that is there already is never replaced.
fn make(path: &Path) -> std::io::Result<Secret> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(folder) = folder {
        make_private(folder)?;
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let key = vault::fresh_master_key();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(format!("{}\n", key.expose()).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Ok(()) => {
            tracing::info!(file = %path.display(), "a master key was made; keep a copy apart from the data");
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok(Secret::new(fs::read_to_string(path)?.trim()))
        }
        Err(error) => Err(error),
    }
}

/// Copies the store of a data folder into a new file, also while a broker works in it.
pub fn back_up(data_dir: &Path, to: &Path) -> Result<(), Failure> {
    let file = store_file(data_dir);
    if !file.is_file() {
        let message = format!("there is no store in {}", data_dir.display());
        return Err(
            Failure::new(ErrorCode::DATA_DIR, message).hint("name its folder: --data-dir DIR")
        );
    }
    SqliteStore::back_up(&file, to).map_err(|error| {
        Failure::new(ErrorCode::DATA_DIR, error.to_string())
            .hint("give the path of a file that is not there yet, in a folder that you may write")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/master.key");
        let first = read_or_make(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(read_or_make(&path).unwrap(), first);
        assert_eq!(make(&path).unwrap(), first, "the one that is there stays");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_master_key_that_others_can_read_is_refused_with_the_command_that_helps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        read_or_make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let failure = open_vault(&MasterKeySource::File(path.clone())).unwrap_err();
        assert_eq!(failure.code, ErrorCode::MASTER_KEY);
        assert_eq!(failure.hint, Some(format!("chmod 600 {}", path.display())));
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_without_telling_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        read_or_make(&path).unwrap();
        fs::write(&path, "hunter2").unwrap();
        let failure = open_vault(&MasterKeySource::File(path)).unwrap_err();
        assert!(!failure.message.contains("hunter2"));
        assert!(failure.message.contains("master.key"));
    }

    #[test]
    fn a_data_folder_serves_one_broker_at_a_time_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let store = open_store(&data).unwrap();
        assert_eq!(
            fs::metadata(&data).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let second = open_store(&data).err().unwrap();
        assert_eq!(second.code, ErrorCode::DATA_DIR);
        assert!(second.hint.unwrap().contains("stop the other broker"));
        drop(store);
        open_store(&data).unwrap();
    }

    #[test]
    fn a_data_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let failure = open_store(&file.join("data")).err().unwrap();
        assert_eq!(failure.code, ErrorCode::DATA_DIR);
        assert!(failure.message.contains("file/data"), "{failure}");
    }
}
