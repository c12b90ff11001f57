//! A broker for tests: the agent API over HTTP around one real session.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use gpu_probe::protocol::{
    BIND_PATH, BindReply, BindRequest, CHECKPOINTS_PATH, CheckpointRequest, CheckpointStore,
    HEARTBEATS_PATH, HeartbeatRequest, PROBES_PATH, ProbeRequest, Problem, RESULTS_PATH,
    ResultReport,
};
use gpu_probe::session::{Grants, LeaseTerms, Session};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_model::workload::WorkloadKind;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::probes::Probes;

/// Longer than any test waits.
const MUTE: Duration = Duration::from_secs(600);

pub(crate) const TOKEN: &str = "tok_for_tests";

/// Terms short enough for tests. Leases are never asserted by time, only by what they allow.
pub(crate) fn terms() -> LeaseTerms {
    LeaseTerms {
        lease_ttl: Duration::from_secs(2),
        heartbeat_interval: Duration::from_millis(200),
        orphan_ttl: Duration::from_secs(60),
        lease_skew: Duration::from_millis(200),
        exclusive: false,
    }
}

/// What the broker knows and saw.
pub(crate) struct Books {
    pub(crate) session: Session,
    pub(crate) grants: Grants,
    /// Answers 503 to everything.
    pub(crate) is_away: bool,
    pub(crate) heartbeats: Vec<HeartbeatRequest>,
    /// Every move of the pointer.
    pub(crate) moves: Vec<(Epoch, u64)>,
    /// Results that were recorded, and that were refused.
    pub(crate) recorded: Vec<ResultReport>,
    pub(crate) refused: Vec<Problem>,
    pub(crate) calls: u64,
    pub(crate) probes: Probes,
    started: Instant,
}

impl Books {
    pub(crate) fn now(&self) -> WorldTime {
        WorldTime::from_micros(1_700_000_000_000_000).after(self.started.elapsed())
    }

    pub(crate) fn step(&self) -> u64 {
        self.session.pointer().map_or(0, |pointer| pointer.step)
    }
}

#[derive(Clone)]
pub(crate) struct Broker {
    books: Arc<Mutex<Books>>,
    pub(crate) job: JobId,
    pub(crate) url: String,
    _server: Arc<MockServer>,
}

struct Api(Arc<Mutex<Books>>);

impl Broker {
    /// A broker with epoch 1 of a job of one node.
    pub(crate) async fn start(
        kind: WorkloadKind,
        terms: LeaseTerms,
        store: Option<CheckpointStore>,
    ) -> Self {
        let job = JobId::from_parts(1_700_000_000_000, &[7; 10]);
        let mut session = Session::new(job, kind, terms);
        session.raise_epoch(Epoch(1), 1).unwrap();
        let books = Arc::new(Mutex::new(Books {
            session,
            grants: Grants {
                checkpoint_store: store,
                ..Grants::default()
            },
            is_away: false,
            heartbeats: Vec::new(),
            moves: Vec::new(),
            recorded: Vec::new(),
            refused: Vec::new(),
            calls: 0,
            probes: Probes::new(),
            started: Instant::now(),
        }));
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(Api(Arc::clone(&books)))
            .mount(&server)
            .await;
        Self {
            books,
            job,
            url: server.uri(),
            _server: Arc::new(server),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// Suspect, fence, place: waits until the live epoch's lease and the skew have run out.
    pub(crate) async fn replace(&self, epoch: u32) {
        self.books().session.revoke();
        super::rig::wait_until("the lease has run out", || {
            let mut books = self.books();
            let now = books.now();
            books.session.fence(false, now).is_ok()
        })
        .await;
        self.books().session.raise_epoch(Epoch(epoch), 1).unwrap();
    }
}

/// A body that can be read; `None` is answered with 422.
fn read<T: DeserializeOwned>(request: &Request) -> Option<T> {
    serde_json::from_slice(&request.body).ok()
}

fn reply(outcome: Result<impl Serialize, Problem>) -> ResponseTemplate {
    match outcome {
        Ok(body) => ResponseTemplate::new(200).set_body_json(body),
        Err(problem) => ResponseTemplate::new(problem.status).set_body_raw(
            serde_json::to_vec(&problem).unwrap(),
            "application/problem+json",
        ),
    }
}

impl Respond for Api {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut books = self.0.lock().unwrap();
        books.calls += 1;
        if books.is_away {
            return ResponseTemplate::new(503);
        }
        let token = request
            .headers
            .get("authorization")
            .and_then(|v| v.to_str().ok());
        if token != Some(&format!("Bearer {TOKEN}")) {
            return ResponseTemplate::new(401);
        }
        books
            .serve(request)
            .unwrap_or_else(|| ResponseTemplate::new(422))
    }
}

impl Books {
    fn serve(&mut self, request: &Request) -> Option<ResponseTemplate> {
        let now = self.now();
        match request.url.path() {
            BIND_PATH => {
                let body: BindRequest = read(request)?;
                body.check().ok()?;
                let bound = self.session.bind(&body, &self.grants, now);
                let probe = self.probes.ordered;
                Some(reply(bound.map(|terms| BindReply { probe, ..terms })))
            }
            PROBES_PATH => {
                let body: ProbeRequest = read(request)?;
                body.check().ok()?;
                let answer = self.probes.answer(body);
                let answer = answer.map_or(ResponseTemplate::new(503), |a| reply(Ok(a)));
                let delay = match self.probes.is_mute {
                    true => MUTE,
                    false => self.probes.delay,
                };
                Some(answer.set_delay(delay))
            }
            HEARTBEATS_PATH => {
                let body: HeartbeatRequest = read(request)?;
                body.check().ok()?;
                let mut answer = self.session.heartbeat(&body, now);
                if body.worked_ms > 0 {
                    answer.spot_probe = self.probes.spot_ordered;
                }
                self.heartbeats.push(body);
                Some(reply(Ok(answer)))
            }
            CHECKPOINTS_PATH => {
                let body: CheckpointRequest = read(request)?;
                body.check().ok()?;
                let before = self.session.pointer().cloned();
                let answer = self.session.checkpoint(&body, now);
                if self.session.pointer() != before.as_ref() {
                    self.moves.push((body.epoch, body.step));
                }
                self.refused.extend(answer.as_ref().err().cloned());
                Some(reply(answer))
            }
            RESULTS_PATH => {
                let body: ResultReport = read(request)?;
                body.check().ok()?;
                let answer = self.session.result(&body, now);
                match &answer {
                    Ok(_) => self.recorded.push(body),
                    Err(problem) => self.refused.push(problem.clone()),
                }
                Some(reply(answer))
            }
            _ => None,
        }
    }
}
