//! Brings a checkpoint back: fetched whole, checked whole, and only then put in its place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::ObjectStoreExt;
use sha2::Digest;
use tokio::io::AsyncWriteExt;

use super::archive;
use super::store::{Store, StoreError};
use super::watch;
use crate::protocol::{CheckpointRef, Sha256, TAR_SUFFIX};

/// Most tries when the store fails; a wrong digest is not tried again.
const TRIES_MAX: u32 = 3;
/// Pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Hidden names of what is not ready, inside the checkpoint directory.
const FETCHED: &str = ".restore.tmp";
const UNPACKED: &str = ".restore-dir.tmp";
/// Hidden directory for what an earlier attempt left here; replaced each time.
const LEFT: &str = ".left-by-earlier-attempt";

fn disk(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| StoreError::Disk(path, source)
}

/// Sets aside what an earlier attempt left in the directory: the pointer alone says where the
/// workload goes on. Nothing is deleted but what was set aside before. Reads and moves files: not
/// for a runtime thread.
pub(super) fn set_aside(dir: &Path) -> Result<(), StoreError> {
    let found = watch::checkpoints(dir);
    if found.is_empty() {
        return Ok(());
    }
    let aside = dir.join(LEFT);
    remove(&aside).map_err(disk(&aside))?;
    fs::create_dir_all(&aside).map_err(disk(&aside))?;
    for (step, path) in found {
        tracing::warn!(step, "setting aside a checkpoint of an earlier attempt");
        let to = aside.join(path.file_name().unwrap_or_default());
        fs::rename(&path, to).map_err(disk(&path))?;
    }
    Ok(())
}

/// Removes a file or a directory; nothing there is fine.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Restores `checkpoint` into `dir` as `step-<n>`.
pub(super) async fn restore(
    store: &Store,
    checkpoint: &CheckpointRef,
    dir: &Path,
) -> Result<(), StoreError> {
    let fetched = dir.join(FETCHED);
    let mut tries = 1;
    while let Err(error) = fetch(store, checkpoint, &fetched).await {
        if tries >= TRIES_MAX || !error.may_pass() {
            let _ = fs::remove_file(&fetched);
            return Err(error);
        }
        tracing::warn!(error = error.chain(), "a restore failed and is tried again");
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
    let is_tar = checkpoint.key.ends_with(TAR_SUFFIX);
    let (dir, step) = (dir.to_owned(), checkpoint.step);
    tokio::task::spawn_blocking(move || put_in_place(&fetched, is_tar, &dir, step)).await?
}

/// Fetches the object into a file; refuses it unless length and digest are right.
async fn fetch(store: &Store, expected: &CheckpointRef, to: &Path) -> Result<(), StoreError> {
    let reply = store.objects.get(&store.path(&expected.key)).await?;
    let mut stream = reply.into_stream();
    let mut file = tokio::fs::File::create(to).await.map_err(disk(to))?;
    let mut digest = sha2::Sha256::new();
    let mut found: u64 = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        found += piece.len() as u64;
        if found > expected.bytes {
            break;
        }
        digest.update(&piece);
        file.write_all(&piece).await.map_err(disk(to))?;
    }
    file.flush().await.map_err(disk(to))?;
    let key = expected.key.clone();
    if found != expected.bytes {
        return Err(StoreError::Length {
            key,
            expected: expected.bytes,
            found,
        });
    }
    let found = Sha256::new(digest.finalize().into());
    if found != expected.sha256 {
        return Err(StoreError::Digest {
            key,
            expected: expected.sha256,
            found,
        });
    }
    Ok(())
}

