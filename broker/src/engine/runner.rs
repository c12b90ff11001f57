//! Gives the kernel time, a store and networks: the engine's only part with effects.
//!
//! One task owns the kernel. It takes in what was asked and what came of orders, has the kernel
//! decide, commits, and only then answers and performs. Each order is performed by a task of its
//! own, so a network that does not answer delays nobody; how many are under way at a network is
//! limited, and what waits for its turn is asked for from the state of that moment.

mod perform;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tandem_model::id::PlacementId;
use tandem_model::time::{Clock, WorldTime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::handle::{Asked, EngineHandle, REQUESTS_MAX};
use super::kernel::{After, Kernel, Ticket, Turn};
use super::message::{Refused, Reply};
use super::metrics::EngineMetrics;
use super::terms::Terms;
use crate::clock::SystemClock;
use crate::networks::Networks;
use crate::policies::Policies;
use crate::store::{Changes, PAGE_MAX, Rule, Store, StoreError};
use perform::Flights;

/// Requests taken in before the next decision.
const TAKEN_AT_ONCE: usize = 4_096;
/// A claim lasts this many rounds of its renewal.
const CLAIM_ROUNDS: u32 = 6;
/// Shortest time between two rounds of the loop, on the wall.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// Longest; a sandbox's time can jump, or change its speed.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Turns that follow each other before requests and outcomes are taken in again.
const TURNS_AT_ONCE: usize = 4;

/// What the engine runs on.
pub struct Parts {
    /// What survives a crash.
    pub store: Arc<dyn Store>,
    /// The networks.
    pub networks: Arc<Networks>,
    /// The clock.
    pub clock: Arc<SystemClock>,
    /// This installation.
    pub terms: Terms,
    /// The pricing policy in force.
    pub policies: Arc<Policies>,
    /// What the engine counts of itself.
    pub metrics: EngineMetrics,
    /// Ends the engine.
    pub stop: CancellationToken,
}

/// Takes over every job that is open and starts the engine.
///
/// Fails when the store cannot be read. The task ends when `stop` is cancelled, after giving its
/// claims back, or when the store fails for good.
pub async fn start(parts: Parts) -> Result<(EngineHandle, JoinHandle<()>), StoreError> {
    let now = parts.clock.world();
    let mut kernel = Kernel::new(parts.terms.clone(), now);
    adopt_all(&parts, &mut kernel).await?;
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    let (market_to, market) = watch::channel(Arc::clone(kernel.market()));
    let (changed_to, changed) = watch::channel(0);
    let handle = EngineHandle {
        requests,
        market,
        changed,
    };
    let runner = Runner {
        flights: Flights::new(&parts),
        kernel,
        asked,
        waiting: BTreeMap::new(),
        tickets: 0,
        claim_at: now,
        claimed_until: claimed_until(&parts),
        lost_its_claims: false,
        market: market_to,
        changed: changed_to,
        parts,
    };
    Ok((handle, tokio::spawn(runner.run())))
}

/// Until when claims that are renewed now hold.
fn claimed_until(parts: &Parts) -> WorldTime {
    let ttl = parts.terms.rounds.claim * CLAIM_ROUNDS;
    parts.clock.world().after(ttl)
}

/// Takes over what nobody holds, page by page; how many jobs.
async fn adopt_all(parts: &Parts, kernel: &mut Kernel) -> Result<usize, StoreError> {
    let terms = &parts.terms;
    let ttl = terms.rounds.claim * CLAIM_ROUNDS;
    let mut taken = 0;
    loop {
        let now = parts.clock.world();
        let claimed = parts.store.claim(terms.broker, now, ttl, PAGE_MAX).await?;
        for job in &claimed {
            if let Err(unreadable) = kernel.adopt(job, now) {
                tracing::error!(%unreadable, "a job is left alone: start the release that wrote it");
            }
        }
        taken += claimed.len();
        if claimed.len() < PAGE_MAX as usize {
            if taken > 0 {
                tracing::info!(jobs = taken, "open jobs taken over");
            }
            return Ok(taken);
        }
    }
}

struct Runner {
    parts: Parts,
    kernel: Kernel,
    flights: Flights,
    asked: mpsc::Receiver<Asked>,
    waiting: BTreeMap<Ticket, oneshot::Sender<Reply>>,
    tickets: u64,
    claim_at: WorldTime,
    claimed_until: WorldTime,
    lost_its_claims: bool,
    market: watch::Sender<Arc<super::market::Market>>,
    changed: watch::Sender<u64>,
}

impl Runner {
    async fn run(mut self) {
        let mut asked = Vec::new();
        loop {
            let pause = self.pause();
            tokio::select! {
                () = self.parts.stop.cancelled() => break,
                taken = self.asked.recv_many(&mut asked, TAKEN_AT_ONCE) => {
                    if taken == 0 {
                        break;
                    }
                }
                () = self.flights.landed(&mut self.kernel, &*self.parts.clock) => {}
                () = tokio::time::sleep(pause) => {}
            }
            for (request, answer) in asked.drain(..) {
                self.take(request, answer);
            }
            self.work().await;
            if self.lost_its_claims {
                tracing::error!("the store failed for longer than claims last: the engine ends");
                break;
            }
        }
        self.end().await;
    }

    /// How long nothing is to be done by itself.
    fn pause(&self) -> Duration {
        let now = self.parts.clock.world();
        let wake = self.kernel.next_wake().unwrap_or(self.claim_at);
        let world = wake.min(self.claim_at).since(now);
        let pause = self.parts.clock.wall_span(world);
        pause.clamp(PAUSE_MIN, PAUSE_MAX)
    }

    fn take(&mut self, request: super::message::Request, answer: oneshot::Sender<Reply>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, answer);
        self.kernel
            .receive(ticket, request, self.parts.clock.world());
    }

    fn answer(&mut self, replies: Vec<(Ticket, Reply)>) {
        for (ticket, reply) in replies {
            if let Some(answer) = self.waiting.remove(&ticket) {
                // Whoever asked may have gone away; what was done stands.
                let _ = answer.send(reply);
            }
        }
    }

    /// Decides, commits, answers and performs, until nothing is ready or somebody else must be
    /// heard.
    async fn work(&mut self) {
        for _ in 0..TURNS_AT_ONCE {
            let now = self.parts.clock.world();
            self.claim(now).await;
            self.kernel.price_by(self.parts.policies.current());
            for (network, order) in self.kernel.network_orders(now) {
                self.flights.ask(network, order);
            }
            self.flush(now).await;
            let clock = Arc::clone(&self.parts.clock);
            let mut fresh = || crate::ids::fresh(&*clock, PlacementId::from_parts);
            let turn = self.kernel.turn(now, &mut fresh);
            let answers = self.kernel.answers();
            self.answer(answers);
            let Some(turn) = turn else {
                break;
            };
            let after = self.commit(turn, now).await;
            self.answer(after.replies);
            for (job, order) in after.orders {
                self.flights.order(&self.kernel, job, order);
            }
            self.flights.depart(&mut self.kernel);
        }
        self.post_losses().await;
        let market = self.kernel.market();
        if !Arc::ptr_eq(&self.market.borrow(), market) {
            self.market.send_replace(Arc::clone(market));
        }
        self.flights.depart(&mut self.kernel);
    }

    async fn commit(&mut self, mut turn: Turn, now: WorldTime) -> After {
        let changes = std::mem::take(&mut turn.changes);
        if changes == Changes::default() {
            return self.kernel.committed(turn);
        }
        let (jobs, began) = (changes.jobs.len(), std::time::Instant::now());
        match self.parts.store.commit(changes).await {
            Ok(()) => {
                let seconds = began.elapsed().as_secs_f64();
                self.parts.metrics.committed(jobs, seconds);
                self.changed.send_modify(|n| *n += 1);
                let after = self.kernel.committed(turn);
                let slow = after.performance_breaches;
                self.parts.metrics.slower_than_promised(slow);
                after
            }
            Err(why) => {
                tracing::warn!(%why, "a commit was refused");
                self.parts.metrics.refused();
                self.kernel.refused(turn, &why, now)
            }
        }
    }

    async fn flush(&mut self, now: WorldTime) {
        let Some(mut flush) = self.kernel.flush(now) else {
            return;
        };
        let beats = std::mem::take(&mut flush.beats);
        let logs = std::mem::take(&mut flush.logs);
        let has_logs = !logs.is_empty();
        let count = beats.len();
        let replies = match self.parts.store.flush_liveness(beats, logs).await {
            Ok(()) => {
                self.parts.metrics.beats(count);
                flush.written()
            }
            Err(why) => {
                tracing::error!(%why, "heartbeats were not written");
                flush.failed(&why.to_string())
            }
        };
        if has_logs {
            self.changed.send_modify(|n| *n += 1);
        }
        self.answer(replies);
    }

    /// Renews this broker's claims, and takes over what another one left.
    async fn claim(&mut self, now: WorldTime) {
        if now < self.claim_at {
            return;
        }
        self.claim_at = now.after(self.parts.terms.rounds.claim);
        self.parts.metrics.survey(&self.kernel);
        match adopt_all(&self.parts, &mut self.kernel).await {
            Ok(_) => self.claimed_until = claimed_until(&self.parts),
            Err(why) => {
                tracing::error!(%why, "claims were not renewed");
                self.lost_its_claims = now > self.claimed_until;
            }
        }
    }

    async fn post_losses(&mut self) {
        for loss in self.kernel.losses() {
            let changes = Changes {
                ledger: vec![loss.clone()],
                ..Changes::default()
            };
            match self.parts.store.commit(changes).await {
                Ok(()) => {}
                // Posted by an earlier sweep, or an earlier run.
                Err(StoreError::Refused {
                    rule: Rule::LedgerKey,
                    ..
                }) => {}
                Err(StoreError::Database(why)) => {
                    tracing::error!(why, "a loss was not posted yet");
                    self.kernel.not_posted(loss);
                }
                Err(why) => tracing::error!(%why, "a loss was not posted"),
            }
        }
    }

    /// Answers nobody any more, and gives the claims back for another broker, or the next start.
    async fn end(mut self) {
        self.asked.close();
        let now = self.parts.clock.world();
        let flush_by = now.after(self.parts.terms.rounds.flush);
        self.flush(flush_by).await;
        let tickets: Vec<_> = self.waiting.keys().copied().collect();
        let refused = |ticket| (ticket, Reply::Refused(Refused::Stopped));
        self.answer(tickets.into_iter().map(refused).collect());
        if let Err(why) = self.parts.store.release(self.parts.terms.broker).await {
            tracing::warn!(%why, "claims were not given back; they run out by themselves");
        }
    }
}
