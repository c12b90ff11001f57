//! An agent that a story plays: its bodies, and its token.

use gpu_probe::protocol::{BIND_PATH, HEARTBEATS_PATH, checkpoint_key};
use serde_json::{Value, json};
use tandem_model::id::{BootId, JobId};
use tandem_model::placement::Epoch;

use crate::client::Answer;
use crate::stage::Stage;

/// An agent as the story tells it.
#[derive(Clone)]
pub(crate) struct Agent<'s> {
    stage: &'s Stage,
    pub(crate) job: JobId,
    epoch: Epoch,
    pub(crate) token: String,
}

impl<'s> Agent<'s> {
    /// The agent of an attempt, once that attempt is made.
    pub(crate) async fn placed(stage: &'s Stage, job: &str, epoch: Epoch) -> Self {
        let path = format!("/v1/jobs/{job}");
        stage
            .until("the placement", &path, |job| {
                let placements = job["placements"].as_array().cloned().unwrap_or_default();
                placements
                    .iter()
                    .any(|p| p["epoch"] == epoch.0 && p["live"] == true)
            })
            .await;
        Self::of(stage, job.parse().expect("a job's id"), epoch)
    }

    pub(crate) fn of(stage: &'s Stage, job: JobId, epoch: Epoch) -> Self {
        let token = stage.vault.agent_token(job, epoch).expose().to_owned();
        Self {
            stage,
            job,
            epoch,
            token,
        }
    }

    pub(crate) fn token(&self) -> String {
        self.token.clone()
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.stage.url);
        let request = self.stage.client.post(url).bearer_auth(&self.token);
        Answer::of(request.json(&body)).await
    }

    /// Posts; the answer must be a success.
    pub(crate) async fn ok(&self, path: &str, body: Value) -> Value {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    pub(crate) fn body(&self, more: Value) -> Value {
        let boot = BootId::from_parts(self.epoch.0.into(), &[5; 10]);
        let mut body = json!({"job": self.job, "epoch": self.epoch, "rank": 0, "boot_id": boot});
        let fields = body.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        body
    }

    pub(crate) fn bind_body(&self) -> Value {
        self.body(json!({"container": "c", "agent_version": "0"}))
    }

    pub(crate) async fn bind(&self) -> Value {
        self.ok(BIND_PATH, self.bind_body()).await
    }

    pub(crate) fn beat_body(&self, sequence: u64, lines: &[&str]) -> Value {
        self.body(json!({
            "sequence": sequence, "phase": "running", "uptime_ms": 1, "log_tail": lines,
        }))
    }

    pub(crate) async fn beat(&self, sequence: u64, lines: &[&str]) -> Value {
        self.ok(HEARTBEATS_PATH, self.beat_body(sequence, lines))
            .await
    }

    pub(crate) fn checkpoint_body(&self, step: u64) -> Value {
        self.body(json!({
            "step": step, "key": checkpoint_key(self.job, self.epoch, step),
            "sha256": "0".repeat(64), "bytes": 6,
        }))
    }

    pub(crate) fn result_body(&self, tail: &str) -> Value {
        self.body(json!({"exit_code": 0, "step": 5, "output_tail": tail}))
    }
}
