//! What must hold of probes: a node without an accepted verdict earns, publishes and ends nothing;
//! the first verdict stands and is told alike for ever; a placement whose probe speaks against it
//! is left, not charged, and its offer counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gpu_probe::session::{Outcome, Standing};
use tandem::engine::attempt::Attempt;
use tandem::engine::message::{AgentReply as Said, AgentRequest, Reply};
use tandem::engine::probe::{ProbeTerms, Probed};
use tandem_model::id::JobId;
use tandem_model::job::JobState;
use tandem_model::money::MicroUsd;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use crate::devices::Devices;
use crate::sim::{Done, broken};
use crate::witness::{Seen, Witness};

/// How long after its last moment a placement without a verdict may still stand: a dead broker's
/// claims end within a minute, and a store that fails is asked again.
const LEFT_WITHIN: Duration = Duration::from_secs(90);

/// What was seen of probes.
#[derive(Debug)]
pub(crate) struct Verdicts {
    pub(crate) terms: ProbeTerms,
    /// Verdicts as agents were told them, and whether they might start.
    told: BTreeMap<(JobId, Epoch, u16), (Probed, bool)>,
    /// Attempts with an agent that is not the one that was sent.
    pub(crate) patched: BTreeSet<(JobId, Epoch)>,
    pub(crate) devices: Devices,
}

impl Default for Verdicts {
    fn default() -> Self {
        Self {
            terms: ProbeTerms::OFF,
            told: BTreeMap::new(),
            patched: BTreeSet::new(),
            devices: Devices::default(),
        }
    }
}

/// Whether a node was told to probe and no verdict was accepted.
fn is_barred(attempt: &Attempt, rank: u16) -> bool {
    attempt.probe_ordered.contains_key(&rank)
        && attempt.probes.get(&rank).is_none_or(|p| !p.accepted)
}

/// Until when the verdict of the node that was told first must be there.
fn due(attempt: &Attempt, within: Duration) -> Option<WorldTime> {
    let ordered = attempt.probe_ordered.iter();
    let open = ordered.filter(|(rank, _)| !attempt.probes.contains_key(*rank));
    open.map(|(_, told)| told.after(within)).min()
}

/// Time since the last node of an attempt was judged and accepted: none while one is barred.
fn since_accepted(attempt: &Attempt, now: WorldTime) -> Duration {
    let ranks = attempt.probe_ordered.keys();
    let since = ranks.map(|rank| match attempt.probes.get(rank) {
        Some(probed) if probed.accepted => now.since(probed.at),
        _ => Duration::ZERO,
    });
    since.min().unwrap_or(Duration::MAX)
}

/// The verdicts that were there before are there now, the same ones.
pub(crate) fn first_stands(id: JobId, before: &Attempt, now: &Attempt) -> Done {
    let epoch = before.placement.epoch;
    for (rank, verdict) in &before.probes {
        if now.probes.get(rank) != Some(verdict) {
            return broken(format!("{id} e{epoch}: the verdict on node {rank} changed"));
        }
    }
    // Time in which no broker was there is not the node's.
    let later = |(rank, told)| {
        now.probe_ordered
            .get(rank)
            .is_some_and(|again| again >= told)
    };
    if !before.probe_ordered.iter().all(later) {
        return broken(format!(
            "{id} e{epoch}: a probe that was ordered is forgotten"
        ));
    }
    Ok(())
}

impl Witness {
    /// What must hold of the probes of a job that was just written.
    pub(crate) fn probes_hold(&self, id: JobId, seen: &Seen, now: WorldTime) -> Done {
        let live = seen.document.session.live_epoch();
        for attempt in &seen.attempts {
            let epoch = attempt.placement.epoch;
            let who = format!("{id} e{epoch}");
            let earns = since_accepted(attempt, now);
            if attempt.proved > earns {
                let proved = attempt.proved;
                return broken(format!(
                    "{who}: {proved:?} are proved, and its probe was accepted {earns:?} ago"
                ));
            }
            let first_is_barred = is_barred(attempt, 0);
            let pointer = seen.document.session.pointer();
            if first_is_barred && pointer.is_some_and(|p| p.epoch == epoch) {
                return broken(format!("{who}: a node without an accepted probe published"));
            }
            if attempt.failed_probe {
                self.was_left_well(id, seen, attempt)?;
            }
            let ended_by = match seen.document.session.outcome() {
                Some(Outcome::Succeeded(report) | Outcome::Failed(report)) => Some(report.rank),
                None => None,
            };
            if live == Some(epoch) && ended_by.is_some_and(|rank| is_barred(attempt, rank)) {
                return broken(format!(
                    "{who}: a node without an accepted probe ended the job"
                ));
            }
        }
        self.bad_ones_are_left(id, seen, now)
    }

