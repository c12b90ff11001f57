//! What follows the term of a quote: a rate that was agreed to, told with notice, or the end.

use gpu_probe::protocol::{Directive, EndCause};
use tandem_model::job::JobState;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_pricing::policy::Policy;

use super::super::story::{Story, at, market, two};
use super::super::*;

fn rate(cents: i32) -> RatePerGpuHour {
    RatePerGpuHour::new(MicroUsd::from_cents(cents))
}

/// A job of one GPU that runs since second 10 at so many cents, firm for 400 s of work: what follows
/// is asked for 125 s before the end, and told 100 s before at least.
fn running(cents: i32, most_cents: Option<i32>) -> Story {
    let mut story = Story::running(&two());
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.quote.rate = rate(cents);
    spec.quote.term_seconds = 400;
    spec.quote.renewal_rate_max = Some(rate(most_cents.unwrap_or(cents)));
    // No time is bought in these stories.
    story.job.last_mut().unwrap().prepaid.until = at(100_000);
    story
}

/// Beats every 5 s; what is told, with the second.
fn told(story: &mut Story, seconds: std::ops::RangeInclusive<u64>) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    for second in seconds.step_by(5) {
        story.beat(second);
        let told = story.told(second);
        all.extend(told.into_iter().map(|words| (second, words)));
    }
    all
}

/// What a GPU-hour costs now where the job runs.
fn price_now(story: &Story) -> RatePerGpuHour {
    let price = story.planner().term_price(&story.job, at(0));
    price.expect("the machine is on the market").rate
}

/// Ends the work; what it is charged for in all.
fn ends(story: &mut Story, second: u64) -> i64 {
    story.report(second, 0, EndCause::Workload);
    story.tick(second);
    assert_eq!(story.job.doc.state, JobState::Succeeded);
    story.job.charged().get()
}

/// Seconds of one GPU at a rate and at another, rounded down once.
fn costs(parts: &[(u64, RatePerGpuHour)]) -> i64 {
    let parts = parts.iter();
    let sum: u64 = parts
        .map(|(seconds, rate)| seconds * rate.price().get().unsigned_abs())
        .sum();
    i64::try_from(sum / 3_600).unwrap()
}

/// Sets the price of every offer.
fn all_cost(story: &mut Story, cents: i32) {
    let mut offers = two();
    offers.iter_mut().for_each(|o| o.price = rate(cents));
    story.market = market(&offers);
}

#[test]
fn a_rate_falls_at_the_end_of_its_term_and_not_before() {
    let mut story = running(60, None);
    let lower = price_now(&story);
    assert!(lower < rate(60));
    assert_eq!(told(&mut story, 15..=280), []);
    let words = told(&mut story, 285..=600);
    let wanted = format!(
        "goes on at {} a GPU-hour, not $0.60, after 6 min 40 s of work, firm for 24 h",
        lower.price()
    );
    assert_eq!(words, [(285, wanted)]);
    // From second 10 on it worked for 400 s at one rate and for 190 s at the other.
    assert_eq!(
        ends(&mut story, 600),
        costs(&[(400, rate(60)), (190, lower)])
    );
}

#[test]
fn nobody_pays_more_than_he_agreed_to() {
    for (most, cents) in [(None, 42), (Some(45), 45), (Some(99), 0)] {
        let mut story = running(42, most);
        all_cost(&mut story, 40);
        let price = price_now(&story);
        assert!(rate(45) < price && price < rate(99), "{price:?}");
        let next = if cents == 0 { price } else { rate(cents) };
        let words = told(&mut story, 15..=600);
        assert_eq!((words.len(), words[0].0), (1, 285), "{words:?}");
        let charged = ends(&mut story, 600);
        assert_eq!(charged, costs(&[(400, rate(42)), (190, next)]), "{most:?}");
    }
}

#[test]
fn work_whose_machine_costs_more_than_was_agreed_is_stopped_with_notice() {
    let mut story = running(42, Some(45));
    all_cost(&mut story, 50);
    let words = told(&mut story, 15..=405);
    assert_eq!((words.len(), words[0].0), (1, 285), "{words:?}");
    assert!(
        words[0]
            .1
            .starts_with("stops after 6 min 40 s of work unless")
    );
    assert!(words[0].1.ends_with("$0.45 was agreed to"), "{words:?}");
    assert_eq!(story.beat_of(0, 406).directive, Directive::Continue);
    let words = told(&mut story, 410..=410);
    assert!(words[0].1.contains("its term is over"), "{words:?}");
    assert_eq!(story.job.doc.state, JobState::Cancelling);
    assert_eq!(story.beat_of(0, 411).directive, Directive::Stop);
    story.report(415, 0, EndCause::StopDirected);
    story.tick(416);
    // What it worked while the stop was on its way is charged as well.
    assert_eq!(story.job.charged().get(), costs(&[(405, rate(42))]));
}

