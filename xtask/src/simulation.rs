//! `cargo xtask simulate`, and the stage of the tests that is made of it.

use crate::process::{self, cargo};

/// Seeds of the stage.
const SEEDS: &str = "500";

/// What is to be simulated.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds, each run twice.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tell everything that happens.
    #[arg(long)]
    trace: bool,
    /// One JSON document at the end.
    #[arg(long)]
    json: bool,
    /// Tell a story instead, by its number, with a death at every point.
    #[arg(long, conflicts_with_all = ["seeds", "seed", "trace"])]
    story: Option<u64>,
    /// Points of the story at which the broker dies, and no others.
    #[arg(long, requires = "story")]
    at: Option<String>,
}

fn simulate(arguments: &[&str]) -> anyhow::Result<()> {
    let mut all = vec![
        "run",
        "--quiet",
        "--profile",
        "simulation",
        "--package",
        "tandem-simulation",
        "--features",
        "planted-bugs",
        "--",
    ];
    all.extend(arguments);
    process::run(cargo(&all))
}

/// Runs what was asked for.
pub(crate) fn run(what: &Arguments) -> anyhow::Result<()> {
    let mut arguments: Vec<String> = Vec::new();
    if let Some(story) = what.story {
        arguments.extend(["stories".into(), "--story".into(), story.to_string()]);
        if let Some(at) = &what.at {
            arguments.extend(["--at".into(), at.clone()]);
        }
    } else {
        let (seeds, seed) = (what.seeds.to_string(), what.seed.to_string());
        let words = ["seeds", "--seeds", &seeds, "--seed", &seed];
        arguments.extend(words.map(str::to_owned));
        if what.trace {
            arguments.push("--trace".into());
        }
    }
    if what.json {
        arguments.push("--json".into());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    simulate(&arguments)
}

/// Seeds, stories and planted bugs.
pub(crate) fn stage() -> anyhow::Result<()> {
    simulate(&["seeds", "--seeds", SEEDS])?;
    simulate(&["stories"])?;
    simulate(&["planted"])
}
