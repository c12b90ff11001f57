//! Ten thousand running placements on the embedded store, each heard every 5 s: no heartbeat is
//! missed, nobody becomes suspect, and the memory stays bounded. Alone in its process, because it
//! reads the process's memory. Time is simulated: nothing here depends on how fast the machine is.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use tandem_bench::{Rig, at, beat, job_id, resident_mb};
use tandem_model::job::JobState;

const JOBS: u64 = 10_000;
/// Two minutes of world time.
const UNTIL: u64 = 120;
/// Limit of the whole process, store and its cache included.
const MEMORY_MB_MAX: u64 = 300;

#[tokio::test]
async fn ten_thousand_placements_are_heard_every_5_s_in_300_mb() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path());
    rig.run(JOBS).await;
    let mut renewed = 0;
    for second in 2..=UNTIL {
        let now = at(second);
        // A fifth of them each second.
        for n in (0..JOBS).filter(|n| n % 5 == second % 5) {
            rig.ask(beat(job_id(n), second), now);
        }
        rig.kernel.network_orders(now);
        while rig.turn(now).await.is_some() {}
        renewed += rig.flush(now).await;
    }
    renewed += rig.flush(at(UNTIL + 1)).await;
    let expected = (2..=UNTIL).map(|s| (0..JOBS).filter(|n| n % 5 == s % 5).count());
    assert_eq!(renewed, expected.sum::<usize>(), "every one was answered");
    for job in rig.kernel.jobs() {
        assert_eq!(job.state(), JobState::Running);
        assert_eq!(job.attempts.len(), 1);
    }
    let mb = resident_mb();
    println!("{JOBS} placements: {mb} MB resident");
    assert!(mb < MEMORY_MB_MAX, "{mb} MB");
}
