//! A planted secret is seen by the agent of its job and by nobody else: no answer, no log line, no
//! byte of the store holds it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::json;
use tandem::http::routes;
use tandem_model::placement::Epoch;
use tracing_subscriber::fmt::MakeWriter;

use crate::agent::Agent;
use crate::client::Answer;
use crate::quotes::GOOD;
use crate::stage::Stage;

const CANARY: &str = "canary-3f9c1e-do-not-tell";

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

fn files_hold(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        holds(
            &std::fs::read(file.unwrap().path()).unwrap_or_default(),
            text,
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_its_agent_and_nothing_else() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // The only story that listens; the others of this process may be heard too.
    tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
    let stage = Stage::told().await;
    let workload = format!("{GOOD}secrets: [TOKEN]\nsecrets_on_consumer: true\n");
    let token = stage.quote(&workload).await;
    let body = json!({"quote_token": token, "workload": workload, "secrets": {"TOKEN": CANARY}});
    let ask = |key: &str| {
        let request = stage.ask(Method::POST, "/v1/jobs");
        Answer::of(request.header("idempotency-key", key).json(&body))
    };
    let mut answers = vec![ask("a").await, ask("a").await, ask("b").await];
    assert_eq!(answers[0].status, 201, "{}", answers[0].text);
    let job = answers[0].json()["id"].as_str().unwrap().to_owned();
    let wrong = json!({"quote_token": token, "workload": workload, "secrets": {"WRONG": CANARY}});
    answers.push(stage.post("/v1/jobs", wrong).await);
    let odd = json!({"quote_token": token, "workload": workload, "secrets": CANARY});
    answers.push(stage.post("/v1/jobs", odd).await);

    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    let stranger = agent
        .with_token("v1.00000000.00")
        .post("/agent/v1/bind", agent.bind_body())
        .await;
    stranger.problem(401, "TDM-4005");
    answers.push(stranger);
    let bound = agent.bind().await;
    assert_eq!(
        bound["secrets"],
        json!({"TOKEN": CANARY}),
        "its agent is told"
    );
    agent.beat(1, &["working"]).await;
    for (method, path) in routes::listed() {
        if method == "GET" {
            let path = path.replace("{id}", &job).replace("{code}", "TDM-6001");
            answers.push(stage.get(&path).await);
        }
    }
    stage
        .post(&format!("/v1/jobs/{job}/cancel"), json!({}))
        .await;
    for answer in &answers {
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
    let logged = log.0.lock().unwrap().clone();
    assert!(!logged.is_empty());
    let agent_token = agent.token();
    for secret in [CANARY, &stage.admin, &agent_token] {
        assert!(!holds(&logged, secret), "a secret was logged");
        assert!(
            !files_hold(stage.folder.path(), secret),
            "a secret was stored"
        );
    }
}
