//! What a customer sees: the events of every job as they come, where each stands, and how the
//! networks are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::workload::WorkloadKind;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::market::Accepted;
use super::narrator::Narrator;
use crate::api::{EventView, JobView, OfferPage};
use crate::cli::failure::Failure;
use crate::client::Client;

/// Time between two looks at the networks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where a job stands, by its latest event.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The job.
    pub job: Accepted,
    /// Its state.
    pub state: JobState,
    /// Its attempt; 0 before the first.
    pub epoch: Epoch,
    /// Where that attempt stands.
    pub network: Option<NetworkId>,
    /// When the state was entered (world time in microseconds).
    pub since_us: i64,
}

impl Seen {
    /// Whether it computes on a network.
    pub fn runs_on(&self, network: &NetworkId) -> bool {
        self.state == JobState::Running && self.network.as_ref() == Some(network)
    }

    /// Whether it is a service that answers since a moment or longer.
    pub fn serves_since(&self, moment_us: i64) -> bool {
        let is_service = self.job.kind == WorkloadKind::Service;
        is_service && self.state == JobState::Running && self.since_us <= moment_us
    }
}

#[derive(Debug, Default)]
struct Board {
    jobs: BTreeMap<JobId, Seen>,
    incidents: usize,
    failed: Option<Failure>,
}

/// Follows everything.
#[derive(Clone)]
pub struct Watch {
    customer: Client,
    narrator: Narrator,
    board: Arc<Mutex<Board>>,
    start_us: i64,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Watch {
    /// Follows the networks from now on; `start_us` is the story's second 0.
    pub fn new(customer: Client, narrator: Narrator, start_us: i64) -> Self {
        let watch = Self {
            customer,
            narrator,
            board: Arc::default(),
            start_us,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        watch.spawn(watch.clone().networks());
        watch
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, work: impl Future<Output = Result<(), Failure>> + Send + 'static) {
        let watch = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = watch.stop.cancelled() => {}
                done = work => if let Err(failure) = done {
                    watch.board().failed.get_or_insert(failure);
                },
            }
        });
    }

    /// Follows a job to its end.
    pub fn follow(&self, job: Accepted) {
        let seen = Seen {
            state: JobState::Queued,
            epoch: Epoch(0),
            network: None,
            since_us: self.start_us,
            job: job.clone(),
        };
        self.board().jobs.insert(job.id, seen);
        self.spawn(self.clone().events(job));
    }

    async fn events(self, job: Accepted) -> Result<(), Failure> {
        let mut events = self.customer.events(job.id);
        let mut places: BTreeMap<Epoch, NetworkId> = BTreeMap::new();
        while let Some(event) = events.next().await? {
            if event.epoch.0 > 0 && !places.contains_key(&event.epoch) {
                let now: JobView = self.job(job.id).await?;
                places = now
                    .placements
                    .into_iter()
                    .map(|p| (p.epoch, p.network))
                    .collect();
            }
            self.happened(&job, &event, places.get(&event.epoch).cloned());
        }
        Ok(())
    }

    fn happened(&self, job: &Accepted, event: &EventView, network: Option<NetworkId>) {
        let place = match &network {
            Some(network) => format!("{network} e{}", event.epoch),
            None => "-".to_owned(),
        };
        let (ended, all) = {
            let mut board = self.board();
            if let Some(seen) = board.jobs.get_mut(&job.id) {
                if seen.state != event.state || seen.epoch != event.epoch {
                    seen.since_us = event.at.micros();
                }
                seen.state = event.state;
                seen.epoch = event.epoch;
                seen.network = network;
            }
            let ended = board.jobs.values().filter(|s| s.state.is_terminal());
            (ended.count(), board.jobs.len())
        };
        let second = (event.at.micros() - self.start_us) / 1_000_000;
        self.narrator.event(second, &job.name, &place, &event.what);
        self.narrator.progress(ended, all);
    }

    /// Tells how the networks stand, whenever that changes.
    async fn networks(self) -> Result<(), Failure> {
        let mut before: BTreeMap<NetworkId, String> = BTreeMap::new();
        loop {
            let page: OfferPage = self.customer.get("/v1/offers?limit=1").await?.view;
            for network in page.networks {
                let was = before.insert(network.network.clone(), network.health.clone());
                let is_news = was.map_or(network.health != "calm", |was| was != network.health);
                if is_news {
                    self.board().incidents += usize::from(network.health == "incident");
                    self.narrator.line(&format!(
                        "         -- {} is {}",
                        network.network, network.health
                    ));
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A job's document.
    pub async fn job(&self, id: JobId) -> Result<JobView, Failure> {
        Ok(self.customer.get(&format!("/v1/jobs/{id}")).await?.view)
    }

    /// Where every job stands. Fails when following failed.
    pub fn seen(&self) -> Result<Vec<Seen>, Failure> {
        let mut board = self.board();
        match board.failed.take() {
            Some(failure) => Err(failure),
            None => Ok(board.jobs.values().cloned().collect()),
        }
    }

    /// Incidents of networks so far.
    pub fn incidents(&self) -> usize {
        self.board().incidents
    }

    /// Ends the following of the networks; that of jobs that have ended is over.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
