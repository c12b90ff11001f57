//! A stream of quotes in which some asks come more often than others, and the market is read again
//! now and then: how many of them are answered from memory, and how long one takes, with answers
//! worked out ahead after a reading and without. How often asks repeat is an assumption, said beside
//! the figures.

use std::time::{Duration, Instant};

use tandem_pricing::book::Book;
use tandem_pricing::jurisdiction::{Digester, Rules};

use super::asks::{self, Asked};
use super::in_process::{MEDIAN_US, P99_US};
use super::market::Chance;
use super::stand::{self, Stand};
use crate::sheet::Section;
use crate::times::{Times, nanoseconds};

/// What differs between asks: every combination is one.
const GPUS: [&str; 10] = [
    "H100",
    "H200",
    "A100",
    "L40S",
    "L4",
    "RTX4090",
    "RTX3090",
    "'any:24GB'",
    "'any:48GB'",
    "'any:80GB'",
];
const GPUS_PER_NODE: [u32; 4] = [1, 2, 4, 8];
const HOURS: [u32; 5] = [1, 4, 12, 24, 72];
const LIMITS: [&str; 5] = [
    "",
    ", countries_allowed: [US]",
    ", countries_allowed: [DE, FR, NL]",
    ", countries_denied: [CN]",
    ", data: personal",
];
/// Quotes between two readings of the market, and readings.
const QUOTES: u64 = 500;
const READINGS: u64 = 20;
/// Shares are counted in so many parts of the most frequent.
const SHARE: u64 = 1_000_000;

/// Every ask, the most frequent first.
fn shapes(seed: u64, stand: &Stand) -> Vec<Asked> {
    let rules = Digester::of(Rules::default());
    let mut all = Vec::new();
    for gpu in GPUS {
        for gpus in GPUS_PER_NODE {
            for seconds in HOURS.map(|hours| hours * 3_600) {
                for limits in LIMITS {
                    let rest = format!(
                        "run: ./train\nresources: {{gpu: {gpu}, gpus_per_node: {gpus}}}\n\
                         limits: {{expected_seconds: {seconds}{limits}}}"
                    );
                    all.push(asks::read("one of many", &rest, &stand.products, &rules));
                }
            }
        }
    }
    let mut chance = Chance(seed);
    for at in (1..all.len()).rev() {
        all.swap(at, place(&mut chance, at + 1));
    }
    all
}

fn place(chance: &mut Chance, below: usize) -> usize {
    let below = u64::try_from(below).unwrap_or(u64::MAX);
    usize::try_from(chance.below(below)).unwrap_or(0)
}

/// Measures the stream.
pub(super) fn measure(seed: u64, stand: &Stand, book: &Book) -> Section {
    let shapes = shapes(seed, stand);
    // Zipf's law: the n-th most frequent comes a n-th as often as the first.
    let mut ends: Vec<u64> = (1u64..).take(shapes.len()).map(|n| SHARE / n).collect();
    for at in 1..ends.len() {
        ends[at] += ends[at - 1];
    }
    let all = ends.last().copied().unwrap_or(1);
    let mut chance = Chance(!seed);
    let mut drawn = || {
        let drawn = chance.below(all);
        &shapes[ends.partition_point(|end| *end <= drawn)]
    };
    let mut section = Section::new("A stream of mixed quotes");
    let alone = Stream::of(stand, book, &mut drawn, false);
    section.figure("nothing ahead: median", alone.times.median_us(), "us");
    section.figure("nothing ahead: p99", alone.times.percentile_us(99), "us");
    section.figure("nothing ahead: from memory", alone.from_memory, "of all");
    let ahead = Stream::of(stand, book, &mut drawn, true);
    section.aimed("median", ahead.times.median_us(), "us", MEDIAN_US);
    section.aimed("p99", ahead.times.percentile_us(99), "us", P99_US);
    section.figure("from memory", ahead.from_memory, "of all");
    let (each, longest) = ahead.worked_ahead;
    section.figure(
        "worked out ahead after a reading, at most",
        each as f64,
        "answers",
    );
    section.figure("which took at most", longest.as_secs_f64() * 1e3, "ms");
    section.note(format!(
        "assumed: {} asks, the n-th most frequent a n-th as often as the first, {QUOTES} quotes \
         between two of {READINGS} readings; of what was asked before, answers are worked out ahead \
         of the quotes that follow a reading, in time that no quote waits for",
        shapes.len()
    ));
    section
}

/// What came of a stream that begins with nothing in memory.
struct Stream {
    times: Times,
    /// Share of quotes whose answer was in memory.
    from_memory: f64,
    /// Most answers that were worked out ahead after a reading, and the longest time it took.
    worked_ahead: (usize, Duration),
}

impl Stream {
    fn of<'a>(
        stand: &Stand,
        book: &Book,
        drawn: &mut impl FnMut() -> &'a Asked,
        is_ahead: bool,
    ) -> Self {
        let (mut times, mut from_memory) = (Vec::new(), 0);
        let mut worked_ahead = (0, Duration::ZERO);
        let mut last = stand.supply_afresh(book);
        for _ in 0..READINGS {
            let supply = stand.supply_afresh(book);
            if is_ahead {
                let start = Instant::now();
                let answers = last.answer_ahead(stand.conditions(book, &supply), || true);
                worked_ahead = (
                    worked_ahead.0.max(answers),
                    worked_ahead.1.max(start.elapsed()),
                );
            }
            for _ in 0..QUOTES {
                let worked_out = supply.answers_worked_out();
                let asked = drawn();
                times.push(nanoseconds(|| stand.quote_on(asked, book, &supply)));
                from_memory += u64::from(supply.answers_worked_out() == worked_out);
                // As over HTTP, where every answer says what a change would save.
                stand.with_desk(asked, (book, &supply), |desk| {
                    let report = desk.quote(stand::fresh);
                    let each = report.tiers.iter();
                    each.for_each(|tier| drop(desk.counterfactuals(tier)));
                });
            }
            last = supply;
        }
        Self {
            times: times.into_iter().collect(),
            from_memory: from_memory as f64 / (QUOTES * READINGS) as f64,
            worked_ahead,
        }
    }
}
