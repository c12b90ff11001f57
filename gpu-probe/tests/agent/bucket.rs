//! A real S3-compatible server on a free port: moto, from the project's own virtual environment.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use gpu_probe::protocol::CheckpointStore;
use object_store::ObjectStoreExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use tandem_model::secret::Secret;

const BUCKET: &str = "tandem-checkpoints";
const PREFIX: &str = "some/prefix";

pub(crate) struct Bucket {
    server: Child,
    endpoint: String,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        let program =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.tools/venv/bin/moto_server");
        assert!(
            program.exists(),
            "the S3-compatible test server {} is missing: run `cargo xtask setup`",
            program.display()
        );
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bucket = Self {
            server,
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        let url = format!("{}/{BUCKET}", bucket.endpoint);
        let client = reqwest::Client::new();
        for _ in 0..600 {
            if client
                .put(&url)
                .send()
                .await
                .is_ok_and(|r| r.status().is_success())
            {
                return bucket;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the S3-compatible test server did not come up");
    }

    pub(crate) fn store(&self) -> CheckpointStore {
        CheckpointStore {
            url: format!("s3://{BUCKET}/{PREFIX}"),
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            access_key_id: Some("test".to_owned()),
            secret_access_key: Some(Secret::new("test")),
            allow_http: true,
        }
    }

    fn objects(&self) -> AmazonS3 {
        AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_bucket_name(BUCKET)
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .with_allow_http(true)
            .build()
            .unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let object = self.objects().get(&under_prefix(key)).await.unwrap();
        object.bytes().await.unwrap().to_vec()
    }

    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>) {
        self.objects()
            .put(&under_prefix(key), bytes.into())
            .await
            .unwrap();
    }
}

fn under_prefix(key: &str) -> Path {
    Path::from(format!("{PREFIX}/{key}"))
}
