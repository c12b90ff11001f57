//! The command line of the simulation.

#![expect(clippy::print_stdout, reason = "a command talks to the person in the terminal")]

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "tandem-simulation", about = "Run the broker with everything that can go wrong")]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tell the stories of this number (all: 99), with a death at every point.
    #[arg(long)]
    story: Option<usize>,
    /// Die at these points of the story alone.
    #[arg(long, value_delimiter = ',')]
    at: Vec<u64>,
    /// Tell everything that happens.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sink: Option<tandem_simulation::Sink> = arguments.trace.then_some(|line| println!("{line}"));
    let start = std::time::Instant::now();
    if let Some(number) = arguments.story {
        for (n, story) in tandem_simulation::stories::STORIES.iter().enumerate() {
            if number != 99 && number != n {
                continue;
            }
            if arguments.trace {
                println!("{:?}", story.tell(&arguments.at, sink).0);
                continue;
            }
            let told = story.tell_all((0, 1));
            if let Some((at, why, last)) = &told.broken {
                for line in last.iter().rev().take(8).rev() {
                    println!("{line}");
                }
                println!("BROKEN {at:?} {why}");
            }
            println!("{n} {}: {} points, {} twice, {:?}", story.name, told.points, told.twice, start.elapsed());
        }
        return ExitCode::SUCCESS;
    }
    let (mut events, mut failed) = (0, 0);
    for seed in arguments.seed..arguments.seed + arguments.seeds {
        let ran = tandem_simulation::run(seed, sink);
        events += ran.events;
        if let Some((why, last)) = &ran.broken {
            failed += 1;
            for line in last.iter().rev().take(12).rev() {
                println!("{line}");
            }
            println!("seed {seed}: {why}");
        }
        if arguments.seeds < 20 {
            println!("{ran:?}");
        }
    }
    println!("{events} events, {failed} failed, {:?}", start.elapsed());
    ExitCode::from(u8::from(failed > 0))
}
