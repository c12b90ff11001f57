//! Loads of minutes: products of random matrices with telemetry, every result compared with the
//! first. Steady, pulsed (a steady load misses faults of the power supply), or the long soak.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::cuda::{CudaError, download};
use crate::report::{Load, SAMPLES_MAX, Telemetry};

use super::card::Card;
use super::tensor::{Operands, Product};

/// Products that are queued before the host looks again.
const BATCH: u32 = 8;
/// Bytes of a result that are hashed: its last part, which every bad sum of a column may reach.
const HASHED_BYTES: u64 = 1 << 20;

/// Keeps the card busy for `on` of every `on + off`, `rounds` times.
///
/// # Errors
///
/// Too little memory, a failed call or a deadline.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread that measures has no runtime"
)]
pub(super) fn run(
    card: &Card<'_>,
    on: Duration,
    off: Duration,
    rounds: u32,
) -> Result<Load, CudaError> {
    let product = Product::new(card, Operands::F16)?;
    let period = Duration::from_millis(card.scale.load_sample_ms);
    let begun = Instant::now();
    let mut seen = Seen::new(begun);
    for _ in 0..rounds {
        let round = Instant::now();
        while round.elapsed() < on {
            let (start, mut products) = (Instant::now(), 0);
            while start.elapsed() < period.min(on) {
                for _ in 0..BATCH {
                    product.queue()?;
                }
                card.wait("the load")?;
                products += u64::from(BATCH);
            }
            seen.compare(card, &product)?;
            seen.sample(card, products * product.operations(), start.elapsed());
        }
        if !off.is_zero() {
            std::thread::sleep(off);
        }
    }
    Ok(Load {
        duration_ms: ms(begun.elapsed()),
        results: seen.results,
        mismatches: seen.mismatches,
        samples: seen.samples,
    })
}

/// What was seen so far.
struct Seen {
    begun: Instant,
    first: Option<[u8; 32]>,
    results: u64,
    mismatches: u64,
    samples: Vec<Telemetry>,
}

impl Seen {
    fn new(begun: Instant) -> Self {
        Self {
            begun,
            first: None,
            results: 0,
            mismatches: 0,
            samples: Vec::new(),
        }
    }

    /// Compares the last product with the first one.
    fn compare(&mut self, card: &Card<'_>, product: &Product<'_>) -> Result<(), CudaError> {
        let all = product.c.bytes();
        let bytes = all.min(HASHED_BYTES);
        let part = download(&card.stream, &product.c, all - bytes, bytes as usize)?;
        let digest: [u8; 32] = Sha256::digest(&part).into();
        self.results += 1;
        if *self.first.get_or_insert(digest) != digest {
            self.mismatches += 1;
        }
        Ok(())
    }

    fn sample(&mut self, card: &Card<'_>, operations: u64, took: Duration) {
        let at_ms = ms(self.begun.elapsed());
        let ascends = self.samples.last().is_none_or(|last| last.at_ms < at_ms);
        if self.samples.len() >= SAMPLES_MAX || !ascends {
            return;
        }
        let look = match (card.nvml, card.device().uuid()) {
            (Some(nvml), Ok(uuid)) => nvml.telemetry(uuid),
            _ => crate::cuda::Telemetry::default(),
        };
        let rate = u128::from(operations).checked_div(took.as_nanos());
        self.samples.push(Telemetry {
            at_ms,
            gflops: rate.and_then(|r| u64::try_from(r).ok()).unwrap_or(0),
            sm_clock_mhz: look.sm_clock_mhz,
            memory_clock_mhz: look.memory_clock_mhz,
            power_mw: look.power_mw.map(u64::from),
            core_celsius: look.core_c.and_then(|c| i32::try_from(c).ok()),
            memory_celsius: look.memory_c.and_then(|c| i32::try_from(c).ok()),
            ecc_uncorrected: look.ecc_uncorrected,
            retired_pages: look.retired_pages,
            event_reasons: look.event_reasons,
        });
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
