//! The next placement of a queued job, or the wait for an offer.

use std::time::Duration;

use gpu_probe::session::{LeaseTerms, Session};
use tandem_model::job::JobEvent;
use tandem_model::network::LaunchVia;
use tandem_model::offer::{Offer, OfferId};
use tandem_model::time::WorldTime;
use tandem_sla::failover::{PassedOver, Plan};

use super::answers::create_key;
use super::{Decided, Moment, Order};
use crate::engine::job::{ATTEMPTS_MAX, Attempt, Job, JobDocument, TURNED_AWAY_MAX};
use crate::engine::message::JobSpec;
use crate::engine::planted::Planted;

/// How long a job without an offer waits before those that had no room are asked again.
pub(super) const OFFERS_REST: Duration = Duration::from_secs(60);
/// How long it waits while a network is in doubt, or was not read yet.
pub(super) const DOUBT_REST: Duration = Duration::from_secs(5);
/// Times in a row that a job may be turned away before it rests.
pub(super) const TURNED_AWAY_AT_ONCE: usize = 6;
/// How long it then rests; twice as long each further time.
const TURNED_AWAY_REST: Duration = Duration::from_secs(15);
/// How long at most.
const TURNED_AWAY_REST_MAX: Duration = Duration::from_secs(30 * 60);
/// The smallest step past a moment that is itself still in time.
const JUST_AFTER: Duration = Duration::from_micros(1);
/// How long a job waits for an offer when its file does not say.
pub(super) const START_BY_DEFAULT: Duration = Duration::from_secs(24 * 3_600);

/// Chooses the next offer and records the attempt.
pub(super) fn place(job: &mut Job, moment: Moment<'_>, decided: &mut Decided) {
    if let Some(why) = is_spent(job) {
        return give_up(job, &why, moment, decided);
    }
    let by = start_by(&job.spec, &job.doc, job.has_run());
    let again = rests_until(job).max(turned_away_until(job));
    if let Some(again) = again.filter(|again| moment.now < *again && moment.now <= by) {
        decided.wake_at(again.min(by.after(JUST_AFTER)));
        return;
    }
    if moment.now > by {
        let plan = moment.planner.plan(job);
        let late = format!("{}, and it was to start by now", none_left(&plan));
        return give_up(job, &late, moment, decided);
    }
    if job.doc.waiting_since.take().is_some() {
        // Those that had no room are asked again.
        job.doc.situation.no_room.clear();
        job.doc.situation.networks_avoided.clear();
    }
    let plan = moment.planner.plan(job);
    match plan.choice {
        Some(offer) => take(job, offer.clone(), moment, decided),
        None => wait(job, &plan, moment, decided),
    }
}

/// Why no attempt is left, when none is.
fn is_spent(job: &Job) -> Option<String> {
    let turned_away = job.attempts.iter().filter(|a| a.was_turned_away).count();
    if job.attempts.len() - turned_away >= ATTEMPTS_MAX {
        return Some(format!("all {ATTEMPTS_MAX} attempts failed"));
    }
    let is_spent = turned_away >= TURNED_AWAY_MAX;
    is_spent.then(|| format!("no network took it in {TURNED_AWAY_MAX} times"))
}

/// Until when a job is left alone that was turned away several times in a row: a network that is
/// down has many offers and refuses each at once.
fn turned_away_until(job: &Job) -> Option<WorldTime> {
    let attempts = job.attempts.iter().rev();
    let in_a_row = attempts.take_while(|a| a.was_turned_away).count();
    let doublings = in_a_row.checked_sub(TURNED_AWAY_AT_ONCE)?.min(16);
    let rest = (TURNED_AWAY_REST * (1 << doublings)).min(TURNED_AWAY_REST_MAX);
    Some(job.last()?.left_at?.after(rest))
}

/// Until when a job that waits for an offer is left alone.
fn rests_until(job: &Job) -> Option<WorldTime> {
    job.doc.waiting_since.and(job.doc.rests_until)
}

/// How long it waits: longer for room on the market than for a doubt about a network to pass, or
/// for a market that was not read yet.
fn rest(plan: &Plan<'_>, moment: Moment<'_>) -> Duration {
    let market = &moment.planner.market.networks;
    let is_read = !market.is_empty() && market.values().all(|n| n.read_at.is_some());
    if is_read && !plan.counts.contains_key(&PassedOver::NetworkAvoided) {
        OFFERS_REST
    } else {
        DOUBT_REST
    }
}

