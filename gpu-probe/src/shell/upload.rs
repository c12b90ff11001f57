//! Puts a finished checkpoint into the store as one object, digested on the way.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use sha2::Digest;
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tokio::sync::mpsc;

use super::archive;
use super::store::{Store, StoreError};
use super::watch;
use crate::agent::Uploaded;
use crate::protocol::{CHECKPOINT_BYTES_MAX, Sha256, TAR_SUFFIX, checkpoint_key};

/// Size of a part: an object of [`CHECKPOINT_BYTES_MAX`] then has fewer than the 10,000 parts that
/// S3 allows. A smaller object is put at once.
const PART_BYTES: usize = 16 * 1024 * 1024;
/// Most parts under way at once.
const PARTS_AT_ONCE_MAX: usize = 4;
/// Size of a piece handed from the reading thread.
const PIECE_BYTES: usize = 256 * 1024;
/// Most pieces waiting.
const PIECES_MAX: usize = 8;

/// A writer whose bytes are received elsewhere, piece by piece.
struct Pieces {
    open: Vec<u8>,
    sender: mpsc::Sender<Bytes>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open.extend_from_slice(bytes);
        if self.open.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.open));
        if piece.is_empty() {
            return Ok(());
        }
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.sender.blocking_send(piece).map_err(gone)
    }
}

/// Uploads the finished checkpoint of `step` in `dir`; returns what lies in the store then.
pub(super) async fn upload(
    store: &Store,
    dir: &Path,
    (job, epoch, step): (JobId, Epoch, u64),
) -> Result<Uploaded, StoreError> {
    let dir = dir.to_owned();
    let found = tokio::task::spawn_blocking(move || find(&dir, step)).await?;
    let source = found.ok_or(StoreError::Missing(step))?;
    let suffix = if source.is_dir() { TAR_SUFFIX } else { "" };
    let key = format!("{}{suffix}", checkpoint_key(job, epoch, step));
    let (sha256, bytes) = stream(store, &key, source).await?;
    Ok(Uploaded { key, sha256, bytes })
}

fn find(dir: &Path, step: u64) -> Option<PathBuf> {
    let found = watch::checkpoints(dir)
        .into_iter()
        .find(|(at, _)| *at == step);
    found.map(|(_, path)| path)
}

async fn stream(store: &Store, key: &str, source: PathBuf) -> Result<(Sha256, u64), StoreError> {
    let (sender, mut pieces) = mpsc::channel(PIECES_MAX);
    let packer = tokio::task::spawn_blocking(move || {
        archive::pack(
            &source,
            Pieces {
                open: Vec::with_capacity(PIECE_BYTES),
                sender,
            },
        )
    });
    let mut target = Target::Small(Vec::new(), 0);
    let mut digest = sha2::Sha256::new();
    let mut bytes: u64 = 0;
    let sent = loop {
        let Some(piece) = pieces.recv().await else {
            break Ok(());
        };
        digest.update(&piece);
        bytes += piece.len() as u64;
        if bytes > CHECKPOINT_BYTES_MAX {
            break Err(StoreError::TooLarge);
        }
        if let Err(error) = target.put(store, key, piece).await {
            break Err(error);
        }
    };
    drop(pieces);
    let packed = packer.await?;
    // A store that failed makes the packer fail too: its own error says more.
    match sent.and(packed.map_err(StoreError::from)) {
        Ok(()) => target.finish(store, key).await?,
        Err(error) => {
            target.abort().await;
            return Err(error);
        }
    }
    Ok((Sha256::new(digest.finalize().into()), bytes))
}

/// An object being written: kept until it is known to be big, then sent in parts.
enum Target {
    Small(Vec<Bytes>, usize),
    Big(WriteMultipart),
}

impl Target {
    async fn put(&mut self, store: &Store, key: &str, piece: Bytes) -> Result<(), StoreError> {
        match self {
            Self::Small(pieces, total) => {
                *total += piece.len();
                pieces.push(piece);
                if *total >= PART_BYTES {
                    let upload = store.objects.put_multipart(&store.path(key)).await?;
                    let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
                    pieces.drain(..).for_each(|piece| writer.put(piece));
                    *self = Self::Big(writer);
                }
            }
            Self::Big(writer) => {
                writer.wait_for_capacity(PARTS_AT_ONCE_MAX).await?;
                writer.put(piece);
            }
        }
        Ok(())
    }

    async fn finish(self, store: &Store, key: &str) -> Result<(), StoreError> {
        match self {
            Self::Small(pieces, _) => {
                let payload: PutPayload = pieces.into_iter().collect();
                store.objects.put(&store.path(key), payload).await?;
            }
            Self::Big(writer) => {
                writer.finish().await?;
            }
        }
        Ok(())
    }

    async fn abort(self) {
        if let Self::Big(writer) = self
            && let Err(error) = writer.abort().await
        {
            tracing::warn!(%error, "parts of an upload that was given up may be left in the store");
        }
    }
}