    /// A probe is why an attempt was left by its probe; nothing was charged for one that was left by
    /// that of its start, and its offer is counted.
    fn was_left_well(&self, id: JobId, seen: &Seen, attempt: &Attempt) -> Done {
        let epoch = attempt.placement.epoch;
        let who = format!("{id} e{epoch}");
        let mut at_start = attempt.probes.values();
        let failed_start = at_start.any(|probed| !probed.accepted)
            || attempt.probe_skipped.is_some()
            || due(attempt, Duration::ZERO).is_some();
        let failed_later = self.moments.has_failed(id, epoch);
        if !failed_start && !failed_later {
            return broken(format!("{who} is left by its probe, and no probe failed"));
        }
        // What was proved before a moment stays charged.
        let is_charged = attempt.charged != MicroUsd::ZERO && !failed_later;
        if is_charged || attempt.left_at.is_none() {
            return broken(format!(
                "{who} failed its probe, and is charged or not left"
            ));
        }
        let before = self.jobs.get(&id);
        let is_new = before.is_none_or(|before| {
            let old = before.attempts.iter().find(|a| a.placement.epoch == epoch);
            old.is_none_or(|old| !old.failed_probe)
        });
        let offer = &attempt.offer.id;
        let failed = &seen.document.situation.failed_offers;
        // Who has nothing else left may try an offer again, until its probes failed too often.
        let tries_again = seen.document.waiting_since.is_some();
        if is_new && !attempt.ends_soon && !tries_again && !failed.contains(offer) {
            return broken(format!(
                "{who} failed its probe, and its offer is not counted"
            ));
        }
        let is_of_it = |a: &&Attempt| a.failed_probe && a.offer.id == *offer;
        let fails = seen.attempts.iter().filter(is_of_it).count();
        if fails > usize::try_from(self.verdicts.terms.fails_of_offer).unwrap_or(usize::MAX) {
            return broken(format!(
                "{who} stands on an offer whose probes failed too often"
            ));
        }
        Ok(())
    }

    /// A live placement has no verdict against it, no node that began without one, and none that
    /// is late.
    fn bad_ones_are_left(&self, id: JobId, seen: &Seen, now: WorldTime) -> Done {
        let Some(attempt) = seen.attempts.last().filter(|_| seen.state.may_hold_lease()) else {
            return Ok(());
        };
        let who = format!("{id} e{}", attempt.placement.epoch);
        if let Some(rank) = attempt.probe_skipped {
            return broken(format!("{who} stands, and node {rank} skipped its probe"));
        }
        if let Some((rank, _)) = attempt.probes.iter().find(|(_, p)| !p.accepted) {
            return broken(format!("{who} stands, and node {rank} failed its probe"));
        }
        if self.moments.has_failed(id, attempt.placement.epoch) {
            return broken(format!("{who} stands, and failed while its work ran"));
        }
        let within = self.verdicts.terms.within;
        // One that was told before the broker's last start has all of its time from there on.
        let back = self.blame.away.last().map(|(_, back)| back.after(within));
        let due = due(attempt, within).filter(|due| back.is_none_or(|back| back <= *due));
        if due.is_some_and(|due| now > due) {
            return broken(format!(
                "{who} was decided on, and its late probe is overlooked"
            ));
        }
        if !self.verdicts.terms.at_start && !attempt.probe_ordered.is_empty() {
            return broken(format!("{who} was told to probe, and nobody is"));
        }
        Ok(())
    }

    /// No placement stands long after its verdict was due, while the broker is at work.
    pub(crate) fn nobody_is_late(&self, now: WorldTime) -> Done {
        let back = self.blame.away.last().map(|(_, back)| *back);
        for (id, seen) in &self.jobs {
            let live = seen.attempts.last().filter(|_| seen.state.may_hold_lease());
            let within = self.verdicts.terms.within;
            let again = back.map(|back| back.after(within));
            let is_late = |due: WorldTime| now > due.max(again.unwrap_or(due)).after(LEFT_WITHIN);
            if live
                .and_then(|attempt| due(attempt, within))
                .is_some_and(is_late)
            {
                return broken(format!("{id} stands without the verdict of its probe"));
            }
            let nodes = live.map(|attempt| attempt.running_probes.values());
            let mut moments = nodes.into_iter().flatten().filter_map(|p| p.ordered);
            if moments.any(|ordered| is_late(ordered.at.after(within))) {
                return broken(format!("{id} has a moment that never ends"));
            }
        }
        Ok(())
    }

