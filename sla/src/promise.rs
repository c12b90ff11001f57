//! What is promised with a quote. The times of recovery follow from the windows of detection, so a
//! promise is never shorter than what the detector can see.

use std::time::Duration;

use tandem_model::quote::{Objectives, SPEED_PERMILLE_MIN, START_SECONDS};
use tandem_model::workload::{Checkpoints, Tier, Workload, WorkloadKind};

use crate::detect::Windows;

/// What is promised on a tier for a workload whose agent reports to us. A speed is promised where it
/// is measured, because every placement is probed, and not on the consumer tier.
///
/// Availability of a service is not promised: nothing measures it from outside yet.
pub fn objectives(
    windows: &Windows,
    workload: &Workload,
    tier: Tier,
    is_probed: bool,
) -> Objectives {
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let certain = windows.suspect_after.max(windows.lease + windows.skew);
    let work_lost = match workload.checkpoints {
        Checkpoints::Agent { interval_seconds } if workload.kind == WorkloadKind::Job => {
            Some(interval_seconds.saturating_add(seconds(certain)))
        }
        _ => None,
    };
    Objectives {
        start_seconds: START_SECONDS,
        detection_seconds: seconds(certain),
        recovery_seconds: seconds(certain).saturating_add(START_SECONDS),
        work_lost_seconds: work_lost,
        finish_by_seconds: workload.limits.finish_by_seconds,
        speed_permille_min: (is_probed && tier != Tier::Consumer).then_some(SPEED_PERMILLE_MIN),
    }
}
