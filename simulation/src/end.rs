//! When a run is over, and what must hold then: every job ended, everything is given back, and the
//! books agree with each other and with what really ran.

use std::collections::BTreeMap;
use std::time::Duration;

use gpu_probe::session::HEARTBEAT_INTERVAL;
use serde_json::Value;
use tandem::store::Store;
use tandem_adapters::wire::Method;
use tandem_model::job::JobState;
use tandem_model::placement::PlacementTag;
use tandem_model::time::WorldTime;

use crate::blame::Span;
use crate::disk::wait;
use crate::sim::{Done, Halt, Sim, broken};

/// Rentals looked at.
const ROWS_MAX: usize = 10_000;
/// What the messages of one attempt can blur: its times are told in milliseconds.
const BLUR: Duration = Duration::from_millis(20);
/// When every job has ended, what nobody claims is stopped within this time and one sweep.
const SWEPT_WITHIN: Duration = Duration::from_secs(300);
/// When a job is stopped by its customer or its limit, what it did since its last heartbeat is not
/// proved: a heartbeat's interval, and the call's way.
const SINCE_THE_LAST_BEAT: Duration = Duration::from_secs(HEARTBEAT_INTERVAL.as_secs() + 1);
/// Lease and skew: what one failure can hide.
const HIDDEN: Duration = Duration::from_secs(32);

/// What really ran of one attempt.
#[derive(Debug, Default)]
struct Truth {
    /// Work of each rank, every unit of it, from when to when.
    ranks: BTreeMap<u64, Vec<Span>>,
    rentals: u32,
}

fn failed(error: impl std::fmt::Display) -> Halt {
    Halt::Broken(error.to_string())
}

impl Sim {
    fn runs_nothing(&self) -> bool {
        let rows = self.world.summary(ROWS_MAX);
        let ended = ["completed", "failed", "destroyed", "cancelled"];
        rows.iter().all(|row| ended.contains(&row.status.as_str()))
    }

    /// Whether nothing is left to happen.
    pub(crate) fn is_over(&mut self) -> Done<bool> {
        let Some(broker) = &self.broker else {
            return Ok(false);
        };
        let content = self.customers.iter().all(|c| c.is_content);
        let settled =
            self.witness.jobs.values().all(|seen| {
                seen.state.is_terminal() && seen.attempts.iter().all(|a| a.is_released())
            });
        if self.at_peace && settled && !self.runs_nothing() {
            let since = *self.witness.settled_at.get_or_insert(self.now);
            if self.now.since(since) > SWEPT_WITHIN + self.plan.sweep_every {
                return broken(format!("nobody stops it: {}", self.what_is_left()));
            }
        }
        Ok(self.at_peace && content && settled && broker.kernel.is_empty() && self.runs_nothing())
    }

    /// What keeps a run from being over.
    pub(crate) fn what_is_left(&self) -> String {
        let mut left = Vec::new();
        for (id, seen) in &self.witness.jobs {
            let attempt = seen
                .attempts
                .last()
                .map(|a| (a.rented, a.left_because.clone()));
            let open = seen.attempts.iter().any(|a| !a.is_released());
            if !seen.state.is_terminal() || open {
                left.push(format!("{id} is {:?}, {attempt:?}", seen.state));
            }
        }
        for row in self.world.summary(ROWS_MAX) {
            if !["completed", "failed", "destroyed", "cancelled"].contains(&row.status.as_str()) {
                left.push(format!("{} {} is {}", row.network, row.name, row.status));
            }
        }
        let waiting = self.customers.iter().filter(|c| !c.is_content).count();
        left.push(format!("{waiting} customers wait"));
        left.join("; ")
    }

    /// What must hold when a run is over.
    pub(crate) fn judge_the_end(&mut self) -> Done {
        self.jobs_have_ended()?;
        self.books_agree()?;
        self.nothing_was_left_without_a_cause()?;
        self.witness.successes_were_probed()?;
        self.devices_are_known()?;
        let truth = self.truth()?;
        self.truth_fits(&truth)?;
        self.nothing_is_owed()
    }

