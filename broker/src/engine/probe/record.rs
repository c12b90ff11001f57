//! What is kept of a verdict beyond its job: what its receipt says, and a line in the history of each
//! of its devices. The one place where a verdict becomes rows of the store, whenever it was made.

use gpu_probe::report::{ChallengeId, Digest, Kind};
use gpu_probe::verdict::VerdictOutcome;
use serde::{Deserialize, Serialize};
use tandem_model::id::{InstallationId, JobId, ProbeId};
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use super::{NodeVerdict, ProbeReason, ProbeTerms, Probed, ProbedDevice};
use crate::engine::attempt::Attempt;
use crate::engine::records;
use crate::store::{Changes, DeviceSeen, DeviceVerdict, ProbeRecord};

/// What the receipt of a verdict says. It is stored as the text that is signed, so that no later
/// release writes it in another way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReceipt {
    /// Form of these claims, [`Self::VERSION`].
    pub version: u32,
    /// The installation that judged.
    pub installation: InstallationId,
    /// The probe.
    pub probe: ProbeId,
    /// The job that it was for.
    pub job: JobId,
    /// The attempt.
    pub epoch: Epoch,
    /// The node, from 0.
    pub rank: u16,
    /// Where it was rented.
    pub network: NetworkId,
    /// Catalogue id of the card that was sold.
    pub sold_as: String,
    /// How much was probed.
    pub kind: Kind,
    /// The outcome.
    pub outcome: VerdictOutcome,
    /// Whether the workload might start, or go on, after it.
    pub accepted: bool,
    /// How much was shown, 0 to 3; 1 is no verified hardware.
    pub proof_level: u8,
    /// Speed in thousandths of a good card of the model, where a clock of ours stood by.
    pub speed_permille: Option<u32>,
    /// The worst reasons, worst first.
    pub reasons: Vec<ProbeReason>,
    /// The devices, by their own word.
    pub devices: Vec<ProbedDevice>,
    /// The challenge, where one was asked.
    pub challenge_id: Option<ChallengeId>,
    /// SHA-256 of the signed report, as compact JSON; none where none came.
    pub report_sha256: Option<Digest>,
    /// When it was judged, in the world's time.
    pub judged_at: WorldTime,
}

impl ProbeReceipt {
    /// The form that this release writes.
    pub const VERSION: u32 = 1;
}

/// Adds the rows of a verdict on a node of an attempt to a commit.
pub(in crate::engine) fn keep(
    said: &NodeVerdict,
    probed: &Probed,
    (installation, attempt): (InstallationId, &Attempt),
    terms: &ProbeTerms,
    changes: &mut Changes,
) {
    let receipt = receipt(said, probed, installation, attempt);
    let of_device = |device: &ProbedDevice| DeviceVerdict {
        probe: said.probe,
        job: said.job,
        epoch: said.epoch,
        rank: said.rank,
        network: receipt.network.clone(),
        model: device.model.clone(),
        // Another device's failure is not its own.
        outcome: match device.failed {
            true => VerdictOutcome::Fail,
            false => probed.outcome.min(VerdictOutcome::CouldNotRun),
        },
        proof_level: receipt.proof_level,
        speed_permille: probed.speed_permille,
    };
    let latency = |device: &ProbedDevice| {
        let report = said.report.as_ref()?;
        report.latency.get(&device.uuid).cloned()
    };
    let seen = probed.devices.iter().map(|device| DeviceSeen {
        uuid: device.uuid,
        at: probed.at,
        ban_after_fails: terms.ban_after_fails,
        latency: latency(device),
        verdict: of_device(device),
    });
    changes.devices.extend(seen);
    changes.probes.push(ProbeRecord {
        sequence: 0,
        id: said.probe,
        job: said.job,
        epoch: said.epoch,
        rank: said.rank,
        at: probed.at,
        document: records::write(&receipt),
    });
}

fn receipt(
    said: &NodeVerdict,
    probed: &Probed,
    installation: InstallationId,
    attempt: &Attempt,
) -> ProbeReceipt {
    ProbeReceipt {
        version: ProbeReceipt::VERSION,
        installation,
        probe: said.probe,
        job: said.job,
        epoch: said.epoch,
        rank: said.rank,
        network: attempt.placement.network.clone(),
        sold_as: attempt.offer.gpu.id().to_owned(),
        kind: said.kind,
        outcome: probed.outcome,
        accepted: probed.accepted,
        proof_level: probed.proof_level.number(),
        speed_permille: probed.speed_permille,
        reasons: probed.reasons.clone(),
        devices: probed.devices.clone(),
        challenge_id: said.challenge_id,
        report_sha256: said.report.as_ref().map(|report| report.sha256),
        judged_at: probed.at,
    }
}