fn take(job: &mut Job, offer: Offer, moment: Moment<'_>, decided: &mut Decided) {
    if !decided.apply(job, JobEvent::OfferChosen, moment) {
        return;
    }
    let words = format!(
        "takes {} x {} of {} in {} at {}/GPU-hour",
        job.spec.gpus_rented(&offer),
        offer.gpu,
        offer.network,
        offer.country,
        offer.price.price(),
    );
    let terms = moment.planner.terms;
    let hours = terms.prepaid_hours(&offer);
    let by_network = terms
        .product(&offer)
        .is_some_and(|p| p.launch == LaunchVia::Container);
    let grade_lost = moment.planner.market.has_lost_grade(&offer);
    let epoch = job.open_attempt(offer, moment.fresh, hours, moment.now);
    if Planted::PointerForgotten.is_here() {
        job.doc.session = Session::new(job.id, job.spec.workload.kind, LeaseTerms::default());
    }
    if let Err(refused) = job.doc.session.raise_epoch(epoch, job.nodes()) {
        tracing::error!(job = %job.id, %refused, "defect: epoch not raised");
    }
    job.doc.waiting_since = None;
    decided.tell(job, format!("epoch {epoch}: {words}"));
    if let Some(attempt) = job.last_mut() {
        attempt.starts_by_itself = by_network;
        attempt.grade_lost = grade_lost;
        decided.owe(create_key(&attempt.placement.tag), Order::Create(epoch));
    }
}

/// Why no offer is left, in words.
fn none_left(plan: &Plan<'_>) -> String {
    let counts: Vec<_> = plan
        .counts
        .iter()
        .map(|(reason, count)| format!("{count} {}", reason.in_words()))
        .collect();
    if counts.is_empty() {
        "no offer fits".to_owned()
    } else {
        format!("no offer is left: {}", counts.join(", "))
    }
}

/// No offer may be taken: says so once, and asks again after a rest, until it is too late.
fn wait(job: &mut Job, plan: &Plan<'_>, moment: Moment<'_>, decided: &mut Decided) {
    let by = start_by(&job.spec, &job.doc, job.has_run());
    let is_hopeless = |r: &PassedOver| matches!(r, PassedOver::FailedBefore | PassedOver::TooDear);
    let none_but_failed = plan.counts.keys().all(is_hopeless);
    if none_but_failed && plan.counts.contains_key(&PassedOver::FailedBefore) {
        // Nothing else is left to try: those that failed get another chance after the rest.
        // But not those whose GPUs failed the probe too often.
        let fails_max = moment.planner.terms.probe.fails_of_offer;
        let mut failed = std::mem::take(&mut job.doc.situation.failed_offers);
        failed.retain(|offer| probes_failed(job, offer) >= fails_max);
        job.doc.situation.failed_offers = failed;
    }
    let is_first = job.doc.waiting_since.is_none() && job.doc.wait_told != job.epoch().0 + 1;
    let rests_until = moment.now.after(rest(plan, moment));
    job.doc.waiting_since = Some(moment.now);
    job.doc.rests_until = Some(rests_until);
    decided.wake_at(by.after(JUST_AFTER).min(rests_until));
    if is_first {
        job.doc.wait_told = job.epoch().0 + 1;
        decided.tell(job, format!("waits for an offer: {}", none_left(plan)));
    }
}

/// How often the job left an offer because of its probe.
fn probes_failed(job: &Job, offer: &OfferId) -> u32 {
    let failed = |a: &&Attempt| a.failed_probe && a.offer.id == *offer;
    u32::try_from(job.attempts.iter().filter(failed).count()).unwrap_or(u32::MAX)
}

/// Until when it must have found an offer: the customer's latest start, for a job that never
/// started; for one that was moved, as long again from its last fence.
pub fn start_by(spec: &JobSpec, doc: &JobDocument, has_run: bool) -> WorldTime {
    let seconds = spec.workload.limits.start_by_seconds;
    let within = seconds.map_or(START_BY_DEFAULT, |s| Duration::from_secs(s.into()));
    let from = if has_run {
        doc.queued_since
    } else {
        spec.accepted_at
    };
    from.after(within)
}

fn give_up(job: &mut Job, why: &str, moment: Moment<'_>, decided: &mut Decided) {
    let last = job.last().and_then(|a| a.left_because.clone());
    let cause = last.map_or_else(|| why.to_owned(), |last| format!("{why}; the last: {last}"));
    if decided.apply(job, JobEvent::GivenUp, moment) {
        job.doc.cause = Some(cause.clone());
        decided.tell(job, cause);
    }
}
