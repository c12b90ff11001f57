//! The end of a term: work without a limit of time goes on at a rate that the customer agreed to
//! beforehand, or stops, and is told either with notice.

use std::time::Duration;

use tandem_model::money::RatePerGpuHour;
use tandem_model::time::in_words;
use tandem_model::workload::Tier;
use tandem_pricing::quote::{TermPrice, TooDear, renewed};
use tandem_settlement::rates::RateFrom;

use super::{Decided, Moment};
use crate::engine::job::Job;
use crate::engine::planted::Planted;
use crate::engine::renewal::notice;

/// Time after which a price that was too high is asked for again, in world time.
const PRICE_AGAIN: Duration = Duration::from_secs(600);
/// Shortest time after which the time of work is compared with the term again.
const TERM_AGAIN: Duration = Duration::from_secs(1);
/// Time after which a market that says nothing is looked at again.
const MARKET_AGAIN: Duration = Duration::from_secs(15);
const SECOND_US: u64 = 1_000_000;
/// Most changes of a job's rate; after them it stays.
const RATES_MAX: usize = 1_000;

/// Until which time of work the rate is firm.
fn firm_until_us(job: &Job) -> u64 {
    job.doc.renewals.firm_until_us(&job.spec.quote)
}

/// Whether the job stops now because its term is over and no rate was agreed for another; agrees to
/// one when the end is near, and wakes for it.
pub(super) fn is_over(job: &mut Job, moment: Moment<'_>, decided: &mut Decided) -> bool {
    let Some(most) = job.spec.quote.renewal_rate_max else {
        // Its limit of time is the term, and the job ends with it; or it was quoted before there
        // were later terms, and goes on as it was told.
        return false;
    };
    let worked = Duration::from_micros(job.worked_us());
    let stops_at = job.doc.renewals.stops_at_us.map(Duration::from_micros);
    if stops_at.is_some_and(|at| worked >= at || Planted::StopsUnannounced.is_here()) {
        return true;
    }
    if Planted::NeverRenewed.is_here() {
        return false;
    }
    // Heartbeats come in steps: asked a little before, the new rate holds from the end of the term.
    let before = notice(&job.spec) * 5 / 4;
    let near = Duration::from_micros(firm_until_us(job)).saturating_sub(before);
    // Time of work grows no faster than the clock, and by the heartbeat.
    let mut wake_in = |time: Duration| decided.wake_at(moment.now.after(time.max(TERM_AGAIN)));
    if worked < near {
        wake_in(near - worked);
        return false;
    }
    if let Some(at) = stops_at {
        wake_in(at - worked);
    }
    let asked = job.doc.renewals.asked_at;
    let rested = asked.map_or(Duration::MAX, |at| moment.now.since(at));
    if rested < PRICE_AGAIN {
        wake_in(PRICE_AGAIN - rested);
    } else {
        ask(job, most, moment, decided);
    }
    false
}

/// Asks what another term costs, and agrees to it, at `most` to what the quote says, or gives notice.
fn ask(job: &mut Job, most: RatePerGpuHour, moment: Moment<'_>, decided: &mut Decided) {
    let now = moment.now;
    let firm_until = firm_until_us(job);
    if !is_market_known(job, moment) && job.worked_us() < firm_until {
        return decided.wake_at(now.after(MARKET_AGAIN));
    }
    let live = moment.planner.policy;
    let agreed = job.rates().at(firm_until);
    let price = moment.planner.term_price(job, now);
    let next = price.map(|price| Ok((renewed(&live.policy, most, &price)?, price)));
    // Where nothing says what it costs, the rate that was agreed stays.
    match next.transpose() {
        Ok(next) => go_on(job, (agreed, next), moment, decided),
        Err(too_dear) => give_notice(job, too_dear, moment, decided),
    }
}

/// Whether the networks were read whose offers say what it costs: that of its machine, and every one
/// on `assured`, which is priced anew.
fn is_market_known(job: &Job, moment: Moment<'_>) -> bool {
    let market = moment.planner.market;
    let own = job.last().map(|a| &a.placement.network);
    let anew = job.spec.quote.tier == Tier::Assured;
    let mut asked = moment.planner.terms.networks();
    asked.all(|network| {
        let reading = market.networks.get(network);
        let is_known = reading.is_some_and(|reading| {
            let is_gone = reading.failed.is_some() && market.offers_of(network) == 0;
            reading.read_at.is_some() && !is_gone
        });
        is_known || (Some(network) != own && !anew)
    })
}

/// Time of work from which on what is told now holds.
fn told_from_us(job: &Job) -> u64 {
    let notice = u64::try_from(notice(&job.spec).as_micros()).unwrap_or(u64::MAX);
    let notice = if Planted::RateChangedAtOnce.is_here() {
        0
    } else {
        notice
    };
    let soonest = job.worked_us().saturating_add(notice);
    firm_until_us(job).max(soonest)
}

fn go_on(
    job: &mut Job,
    (agreed, next): (RatePerGpuHour, Option<(RatePerGpuHour, TermPrice)>),
    moment: Moment<'_>,
    decided: &mut Decided,
) {
    let from_us = told_from_us(job);
    let seconds = moment.planner.policy.policy.defaults().term_seconds;
    let term_us = u64::from(seconds) * SECOND_US;
    let renewals = &mut job.doc.renewals;
    let mut rate = agreed;
    let bounds = &mut renewals.replacement_rates_max;
    let may_change = renewals.rates.len().max(bounds.len()) < RATES_MAX;
    if let Some((next, price)) = next.filter(|_| may_change) {
        let most = RateFrom {
            from_us,
            rate: price.replacement_rate_max,
        };
        let is_as_before = bounds.last().is_some_and(|last| last.rate == most.rate);
        bounds.extend((!is_as_before).then_some(most));
        rate = next;
    }
    if rate != agreed {
        renewals.rates.push(RateFrom { from_us, rate });
    }
    renewals.count += 1;
    renewals.firm_until_us = Some(from_us.saturating_add(term_us));
    renewals.stops_at_us = None;
    renewals.asked_at = None;
    let from = in_words(from_us / SECOND_US);
    let price = rate.price();
    let words = match rate == agreed {
        true => format!("goes on at {price} a GPU-hour after {from} of work"),
        false => format!(
            "goes on at {price} a GPU-hour, not {}, after {from} of work",
            agreed.price()
        ),
    };
    let firm = in_words(seconds.into());
    decided.tell(job, format!("{words}, firm for {firm}"));
    decided.wake_at(moment.now.after(TERM_AGAIN));
}

fn give_notice(job: &mut Job, why: TooDear, moment: Moment<'_>, decided: &mut Decided) {
    decided.wake_at(moment.now.after(PRICE_AGAIN));
    decided.is_durable = true;
    let stops_at = told_from_us(job);
    let renewals = &mut job.doc.renewals;
    renewals.asked_at = Some(moment.now);
    if renewals.stops_at_us.is_none() {
        renewals.stops_at_us = Some(stops_at);
        let at = in_words(stops_at / SECOND_US);
        decided.tell(
            job,
            format!("stops after {at} of work unless its price falls: {why}"),
        );
    }
}