fn put_in_place(fetched: &Path, is_tar: bool, dir: &Path, step: u64) -> Result<(), StoreError> {
    let ready: PathBuf = if is_tar {
        let unpacked = dir.join(UNPACKED);
        remove(&unpacked).map_err(disk(&unpacked))?;
        fs::create_dir(&unpacked).map_err(disk(&unpacked))?;
        archive::unpack(File::open(fetched).map_err(disk(fetched))?, &unpacked)?;
        fs::remove_file(fetched).map_err(disk(fetched))?;
        unpacked
    } else {
        fetched.to_owned()
    };
    let place = dir.join(format!("step-{step}"));
    fs::rename(&ready, &place).map_err(disk(&place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::CheckpointStore;
    use crate::shell::upload::upload;
    use tandem_model::id::JobId;
    use tandem_model::placement::Epoch;

    struct Rig {
        home: tempfile::TempDir,
        store: Store,
    }

    impl Rig {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            for dir in ["from", "to"] {
                fs::create_dir(home.path().join(dir)).unwrap();
            }
            let told = CheckpointStore {
                url: format!("file://{}/store", home.path().display()),
                endpoint: None,
                region: None,
                access_key_id: None,
                secret_access_key: None,
                allow_http: false,
            };
            let store = Store::open(&told).unwrap();
            Self { home, store }
        }

        fn dir(&self, name: &str) -> PathBuf {
            self.home.path().join(name)
        }

        async fn upload(&self, step: u64) -> CheckpointRef {
            let job = JobId::from_parts(1, &[1; 10]);
            let object = upload(&self.store, &self.dir("from"), (job, Epoch(1), step)).await;
            let object = object.unwrap();
            let (key, sha256, bytes) = (object.key, object.sha256, object.bytes);
            CheckpointRef {
                epoch: Epoch(1),
                step,
                key,
                sha256,
                bytes,
            }
        }
    }

    #[tokio::test]
    async fn a_file_and_a_directory_come_back_from_the_store() {
        let rig = Rig::new();
        fs::write(rig.dir("from/step-1"), b"one").unwrap();
        fs::create_dir(rig.dir("from/step-2")).unwrap();
        fs::write(rig.dir("from/step-2/weights"), vec![9; 1_000_000]).unwrap();
        for step in [1, 2] {
            let checkpoint = rig.upload(step).await;
            assert_eq!(checkpoint.check(), Ok(()));
            restore(&rig.store, &checkpoint, &rig.dir("to"))
                .await
                .unwrap();
        }
        assert_eq!(fs::read(rig.dir("to/step-1")).unwrap(), b"one");
        assert_eq!(
            fs::read(rig.dir("to/step-2/weights")).unwrap(),
            vec![9; 1_000_000]
        );
        assert_eq!(
            fs::read_dir(rig.dir("to")).unwrap().count(),
            2,
            "nothing half-made is left"
        );
    }

    #[tokio::test]
    async fn an_object_of_another_length_or_digest_is_refused_and_leaves_nothing() {
        let rig = Rig::new();
        fs::write(rig.dir("from/step-1"), b"one").unwrap();
        let checkpoint = rig.upload(1).await;
        let object = rig.dir("store").join(&checkpoint.key);
        for (bytes, is_length) in [(&b"eno"[..], false), (b"on", true), (b"one!", true)] {
            fs::write(&object, bytes).unwrap();
            let error = restore(&rig.store, &checkpoint, &rig.dir("to"))
                .await
                .unwrap_err();
            assert_eq!(
                matches!(error, StoreError::Length { .. }),
                is_length,
                "{error}"
            );
            assert_eq!(fs::read_dir(rig.dir("to")).unwrap().count(), 0);
        }
        fs::remove_file(&object).unwrap();
        let error = restore(&rig.store, &checkpoint, &rig.dir("to"))
            .await
            .unwrap_err();
        assert!(
            !error.may_pass(),
            "an object that is gone does not come back"
        );
    }

    #[tokio::test]
    async fn a_checkpoint_larger_than_a_part_goes_up_in_parts() {
        let rig = Rig::new();
        let bytes: Vec<u8> = (0..40_000_000_u32).map(|i| (i % 251) as u8).collect();
        fs::write(rig.dir("from/step-1"), &bytes).unwrap();
        let checkpoint = rig.upload(1).await;
        assert_eq!(checkpoint.sha256, Sha256::of(&bytes));
        restore(&rig.store, &checkpoint, &rig.dir("to"))
            .await
            .unwrap();
        assert!(fs::read(rig.dir("to/step-1")).unwrap() == bytes);
    }

    #[tokio::test]
    async fn a_checkpoint_that_was_deleted_meanwhile_is_named() {
        let rig = Rig::new();
        let job = JobId::from_parts(1, &[1; 10]);
        let gone = upload(&rig.store, &rig.dir("from"), (job, Epoch(1), 5)).await;
        assert!(matches!(gone, Err(StoreError::Missing(5))));
    }

    #[test]
    fn what_an_earlier_attempt_left_is_set_aside_and_not_deleted() {
        let rig = Rig::new();
        for round in [b"1", b"2"] {
            fs::write(rig.dir("to/step-7"), round).unwrap();
            fs::write(rig.dir("to/notes"), round).unwrap();
            set_aside(&rig.dir("to")).unwrap();
            assert!(!rig.dir("to/step-7").exists());
            assert_eq!(
                fs::read(rig.dir("to").join(LEFT).join("step-7")).unwrap(),
                round
            );
            assert!(rig.dir("to/notes").exists(), "only checkpoints are touched");
        }
    }
}
