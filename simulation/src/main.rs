//! The command line of the simulation: seeds, each run twice; stories, with a death at every point;
//! planted bugs, each to be found. `cargo xtask simulate` runs it.

#![expect(
    clippy::print_stdout,
    reason = "a command talks to the person in the terminal"
)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tandem_simulation::stories::STORIES;
use tandem_simulation::{Ran, Sink};

/// Runs a worker takes at most: no machine needs more.
const WORKERS_MAX: usize = 64;

#[derive(Parser)]
#[command(about = "Run the broker, its store and both networks with everything that can go wrong")]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// One JSON document on stdout at the end.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Run seeds, each twice: what must hold must hold, and both runs must be the same.
    Seeds {
        /// How many.
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Tell everything that happens.
        #[arg(long)]
        trace: bool,
    },
    /// Tell every story, with a death of the broker at every point of it.
    Stories {
        /// Only the story of this number.
        #[arg(long)]
        story: Option<usize>,
        /// Tell it once, with deaths at these points, and everything that happens.
        #[arg(long, value_delimiter = ',')]
        at: Vec<u64>,
    },
    /// Plant each known bug and look for it.
    #[cfg(feature = "planted-bugs")]
    Planted,
}

/// What came of a command.
struct Came {
    /// In a line.
    words: String,
    document: Value,
    failures: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let came = match arguments.what {
        What::Seeds { seeds, seed, trace } => run_seeds(seed, seeds, trace),
        What::Stories { story, at } if !at.is_empty() => tell_one(story.unwrap_or(0), &at),
        What::Stories { story, .. } => tell_stories(story),
        #[cfg(feature = "planted-bugs")]
        What::Planted => plant(),
    };
    for failure in &came.failures {
        println!("{failure}\n");
    }
    println!(
        "{}",
        if arguments.json {
            came.document.to_string()
        } else {
            came.words
        }
    );
    ExitCode::from(u8::from(!came.failures.is_empty()))
}

/// Does `count` things on all cores, each with its number; what came of each, in order.
fn on_all_cores<T: Send>(count: usize, what: &str, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let bar = ProgressBar::new(count as u64);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..cores.min(WORKERS_MAX) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let came = act(number);
                    bar.inc(1);
                    if let Ok(mut done) = done.lock() {
                        done.push((number, came));
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, came)| came).collect()
}

/// Why a run failed, with its last happenings and how to see it again.
fn failure(ran: &Ran, again: &str) -> Option<String> {
    let (why, last) = ran.broken.as_ref()?;
    Some(format!("{}\n{why}\nagain: {again}", last.join("\n")))
}

fn run_seeds(first: u64, count: u64, trace: bool) -> Came {
    let sink: Option<Sink> = trace.then_some(|line| println!("{line}"));
    let start = std::time::Instant::now();
    let count_of = usize::try_from(count).unwrap_or(usize::MAX);
    let all = on_all_cores(count_of, "seeds, twice", |n| {
        let seed = first + n as u64;
        let ran = tandem_simulation::run(seed, sink);
        let again = if trace {
            ran.clone()
        } else {
            tandem_simulation::run(seed, None)
        };
        (ran, again)
    });
    let mut failures = Vec::new();
    for (ran, again) in &all {
        let command = format!("cargo xtask simulate --seed {} --trace", ran.seed);
        failures.extend(failure(ran, &command).map(|f| format!("seed {}\n{f}", ran.seed)));
        if ran != again {
            failures.push(format!(
                "seed {}: two runs differ\nagain: {command}",
                ran.seed
            ));
        }
    }
    let sum = |of: fn(&Ran) -> u64| all.iter().map(|(ran, _)| of(ran)).sum::<u64>();
    let seconds = start.elapsed().as_secs_f64();
    let document = json!({
        "seeds": count, "first_seed": first, "failures": failures.len(),
        "events": sum(|r| r.events), "points": sum(|r| r.points),
        "crashes": sum(|r| r.crashes), "moments": sum(|r| r.moments),
        "spot_verdicts": sum(|r| r.spot_verdicts), "rates_agreed": sum(|r| r.rates_agreed),
        "stops_told": sum(|r| r.stops_told), "world_seconds": sum(|r| r.world_seconds),
        "wall_seconds": seconds,
    });
    let words = format!(
        "{count} seeds twice, {} failed: {} events, {} crashes at {} points, {} moments of running \
         work with {} verdicts in {} seeds, {} rates of later terms and {} stops \
         without one, {} h of world time, {:.1} runs/s",
        failures.len(),
        sum(|r| r.events),
        sum(|r| r.crashes),
        sum(|r| r.points),
        sum(|r| r.moments),
        sum(|r| r.spot_verdicts),
        sum(|r| u64::from(r.spot_verdicts > 0)),
        sum(|r| r.rates_agreed),
        sum(|r| r.stops_told),
        sum(|r| r.world_seconds) / 3_600,
        2.0 * count as f64 / seconds,
    );
    Came {
        words,
        document,
        failures,
    }
}