    fn devices_are_known(&self) -> Done {
        match &self.broker {
            Some(broker) => self.witness.devices_fit(&broker.store),
            None => broken("no broker at work"),
        }
    }

    fn jobs_have_ended(&mut self) -> Done {
        for id in &self.witness.accepted {
            let Some(seen) = self.witness.jobs.get(id) else {
                return broken(format!("{id} was accepted and is lost"));
            };
            if !seen.state.is_terminal() {
                return broken(format!("{id} is {:?} at the end", seen.state));
            }
            let asked = self.witness.cancelled.contains(id);
            let limit = self.witness.ordered.get(id);
            let limited = limit
                .and_then(|s| s.workload.limits.max_duration_seconds)
                .is_some();
            let stops = seen.document.renewals.stops_at_us.is_some();
            if seen.state == JobState::Cancelled && !asked && !limited && !stops {
                return broken(format!("{id} is cancelled and nobody asked for it"));
            }
            if self.plan.spares_networks() && seen.state == JobState::Failed {
                let env = limit.map(|s| &s.workload.env);
                let own = env.is_some_and(|env| env.contains_key("TANDEM_SIM_EXIT_CODE"));
                let placed = seen.attempts.iter().any(|a| a.bound_at.is_some());
                if !own && placed {
                    return broken(format!("{id} failed: {:?}", seen.document.cause));
                }
            }
        }
        Ok(())
    }

    /// Balances are the sum of the charges; each charge is one row a job and epoch.
    fn books_agree(&mut self) -> Done {
        let mut charged: i128 = 0;
        let mut jobs = Vec::new();
        for (id, seen) in &self.witness.jobs {
            let of_attempts: i64 = seen.attempts.iter().map(|a| a.charged.get()).sum();
            jobs.push((*id, of_attempts));
        }
        let store = &self.running()?.store;
        for (id, of_attempts) in jobs {
            let charges = wait(store.charges(id)).map_err(failed)?;
            let sum: i64 = charges.iter().map(|c| c.amount.get()).sum();
            if sum != of_attempts {
                return broken(format!("{id}: charges {sum}, its attempts {of_attempts}"));
            }
            charged += i128::from(sum);
        }
        let balances = wait(store.balances()).map_err(failed)?;
        let of = |start: &str| -> (u128, u128) {
            let mine = balances.iter().filter(|b| b.account.starts_with(start));
            mine.fold((0, 0), |sum, b| (sum.0 + b.debit, sum.1 + b.credit))
        };
        let owed = of("receivable:");
        let earned = of("revenue:compute");
        let charged = u128::try_from(charged).unwrap_or(u128::MAX);
        if owed != (charged, 0) || earned != (0, charged) {
            return broken(format!(
                "charged {charged}, receivable {owed:?}, revenue {earned:?}"
            ));
        }
        Ok(())
    }

    /// Every attempt that was bound and left has something that was done to it before.
    fn nothing_was_left_without_a_cause(&self) -> Done {
        for (id, seen) in &self.witness.jobs {
            for attempt in &seen.attempts {
                let epoch = attempt.placement.epoch;
                let Some(left) = attempt.left_at else {
                    continue;
                };
                // What nobody ever spoke from may have been refused, or cut off before it was paid.
                let refused = attempt.bound_at.is_none()
                    && (attempt.remote_id.is_none() || self.plan.spares_networks());
                let network = &attempt.placement.network;
                let done = self.witness.blame.of(*id, epoch, network);
                let alone = self.plan.spares_networks();
                // An agent without patience says of a probe without an answer that it could not run.
                let within = (attempt.decided_at, left);
                let unheard =
                    attempt.failed_probe && self.witness.blame.store_failed_within(within);
                let excused = unheard || done.iter().any(|(from, _)| *from <= left);
                let exclusive = self.witness.ordered.get(id);
                let exclusive = exclusive.is_some_and(|s| s.workload.exclusive);
                if !refused && (!excused || (alone && !exclusive)) {
                    return broken(format!(
                        "{id} e{epoch} was left for `{}`, and nothing was done to it",
                        attempt.left_because.clone().unwrap_or_default()
                    ));
                }
            }
        }
        Ok(())
    }

