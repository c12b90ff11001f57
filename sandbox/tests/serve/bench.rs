//! A sandbox on a free port, and calls to it.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_sandbox::{Options, Running, serve};

pub(crate) const CAAS: &str = "/enterprise/v1/io-cloud/caas";
pub(crate) const VMAAS: &str = "/enterprise/v1/io-cloud/vmaas";

pub(crate) struct Bench {
    pub(crate) running: Running,
    pub(crate) client: reqwest::Client,
}

impl Bench {
    pub(crate) async fn start(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new("127.0.0.1:0".parse().unwrap(), 3);
        options.speed_permille = 10_000;
        options.world.rate_limits = false;
        change(&mut options);
        Self {
            running: serve(options).await.unwrap(),
            client: reqwest::Client::new(),
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut call = self
            .client
            .request(method, format!("{}{path}", self.running.url()));
        call = call.header("x-api-key", "sandbox");
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn deploy(&self, container: Value) -> String {
        let mut config = json!({"replica_count": 1, "traffic_port": 80});
        config
            .as_object_mut()
            .unwrap()
            .extend(container.as_object().unwrap().clone());
        let body = json!({
            "resource_private_name": "web", "hardware_id": "RTX4090", "duration_hours": 1,
            "gpus_per_container": 1, "container_config": config,
            "registry_config": {"image_url": "nginx"},
        });
        let (status, answer) = self
            .call("POST", &format!("{CAAS}/deploy"), Some(body))
            .await;
        assert_eq!(status, 200, "{answer}");
        answer["deployment_id"].as_str().unwrap().to_owned()
    }

    /// The first worker of a deployment once a condition holds.
    pub(crate) async fn worker(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..300 {
            let (_, answer) = self.call("GET", path, None).await;
            let worker = answer["data"]["workers"][0].clone();
            if holds(&worker) {
                return worker;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never: {path}");
    }

    pub(crate) async fn truth(&self) -> Value {
        self.call("GET", "/sandbox/truth", None).await.1
    }
}
