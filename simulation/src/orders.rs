//! What agents are told of moments: an order that is in the store, with the time that the store says;
//! one challenge for all nodes of a card; and a verdict that is in the store, always the same.

use std::time::Duration;

use gpu_probe::protocol::{HeartbeatRequest, SpotOrder};
use gpu_probe::session::Standing;
use tandem::engine::attempt::Attempt;
use tandem::engine::probe::moments::SETTLE;
use tandem::engine::probe::running::SpotTerms;
use tandem::engine::probe::{ProbeOpens, Probed};
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use crate::moments::{Asked, uuids};
use crate::sim::{Done, broken};
use crate::witness::Witness;

/// Longest that an answer to a heartbeat waits for its flush, in ms: its order begins later by it.
const FLUSHED_WITHIN_MS: u64 = 2_000;

impl Witness {
    /// An agent is told an order: it is in the store, and begins when the store says.
    pub(crate) fn order_is_told(
        &self,
        beat: &HeartbeatRequest,
        order: SpotOrder,
        now: WorldTime,
    ) -> Done {
        let who = format!("{} e{} node {}", beat.job, beat.epoch, beat.rank);
        let asked = (beat.job, beat.epoch, beat.rank, order.moment);
        let attempt = self.attempt(beat.job, beat.epoch);
        let probes = attempt.and_then(|a| a.running_probes.get(&beat.rank));
        let stored = probes.and_then(|probes| probes.ordered);
        let Some(stored) = stored.filter(|stored| stored.moment == order.moment) else {
            // It may have been answered, or refused, while this answer waited for the flush.
            return match self.moments.kept.contains_key(&asked) {
                true => Ok(()),
                false => broken(format!(
                    "{who} is told of a moment that is not in the store"
                )),
            };
        };
        let begins = now.after(Duration::from_millis(order.in_ms));
        let late_ms = begins.since(stored.at).as_millis();
        if begins < stored.at || late_ms > u128::from(FLUSHED_WITHIN_MS) {
            return broken(format!(
                "{who} is told to begin {late_ms} ms after {stored:?}"
            ));
        }
        Ok(())
    }

    /// An exchange is opened at a moment: all nodes of the card get their challenge at one time, and
    /// each must show the cards that it showed first.
    pub(crate) fn moment_opens(
        &self,
        said: &ProbeOpens,
        terms: &SpotTerms,
        now: WorldTime,
    ) -> Done {
        let who = format!("{} e{} node {}", said.job, said.epoch, said.rank);
        let Some(attempt) = self.attempt(said.job, said.epoch) else {
            return broken(format!("{who} is probed and not in the store"));
        };
        let probes = attempt.running_probes.get(&said.rank);
        let ordered = probes.and_then(|probes| probes.ordered);
        let ordered = ordered.filter(|o| Some(o.moment) == said.moment && o.at <= now);
        let at_start = attempt.probes.get(&said.rank);
        let node = (said.job, said.epoch, said.rank);
        let later = self.moments.verdicts_on(node);
        let all = at_start.into_iter().chain(later);
        let first = all.filter(|p| !p.devices.is_empty()).min_by_key(|p| p.at);
        let fits = ordered.is_some_and(|o| o.at.after(SETTLE) == terms.challenge_at)
            && terms.sold_as == attempt.offer.gpu.id()
            && terms.expected == first.map(uuids);
        if !fits {
            return broken(format!("{who} is probed by {terms:?}, ordered {ordered:?}"));
        }
        Ok(())
    }

    /// A verdict of a moment is told when it is in the store, and always the same; what could not run
    /// takes the work from nobody.
    pub(crate) fn moment_is_told(
        &mut self,
        asked: Asked,
        (probed, may_go_on): (&Probed, bool),
    ) -> Done {
        let (job, epoch, rank, _) = asked;
        let who = format!("{job} e{epoch} node {rank}");
        if self.moments.kept.get(&asked) != Some(probed) {
            return broken(format!("{who} is told a verdict that is not in the store"));
        }
        let grants = self.jobs.get(&job).is_some_and(|seen| {
            let session = &seen.document.session;
            seen.state.may_hold_lease()
                && session.live_epoch() == Some(epoch)
                && session.standing() == Some(Standing::Granting)
        });
        // A job that its customer stops in the same turn hears of it with the next heartbeat; a
        // placement that is left is gone.
        let is_left = self.attempt(job, epoch).is_none_or(|a| a.left_at.is_some());
        let told = self.moments.told.entry(asked);
        let first = told.or_insert_with(|| (probed.clone(), may_go_on));
        let is_same = first.0 == *probed && (!grants || first.1 == may_go_on);
        let fits = match grants {
            true => may_go_on == probed.accepted,
            false => !may_go_on || probed.accepted && !is_left,
        };
        if !is_same || !fits {
            return broken(format!("{who} is told {may_go_on} after {first:?}"));
        }
        Ok(())
    }

    fn attempt(&self, job: JobId, epoch: Epoch) -> Option<&Attempt> {
        let mut attempts = self.jobs.get(&job)?.attempts.iter();
        attempts.find(|attempt| attempt.placement.epoch == epoch)
    }
}
