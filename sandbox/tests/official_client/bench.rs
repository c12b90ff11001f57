//! A sandbox, and the official client with a private configuration folder.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tandem_sandbox::{Options, Running, serve};
use tokio::process::Command;

pub(crate) const CAAS: &str = "/enterprise/v1/io-cloud/caas";

/// The key of the sandbox's first account.
pub(crate) const SANDBOX: Option<&str> = Some("sandbox");

fn tool(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join(".tools/venv/bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask setup`",
        path.display()
    );
    path
}

/// A sandbox and a private configuration folder of the client.
pub(crate) struct Bench {
    pub(crate) running: Running,
    pub(crate) config: tempfile::TempDir,
    pub(crate) client: reqwest::Client,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let mut options = Options::new("127.0.0.1:0".parse().unwrap(), 3);
        options.speed_permille = 10_000;
        Self {
            running: serve(options).await.unwrap(),
            config: tempfile::tempdir().unwrap(),
            client: reqwest::Client::new(),
        }
    }

    pub(crate) fn command(&self, program: &str, key: Option<&str>) -> Command {
        let mut command = Command::new(tool(program));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.config.path())
            .env("IOCLOUD_BASE_URL", self.running.ionet_url())
            .env("IOCLOUD_DISABLE_KEYRING", "1")
            .env("IOCLOUD_CONFIG_DIR", self.config.path());
        if let Some(key) = key {
            command.env("IOCLOUD_API_KEY", key);
        }
        command
    }

    pub(crate) async fn run(&self, key: Option<&str>, args: &[&str]) -> Output {
        self.command("iocloud", key)
            .args(args)
            .output()
            .await
            .unwrap()
    }

    /// Runs a command that must succeed and gives its JSON.
    pub(crate) async fn ok(&self, key: Option<&str>, args: &[&str]) -> Value {
        let output = self.run(key, args).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{args:?}: {stdout}\n{stderr}");
        serde_json::from_str(&stdout).unwrap_or(Value::String(stdout.into_owned()))
    }

    /// Runs a command that must fail and gives what it said.
    pub(crate) async fn fails(&self, key: Option<&str>, args: &[&str]) -> String {
        let output = self.run(key, args).await;
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.running.url());
        let call = self.client.post(url).header("x-api-key", key).json(body);
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}