fn tell_one(number: usize, at: &[u64]) -> Came {
    let Some(story) = STORIES.get(number) else {
        return no_story(number);
    };
    let (ran, _) = story.tell(at, Some(|line| println!("{line}")));
    Came {
        words: story.name.to_owned(),
        document: json!({ "story": story.name, "events": ran.events, "hash": ran.hash }),
        failures: ran.broken.map(|(why, _)| why).into_iter().collect(),
    }
}

fn no_story(number: usize) -> Came {
    let most = STORIES.len() - 1;
    Came {
        words: String::new(),
        document: Value::Null,
        failures: vec![format!(
            "no story {number}; they are numbered from 0 to {most}"
        )],
    }
}

/// Parts of a story that are told side by side.
const PARTS: u64 = 16;

fn tell_stories(only: Option<usize>) -> Came {
    if let Some(number) = only.filter(|number| *number >= STORIES.len()) {
        return no_story(number);
    }
    let chosen: Vec<usize> = (0..STORIES.len())
        .filter(|n| only.is_none_or(|only| only == *n))
        .collect();
    let parts: Vec<(usize, u64)> = chosen
        .iter()
        .flat_map(|n| (0..PARTS).map(|part| (*n, part)))
        .collect();
    let told = on_all_cores(parts.len(), "stories", |n| {
        let (story, part) = parts[n];
        (story, STORIES[story].tell_all((part, PARTS)))
    });
    let mut failures = Vec::new();
    let mut stories = Vec::new();
    let (mut points, mut twice) = (0, 0);
    for number in chosen {
        let of_it = || told.iter().filter(|(n, _)| *n == number).map(|(_, t)| t);
        let story = &STORIES[number];
        for (at, why, last) in of_it().filter_map(|t| t.broken.as_ref()) {
            let at: Vec<String> = at.iter().map(u64::to_string).collect();
            failures.push(format!(
                "{}\n{}: {why}\nagain: cargo xtask simulate --story {number} --at {}",
                last.join("\n"),
                story.name,
                at.join(","),
            ));
        }
        let once: u64 = of_it().map(|t| t.points).sum();
        points += once;
        twice += of_it().map(|t| t.twice).sum::<u64>();
        stories.push(json!({ "story": story.name, "points": once }));
    }
    Came {
        words: format!(
            "{} stories, {points} crash points, {twice} with a second crash, {} failed",
            stories.len(),
            failures.len()
        ),
        document: json!({
            "points": points, "twice": twice, "failures": failures.len(), "stories": stories,
        }),
        failures,
    }
}

#[cfg(feature = "planted-bugs")]
fn plant() -> Came {
    use tandem_simulation::planted::{Planted, search};
    let found = on_all_cores(Planted::ALL.len(), "planted bugs", |n| {
        search(Planted::ALL[n])
    });
    let mut failures = Vec::new();
    let mut lines = Vec::new();
    let mut bugs = Vec::new();
    for (bug, found) in Planted::ALL.iter().zip(found) {
        match found {
            Some(found) => {
                lines.push(format!("{bug:?}: {}: {}", found.by, found.what));
                bugs.push(json!({ "bug": format!("{bug:?}"), "by": found.by }));
            }
            None => failures.push(format!("{bug:?} was planted and not found")),
        }
    }
    lines.push(format!(
        "{} bugs planted, {} not found",
        Planted::ALL.len(),
        failures.len()
    ));
    Came {
        words: lines.join("\n"),
        document: json!({ "bugs": bugs, "failures": failures.len() }),
        failures,
    }
}
