//! NVML beside a benchmark, on a thread of its own, so that looking does not disturb the timing.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::cuda::{DeviceUuid, Nvml, Telemetry};

use super::card::Card;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(20);
/// Shortest work whose power is told: NVML gives the mean of the last second, which is mostly idle
/// time where the work was shorter.
const POWER_SPAN_MIN: Duration = Duration::from_secs(1);
/// Most looks that are kept.
const LOOKS_MAX: usize = 10_000;

/// The medians over a piece of work; none where NVML does not give them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) sm_clock_khz: Option<u64>,
    pub(super) power_mw: Option<u64>,
}

/// Does `work` while another thread looks at the card.
pub(super) fn watched<T>(card: &Card<'_>, work: impl FnOnce() -> T) -> (T, Seen) {
    let (Some(nvml), Ok(uuid)) = (card.nvml, card.device().uuid()) else {
        return (work(), Seen::default());
    };
    std::thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        let watcher = scope.spawn(move || looks(nvml, uuid, &stopped));
        let begun = Instant::now();
        let result = work();
        let took = begun.elapsed();
        drop(stop);
        let looks = watcher.join().unwrap_or_default();
        (result, medians(&looks, took))
    })
}

fn looks(nvml: &Nvml, uuid: DeviceUuid, stopped: &mpsc::Receiver<()>) -> Vec<Telemetry> {
    let mut looks = Vec::new();
    // Not at once, when no work has begun; always at the end, when short work has just ended.
    while looks.len() < LOOKS_MAX {
        let is_over = stopped.recv_timeout(PERIOD) != Err(mpsc::RecvTimeoutError::Timeout);
        looks.push(nvml.telemetry(uuid));
        if is_over {
            break;
        }
    }
    looks
}

fn medians(looks: &[Telemetry], took: Duration) -> Seen {
    let median = |mut values: Vec<u32>| {
        values.sort_unstable();
        values.get(values.len() / 2).map(|value| u64::from(*value))
    };
    // The looks of the first second still have idle time in them.
    let idle = POWER_SPAN_MIN.as_millis() / PERIOD.as_millis();
    let loaded = looks.iter().skip(idle as usize);
    let power = loaded.filter_map(|look| look.power_mw).collect();
    let clock = median(looks.iter().filter_map(|look| look.sm_clock_mhz).collect());
    Seen {
        sm_clock_khz: clock.map(|mhz| mhz * 1_000),
        power_mw: median(power).filter(|_| took >= POWER_SPAN_MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_told_of_work_that_outlasts_what_it_is_the_mean_of() {
        let look = |power_mw| Telemetry {
            power_mw: Some(power_mw),
            sm_clock_mhz: Some(1_980),
            ..Telemetry::default()
        };
        let mut looks = vec![look(90_000); 50];
        let short = medians(&looks, Duration::from_millis(999));
        assert_eq!(
            (short.power_mw, short.sm_clock_khz),
            (None, Some(1_980_000))
        );
        looks.push(look(600_000));
        let long = medians(&looks, Duration::from_secs(1));
        assert_eq!(long.power_mw, Some(600_000));
        assert_eq!(medians(&[], Duration::from_secs(9)).power_mw, None);
    }
}
