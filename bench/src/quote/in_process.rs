//! Quotes in process, on books of a thousand to a million offers, beside a plain scan of them.

use std::time::Instant;

use tandem_model::offer::Offer;
use tandem_model::workload::Tier;
use tandem_pricing::book::Book;

use super::asks::Asked;
use super::stand::Stand;
use super::{market, progress, scan, split, stream};
use crate::sheet::{Aim, Section, Sheet};
use crate::times::Times;

/// Offers of the books, the last the one that aims are about.
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Quotes that are timed for an ask.
const QUOTES: usize = 2_000;
/// Scans that are timed for an ask.
const SCANS: usize = 5;
/// More GPUs than any book has, promised a backstop already.
const SOLD_OUT_GPUS: u64 = 1 << 40;
/// Aims of a quote on the largest book, in microseconds.
pub(super) const MEDIAN_US: Aim = Aim::AtMost(10.0);
pub(super) const P99_US: Aim = Aim::AtMost(200.0);
/// Aims of the largest book.
const BUILT_S: Aim = Aim::AtMost(2.0);
const BYTES_PER_OFFER: Aim = Aim::AtMost(300.0);

/// Measures on every size.
pub(super) fn measure(seed: u64, sheet: &mut Sheet) {
    let [.., most] = SIZES;
    progress(&format!("making {most} offers"));
    let offers = market::offers(seed, most);
    let mut growth = Section::new("Growth: all asks together, whole quotes of every tier");
    let mut medians = Vec::new();
    for size in SIZES {
        progress(&format!("a book of {size} offers"));
        let offers = &offers[..size as usize];
        let start = Instant::now();
        let book = Book::build(offers).unwrap();
        let built_s = start.elapsed().as_secs_f64();
        let stand = Stand::new(&book, seed);
        let quotes: Vec<Quoted> = stand
            .asks
            .iter()
            .map(|asked| Quoted::measure(&stand, asked, &book))
            .collect();
        let none = Times::default;
        let first = quotes.iter().fold(none(), |all, one| all.and(&one.first));
        let again = quotes.iter().fold(none(), |all, one| all.and(&one.again));
        medians.push(first.median_us());
        for (kind, all) in [("first", &first), ("again", &again)] {
            let name = format!("{size} offers, {kind}");
            growth.figure(format!("{name}: median"), all.median_us(), "us");
            growth.figure(format!("{name}: p99"), all.percentile_us(99), "us");
        }
        if size == most {
            sheet.add(build(seed, &book, built_s));
            sheet.add(asks(&stand, &book, offers, &quotes));
            sheet.add(stream::measure(seed, &stand, &book));
            sheet.add(split::measure(&stand, &book));
        }
    }
    let grown = medians.last().zip(medians.first());
    let grown = grown.map_or(0.0, |(last, first)| last / first);
    growth.figure("first: median of the largest over the smallest", grown, "x");
    sheet.add(growth);
}

/// An ask that nobody made since the market was read, and one that was made before.
struct Quoted {
    first: Times,
    again: Times,
}

impl Quoted {
    fn measure(stand: &Stand, asked: &Asked, book: &Book) -> Self {
        let afresh = || stand.supply_afresh(book);
        Self {
            first: Times::of_each(QUOTES, afresh, |supply| stand.quote_on(asked, book, supply)),
            again: Times::of(QUOTES, || stand.quote(asked, book)),
        }
    }
}

fn build(seed: u64, book: &Book, built_s: f64) -> Section {
    let mut section = Section::new(format!("A book of {} offers (seed {seed})", book.len()));
    section.aimed("built in", built_s, "s", BUILT_S);
    let bytes = book.bytes() as f64 / book.len() as f64;
    section.aimed("memory", bytes, "bytes/offer", BYTES_PER_OFFER);
    section.figure("aisles", book.aisles().len() as f64, "");
    section.figure("shelves", book.shelves().len() as f64, "");
    section
}

/// Each ask: the quote beside the scan, which must find the same price.
fn asks(stand: &Stand, book: &Book, offers: &[Offer], quotes: &[Quoted]) -> Section {
    let title = "Quotes: every tier, ranked, priced by policy, itemised; the first of its kind since \
                 the market was read, and the same again";
    let mut section = Section::new(title);
    for (asked, quoted) in stand.asks.iter().zip(quotes) {
        progress(&format!("a scan for: {}", asked.name));
        let name = asked.name;
        for (kind, quote) in [("first", &quoted.first), ("again", &quoted.again)] {
            let name = format!("{name}, {kind}");
            section.aimed(
                format!("{name}: median"),
                quote.median_us(),
                "us",
                MEDIAN_US,
            );
            let p99 = quote.percentile_us(99);
            section.aimed(format!("{name}: p99"), p99, "us", P99_US);
        }
        let sold_out = || stand.supply_afresh(book).with_promised(SOLD_OUT_GPUS);
        let denied = Times::of_each(QUOTES, sold_out, |supply| {
            stand.quote_on(asked, book, supply)
        });
        let p99 = denied.percentile_us(99);
        section.aimed(format!("{name}, no backstop left: p99"), p99, "us", P99_US);
        let ask = stand.with_desk(asked, (book, &stand.supply), |desk| {
            desk.ask(Tier::Consumer)
        });
        let scanned = || scan::cheapest_hour(offers, asked, &ask, market::now());
        let found = scan::from_book(book, asked, &ask, market::now());
        assert_eq!(scanned(), found, "scan and book disagree on: {name}");
        let scans = Times::of(SCANS, scanned);
        section.figure(
            format!("{name}: plain scan, one tier"),
            scans.median_us(),
            "us",
        );
        let ratio = scans.median_us() / quoted.first.median_us();
        section.figure(format!("{name}: scan over first quote"), ratio, "x");
        let report = stand.quote(asked, book);
        let quoted = report.quoted().count();
        let fitting: Vec<_> = report.tiers.iter().map(|tier| tier.fitting).collect();
        let hour = found.map_or(0.0, |hour| hour as f64 / 1e6);
        section.note(format!(
            "{name}: {quoted} tiers quoted, {fitting:?} offers fit; book and scan agree on {hour:.4} dollars an hour"
        ));
    }
    section
}
