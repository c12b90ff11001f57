//! What is done to the jobs, in order: a machine dies, a whole network falls silent and is healed,
//! services are stopped when they served, and everything is waited for.

use std::time::Duration;

use anyhow::bail;
use reqwest::Method;
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::network::NetworkId;

use super::narrator::Narrator;
use super::saboteur::{Saboteur, Silence, Truth};
use super::stage::Stage;
use super::watch::{Seen, Watch};
use super::{LOSE_AT_STEP, REAL_JOB};
use crate::api::CancelReply;
use crate::cli::failure::Failure;
use crate::client::Answer;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a service runs on its last machine before it is stopped, in world microseconds.
const SERVICE_RUNS_US: i64 = 30_000_000;
/// Machines that are taken away at most until a job moved within its network.
const CRASHES_MAX: usize = 3;

/// Everybody in the story.
pub struct Story<'a> {
    /// What is set up.
    pub stage: &'a Stage,
    /// What the customer sees.
    pub watch: &'a Watch,
    /// Who tells it.
    pub narrator: &'a Narrator,
    /// The job that runs as a real process.
    pub real: JobId,
}

impl Story<'_> {
    fn saboteur(&self) -> &Saboteur {
        &self.stage.saboteur
    }

    fn one(&self, id: JobId) -> Result<Seen, Failure> {
        let seen = self.watch.seen()?.into_iter().find(|s| s.job.id == id);
        Ok(seen.expect("every job is followed from its acceptance"))
    }

    /// Takes the machine of the real training away once it has checkpoints, and further ones until
    /// a job has moved within its network.
    pub async fn lose_machines(&self) -> anyhow::Result<()> {
        self.until_checkpoint().await?;
        let mut lost = vec![self.real];
        loop {
            let id = lost[lost.len() - 1];
            let before = self.one(id)?;
            if self.lose_machine(&before).await? {
                let after = self.until_moved(&before).await?;
                if after.network == before.network {
                    return Ok(());
                }
            }
            let others = self.watch.seen()?;
            let next = others
                .iter()
                .find(|s| s.state == JobState::Running && !lost.contains(&s.job.id));
            match next {
                Some(next) if lost.len() < CRASHES_MAX => lost.push(next.job.id),
                _ => return Ok(()),
            }
        }
    }

    /// Waits until the real training has a checkpoint worth going on from.
    async fn until_checkpoint(&self) -> anyhow::Result<()> {
        loop {
            let job = self.watch.job(self.real).await?;
            let step = job.checkpoint.map_or(0, |checkpoint| checkpoint.step);
            match job.summary.state {
                JobState::Running if step >= LOSE_AT_STEP => return Ok(()),
                state if state.is_terminal() => {
                    bail!("{REAL_JOB} ended ({state:?}) before its machine could be taken away")
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn lose_machine(&self, seen: &Seen) -> anyhow::Result<bool> {
        let Some(network) = &seen.network else {
            return Ok(false);
        };
        let saboteur = self.saboteur();
        let unit = saboteur.crash(network, seen.job.id, seen.epoch).await?;
        if let Some(unit) = &unit {
            self.narrator.chapter(&format!(
                "A machine of {network} dies under {} ({unit})",
                seen.job.name
            ));
        }
        Ok(unit.is_some())
    }

    /// Waits until a job runs as another attempt, or ended.
    async fn until_moved(&self, before: &Seen) -> anyhow::Result<Seen> {
        loop {
            let now = self.one(before.job.id)?;
            let is_moved = now.epoch > before.epoch && now.state == JobState::Running;
            if is_moved || now.state.is_terminal() {
                return Ok(now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Silences the network with most running jobs that could move until each job there runs
    /// elsewhere, waits for an offer, or ended; then heals it.
    pub async fn lose_network(&self) -> anyhow::Result<Silence> {
        let seen = self.watch.seen()?;
        let Some(network) = most_movable(&seen).cloned() else {
            bail!("no job runs that has offers on both networks, so none could move");
        };
        let victims: Vec<Seen> = seen.into_iter().filter(|s| s.runs_on(&network)).collect();
        self.narrator.chapter(&format!(
            "All of {network} falls silent, its API too, with {} jobs running on it",
            victims.len()
        ));
        let silence = self.saboteur().silence(&network).await?;
        loop {
            let now = self.watch.seen()?;
            let is_out = |victim: &Seen| {
                let seen = now.iter().find(|s| s.job.id == victim.job.id);
                seen.is_some_and(|seen| has_left(seen, victim))
            };
            if victims.iter().all(is_out) {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.narrator.chapter(&format!("{network} is healed"));
        self.saboteur().heal().await?;
        Ok(silence)
    }

    /// Waits until every job ended and nothing is rented; services are stopped once they served.
    pub async fn finish(&self) -> anyhow::Result<Truth> {
        let mut stopped: Vec<JobId> = Vec::new();
        loop {
            let now = self.saboteur().world_us().await?;
            let seen = self.watch.seen()?;
            if seen.iter().all(|s| s.state.is_terminal()) {
                let truth = self.saboteur().truth().await?;
                if truth.still_rented() == 0 {
                    return Ok(truth);
                }
            }
            let has_served = |s: &&Seen| s.serves_since(now - SERVICE_RUNS_US);
            for service in seen.iter().filter(has_served) {
                let id = service.job.id;
                if !stopped.contains(&id) {
                    stopped.push(id);
                    let path = format!("/v1/jobs/{id}/cancel");
                    let asked = self.stage.customer.settle(Method::POST, &path).await;
                    let _: Answer<CancelReply> = asked?;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The network with most running jobs that have offers on another one, too.
fn most_movable(seen: &[Seen]) -> Option<&NetworkId> {
    let movable = |s: &&Seen| s.state == JobState::Running && s.job.networks.len() > 1;
    let on = |network: &NetworkId| {
        let here = seen.iter().filter(movable).filter(|s| s.runs_on(network));
        here.count()
    };
    let networks = seen
        .iter()
        .filter(movable)
        .filter_map(|s| s.network.as_ref());
    networks.max_by_key(|network| on(network))
}

/// Whether a job that ran on a network that fell silent is out of it.
fn has_left(now: &Seen, victim: &Seen) -> bool {
    now.state.is_terminal()
        || now.epoch > victim.epoch && now.state == JobState::Running
        || now.state == JobState::Queued
}
