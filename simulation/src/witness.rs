//! What must hold after every step, checked against what the store says.

use std::collections::{BTreeMap, BTreeSet};

use gpu_probe::protocol::Directive;
use tandem::engine::attempt::Attempt;
use tandem::engine::job::JobDocument;
use tandem::engine::message::{AgentReply as Said, AgentRequest, JobSpec, Reply};
use tandem::engine::probe::ProbeTerms;
use tandem::store::sqlite::SqliteStore;
use tandem::store::{Store, StoreError};
use tandem_model::id::{AccountId, JobId};
use tandem_model::job::JobState;
use tandem_model::placement::{Epoch, PlacementTag};
use tandem_model::time::WorldTime;
use tandem_model::workload::WorkloadKind;

use crate::blame::Blame;
use crate::disk::wait;
use crate::moments::Moments;
use crate::sim::{Done, Halt, Sim, broken};
use crate::verdicts::{Verdicts, first_stands};

/// A job as the store last showed it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    version: u64,
    pub(crate) state: JobState,
    pub(crate) document: JobDocument,
    pub(crate) attempts: Vec<Attempt>,
}

impl Seen {
    /// How many nodes of all attempts are judged at their start.
    fn verdicts(&self) -> usize {
        self.attempts.iter().map(|a| a.probes.len()).sum()
    }
}

/// What agents were allowed to publish of a job.
#[derive(Debug, Default)]
struct Published {
    /// The newest checkpoint that was accepted.
    checkpoint: Option<(Epoch, u64)>,
    /// Results that were recorded.
    results: BTreeSet<(Epoch, u16)>,
}

/// Everything that was seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) ordered: BTreeMap<JobId, JobSpec>,
    pub(crate) accepted: BTreeSet<JobId>,
    pub(crate) cancelled: BTreeSet<JobId>,
    pub(crate) jobs: BTreeMap<JobId, Seen>,
    published: BTreeMap<JobId, Published>,
    created: BTreeSet<PlacementTag>,
    /// Orphans whose stop was asked for.
    pub(crate) orphans: u64,
    /// Creations that arrived after they had to be taken as never made.
    pub(crate) very_late: BTreeSet<PlacementTag>,
    /// Rates of later terms.
    pub(crate) rates_agreed: u64,
    /// Stops that were told because no rate was agreed.
    pub(crate) stops_told: u64,
    /// When every job had ended.
    pub(crate) settled_at: Option<WorldTime>,
    pub(crate) blame: Blame,
    pub(crate) verdicts: Verdicts,
    pub(crate) moments: Moments,
    is_broken: Option<String>,
}

pub(crate) fn unreadable(error: impl std::fmt::Display) -> Halt {
    Halt::Broken(format!("the store cannot be read: {error}"))
}

/// A job with its attempts, as the store has it.
fn look(store: &SqliteStore, account: AccountId, id: JobId) -> Done<Option<Seen>> {
    let Some(record) = wait(store.job(account, id)).map_err(unreadable)? else {
        return Ok(None);
    };
    let placements = wait(store.placements(id)).map_err(unreadable)?;
    let live: Vec<_> = placements
        .iter()
        .filter(|p| p.live)
        .map(|p| p.epoch)
        .collect();
    if live.len() > 1 {
        return broken(format!("{id} has {} live placements", live.len()));
    }
    if record.state.is_terminal() && !live.is_empty() {
        return broken(format!("{id} is over and has a live placement"));
    }
    let last = placements.iter().map(|p| p.epoch).max();
    if live.first().is_some_and(|live| Some(*live) != last) {
        return broken(format!("{id}: the live placement is not the newest"));
    }
    let attempts = placements.iter().map(|p| serde_json::from_str(&p.document));
    Ok(Some(Seen {
        version: record.version,
        state: record.state,
        document: serde_json::from_str(&record.document).map_err(unreadable)?,
        attempts: attempts.collect::<Result<_, _>>().map_err(unreadable)?,
    }))
}

impl Witness {
    /// Is told how placements are probed, and the length of the days for which moments are drawn.
    pub(crate) fn expects(&mut self, probe: ProbeTerms, day_us: i64) {
        self.verdicts.terms = probe;
        self.moments.day_us = day_us;
    }

    /// Keeps what is broken until the step is over.
    pub(crate) fn breaks(&mut self, why: String) {
        self.is_broken.get_or_insert(why);
    }

