//! Open exchanges of probes, in memory: one of each node of an attempt, a limited number at once,
//! their messages one after the other, their heavy checks a few at a time away from the requests.
//!
//! A broker that starts again has none of them: its agents are told to begin anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use gpu_probe::exchange::{Plan, ProverMessage, VerifierMessage};
use gpu_probe::protocol::MomentId;
use gpu_probe::verify::{CheckFindings, Session};
use sha2::{Digest, Sha256};
use tandem_model::error::ErrorCode;
use tandem_model::id::{BootId, JobId, ProbeId};
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::{JoinError, JoinSet};

use super::cohort::Cohorts;
use super::problem::Problem;
use crate::engine::probe::ReportSeen;

/// Most exchanges that are under way. None of them gives way to another one: its node may begin only
/// a few times.
const OPEN_MAX: usize = 64;
/// Longest wait of a node for a place, on the wall; it hears that there is none before it gives its
/// question up.
const PLACE_WAIT: Duration = Duration::from_secs(30);
/// An exchange whose prover said nothing for so long is over, in ms: its agent has given it up.
const IDLE_MS: u64 = 5 * 60 * 1_000;
/// Longest that an exchange is kept, in ms: longer than any quick one may take.
const KEPT_MS: u64 = 20 * 60 * 1_000;
/// Heavy checks that run at once.
const CHECKS_AT_ONCE: usize = 2;
/// Long messages that are read at once: each may be of several MiB.
const READ_AT_ONCE: usize = 16;
/// Longest wait of a long message for its turn to be read.
const READ_WAIT: Duration = Duration::from_secs(20);
/// Longest wait for checks within one request; the prover then sends its report again.
const CHECKS_WAIT: Duration = Duration::from_secs(45);

/// The node that is probed, and which probe of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) job: JobId,
    /// The attempt.
    pub(super) epoch: Epoch,
    /// The node.
    pub(super) rank: u16,
    /// The run of its agent.
    pub(super) boot_id: BootId,
    /// The moment, of a probe inside running work.
    pub(super) moment: Option<MomentId>,
}

/// What an exchange is opened with.
pub(super) struct Opening {
    /// Names its verdict.
    pub(super) probe: ProbeId,
    pub(super) session: Session,
    /// When the matrix challenge is given, where all of a cohort get it at once.
    pub(super) challenge_at: Option<WorldTime>,
}

/// One exchange.
pub(super) struct Open {
    key: Key,
    session: Session,
    challenge_at: Option<WorldTime>,
    checks: JoinSet<Result<CheckFindings, JoinError>>,
    /// The last message's digest and its answer: an answer that was lost is given again.
    last: Option<([u8; 32], VerifierMessage)>,
    /// Names its verdict.
    pub(super) probe: ProbeId,
    /// What is kept of its report, once one came.
    pub(super) report: Option<ReportSeen>,
    /// Its place among those under way; none once it has its verdict.
    place: Option<OwnedSemaphorePermit>,
}

struct Slot {
    opened_ms: u64,
    used_ms: u64,
    open: Arc<tokio::sync::Mutex<Open>>,
}

/// All open exchanges.
pub(super) struct Exchanges {
    slots: Mutex<BTreeMap<Key, Slot>>,
    places: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    reading: Semaphore,
    cohorts: Cohorts,
}

impl Default for Exchanges {
    fn default() -> Self {
        Self {
            slots: Mutex::default(),
            places: Arc::new(Semaphore::new(OPEN_MAX)),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            reading: Semaphore::new(READ_AT_ONCE),
            cohorts: Cohorts::default(),
        }
    }
}

/// Tells one message from another.
pub(super) fn digest(message: &ProverMessage) -> [u8; 32] {
    let text = serde_json::to_vec(message).unwrap_or_default();
    Sha256::digest(text).into()
}

fn refused(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::AGENT_REQUEST,
        format!("the probe's exchange: {why}"),
    )
}

/// There is nothing to go on with.
pub(super) fn not_open() -> Problem {
    refused(&"none is open here, perhaps because the broker was started again: begin with `hello`")
}

impl Exchanges {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Slot>> {
        // Every change leaves the map whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of a long message.
    pub(super) async fn turn_to_read(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let turn = tokio::time::timeout(READ_WAIT, self.reading.acquire()).await;
        // The semaphore is never closed.
        let turn = turn.ok().and_then(Result::ok);
        turn.ok_or_else(|| Problem::busy(&"too many messages of probes arrive at once"))
    }

    /// The exchange of a node.
    pub(super) fn get(&self, key: &Key, now_ms: u64) -> Option<Arc<tokio::sync::Mutex<Open>>> {
        let mut slots = self.lock();
        let slot = slots.get_mut(key)?;
        slot.used_ms = now_ms;
        Some(Arc::clone(&slot.open))
    }

