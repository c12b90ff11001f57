//! One turn: decisions for the jobs that are ready, on copies, and what follows from the commit.

use std::time::Duration;

use tandem_model::id::{JobId, PlacementId};
use tandem_model::offer::OfferId;
use tandem_model::time::WorldTime;

use super::draft::Draft;
use super::{Held, Kernel, TURN_JOBS_MAX, Ticket, Waiting};
use crate::engine::job::Job;
use crate::engine::message::{Refused, Reply, Request};
use crate::engine::planted::Planted;
use crate::engine::records;
use crate::engine::step::{self, Decided, Input, Moment, Order};
use crate::store::{Changes, Claim, Expected, Rule, StoreError};

/// How long a turn that the store could not write is put off.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// What was asked of one job.
type Requests = Vec<(Ticket, Box<Request>)>;

/// What was decided and is to be committed.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    /// One transaction.
    pub changes: Changes,
    decisions: Vec<Decision>,
    /// Jobs that are decided on after it.
    put_off: Vec<(JobId, Requests)>,
}

/// The decision on one job.
#[derive(Debug)]
struct Decision {
    after: Job,
    is_new: bool,
    is_written: bool,
    orders: Vec<Order>,
    wake: Option<WorldTime>,
    replies: Vec<(Ticket, Reply)>,
    /// What is taken up again when the store cannot write.
    outcomes: Vec<Input>,
    requests: Requests,
    took: Option<OfferId>,
}

/// What follows from a commit.
#[derive(Debug, Default)]
pub struct After {
    /// To be answered.
    pub replies: Vec<(Ticket, Reply)>,
    /// To be performed.
    pub orders: Vec<(JobId, Order)>,
    /// Nodes that were slower than promised, newly recorded.
    pub performance_breaches: usize,
}

impl Kernel {
    /// Decides for the jobs that are ready or due; none when nothing is.
    ///
    /// The turn must be committed and given to [`Self::committed`], or given to [`Self::refused`]
    /// with the reason, before the next one. `fresh` makes ids of placements.
    pub fn turn(&mut self, now: WorldTime, fresh: &mut dyn FnMut() -> PlacementId) -> Option<Turn> {
        self.wake_due(now);
        let mut turn = Turn {
            changes: Changes::default(),
            decisions: Vec::new(),
            put_off: Vec::new(),
        };
        while turn.decisions.len() < TURN_JOBS_MAX
            && let Some(next) = self.ready.first().copied()
        {
            let id = next.job;
            let is_alone = self.alone.contains(&id);
            if is_alone && !turn.decisions.is_empty() {
                break;
            }
            self.ready.remove(&next);
            self.alone.remove(&id);
            let waiting = self.waiting.remove(&id).unwrap_or_default();
            self.decide(id, waiting, now, fresh(), &mut turn);
            if is_alone && !turn.decisions.is_empty() {
                break;
            }
        }
        (!turn.decisions.is_empty()).then_some(turn)
    }

