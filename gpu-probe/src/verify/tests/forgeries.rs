//! Each forgery is refused for its own reason.

use ed25519_dalek::SigningKey;
use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device, uuid};
use super::prover::{Exchange, Forge, failing};
use crate::hex::HexBytes;
use crate::report::{Outcome, Report};
use crate::verdict::ReasonCode::{self, *};
use crate::verdict::VerdictOutcome;
use crate::verify::Facts;

fn forged(forge: Forge) -> Vec<ReasonCode> {
    let of_memory = [Forge::HalfTheMemory, Forge::BlockPath].contains(&forge);
    let exchange = Exchange {
        forge,
        ..Exchange::of("rtx3090").proving(if of_memory { 2 } else { 0 })
    };
    let verdict = exchange.run(|_| {});
    assert_eq!(verdict.proof_level.number(), 0);
    failing(&verdict)
}

fn edited(id: &str, edit: impl FnOnce(&mut Report)) -> Vec<ReasonCode> {
    failing(&Exchange::of(id).run(edit))
}

#[test]
fn wrong_proofs_are_found_out() {
    for (forge, codes) in [
        (Forge::OpenedRow, vec![RowWrong, RowPathWrong]),
        (Forge::CommittedRows, vec![RowWrong]),
        (Forge::Path, vec![RowPathWrong]),
        (Forge::SkippedJob, vec![RootsMissing]),
        (Forge::OneSeed, vec![SeedsNotChained, RowWrong]),
        (Forge::UnchainedSeeds, vec![RowWrong]),
        (Forge::StartedEarly, vec![RowWrong]),
        (Forge::HalfTheMemory, vec![BlockWrong]),
        (Forge::BlockPath, vec![BlockPathWrong]),
    ] {
        let seen = forged(forge);
        assert_eq!(seen, codes, "{forge:?}");
    }
}

#[test]
fn slow_work_fails_by_the_verifiers_clock_and_only_by_it() {
    let run = |time_permille| {
        let exchange = Exchange {
            time_permille,
            ..Exchange::of("a100-sxm4-80gb").proving(1)
        };
        exchange.run(|_| {})
    };
    // Half the memory, the rest computed anew each time: 4.5 times slower.
    assert_eq!(failing(&run((1_000, 4_500))), [VramTooSlow]);
    // One card as two, one after the other.
    assert_eq!(failing(&run((2_000, 2_000))), [MatrixTooSlow, VramTooSlow]);
    let degraded = run((1_600, 1_000));
    assert_eq!(degraded.outcome, VerdictOutcome::Pass, "{degraded:?}");
    assert!(degraded.has(MatrixTooSlow) && degraded.speed_permille.unwrap() < 850);
    assert_eq!(failing(&run((1_050, 1_050))), []);
}

#[test]
fn a_report_of_another_challenge_nonce_or_key_is_refused() {
    assert_eq!(
        edited("l4", |r| r.challenge_id = HexBytes([1; 16])),
        [WrongChallenge]
    );
    assert_eq!(edited("l4", |r| r.nonce.0[5] ^= 1), [WrongChallenge]);
    let other = SigningKey::from_bytes(&[12; 32]);
    let verdict = Exchange::of("l4").run_signed(|report| report.sign(&other));
    assert_eq!(failing(&verdict), [WrongKey]);
    let verdict = Exchange::of("l4").run_signed(|report| {
        let mut signed = report.sign(&Exchange::key());
        signed.report.started_at_unix_ms += 1;
        signed
    });
    assert_eq!(failing(&verdict), [SignatureInvalid]);
    let reused = Exchange {
        facts: Facts {
            challenge_reused: true,
            enrolled_key: Some(HexBytes([4; 32])),
            ..Facts::default()
        },
        ..Exchange::of("l4")
    };
    assert_eq!(failing(&reused.run(|_| {})), [ChallengeReused, WrongKey]);
}

#[test]
fn patched_times_are_refused() {
    let of_proof = edited("h100-pcie-80gb", |r| {
        if let Outcome::Measured(matrix) = &mut r.devices[0].matrix {
            matrix.loop_ns *= 3;
        }
    });
    assert_eq!(of_proof, [SummaryDisagrees]);
    let of_events = edited("h100-pcie-80gb", |r| {
        if let Outcome::Measured(fp32) = &mut r.devices[0].fp32 {
            for ns in &mut fp32.timing.event_ns {
                *ns = *ns * 9 / 11;
            }
        }
    });
    assert!(of_events.contains(&ClocksDisagree), "{of_events:?}");
}

