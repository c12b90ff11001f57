//! Decisions on real price files: our book beside SkyPilot's optimiser, in the same run.
//!
//! Both get the same files. SkyPilot also gets them without prices of nothing, because a price of
//! nothing wins every comparison: costs are held against each other there.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Deserialize;
use tandem_model::quote::Quote;
use tandem_model::workload::{Tier, Workload};
use tandem_pricing::book::{Aisle, AislePrice, Ask, Book, Hit};
use tandem_pricing::classify::{Classification, classify};
use tandem_pricing::files;
use tandem_pricing::quote::{Refusal, Supply, Usage};

use super::asks;
use super::catalogue::{self, Catalogue, SPOT};
use super::stand::plain_quote;
use super::{market, progress, real_data, scan};
use crate::sheet::{Aim, Section};
use crate::times::Times;

/// What is decided: the name that `skypilot.py` has for it too, the rest of our file, and whether
/// spot is taken.
const CASES: [(&str, &str, bool); 2] = [
    (
        "H100:8",
        "run: ./x\nresources: {gpu: H100, gpus_per_node: 8}",
        false,
    ),
    (
        "any of 6 GPUs, spot or on-demand",
        "run: ./x\nresources: {gpu: [L4, T4, V100, A100, A100-80GB, H100]}",
        true,
    ),
];
/// Decisions of ours that are timed.
const DECISIONS: usize = 2_000;
/// Aim: SkyPilot's time over that of a whole quote.
const RATIO: Aim = Aim::AtLeast(1_000.0);
/// Costs that differ by less are the same: prices of a machine are divided over its GPUs in whole
/// micro-dollars.
const SAME_USD: f64 = 0.000_1;
/// How SkyPilot is put where it is looked for.
const INSTALL: &str = "`cargo xtask bench quote` tries: python3 -m venv target/skypilot && \
                       target/skypilot/bin/pip install skypilot==0.14.1";

/// What SkyPilot decided, as `skypilot.py` writes it.
#[derive(Debug, Deserialize)]
struct Decisions {
    version: String,
    decisions: Vec<Decision>,
}

#[derive(Debug, Deserialize)]
struct Decision {
    case: String,
    wall_s: Vec<f64>,
    processor_s: Vec<f64>,
    usd_per_hour: f64,
    chosen: String,
}

/// What SkyPilot decided on the files as they are, and on mended ones.
struct Theirs {
    as_they_are: Decisions,
    mended: Decisions,
}

/// Measures both on every case.
pub(super) fn measure(python: Option<&Path>) -> Section {
    let Some(folder) = real_data("prices") else {
        let mut section = Section::new("Real price files");
        section.note("not measured: no price files in ../shared/data/prices");
        return section;
    };
    progress("reading real price files");
    let start = Instant::now();
    let all = catalogue::read(&folder);
    let read_s = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let book = Book::build(&all.offers).unwrap();
    let mut section = Section::new(title(&all));
    section.figure("files read through the gate", read_s, "s");
    section.figure("book built", start.elapsed().as_secs_f64() * 1e3, "ms");
    let theirs = match python.map(|python| theirs(python, &folder)) {
        Some(Ok(theirs)) => {
            section.note(format!(
                "SkyPilot {}: in process, without its API server; ratios are of processor time, medians",
                theirs.as_they_are.version
            ));
            Some(theirs)
        }
        Some(Err(why)) => {
            section.note(format!("SkyPilot did not run, our figures alone: {why}"));
            None
        }
        None => {
            section.note(format!(
                "SkyPilot is not installed, our figures alone; {INSTALL}"
            ));
            None
        }
    };
    for (name, rest, takes_spot) in CASES {
        let document = files::read(&asks::file(rest)).unwrap();
        let case = Case {
            name,
            takes_spot,
            found: classify(&document),
            workload: document.workload.unwrap(),
        };
        case.measure(&book, theirs.as_ref(), &mut section);
    }
    section
}

fn title(all: &Catalogue) -> String {
    format!(
        "Real price files: {} rows, {} offers, {} refused by the gate",
        all.rows,
        all.offers.len(),
        all.refused
    )
}