    /// An agent is told something: of a node that is barred nothing is taken, and a verdict is told
    /// when it is in the store, and always the same.
    pub(crate) fn probe_is_told(
        &mut self,
        request: &AgentRequest,
        reply: &Reply,
        now: WorldTime,
    ) -> Done {
        let (job, epoch) = request.names();
        let Reply::Agent(reply) = reply else {
            return Ok(());
        };
        self.nothing_of_the_barred_is_taken(request, reply, now)?;
        if let (AgentRequest::Heartbeat(r), Said::Heartbeat(told)) = (request, reply)
            && let Some(order) = told.spot_probe
        {
            return self.order_is_told(r, order, now);
        }
        let Said::Probed {
            probed, may_start, ..
        } = reply
        else {
            return Ok(());
        };
        let may_start = *may_start;
        let (rank, moment) = match request {
            AgentRequest::ProbeOpens(r) => (r.rank, r.moment),
            AgentRequest::Probed(r) => (r.rank, r.moment),
            _ => return broken(format!("{job} e{epoch} is told a verdict unasked")),
        };
        if let Some(moment) = moment {
            return self.moment_is_told((job, epoch, rank, moment), (probed, may_start));
        }
        let Some(seen) = self.jobs.get(&job) else {
            return Ok(());
        };
        let attempt = seen.attempts.iter().find(|a| a.placement.epoch == epoch);
        let who = format!("{job} e{epoch} node {rank}");
        if attempt.and_then(|a| a.probes.get(&rank)) != Some(&**probed) {
            return broken(format!("{who} is told a verdict that is not in the store"));
        }
        if may_start && !probed.accepted {
            return broken(format!(
                "{who} may start after a verdict that is not accepted"
            ));
        }
        let session = &seen.document.session;
        let grants = seen.state.may_hold_lease()
            && session.live_epoch() == Some(epoch)
            && session.standing() == Some(Standing::Granting);
        if grants && probed.accepted && !may_start {
            return broken(format!("{who} was accepted and may not start"));
        }
        let told = self.verdicts.told.entry((job, epoch, rank));
        let first = told.or_insert_with(|| ((**probed).clone(), may_start));
        if first.0 != **probed || (grants && first.1 != may_start) {
            return broken(format!(
                "{who} was told {first:?} before, and now {may_start}"
            ));
        }
        Ok(())
    }

    /// No checkpoint and no outcome is taken of a node without an accepted probe, or that failed one.
    fn nothing_of_the_barred_is_taken(
        &self,
        request: &AgentRequest,
        reply: &Said,
        now: WorldTime,
    ) -> Done {
        let (job, epoch) = request.names();
        let taken = match (request, reply) {
            (AgentRequest::Checkpoint(r), Said::Checkpoint(told)) if told.accepted => {
                Some((r.rank, "checkpoint is taken"))
            }
            (AgentRequest::Result(r), Said::Result(told))
                if told.recorded && r.cause.is_outcome() =>
            {
                Some((r.rank, "result is taken"))
            }
            (AgentRequest::Bind(r), Said::Bound { trusted, .. }) if trusted.is_some() => {
                Some((r.rank, "agent gets secrets"))
            }
            _ => None,
        };
        let seen = self.jobs.get(&job);
        let attempt = seen.and_then(|s| s.attempts.iter().find(|a| a.placement.epoch == epoch));
        let barred = |rank| {
            self.moments.had_failed((job, epoch, rank), now)
                || attempt.is_some_and(|attempt| is_barred(attempt, rank))
        };
        match taken.filter(|(rank, _)| barred(*rank)) {
            Some((_, what)) => broken(format!("{job} e{epoch}: a barred node's {what}")),
            None => Ok(()),
        }
    }

    /// Whether what ran of an attempt says nothing of what is proved: an agent on it makes its own
    /// rules, or a node of it was never accepted.
    pub(crate) fn is_not_to_be_compared(&self, job: JobId, attempt: &Attempt) -> bool {
        let epoch = attempt.placement.epoch;
        let barred = attempt
            .probe_ordered
            .keys()
            .any(|rank| is_barred(attempt, *rank));
        barred || self.verdicts.patched.contains(&(job, epoch))
    }

    /// Jobs that succeeded did so on nodes that were all accepted.
    pub(crate) fn successes_were_probed(&self) -> Done {
        for (id, seen) in &self.jobs {
            let last = seen
                .attempts
                .last()
                .filter(|_| seen.state == JobState::Succeeded);
            if last.is_some_and(|a| a.probe_ordered.keys().any(|rank| is_barred(a, *rank))) {
                return broken(format!(
                    "{id} succeeded on a node without an accepted probe"
                ));
            }
        }
        Ok(())
    }
}
