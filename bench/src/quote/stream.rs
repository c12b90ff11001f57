//! A stream of quotes in which some asks come more often than others, and the market is read again
//! now and then: how many of them were asked before, and how long one takes. How often asks repeat
//! is an assumption, said beside the figures.

use std::collections::BTreeSet;

use tandem_pricing::book::Book;
use tandem_pricing::jurisdiction::{Digester, Rules};

use super::asks::{self, Asked};
use super::in_process::{MEDIAN_US, P99_US};
use super::market::Chance;
use super::stand::Stand;
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
    let (mut times, mut again) = (Vec::new(), 0);
    for _ in 0..READINGS {
        let supply = stand.supply_afresh(book);
        let mut known = BTreeSet::new();
        for _ in 0..QUOTES {
            let drawn = chance.below(all);
            let shape = ends.partition_point(|end| *end <= drawn);
            again += u64::from(!known.insert(shape));
            let quote = || stand.quote_on(&shapes[shape], book, &supply);
            times.push(nanoseconds(quote));
        }
    }
    let times: Times = times.into_iter().collect();
    let mut section = Section::new("A stream of mixed quotes");
    section.aimed("median", times.median_us(), "us", MEDIAN_US);
    section.aimed("p99", times.percentile_us(99), "us", P99_US);
    let share = again as f64 / (QUOTES * READINGS) as f64;
    section.figure("asked before since the market was read", share, "of all");
    section.note(format!(
        "assumed: {} asks, the n-th most frequent a n-th as often as the first, {QUOTES} quotes \
         between two readings",
        shapes.len()
    ));
    section
}