/// Has SkyPilot decide on the files of a folder.
fn theirs(python: &Path, folder: &Path) -> Result<Theirs, String> {
    let one = |how: &str| {
        progress(&format!(
            "SkyPilot decides on the files {how}: this takes minutes"
        ));
        let runtime = tempfile::tempdir().map_err(|error| error.to_string())?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("skypilot.py");
        let mut command = Command::new(python);
        command.arg(script).args([folder, runtime.path()]).arg(how);
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{}: {error}", python.display()))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            let last = errors.lines().last().unwrap_or_default();
            return Err(format!("skypilot.py ended with {}: {last}", output.status));
        }
        let text = std::fs::read_to_string(runtime.path().join("decisions.json"));
        let text = text.map_err(|error| format!("skypilot.py wrote nothing: {error}"))?;
        serde_json::from_str::<Decisions>(&text).map_err(|error| error.to_string())
    };
    Ok(Theirs {
        as_they_are: one("as-they-are")?,
        mended: one("mended")?,
    })
}

impl Decisions {
    fn of(&self, case: &str) -> &Decision {
        let found = self.decisions.iter().find(|one| one.case == case);
        found.expect("skypilot.py decides on the same cases")
    }
}

fn median(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// One case as we decide it.
struct Case {
    name: &'static str,
    takes_spot: bool,
    workload: Workload,
    found: Classification,
}

impl Case {
    fn sells(&self, product: &str) -> bool {
        self.takes_spot || product != SPOT
    }

    /// The cheapest machine by the provider's own price: what SkyPilot decides.
    fn cheapest(&self, book: &Book) -> Option<Hit> {
        let ask = Ask::of(Tier::Consumer, &self.workload, &self.found, None);
        let price = |aisle: &Aisle, _| {
            if self.sells(&aisle.product) {
                AislePrice::Sold(scan::with_fee(aisle.fee_basis_points))
            } else {
                AislePrice::NotSold(Refusal::CannotStart)
            }
        };
        book.rank(&ask, price, market::now()).next()
    }

    /// A firm quote on every tier.
    fn quotes(&self, book: &Book, supply: &Supply) -> Vec<Quote> {
        let sells = |product: &str| self.sells(product);
        let report = plain_quote(&self.workload, &self.found, (book, supply), &sells);
        report.quoted().map(|(quote, _)| quote.clone()).collect()
    }

    fn measure(&self, book: &Book, theirs: Option<&Theirs>, section: &mut Section) {
        let name = self.name;
        progress(&format!("our decisions on {name}"));
        let hit = self.cheapest(book).expect("the files have such machines");
        let decided = Times::of(DECISIONS, || self.cheapest(book)).median_us();
        // A quote that was made before is not decided again, so each meets a supply that knows none.
        let afresh = || Supply::of(book, &[], Usage::default());
        let quoted = Times::of_each(DECISIONS, afresh, |supply| self.quotes(book, supply));
        let quoted = quoted.median_us();
        let ours_usd = hit.hour_micro_usd.get() as f64 / 1e6;
        let chosen = book.view(hit.row).id();
        section.figure(format!("{name}: cheapest machine"), decided, "us");
        section.figure(format!("{name}: whole quote, every tier"), quoted, "us");
        section.figure(format!("{name}: our cost"), ours_usd, "USD/h");
        section.note(format!("{name}: ours {chosen}"));
        let Some(theirs) = theirs else { return };
        let (raw, mended) = (theirs.as_they_are.of(name), theirs.mended.of(name));
        let processor = median(&raw.processor_s);
        section.figure(format!("{name}: SkyPilot, wall"), median(&raw.wall_s), "s");
        section.figure(format!("{name}: SkyPilot, processor"), processor, "s");
        section.figure(
            format!("{name}: SkyPilot over our cheapest machine"),
            processor * 1e6 / decided,
            "x",
        );
        section.aimed(
            format!("{name}: SkyPilot over our whole quote"),
            processor * 1e6 / quoted,
            "x",
            RATIO,
        );
        let cost = mended.usd_per_hour;
        section.figure(
            format!("{name}: SkyPilot's cost on valid prices"),
            cost,
            "USD/h",
        );
        let least = Aim::AtMost(cost + SAME_USD);
        section.aimed(
            format!("{name}: our cost against it"),
            ours_usd,
            "USD/h",
            least,
        );
        section.note(format!(
            "{name}: SkyPilot on valid prices {}",
            mended.chosen
        ));
        if raw.usd_per_hour <= 0.0 {
            section.note(format!(
                "{name}: on the files as they are SkyPilot books {} at $0.00, which nobody sells",
                raw.chosen
            ));
        }
    }
}
