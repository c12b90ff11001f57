//! Places of exchanges: who has one keeps it until its verdict, who waits gets the next.

use gpu_probe::emulate::{Answer, EmulatedGpu, EmulatedProver};
use gpu_probe::report::Kind;
use gpu_probe::verify::{Facts, Policy};
use tandem_model::gpu::GpuModel;

use super::*;

const NOW_MS: u64 = 1_000_000;

/// A node's probe; with a moment it does not wait for a place.
fn key(n: u64, moment: Option<u64>) -> Key {
    Key {
        job: JobId::from_parts(n, &[1; 10]),
        epoch: Epoch(1),
        rank: 0,
        boot_id: BootId::from_parts(n, &[2; 10]),
        moment: moment.map(|n| MomentId::parse(&format!("{n:032x}")).unwrap()),
    }
}

async fn open(all: &Exchanges, key: Key) -> Result<Arc<tokio::sync::Mutex<Open>>, Problem> {
    let place = all.place(&key, NOW_MS).await?;
    let facts = Facts::default();
    let opening = Opening {
        probe: ProbeId::from_parts(1, &[3; 10]),
        session: Session::new(Policy::sandbox(), facts, Kind::Quick, [4; 32], NOW_MS),
        challenge_at: None,
    };
    Ok(all.open(key, place, opening, NOW_MS))
}

/// Probes emulated cards to the verdict.
async fn finish(all: &Exchanges, open: &tokio::sync::Mutex<Open>) {
    let mut prover = EmulatedProver::new(&EmulatedGpu {
        model: GpuModel::by_id("rtx4090").unwrap(),
        gpus: 1,
        claims: None,
        seed: 7,
    });
    let mut said = prover.hello();
    loop {
        let answer = all.step(&mut *open.lock().await, said, NOW_MS).await;
        match prover.answer(answer.unwrap()).unwrap() {
            Answer::Send(next) => said = *next,
            Answer::Over(_) => return,
        }
    }
}

#[tokio::test]
async fn no_exchange_gives_way_to_another_one_before_its_verdict() {
    let all = Exchanges::default();
    for n in 1..=OPEN_MAX as u64 {
        open(&all, key(n, None)).await.expect("a place");
    }
    let late = key(99, Some(1));
    assert!(open(&all, late).await.is_err(), "all places are taken");
    let first = all.get(&key(1, None), NOW_MS).expect("nobody gave way");
    // A node that begins anew has its own place.
    open(&all, key(2, None)).await.expect("a place");
    finish(&all, &first).await;
    open(&all, late).await.expect("the place of the first");
    assert!(all.get(&key(1, None), NOW_MS).is_none());
    assert!((2..=OPEN_MAX as u64).all(|n| all.get(&key(n, None), NOW_MS).is_some()));
}

#[tokio::test]
async fn who_waits_for_a_place_gets_the_first_that_is_left() {
    let all = Exchanges::default();
    for n in 1..=OPEN_MAX as u64 {
        open(&all, key(n, None)).await.expect("a place");
    }
    let (waited, ()) = tokio::join!(open(&all, key(99, None)), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        all.close(&key(1, None));
    });
    waited.expect("the place of the first");
}

#[tokio::test]
async fn an_exchange_that_its_agent_gave_up_keeps_no_place() {
    let all = Exchanges::default();
    for n in 1..=OPEN_MAX as u64 {
        open(&all, key(n, None)).await.expect("a place");
    }
    let later = NOW_MS + IDLE_MS + 1;
    all.get(&key(7, None), later).expect("it speaks still");
    let place = all.place(&key(99, Some(1)), later).await;
    drop(place.expect("a place"));
    assert!(all.get(&key(7, None), later).is_some());
    assert!(all.get(&key(8, None), later).is_none());
}