    fn wake_due(&mut self, now: WorldTime) {
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            if let Some(held) = self.jobs.get_mut(&id) {
                held.due = None;
            }
            self.make_ready(id);
        }
    }

    fn decide(
        &mut self,
        id: JobId,
        waiting: Vec<Waiting>,
        now: WorldTime,
        fresh: PlacementId,
        turn: &mut Turn,
    ) {
        let held = self.jobs.get(&id);
        let mut draft = Draft::new(held.map(|held| held.job.clone()));
        for what in waiting {
            match what {
                Waiting::Request(ticket, request) => {
                    draft.take(&self.terms, ticket, &request, now);
                    draft.requests.push((ticket, request));
                }
                Waiting::Outcome(input) => draft.outcomes.push(input),
            }
        }
        let Some(mut job) = draft.job.take() else {
            // Everything asked of it was refused, or it is gone.
            self.answers.append(&mut draft.replies);
            return;
        };
        let is_new = held.is_none();
        if is_new && !self.promise_backstop(&job.spec, now) {
            return self.not_backed(id, draft.requests, turn);
        }
        let held = self.jobs.get(&id);
        if Planted::VerdictToldEarly.is_here() || Planted::OrderToldEarly.is_here() {
            self.answers.extend(draft.told_early());
        }
        let epoch_before = job.epoch();
        let mut decided = self.step_on(&mut job, &draft, now, fresh);
        draft.show_state(job.state());
        let is_written = decided.is_durable || is_new;
        if is_written {
            turn.changes.append(std::mem::take(&mut draft.changes));
            let before = held.map(|held| &held.job);
            let row = self.row(held);
            records::add(&mut turn.changes, before, &job, row, &mut decided, now);
        }
        let placed = job.last().filter(|a| a.placement.epoch != epoch_before);
        let took = placed.map(|a| a.offer.id.clone());
        if let Some(offer) = &took {
            *self.taken.entry(offer.clone()).or_default() += u32::from(job.nodes());
        }
        turn.decisions.push(Decision {
            after: job,
            is_new,
            is_written,
            orders: decided.orders,
            wake: decided.wake,
            replies: draft.replies,
            outcomes: draft.outcomes,
            requests: draft.requests,
            took,
        });
    }

    /// Refuses a job whose backstop is promised to others. Where those are of this very turn, which
    /// may yet fail, it is asked again after it: with them the same quote may have been taken.
    fn not_backed(&mut self, id: JobId, requests: Requests, turn: &mut Turn) {
        if turn.decisions.iter().any(|decision| decision.is_new) {
            turn.put_off.push((id, requests));
            return;
        }
        let refused = |(ticket, _)| (ticket, Reply::Refused(Refused::NotBacked));
        self.answers.extend(requests.into_iter().map(refused));
    }

    /// Has what the turn put off taken up again.
    fn take_up(&mut self, turn: &mut Turn) {
        for (id, requests) in std::mem::take(&mut turn.put_off) {
            for (ticket, request) in requests {
                self.wait(id, Waiting::Request(ticket, request));
            }
        }
    }

    /// Decides on every outcome in turn, or on the time that passed.
    fn step_on(&self, job: &mut Job, draft: &Draft, now: WorldTime, fresh: PlacementId) -> Decided {
        let moment = Moment {
            now,
            fresh,
            planner: self.planner(),
            flying: self.jobs.get(&job.id).map_or(&[], |held| &held.flying),
        };
        let mut decided = Decided {
            is_durable: draft.must_write,
            ..Decided::default()
        };
        let tick = draft.outcomes.is_empty().then_some(Input::Tick);
        for input in draft.outcomes.iter().cloned().chain(tick) {
            decided.join(step::step(job, input, moment));
        }
        decided
    }

    /// The version to be written of a job, and what must hold for it.
    fn row(&self, held: Option<&Held>) -> (u64, Expected) {
        match held {
            None => {
                let owner = Some(self.terms.broker);
                (1, Expected::New { owner })
            }
            Some(held) => {
                let expected = Expected::Version {
                    version: held.version,
                    claim: Some(held.claim),
                };
                (held.version + 1, expected)
            }
        }
    }

    /// The turn is on the disk: what it decided holds from now on.
    pub fn committed(&mut self, mut turn: Turn) -> After {
        self.take_up(&mut turn);
        let mut after = After::default();
        for decision in turn.decisions {
            let id = decision.after.id;
            let is_settled = decision.after.is_settled();
            let slower = breaches(&decision.after);
            match self.jobs.get_mut(&id) {
                Some(held) => {
                    after.performance_breaches += slower.saturating_sub(breaches(&held.job));
                    held.version += u64::from(decision.is_written);
                    held.job = decision.after;
                }
                None if decision.is_new => {
                    let claim = Claim {
                        owner: self.terms.broker,
                        generation: 1,
                    };
                    self.hold(decision.after, 1, claim);
                }
                None => continue,
            }
            after.replies.extend(decision.replies);
            self.give_out(id, decision.orders, &mut after);
            self.schedule(id, decision.wake);
            if is_settled {
                self.forget(id, true);
            }
        }
        after
    }

    /// Orders that are not under way already.
    fn give_out(&mut self, id: JobId, orders: Vec<Order>, after: &mut After) {
        let Some(held) = self.jobs.get_mut(&id) else {
            return;
        };
        for order in orders {
            if !held.flying.contains(&order) {
                held.flying.push(order);
                after.orders.push((id, order));
            }
        }
    }

    /// The turn was not written: nothing of it holds. Outcomes are taken up again; requests too,
    /// one by one, when one of them was the reason.
    pub fn refused(&mut self, mut turn: Turn, why: &StoreError, now: WorldTime) -> After {
        if Planted::AnsweredUnwritten.is_here() {
            return self.committed(turn);
        }
        self.take_up(&mut turn);
        let mut after = After::default();
        let only_one = turn.decisions.len() == 1;
        if !only_one {
            self.suspect(&turn, why);
        }
        for decision in turn.decisions {
            let id = decision.after.id;
            if let Some(offer) = &decision.took {
                let nodes = u32::from(decision.after.nodes());
                let taken = self.taken.entry(offer.clone()).or_default();
                *taken = taken.saturating_sub(nodes);
            }
            if decision.is_new {
                self.take_promise_back(&decision.after.spec);
            }
            let lost = matches!(why, StoreError::Conflict(job) if *job == id);
            if lost && !decision.is_new {
                tracing::warn!(job = %id, "another broker holds it now");
                self.forget(id, false);
            }
            let refusal = match why {
                StoreError::Database(detail) => Some(Refused::Store(detail.clone())),
                StoreError::Conflict(_) if lost => Some(Refused::NotFound),
                _ if only_one => Some(refusal(why, &decision.after)),
                _ => None,
            };
            if let Some(refusal) = refusal {
                let replies = decision.requests.into_iter();
                after
                    .replies
                    .extend(replies.map(|(t, _)| (t, Reply::Refused(refusal.clone()))));
            } else {
                for (ticket, request) in decision.requests {
                    self.wait(id, Waiting::Request(ticket, request));
                }
            }
            if self.jobs.contains_key(&id) {
                self.put_off(id, decision.outcomes, why, only_one, now);
            }
        }
        after
    }

    /// Has the jobs that may be the reason decided alone: only a new one can use a quote or a key
    /// that was used before, or a quote that was revoked, and a conflict names its job.
    fn suspect(&mut self, turn: &Turn, why: &StoreError) {
        let only_new = match why {
            StoreError::Database(_) | StoreError::Conflict(_) => return,
            StoreError::Refused { rule, .. } => rule.is_of_a_new_job(),
            StoreError::TooLarge { .. } => false,
        };
        let decisions = turn.decisions.iter();
        let suspects = decisions.filter(|d| d.is_new || !only_new);
        self.alone.extend(suspects.map(|d| d.after.id));
    }

    fn put_off(
        &mut self,
        id: JobId,
        outcomes: Vec<Input>,
        why: &StoreError,
        only_one: bool,
        now: WorldTime,
    ) {
        if only_one && !matches!(why, StoreError::Database(_)) {
            tracing::error!(job = %id, %why, "defect: the store refuses what was decided");
        }
        if !outcomes.is_empty() {
            let waiting = self.waiting.entry(id).or_default();
            waiting.splice(0..0, outcomes.into_iter().map(Waiting::Outcome));
        }
        if matches!(why, StoreError::Database(_)) || only_one {
            self.schedule(id, Some(now.after(STORE_AGAIN)));
        } else {
            self.make_ready(id);
        }
    }
}

/// Nodes of all attempts of a job that were slower than promised.
fn breaches(job: &Job) -> usize {
    let attempts = job.attempts.iter();
    attempts.map(|a| a.performance_breaches.len()).sum()
}

fn refusal(why: &StoreError, job: &Job) -> Refused {
    match why {
        StoreError::Refused { rule, .. } if rule.is_used_before() => Refused::UsedBefore,
        StoreError::Refused { rule, .. } if *rule == Rule::QuoteRevoked => {
            Refused::Revoked(job.spec.terms.policy_version)
        }
        other => Refused::Store(other.to_string()),
    }
}

impl Held {
    /// Whether an agent's word may change its state now.
    pub(super) fn listens(&self) -> bool {
        use tandem_model::job::JobState as S;
        matches!(
            self.job.doc.state,
            S::Placing | S::Starting | S::Suspect | S::Fencing | S::Cancelling
        )
    }
}
