//! What is remembered of a node's moments.

use gpu_probe::hex::HexBytes;
use gpu_probe::verdict::ProofLevel;

use super::*;
use crate::engine::probe::ProbedDevice;

fn probed(devices: &[u8]) -> Probed {
    let device = |n: &u8| ProbedDevice {
        uuid: HexBytes([*n; 16]),
        model: None,
        failed: false,
    };
    Probed {
        outcome: VerdictOutcome::CouldNotRun,
        proof_level: ProofLevel::Claimed,
        speed_permille: None,
        is_referenced: false,
        reasons: Vec::new(),
        devices: devices.iter().map(device).collect(),
        accepted: true,
        at: WorldTime::from_micros(0),
    }
}

#[test]
fn the_first_devices_are_kept_however_often_nothing_is_shown_after_them() {
    let mut probes = RunningProbes::default();
    let shown = [&[][..], &[3], &[], &[], &[], &[], &[4], &[], &[], &[]];
    for (n, devices) in (0_u8..).zip(shown) {
        probes.take(HexBytes([n; 16]), probed(devices));
        let firsts = probes.answered.iter().flat_map(|a| &a.probed.devices);
        let first = firsts.map(|device| device.uuid).next();
        assert_eq!(first, (n > 0).then_some(HexBytes([3; 16])), "after {n}");
        assert!(probes.answered.len() <= ANSWERED_MAX);
    }
    let moments = probes.answered.iter().map(|a| a.moment.0[0]);
    assert_eq!(moments.collect::<Vec<_>>(), [1, 7, 8, 9]);
}
