//! A broker that is killed at any moment and started again, and a training that outlives its
//! lease: real processes, the sandbox outside.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "there is no runtime here: the test waits for processes, and tells its seed"
)]

mod api;
mod process;
mod truth;
mod works;
mod zombie;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use api::Api;
use process::{Processes, TERM};
use serde_json::Value;
use truth::Truth;

/// Reached only when what is waited for will not happen.
const DEADLINE: Duration = Duration::from_secs(150);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A supervisor kills what has not ended by then.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Waits until something is true.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "{what} did not happen");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A seeded generator (Steele, Lea and Flood, 2014, `SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// The seed of this run; `TANDEM_CRASH_SEED` repeats one.
fn seed() -> u64 {
    let given = std::env::var("TANDEM_CRASH_SEED").ok();
    let seed = given.and_then(|s| s.parse().ok());
    // Drawn by the system.
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("TANDEM_CRASH_SEED={seed}");
    seed
}

fn ended_well(job: &Value) -> bool {
    match job["kind"].as_str() {
        Some("service") => job["state"] == "cancelled",
        _ => job["state"] == "succeeded",
    }
}

fn is_over(job: &Value) -> bool {
    matches!(
        job["state"].as_str(),
        Some("succeeded" | "failed" | "cancelled")
    )
}

/// Epochs of all jobs that run.
fn running(api: &Api) -> BTreeMap<String, u64> {
    let jobs = api.jobs().into_iter().filter(|j| j["state"] == "running");
    jobs.map(|job| {
        let id = job["id"].as_str().unwrap().to_owned();
        let epoch = api.job(&id)["placements"].as_array().unwrap().len() as u64;
        (id, epoch)
    })
    .collect()
}

/// Stops services, waits until every job is over and everything is given back.
fn end(api: &Api, processes: &Processes) -> Vec<Value> {
    let jobs = until("every job is over", || {
        let jobs = api.jobs();
        for job in &jobs {
            if job["kind"] == "service" && job["state"] == "running" {
                api.cancel(job["id"].as_str().unwrap());
            }
        }
        jobs.iter().all(is_over).then_some(jobs)
    });
    until("everything is given back", || {
        let truth = Truth::of(processes.sandbox_url());
        (truth.still_rented() == 0).then_some(())
    });
    let ids = jobs.iter().map(|job| job["id"].as_str().unwrap());
    ids.map(|id| api.job(id)).collect()
}

#[test]
fn a_broker_that_is_killed_at_any_moment_loses_no_job_and_starts_none_twice() {
    let mut dice = Dice(seed());
    let mut processes = Processes::start();
    let api = Api::of(&processes);
    let works = works::all();

    // One kill falls into the accepts: the rest of them is accepted by the next broker.
    let killed_at = dice.below(works.len() as u64 - 2) as usize + 1;
    let mut accepted = Vec::new();
    for (number, work) in works.iter().enumerate() {
        if number == killed_at {
            let pending = api.submit_in_background(work);
            std::thread::sleep(Duration::from_millis(dice.below(30)));
            processes.kill_broker();
            processes.start_broker();
            accepted.push(pending.join().unwrap());
        } else {
            accepted.push(api.submit(work));
        }
    }
    println!("killed while {killed_at} of {} were accepted", works.len());
    let known: Vec<String> = api.ids();
    for id in &accepted {
        assert!(known.contains(id), "{id} was accepted, and is gone");
    }
    assert_eq!(known.len(), works.len(), "each work was accepted once");

    for _ in 0..4 {
        let wait = Duration::from_millis(300 + dice.below(2_500));
        let away = Duration::from_millis(dice.below(800));
        println!("killed after {wait:?}, away for {away:?}");
        std::thread::sleep(wait);
        processes.kill_broker();
        std::thread::sleep(away);
        processes.start_broker();
    }

    let jobs = end(&api, &processes);
    assert_eq!(jobs.len(), works.len());
    for job in &jobs {
        assert!(ended_well(job), "{job:#}");
    }
    let truth = Truth::of(processes.sandbox_url());
    truth.check(&jobs);
    let charged: i64 = jobs
        .iter()
        .map(|job| job["charged_micro_usd"].as_i64().unwrap())
        .sum();
    assert_eq!(api.ledger_micro_usd(), charged);
    works::check_real(&api, &jobs);
}

#[test]
fn jobs_that_run_while_the_broker_is_away_for_a_moment_are_picked_up_where_they_are() {
    let mut processes = Processes::start();
    let api = Api::of(&processes);
    for work in works::simulated(6) {
        api.submit(&work);
    }
    let before = until("all of them run", || {
        let running = running(&api);
        (running.len() == 6).then_some(running)
    });
    for _ in 0..2 {
        processes.kill_broker();
        processes.start_broker();
        // Longer than lease and skew at this speed: who was not picked up would be left by now.
        std::thread::sleep(Duration::from_secs(5));
    }
    for (id, epoch) in before {
        let job = api.job(&id);
        let placements = job["placements"].as_array().unwrap();
        assert_eq!(placements.len() as u64, epoch, "it was moved: {job:#}");
        assert!(job["state"] == "running" || job["state"] == "succeeded");
    }
    let jobs = end(&api, &processes);
    assert!(jobs.iter().all(ended_well), "{jobs:#?}");
    Truth::of(processes.sandbox_url()).check(&jobs);
}

#[test]
fn a_broker_that_is_asked_to_end_does_so_in_time_and_gives_its_work_to_the_next() {
    let mut processes = Processes::start();
    let api = Api::of(&processes);
    for work in works::simulated(3) {
        api.submit(&work);
    }
    let before = until("all of them run", || {
        let running = running(&api);
        (running.len() == 3).then_some(running)
    });
    let start = Instant::now();
    let status = processes.end_broker(TERM);
    assert_eq!(status.code(), Some(0));
    assert!(start.elapsed() < STOP_WITHIN);

    processes.start_broker();
    let after = running(&api);
    for (id, epoch) in &after {
        assert_eq!(before.get(id), Some(epoch), "{id} was moved");
    }
    assert!(end(&api, &processes).iter().all(ended_well));
}
