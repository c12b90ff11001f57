//! The checkpoint store: an S3-compatible bucket, or a directory that every attempt can reach.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::archive::ArchiveError;
use crate::protocol::{CHECKPOINT_BYTES_MAX, CheckpointStore, Sha256};

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest single request: a part on a slow line.
const REQUEST_MAX: Duration = Duration::from_secs(180);
/// Most repetitions of one request inside the client.
const REQUEST_RETRIES_MAX: usize = 3;
/// Longest time over which one request is repeated.
const REQUEST_RETRY_TIME_MAX: Duration = Duration::from_secs(60);
/// Region when none is told.
const REGION: &str = "us-east-1";

/// Why a checkpoint could not be saved or restored.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("checkpoint store `{0}` is neither s3://bucket/prefix nor file:///directory")]
    Url(String),
    #[error("the checkpoint store failed")]
    Store(#[from] object_store::Error),
    #[error("the checkpoint cannot be packed or unpacked")]
    Archive(#[from] ArchiveError),
    #[error("`{0}` cannot be read or written")]
    Disk(String, #[source] std::io::Error),
    #[error("no finished checkpoint of step {0}")]
    Missing(u64),
    #[error("a checkpoint of more than {CHECKPOINT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("object `{key}` has {found} bytes instead of {expected}")]
    Length {
        key: String,
        expected: u64,
        found: u64,
    },
    #[error("object `{key}` has the SHA-256 {found} instead of {expected}")]
    Digest {
        key: String,
        expected: Sha256,
        found: Sha256,
    },
    #[error("a worker of the agent failed")]
    Worker(#[from] tokio::task::JoinError),
}

impl StoreError {
    /// The whole chain in one line.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }

    /// Whether another try may go better.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => !matches!(error, object_store::Error::NotFound { .. }),
            _ => false,
        }
    }
}

/// An opened store.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Store {
    /// Opens a store; nothing is sent yet.
    pub(super) fn open(told: &CheckpointStore) -> Result<Self, StoreError> {
        let refused = || StoreError::Url(told.url.clone());
        if let Some(dir) = told.url.strip_prefix("file://") {
            let dir = PathBuf::from(dir);
            if !dir.is_absolute() {
                return Err(refused());
            }
            let failed = |e| StoreError::Disk(dir.display().to_string(), e);
            std::fs::create_dir_all(&dir).map_err(failed)?;
            let objects = Arc::new(LocalFileSystem::new_with_prefix(dir)?);
            return Ok(Self {
                objects,
                prefix: Path::default(),
            });
        }
        let rest = told.url.strip_prefix("s3://").ok_or_else(refused)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(refused());
        }
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|_| refused())?;
        Ok(Self {
            objects: Arc::new(bucket_of(told, bucket)?),
            prefix,
        })
    }

    /// Where an object lies.
    pub(super) fn path(&self, key: &str) -> Path {
        key.split('/')
            .fold(self.prefix.clone(), |path, part| path.join(part))
    }
}

fn bucket_of(
    told: &CheckpointStore,
    bucket: &str,
) -> Result<object_store::aws::AmazonS3, object_store::Error> {
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECT_MAX)
        .with_timeout(REQUEST_MAX)
        .with_allow_http(told.allow_http);
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: REQUEST_RETRIES_MAX,
        retry_timeout: REQUEST_RETRY_TIME_MAX,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(told.region.as_deref().unwrap_or(REGION))
        .with_client_options(options)
        .with_retry(retry);
    if let Some(endpoint) = &told.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder = match (&told.access_key_id, &told.secret_access_key) {
        (Some(id), Some(secret)) => builder
            .with_access_key_id(id)
            .with_secret_access_key(secret.expose()),
        // Without a key the client would ask the machine's metadata service for one.
        _ => builder.with_skip_signature(true),
    };
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: &str) -> CheckpointStore {
        CheckpointStore {
            url: url.to_owned(),
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            allow_http: false,
        }
    }

    #[test]
    fn a_key_lies_under_the_prefix_of_its_bucket() {
        let store = Store::open(&told("s3://bucket/a/b/")).unwrap();
        assert_eq!(store.path("job_1/2/3.tar").as_ref(), "a/b/job_1/2/3.tar");
        let store = Store::open(&told("s3://bucket")).unwrap();
        assert_eq!(store.path("job_1/2/3").as_ref(), "job_1/2/3");
    }

    #[test]
    fn an_address_that_is_no_store_is_refused() {
        for url in [
            "",
            "bucket",
            "s3://",
            "http://x/y",
            "file://relative",
            "s3://b/a//b",
        ] {
            assert!(
                matches!(Store::open(&told(url)), Err(StoreError::Url(_))),
                "{url}"
            );
        }
    }
}