    fn truth(&mut self) -> Done<BTreeMap<PlacementTag, Truth>> {
        let told = self.ask_world(Method::Get, "/truth", &Value::Null);
        let mut all: BTreeMap<PlacementTag, Truth> = BTreeMap::new();
        let rentals = told["deployments"].as_array().cloned().unwrap_or_default();
        for rental in rentals {
            let Some(tag) = rental["name"].as_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            let truth = all.entry(tag).or_default();
            truth.rentals += 1;
            for unit in rental["units"].as_array().into_iter().flatten() {
                let slot = unit["slot"].as_u64().unwrap_or(0);
                let spans = truth.ranks.entry(slot).or_default();
                for ran in unit["ran_us"].as_array().into_iter().flatten() {
                    let at = |n: usize| ran[n].as_i64().map(WorldTime::from_micros);
                    let Some(from) = at(0) else { continue };
                    spans.push((from, at(1).unwrap_or(self.now)));
                }
            }
        }
        Ok(all)
    }

    /// Nothing was created twice; what is proved really ran, and what ran is proved but for what
    /// failures hide.
    fn truth_fits(&mut self, truth: &BTreeMap<PlacementTag, Truth>) -> Done {
        for (tag, truth) in truth {
            if truth.rentals > 1 {
                return broken(format!("{tag} exists {} times", truth.rentals));
            }
            let seen = self.witness.jobs.get(&tag.job);
            let mut attempts = seen.iter().flat_map(|s| &s.attempts);
            let Some(attempt) = attempts.find(|a| a.placement.tag == *tag) else {
                return broken(format!("{tag} is rented and not recorded"));
            };
            if attempt.remote_id.is_none() && !self.witness.very_late.contains(tag) {
                return broken(format!("{tag} was rented and taken as never made"));
            }
        }
        for (id, seen) in &self.witness.jobs {
            let ended = seen.document.ended_at.unwrap_or(self.now);
            for attempt in &seen.attempts {
                if self.witness.is_not_to_be_compared(*id, attempt) {
                    continue;
                }
                let tag = attempt.placement.tag;
                let nothing = Truth::default();
                let truth = truth.get(&tag).unwrap_or(&nothing);
                let until = attempt.left_at.unwrap_or(ended).min(ended);
                let spans = self
                    .witness
                    .blame
                    .of(*id, tag.epoch, &attempt.placement.network);
                let hidden = self.witness.blame.unproved(*id, tag.epoch);
                truth
                    .fits(attempt.proved, until, &spans, hidden)
                    .or_else(|why| broken(format!("{id} e{}: {why}", tag.epoch)))?;
            }
        }
        Ok(())
    }

    fn nothing_is_owed(&mut self) -> Done {
        let broker = self.running()?;
        let far = WorldTime::from_micros(i64::MAX);
        let owed = wait(broker.store.outbox_due(far, 500)).map_err(failed)?;
        if let Some(first) = owed.first() {
            return broken(format!("{} is owed at the end", first.key));
        }
        Ok(())
    }
}

impl Truth {
    fn worked(&self, until: WorldTime) -> Duration {
        let of = |spans: &Vec<Span>| -> Duration {
            spans
                .iter()
                .map(|(from, to)| (*to).min(until).since(*from))
                .sum()
        };
        self.ranks.values().map(of).min().unwrap_or_default()
    }

    fn fits(
        &self,
        proved: Duration,
        until: WorldTime,
        done: &[Span],
        hidden: Duration,
    ) -> Result<(), String> {
        let whole = self.worked(WorldTime::from_micros(i64::MAX));
        if proved > whole + BLUR {
            return Err(format!("{proved:?} are proved and {whole:?} ran"));
        }
        let live = self.worked(until);
        let failures = u32::try_from(done.len()).unwrap_or(u32::MAX);
        let away: Duration = done.iter().map(|(from, to)| to.since(*from)).sum();
        let most = HIDDEN * failures + SINCE_THE_LAST_BEAT + away + hidden;
        if live > proved + most {
            return Err(format!(
                "{live:?} ran and {proved:?} are proved; {most:?} can be hidden"
            ));
        }
        Ok(())
    }
}
