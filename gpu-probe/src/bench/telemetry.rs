//! NVML beside a benchmark, on a thread of its own, so that looking does not disturb the timing.

use std::sync::mpsc;
use std::time::Duration;

use crate::cuda::{DeviceUuid, Nvml, Telemetry};

use super::card::Card;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(20);
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
        let result = work();
        drop(stop);
        let looks = watcher.join().unwrap_or_default();
        (result, medians(&looks))
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

fn medians(looks: &[Telemetry]) -> Seen {
    let median = |mut values: Vec<u32>| {
        values.sort_unstable();
        values.get(values.len() / 2).map(|value| u64::from(*value))
    };
    let clock = median(looks.iter().filter_map(|look| look.sm_clock_mhz).collect());
    Seen {
        sm_clock_khz: clock.map(|mhz| mhz * 1_000),
        power_mw: median(looks.iter().filter_map(|look| look.power_mw).collect()),
    }
}