#[test]
fn one_card_as_two_is_refused() {
    let model = GpuModel::by_id("rtx4090").unwrap();
    let twins = Exchange {
        devices: vec![
            device(model, 1, &mut Noise::seeded(1)),
            device(model, 1, &mut Noise::seeded(2)),
        ],
        ..Exchange::of("rtx4090")
    };
    assert_eq!(failing(&twins.run(|_| {})), [DeviceDuplicate]);
    let serial = Exchange {
        devices: vec![
            device(model, 1, &mut Noise::seeded(1)),
            device(model, 2, &mut Noise::seeded(2)),
        ],
        time_permille: (2_000, 2_000),
        ..Exchange::of("rtx4090").proving(1)
    };
    let verdict = serial.run(|_| {});
    assert_eq!(failing(&verdict), [MatrixTooSlow, VramTooSlow]);
    assert!(verdict.reasons.iter().any(|r| r.device == Some(uuid(2))));
    let two = Exchange {
        devices: vec![
            device(model, 1, &mut Noise::seeded(1)),
            device(model, 2, &mut Noise::seeded(2)),
        ],
        ..Exchange::of("rtx4090")
    };
    assert_eq!(failing(&two.run(|_| {})), []);
}

#[test]
fn what_the_fleet_knows_of_a_device_counts() {
    let run = |facts| {
        let exchange = Exchange {
            facts,
            ..Exchange::of("rtx3080-10gb")
        };
        failing(&exchange.run(|_| {}))
    };
    let banned = Facts {
        banned: [uuid(1)].into(),
        ..Facts::default()
    };
    assert_eq!(run(banned), [DeviceBanned]);
    let changed = Facts {
        expected: Some([uuid(7)].into()),
        ..Facts::default()
    };
    assert_eq!(run(changed), [DeviceChanged]);
    let twice = Facts {
        in_use_elsewhere: [uuid(1)].into(),
        ..Facts::default()
    };
    assert_eq!(run(twice), [DeviceDuplicate]);
    let sold_two = |sold_count| Facts {
        sold_count: Some(sold_count),
        ..Facts::default()
    };
    assert_eq!(run(sold_two(2)), [DevicesDiffer]);
    assert_eq!(run(sold_two(1)), []);
    let sold = Facts {
        sold_as: Some("rtx4090".to_owned()),
        ..Facts::default()
    };
    let codes = run(sold);
    for code in [
        DeviceIdMismatch,
        SmCountMismatch,
        VramOutsideWindow,
        TensorLow,
    ] {
        assert!(codes.contains(&code), "{code:?} in {codes:?}");
    }
}

#[test]
fn a_slower_card_under_a_better_name_is_refused_for_all_that_differs() {
    let codes = edited("rtx3060-12gb", |r| {
        r.devices[0].identity.cuda.name = "NVIDIA GeForce RTX 4090".to_owned();
        r.devices[0].identity.nvml.as_mut().unwrap().name =
            Some("NVIDIA GeForce RTX 4090".to_owned());
    });
    assert_eq!(codes, [SourcesDisagree]);
    let model = GpuModel::by_id("rtx3060-12gb").unwrap();
    let mut liar = device(model, 1, &mut Noise::seeded(1));
    liar.identity.cuda.name = "NVIDIA GeForce RTX 4090".to_owned();
    liar.identity.nvml = None;
    let exchange = Exchange {
        devices: vec![liar],
        ..Exchange::of("rtx3060-12gb")
    };
    let codes = failing(&exchange.run(|_| {}));
    for code in [
        DeviceIdMismatch,
        ComputeCapabilityMismatch,
        SmCountMismatch,
        VramOutsideWindow,
        Fp32SmMismatch,
        BandwidthLow,
        Fp32Low,
        TensorLow,
    ] {
        assert!(codes.contains(&code), "{code:?} in {codes:?}");
    }
}

#[test]
fn rates_beyond_physics_are_refused() {
    for id in ["a100-sxm4-80gb", "rtx4090"] {
        let codes = edited(id, |r| {
            if let Outcome::Measured(bandwidth) = &mut r.devices[0].bandwidth {
                bandwidth.read.bytes = bandwidth.read.bytes * 14 / 10;
            }
        });
        assert_eq!(codes, [BandwidthBeyondPhysics], "{id}");
    }
    let codes = edited("l40s", |r| {
        if let Outcome::Measured(fp32) = &mut r.devices[0].fp32 {
            fp32.operations *= 2;
        }
    });
    assert_eq!(codes, [Fp32BeyondPhysics, Fp32SmMismatch]);
    let codes = edited("l40s", |r| {
        if let Outcome::Measured(pcie) = &mut r.devices[0].pcie {
            pcie.host_to_device.bytes *= 2;
        }
    });
    assert_eq!(codes, [PcieBeyondLink]);
    let codes = edited("l40s", |r| {
        if let Outcome::Measured(tensor) = &mut r.devices[0].tensor_f16 {
            tensor.power_mw = Some(12_000);
        }
    });
    assert_eq!(codes, [PowerImplausible]);
    // A tensor rate above the datasheet's is a real card's: 107 % was measured on an RTX 5090.
    let codes = edited("rtx5090", |r| {
        if let Outcome::Measured(tensor) = &mut r.devices[0].tensor_bf16 {
            tensor.operations = tensor.operations * 3 / 2;
        }
    });
    assert_eq!(codes, []);
}