    /// A place for the exchange of a node, which gives up the one that it had. To be had before the
    /// opening is counted. The probe of a start may wait for it; that of running work, whose
    /// workload stands still, may not.
    pub(super) async fn place(
        &self,
        key: &Key,
        now_ms: u64,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        let wait = match key.moment {
            None => PLACE_WAIT,
            Some(_) => Duration::ZERO,
        };
        self.close(key);
        self.lock().retain(|_, slot| {
            let is_idle = now_ms.saturating_sub(slot.used_ms) > IDLE_MS;
            let is_old = now_ms.saturating_sub(slot.opened_ms) > KEPT_MS;
            !is_idle && !is_old
        });
        let place = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(wait, place).await;
        // The semaphore is never closed.
        let place = place.ok().and_then(Result::ok);
        place.ok_or_else(|| Problem::busy(&"too many probes are under way at once"))
    }

    /// Opens the exchange of a node.
    pub(super) fn open(
        &self,
        key: Key,
        place: OwnedSemaphorePermit,
        opening: Opening,
        now_ms: u64,
    ) -> Arc<tokio::sync::Mutex<Open>> {
        let open = Arc::new(tokio::sync::Mutex::new(Open {
            key,
            session: opening.session,
            challenge_at: opening.challenge_at,
            checks: JoinSet::new(),
            last: None,
            probe: opening.probe,
            report: None,
            place: Some(place),
        }));
        let slot = Slot {
            opened_ms: now_ms,
            used_ms: now_ms,
            open: Arc::clone(&open),
        };
        let mut slots = self.lock();
        slots.insert(key, slot);
        if slots.len() > OPEN_MAX {
            // Those under way have a place each, so one of the others is over.
            let is_over = |slot: &Slot| slot.open.try_lock().is_ok_and(|o| o.place.is_none());
            let over = slots.iter().filter(|(_, slot)| is_over(slot));
            let idle = over.min_by_key(|(_, slot)| slot.used_ms);
            if let Some(idle) = idle.map(|(key, _)| *key) {
                slots.remove(&idle);
            }
        }
        open
    }

    /// Forgets the exchange of a node, if it has one.
    pub(super) fn close(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Starts the checks that a message brought, when there is room for them.
    fn start_checks(&self, open: &mut Open) {
        while let Some(check) = open.session.take_check() {
            let permits = Arc::clone(&self.checks);
            open.checks.spawn(async move {
                // The semaphore is never closed.
                let _permit = permits.acquire_owned().await.ok();
                tokio::task::spawn_blocking(move || check.run()).await
            });
        }
    }

    /// Takes the next message of an exchange at a moment, and answers it; the last one again.
    pub(super) async fn step(
        &self,
        open: &mut Open,
        message: ProverMessage,
        now_ms: u64,
    ) -> Result<VerifierMessage, Problem> {
        let digest = digest(&message);
        if let Some(answer) = open.repeated(&digest) {
            return Ok(answer);
        }
        let mut report = None;
        if let ProverMessage::Report(signed) = &message {
            open.finish_checks().await?;
            report = Some(ReportSeen::of(signed));
            if let Some(moment) = open.key.moment {
                let together = self.cohorts.has_like(moment, &open.key);
                open.session.challenged_together(together);
            }
        }
        let answer = open.session.step(message, now_ms);
        let answer = answer.map_err(|why| refused(&why))?;
        if let (Some(moment), Some(window)) = (open.key.moment, open.session.challenge_window()) {
            self.cohorts.note(moment, &open.key, window);
        }
        self.start_checks(open);
        open.report = report;
        if open.session.verdict().is_some() {
            open.place = None;
        }
        open.last = Some((digest, answer.clone()));
        Ok(answer)
    }
}

impl Open {
    /// The challenge and what it asks.
    pub(super) fn plan(&self) -> &Plan {
        self.session.plan()
    }

    /// When a message is to be answered that says that the cards are ready: at once, or with all of
    /// the cohort.
    pub(super) fn answer_at(&mut self, message: &ProverMessage, now_ms: u64) -> Option<WorldTime> {
        if !matches!(message, ProverMessage::MatrixBegin) {
            return None;
        }
        self.session.is_ready_at(now_ms);
        self.challenge_at
    }

    /// Whether the prover knows what it must open, and has no verdict yet.
    pub(super) fn is_picked(&self) -> bool {
        self.session.has_picked() && self.session.verdict().is_none()
    }

    /// The answer to a message that was answered last.
    pub(super) fn repeated(&self, digest: &[u8; 32]) -> Option<VerifierMessage> {
        let last = self.last.as_ref().filter(|(last, _)| last == digest);
        last.map(|(_, answer)| answer.clone())
    }

    /// Waits for the checks that run, and hands back what they found.
    async fn finish_checks(&mut self) -> Result<(), Problem> {
        let all = async {
            while let Some(ended) = self.checks.join_next().await {
                let found = ended.and_then(|found| found);
                let found = found.map_err(|error| Problem::defect(&error))?;
                self.session.checked(found);
            }
            Ok(())
        };
        tokio::time::timeout(CHECKS_WAIT, all)
            .await
            .unwrap_or_else(|_| Err(Problem::busy(&"the probe's openings are still checked")))
    }
}

#[cfg(test)]
mod tests;