    /// Whether everything held so far.
    pub(crate) fn holds(&mut self) -> Done {
        match self.is_broken.take() {
            Some(why) => broken(why),
            None => Ok(()),
        }
    }

    /// A customer orders a job.
    pub(crate) fn is_ordered(&mut self, job: JobId, spec: &JobSpec) {
        self.ordered.insert(job, spec.clone());
    }

    /// A customer was told that a job is accepted.
    pub(crate) fn is_accepted(&mut self, job: JobId) -> Done {
        self.accepted.insert(job);
        if self.jobs.contains_key(&job) {
            Ok(())
        } else {
            broken(format!("{job} was accepted and is not in the store"))
        }
    }

    pub(crate) fn is_cancelled(&mut self, job: JobId) {
        self.cancelled.insert(job);
    }

    pub(crate) fn has_ended(&self, job: JobId) -> bool {
        self.jobs
            .get(&job)
            .is_some_and(|seen| seen.state.is_terminal())
    }

    /// Compares what a commit wrote with what was seen before.
    pub(crate) fn committed(
        &mut self,
        store: &SqliteStore,
        written: &[(AccountId, JobId)],
        at: WorldTime,
    ) -> Done {
        let mut is_judged = false;
        for (account, id) in written {
            let Some(now) = look(store, *account, *id)? else {
                return broken(format!("{id} was written and is not in the store"));
            };
            if let Some(before) = self.jobs.get(id) {
                compare(*id, before, &now)?;
                self.fence_was_waited_for(*id, before, &now)?;
            }
            self.charges_fit(store, *id, &now)?;
            self.terms_hold(*id, &now)?;
            let before = self.moments.kept.len() + self.jobs.get(id).map_or(0, Seen::verdicts);
            self.moments_hold(*id, &now, at)?;
            self.probes_hold(*id, &now, at)?;
            is_judged |= self.moments.kept.len() + now.verdicts() != before;
            self.jobs.insert(*id, now);
        }
        if is_judged {
            self.devices_are_counted();
            self.devices_fit(store)?;
        }
        self.tables_are_bounded(store)
    }

    /// A broker starts: everything that was seen is still there, and nothing else.
    pub(crate) fn all_is_there(&mut self, store: &SqliteStore) -> Done {
        for (id, spec) in &self.ordered {
            let found = look(store, spec.account, *id)?;
            match (self.jobs.get(id), found) {
                (None, None) => {}
                (Some(before), Some(now)) => {
                    compare(*id, before, &now)?;
                    let probes = |seen: &Seen| -> Vec<_> {
                        let all = seen.attempts.iter();
                        all.map(|a| a.running_probes.clone()).collect()
                    };
                    if probes(before) != probes(&now) {
                        return broken(format!("{id}: its moments are not what was written"));
                    }
                    self.jobs.insert(*id, now);
                }
                (Some(_), None) => return broken(format!("{id} is lost")),
                (None, Some(_)) => {
                    return broken(format!("{id} is there from a commit that was torn"));
                }
            }
        }
        self.devices_fit(store)?;
        self.tables_are_bounded(store)
    }

    /// A new epoch comes only when the one before can publish nothing: no agent of it holds a lease
    /// by its own count, or its network confirmed its end. A service may overlap.
    fn fence_was_waited_for(&self, id: JobId, before: &Seen, now: &Seen) -> Done {
        let (Some(old), Some(new)) = (before.attempts.last(), now.attempts.last()) else {
            return Ok(());
        };
        let epoch = old.placement.epoch;
        if new.placement.epoch == epoch {
            return Ok(());
        }
        let left = now.attempts.iter().find(|a| a.placement.epoch == epoch);
        let is_confirmed = left.is_none_or(|a| a.seen_ended() || a.is_released());
        let may_overlap = self.ordered.get(&id).is_some_and(|spec| {
            spec.workload.kind == WorkloadKind::Service && !spec.workload.exclusive
        });
        let lease = self.blame.lease_until(id, epoch);
        if !is_confirmed && !may_overlap && lease.is_some_and(|until| new.decided_at < until) {
            return broken(format!(
                "{id}: e{} was placed while e{epoch} may still publish",
                new.placement.epoch
            ));
        }
        Ok(())
    }