#[test]
fn contradictions_within_a_report_are_refused() {
    let codes = edited("rtx4080", |r| r.devices[0].identity.cuda.sm_count = 128);
    assert_eq!(codes, [CensusMismatch, SmCountMismatch]);
    let codes = edited("rtx4080", |r| {
        if let Outcome::Measured(curve) = &mut r.devices[0].latency {
            for point in &mut curve.points {
                point.timer_ns = vec![if point.working_set_bytes > 4 << 20 {
                    23_000_000
                } else {
                    9_000_000
                }];
            }
        }
    });
    assert_eq!(codes, [L2KneeMismatch]);
    let codes = edited("rtx4080", |r| {
        let nvml = r.devices[0].identity.nvml.as_mut().unwrap();
        nvml.uuid = Some("GPU-00000000-1111-2222-3333-444444444444".to_owned());
    });
    assert_eq!(codes, [SourcesDisagree]);
    let codes = edited("rtx4080", |r| {
        if let Outcome::Measured(gate) = &mut r.devices[0].isa_gate {
            gate.is_right = false;
        }
    });
    assert_eq!(codes, [ArchitectureGate]);
    let codes = edited("rtx4080", |r| r.devices[0].identity.cuda.uuid = uuid(9));
    assert!(codes.contains(&DevicesDiffer), "{codes:?}");
}

#[test]
fn a_mig_slice_is_no_card() {
    let codes = edited("a100-sxm4-40gb", |r| {
        let nvml = r.devices[0].identity.nvml.as_mut().unwrap();
        nvml.uuid = Some("MIG-01010101-0101-0101-0101-010101010101".to_owned());
        r.devices[0].identity.cuda.sm_count = 42;
        r.devices[0].identity.cuda.total_memory_bytes = 20 << 30;
    });
    for code in [MigSlice, CensusMismatch, SmCountMismatch, VramOutsideWindow] {
        assert!(codes.contains(&code), "{code:?} in {codes:?}");
    }
}

#[test]
fn a_lack_of_memory_or_rights_is_no_failure() {
    let verdict = Exchange::of("rtx-a6000").run(|r| {
        r.devices[0].vram = Outcome::CouldNotRun {
            reason: "out of memory".to_owned(),
        };
    });
    assert_eq!(verdict.outcome, VerdictOutcome::CouldNotRun);
    assert!(verdict.has(MeasurementMissing));
    let mut poor = Exchange::of("rtx-a6000");
    poor.policy.sizing.vram_blocks_max = 4;
    poor.devices[0].identity.cuda.free_memory_bytes = (2_048 + 1) << 20;
    let verdict = poor.run(|_| {});
    assert_eq!(verdict.outcome, VerdictOutcome::CouldNotRun, "{verdict:?}");
    assert!(verdict.has(VramNotFilled));
}

#[test]
fn self_reported_rates_lower_the_speed_and_never_raise_it() {
    let mut slowed = Exchange::of("h200-sxm-141gb");
    let measured = slowed.policy.measured.get_mut("h200-sxm-141gb").unwrap();
    measured.tensor_gflops = Some(794_500);
    let slowed = slowed.run(|r| {
        if let Outcome::Measured(tensor) = &mut r.devices[0].tensor_f16 {
            tensor.operations = tensor.operations * 82 / 100;
        }
    });
    assert_eq!(slowed.outcome, VerdictOutcome::Pass);
    assert!(slowed.speed_permille.unwrap() < 870, "{slowed:?}");
    let boasting = Exchange {
        time_permille: (1_500, 1_000),
        ..Exchange::of("h200-sxm-141gb")
    };
    let verdict = boasting.run(|r| {
        if let Outcome::Measured(tensor) = &mut r.devices[0].tensor_f16 {
            tensor.operations *= 2;
        }
    });
    assert!(verdict.speed_permille.unwrap() < 1_000, "{verdict:?}");
}
