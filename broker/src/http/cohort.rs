//! Nodes whose running work is probed at the same moment: their challenges are given together, and
//! each verdict is told whether another machine computed at the same time.
//!
//! In memory of one broker, like the exchanges: brokers with one key probe at the same moments, but
//! each finds what is together among its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gpu_probe::protocol::MomentId;
use gpu_probe::verify::Window;
use tandem_model::id::JobId;
use tandem_model::time::{Clock, WorldTime};

use super::exchanges::Key;

/// Longest that a challenge is held until its moment, on the wall; an agent waits a minute for an
/// answer, and its workload stands still for half of that.
const HOLD_MAX: Duration = Duration::from_secs(10);
/// Between two looks at the world's clock, which may run faster than the wall's.
const HOLD_STEP: Duration = Duration::from_millis(5);
/// Moments that are kept, the newest.
const MOMENTS_MAX: usize = 16;
/// Most windows of a moment: more than the nodes that are ordered for one.
const WINDOWS_MAX: usize = 64;

/// Waits until a moment of the world, no longer than [`HOLD_MAX`].
pub(super) async fn hold(clock: &dyn Clock, until: WorldTime) {
    let waiting = async {
        while clock.world() < until {
            tokio::time::sleep(HOLD_STEP).await;
        }
    };
    if tokio::time::timeout(HOLD_MAX, waiting).await.is_err() {
        tracing::warn!("a challenge was held too long for its moment, and is given now");
    }
}

/// A node of a job, whichever attempt runs on it.
type Node = (JobId, u16);

/// When the cards of each node computed, by moment.
#[derive(Debug, Default)]
pub(super) struct Cohorts {
    moments: Mutex<VecDeque<(MomentId, BTreeMap<Node, Window>)>>,
}

impl Cohorts {
    /// Notes when the cards of a node computed for a moment; the first time stands.
    pub(super) fn note(&self, moment: MomentId, key: &Key, window: Window) {
        // Every change leaves the list whole.
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        if !moments.iter().any(|(id, _)| *id == moment) {
            moments.push_back((moment, BTreeMap::new()));
            if moments.len() > MOMENTS_MAX {
                moments.pop_front();
            }
        }
        let of_it = moments.iter_mut().find(|(id, _)| *id == moment);
        let windows = of_it.map(|(_, windows)| windows);
        if let Some(windows) = windows.filter(|windows| windows.len() < WINDOWS_MAX) {
            windows.entry((key.job, key.rank)).or_insert(window);
        }
    }

    /// Whether another node computed for the same moment, which is one of the same card, at the same
    /// time as this one.
    pub(super) fn has_like(&self, moment: MomentId, key: &Key) -> bool {
        let moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, windows)) = moments.iter().find(|(id, _)| *id == moment) else {
            return false;
        };
        let own = (key.job, key.rank);
        let Some(mine) = windows.get(&own) else {
            return false;
        };
        let mut others = windows.iter().filter(|(node, _)| **node != own);
        others.any(|(_, other)| mine.is_together_with(*other))
    }
}

#[cfg(test)]
mod tests {
    use gpu_probe::hex::HexBytes;
    use tandem_model::id::BootId;
    use tandem_model::placement::Epoch;

    use super::*;

    const MOMENT: MomentId = HexBytes([1; 16]);

    fn key(job: u64, epoch: u32, rank: u16) -> Key {
        Key {
            job: JobId::from_parts(job, &[1; 10]),
            epoch: Epoch(epoch),
            rank,
            boot_id: BootId::from_parts(job, &[2; 10]),
            moment: Some(MOMENT),
        }
    }

    fn window(from_ms: u64) -> Window {
        Window {
            from_ms,
            until_ms: from_ms + 750,
        }
    }

    #[test]
    fn only_another_node_at_the_same_time_for_the_same_moment_is_its_like() {
        let cohorts = Cohorts::default();
        let mine = key(1, 1, 0);
        assert!(!cohorts.has_like(MOMENT, &mine));
        cohorts.note(MOMENT, &mine, window(1_000));
        assert!(!cohorts.has_like(MOMENT, &mine), "alone");
        cohorts.note(MOMENT, &key(1, 2, 0), window(1_000));
        assert!(!cohorts.has_like(MOMENT, &mine), "its own next attempt");
        cohorts.note(MOMENT, &key(2, 1, 0), window(1_700));
        assert!(!cohorts.has_like(MOMENT, &mine), "one after the other");
        cohorts.note(HexBytes([9; 16]), &key(3, 1, 0), window(1_000));
        assert!(!cohorts.has_like(MOMENT, &mine), "another card's moment");
        assert!(
            !cohorts.has_like(MOMENT, &key(7, 1, 0)),
            "it never computed"
        );
        cohorts.note(MOMENT, &key(1, 1, 1), window(1_100));
        assert!(cohorts.has_like(MOMENT, &mine), "the gang's other node");
        assert!(cohorts.has_like(MOMENT, &key(1, 1, 1)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let cohorts = Cohorts::default();
        for moment in 0..100 {
            for job in 0..100 {
                let moment = HexBytes([moment; 16]);
                cohorts.note(moment, &key(job, 1, 0), window(1_000));
            }
        }
        let moments = cohorts.moments.lock().unwrap();
        assert_eq!(moments.len(), MOMENTS_MAX);
        assert!(
            moments
                .iter()
                .all(|(_, windows)| windows.len() == WINDOWS_MAX)
        );
    }
}