    /// The store refused a decision: the engine decided what it must not.
    pub(crate) fn refused(&self, why: &StoreError) -> Done {
        match why {
            StoreError::Refused { rule, .. } if rule.is_used_before() => Ok(()),
            StoreError::Database(_) => Ok(()),
            other => broken(format!("the store refused a decision: {other}")),
        }
    }

    /// A creation leaves: once a tag, and never for a job that has its result.
    pub(crate) fn create_is_sent(&mut self, tag: PlacementTag) -> Done {
        let seen = self.jobs.get(&tag.job);
        if seen.is_some_and(|seen| seen.document.session.outcome().is_some()) {
            return broken(format!("{} is run again after its result", tag.job));
        }
        if seen.is_none_or(|s| s.attempts.iter().all(|a| a.placement.tag != tag)) {
            return broken(format!("{tag} is created and not recorded"));
        }
        if !self.created.insert(tag) {
            return broken(format!("{tag} is created a second time"));
        }
        Ok(())
    }

    /// An agent is told something: only the newest epoch publishes, and the pointer only rises.
    pub(crate) fn agent_is_told(
        &mut self,
        request: &AgentRequest,
        reply: &Reply,
        now: WorldTime,
    ) -> Done {
        let (job, epoch) = request.names();
        self.blame.leases(request, reply);
        self.probe_is_told(request, reply, now)?;
        let seen = self.jobs.get(&job);
        match (request, reply) {
            (AgentRequest::Heartbeat(_), Reply::Agent(Said::Heartbeat(told))) => {
                let was_over = self.blame.was_over_when_asked(request);
                if was_over && (told.granted || told.directive == Directive::Continue) {
                    return broken(format!("{job} is over and e{epoch} is told to go on"));
                }
                Ok(())
            }
            (AgentRequest::Checkpoint(asked), Reply::Agent(Said::Checkpoint(told)))
                if told.accepted =>
            {
                let this = (epoch, asked.step);
                let published = self.published.entry(job).or_default();
                let last = published.checkpoint;
                let fits = last
                    .is_none_or(|last| last == this || (epoch >= last.0 && asked.step > last.1));
                published.checkpoint = Some(this);
                let stored = seen.and_then(|s| s.document.session.pointer());
                if !fits || stored.is_none_or(|at| at.step < asked.step) {
                    return broken(format!(
                        "{job}: e{epoch} published step {} after {last:?}; the store has {stored:?}",
                        asked.step
                    ));
                }
                Ok(())
            }
            (AgentRequest::Result(asked), Reply::Agent(Said::Result(told))) if told.recorded => {
                let published = self.published.entry(job).or_default();
                if !published.results.insert((epoch, asked.rank)) {
                    return Ok(());
                }
                let live = seen.and_then(|s| s.document.session.live_epoch());
                // The end of one node can be what the next epoch waited for, in the same commit.
                let newest = seen.and_then(|s| s.attempts.last());
                let is_raised_now = newest.is_some_and(|a| a.decided_at == now);
                if live != Some(epoch) && !is_raised_now {
                    return broken(format!("{job}: e{epoch} reported, and {live:?} is live"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What may change of a job and what may not.
fn compare(id: JobId, before: &Seen, now: &Seen) -> Done {
    if now.version < before.version {
        return broken(format!("{id} went back to version {}", now.version));
    }
    if before.state.is_terminal() && now.state != before.state {
        return broken(format!(
            "{id} was {:?} and is {:?}",
            before.state, now.state
        ));
    }
    let step = |seen: &Seen| seen.document.session.pointer().map(|at| at.step);
    if step(now) < step(before) || now.document.pointer_went_back > 0 {
        return broken(format!("the pointer of {id} went back"));
    }
    if now.attempts.len() < before.attempts.len() {
        return broken(format!("an attempt of {id} is lost"));
    }
    for (old, new) in before.attempts.iter().zip(&now.attempts) {
        if new.proved < old.proved || new.charged < old.charged {
            return broken(format!("{id}: what was proved or charged fell"));
        }
        first_stands(id, old, new)?;
    }
    Ok(())
}

impl Sim {
    pub(crate) fn witness_commit(&mut self, written: &[(AccountId, JobId)]) -> Done {
        let Some(broker) = &self.broker else {
            return broken("no broker at work");
        };
        self.witness.committed(&broker.store, written, self.now)
    }
}