#[test]
fn who_was_told_of_the_stop_goes_on_when_the_price_falls_in_time() {
    let mut story = running(42, None);
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.quote.term_seconds = 4_000;
    all_cost(&mut story, 50);
    let words = told(&mut story, 15..=3_100);
    assert_eq!((words.len(), words[0].0), (1, 2_760), "{words:?}");
    all_cost(&mut story, 30);
    let words = told(&mut story, 3_105..=5_200);
    // Asked again after ten minutes; the new rate holds after another 1,000 s of notice.
    assert_eq!((words.len(), words[0].0), (1, 3_360), "{words:?}");
    assert!(words[0].1.contains("after 1 h 12 min of work"), "{words:?}");
    assert_eq!(story.job.doc.state, JobState::Running);
    let lower = price_now(&story);
    let charged = ends(&mut story, 5_200);
    assert_eq!(charged, costs(&[(4_350, rate(42)), (840, lower)]));
}

#[test]
fn a_rate_that_is_told_late_holds_late() {
    let mut story = running(42, Some(99));
    all_cost(&mut story, 50);
    told(&mut story, 15..=250);
    // Heartbeats were heard, and nobody decided before second 700.
    for second in (255..=700).step_by(5) {
        story.beat(second);
    }
    let words = story.told(700);
    assert!(words[0].contains("after 13 min 10 s of work"), "{words:?}");
    let next = price_now(&story);
    assert!(told(&mut story, 705..=900).is_empty());
    let charged = ends(&mut story, 900);
    assert_eq!(charged, costs(&[(790, rate(42)), (100, next)]));
}

#[test]
fn where_nothing_says_what_a_machine_costs_the_rate_stays() {
    let mut story = running(42, Some(99));
    let mut others = two();
    others.remove(0);
    story.market = market(&others);
    let words = told(&mut story, 15..=600);
    let wanted = "goes on at $0.42 a GPU-hour after 6 min 40 s of work, firm for 24 h";
    assert_eq!(words, [(285, wanted.to_owned())]);
    assert_eq!(ends(&mut story, 600), costs(&[(590, rate(42))]));
}

#[test]
fn a_market_that_was_not_read_yet_is_waited_for() {
    let mut story = running(60, None);
    let lower = price_now(&story);
    let read = std::mem::take(&mut story.market);
    assert_eq!(told(&mut story, 15..=350), []);
    story.market = read;
    let words = told(&mut story, 355..=600);
    assert_eq!((words.len(), words[0].0), (1, 355), "{words:?}");
    // Told with 345 s of work done: the notice reaches beyond the term.
    let charged = ends(&mut story, 600);
    assert_eq!(charged, costs(&[(445, rate(60)), (145, lower)]));
}

#[test]
fn a_limit_of_time_is_the_term_and_has_none_after_it() {
    let mut story = running(60, None);
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.workload.limits.max_duration_seconds = Some(400);
    spec.quote.renewal_rate_max = None;
    assert_eq!(told(&mut story, 15..=405), []);
    let words = told(&mut story, 410..=410);
    assert_eq!(words[0].1, "stopped: it ran as long as its file allows");
}

#[test]
fn a_budget_is_a_budget_at_every_rate() {
    let mut story = running(60, None);
    let lower = price_now(&story);
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    let budget = costs(&[(400, rate(60)), (100, lower)]);
    spec.workload.limits.budget_micro_usd = Some(MicroUsd::new(budget));
    told(&mut story, 15..=505);
    assert_eq!(story.job.doc.state, JobState::Running);
    told(&mut story, 510..=520);
    assert_eq!(story.job.doc.state, JobState::Cancelling);
    story.report(525, 0, EndCause::StopDirected);
    story.tick(526);
    assert_eq!(story.job.charged().get(), budget);
}

#[test]
fn work_that_is_done_again_costs_the_rate_of_its_time() {
    let mut story = running(60, None);
    let lower = price_now(&story);
    told(&mut story, 15..=500);
    // Nothing was kept when the machine was lost after 490 s of work: none of it is charged.
    for second in 501..=560 {
        story.tick(second);
    }
    assert_eq!(story.job.epoch(), Epoch(2));
    assert_eq!(story.job.charged(), MicroUsd::ZERO);
    story.created(561);
    story.bind(570);
    story.tick(570);
    told(&mut story, 575..=670);
    assert_eq!(ends(&mut story, 670), costs(&[(100, lower)]));
}

#[test]
fn what_a_replacement_may_cost_follows_the_rate() {
    let mut story = running(60, None);
    let before = story.job.replacement_rate_max();
    let lower = price_now(&story);
    told(&mut story, 15..=405);
    assert_eq!(
        story.job.replacement_rate_max(),
        before,
        "the term is not over"
    );
    told(&mut story, 410..=415);
    let half_as_much_again = lower.price().get() * 3 / 2;
    let most = story.job.replacement_rate_max();
    assert_eq!(most.price().get(), half_as_much_again);
    assert_ne!(most, before);
}

#[test]
fn each_term_has_its_rate_and_every_piece_of_work_that_of_its_term() {
    let mut story = running(60, Some(70));
    let text = &story.policy.version.text;
    let text = text.replace("term_seconds: 86_400", "term_seconds: 3_600");
    story.policy.policy = Policy::parse(&text).unwrap();
    let mut rates = vec![rate(60)];
    let mut told_at = Vec::new();
    let mut from = 15;
    // What machines cost until these seconds; in each stretch one term is agreed to.
    for (until, cents) in [(1_000, 36), (4_500, 50), (8_000, 30), (11_500, 45)] {
        all_cost(&mut story, cents);
        let told = told(&mut story, from..=until);
        told_at.extend(told.into_iter().map(|(second, _)| second));
        rates.push(price_now(&story));
        from = until + 5;
    }
    // 125 s before the end of each term, by heartbeats.
    assert_eq!(told_at, [285, 3_885, 7_485, 11_085]);
    let charged = ends(&mut story, 11_500);
    let parts = [
        (400, rates[0]),
        (3_600, rates[1]),
        (3_600, rates[2]),
        (3_600, rates[3]),
        (290, rates[4]),
    ];
    assert_eq!(charged, costs(&parts));
    assert_eq!(story.job.doc.renewals.count, 4);
}

#[test]
fn work_that_was_quoted_before_there_were_later_terms_goes_on_as_it_was_told() {
    let mut story = running(42, None);
    let spec = std::sync::Arc::make_mut(&mut story.job.spec);
    spec.quote.renewal_rate_max = None;
    all_cost(&mut story, 50);
    assert_eq!(told(&mut story, 15..=900), []);
    assert_eq!(ends(&mut story, 900), costs(&[(890, rate(42))]));
}

#[test]
fn an_outage_of_its_network_says_nothing_of_its_price() {
    let mut story = running(42, Some(99));
    let read = story.market.clone();
    let mut others = two();
    others.remove(0);
    story.market = market(&others);
    let ionet = tandem_model::network::NetworkId::from_static("ionet");
    let reading = story.market.networks.get_mut(&ionet).unwrap();
    reading.failed = Some("503".to_owned());
    assert_eq!(told(&mut story, 15..=350), []);
    story.market = read;
    let words = told(&mut story, 355..=365);
    assert_eq!(words.len(), 1, "{words:?}");
}

#[test]
fn of_a_node_that_cannot_be_split_all_is_paid_for_by_what_is_charged() {
    let price_on = |divisible| {
        let mut offers = two();
        for offer in &mut offers {
            (offer.gpus_per_node, offer.divisible) = (2, divisible);
        }
        let mut story = Story::new(&offers);
        let spec = std::sync::Arc::make_mut(&mut story.job.spec);
        spec.quote.replacement_rate_max = rate(200);
        let story = story.run();
        assert_eq!(story.job.spec.quote.gpus, 1);
        story.planner().term_price(&story.job, at(0)).unwrap()
    };
    let (one, whole) = (price_on(true), price_on(false));
    let twice = |rate: RatePerGpuHour| rate.price().get() * 2;
    assert_eq!(whole.rate.price().get(), twice(one.rate));
    assert_eq!(whole.cost.get(), one.cost.get() * 2);
    let bounds = (whole.replacement_rate_max, one.replacement_rate_max);
    assert_eq!(bounds.0.price().get(), twice(bounds.1));
}
