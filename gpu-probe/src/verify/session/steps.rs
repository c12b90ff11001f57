//! What each message does to a session.

use std::collections::BTreeSet;

use super::{Device, Due, Refused, Session, digest};
use crate::exchange::{
    BlockPick, Filled, Hello, JobPick, MatrixOpenings, MatrixPicks, PICKED_BLOCKS, PICKED_JOBS,
    PICKED_ROWS, Roots, VerifierMessage, VramOpenings,
};
use crate::hex::HexBytes;
use crate::proof::{self, Binding, Hash};
use crate::report::{Digest, SignedReport};
use crate::verdict::ReasonCode;
use crate::verify::check::{BlockCheck, Check, CheckFindings, RowCheck};
use crate::verify::draw::Draw;
use crate::verify::judge::{LiveDevice, judge};
use crate::verify::reference::{ProofRates, identify, plan_of};
use crate::verify::together::Window;

/// Deadline of a proof of a card that the catalogue lacks, in ms.
const UNKNOWN_MODEL_MS: u64 = 30_000;

impl Session {
    pub(super) fn hello(&mut self, hello: &Hello) -> VerifierMessage {
        self.public_key = hello.public_key;
        for claim in &hello.devices {
            let model = identify(claim, self.facts.sold_as.as_deref());
            let binding = Binding {
                challenge_id: self.plan.challenge_id,
                nonce: self.plan.nonce,
                device: claim.uuid,
                public_key: hello.public_key,
            };
            self.plan
                .devices
                .push(plan_of(self.plan.kind, claim, model, &self.policy));
            self.devices.push(Device {
                base: proof::base(&binding),
                jobs: Vec::new(),
                passes: Vec::new(),
                matrix_picks: Vec::new(),
                vram_picks: Vec::new(),
                live: LiveDevice {
                    model,
                    blocks: 0,
                    last_matrix_root: HexBytes([0; 32]),
                    last_vram_root: HexBytes([0; 32]),
                    findings: Vec::new(),
                },
            });
        }
        self.due = Due::MatrixBegin;
        VerifierMessage::Plan(self.plan.clone())
    }

    /// Keeps the least time between an answer and a message that needs no work.
    pub(super) fn note_round_trip(&mut self, now_ms: u64) {
        self.rtt_ms = self.rtt_ms.min(now_ms.saturating_sub(self.answered_ms));
    }

    /// The last moment at which a step that should take so long is no failure.
    fn deadline_ms(&self, reference_ms: impl Iterator<Item = u64>) -> u64 {
        let sizing = &self.policy.sizing;
        let slowest = reference_ms.max().unwrap_or(0);
        let allowed = slowest.saturating_mul(1_000) / self.policy.thresholds.fail_permille.max(1);
        allowed.saturating_add(self.rtt_ms + sizing.allowance_ms)
    }

    /// What seeds the chains, which nobody knows before the clock runs.
    fn matrix_key(&self) -> Hash {
        Draw::new(&self.secret, "matrix key", 0).bytes()
    }

    pub(super) fn matrix_begin(&mut self, now_ms: u64) -> VerifierMessage {
        self.note_round_trip(now_ms);
        self.due = Due::MatrixCommit;
        let plans = self.plan.devices.iter().zip(&self.devices);
        let times = plans.map(|(plan, device)| {
            let rates = device.live.model.map(|m| ProofRates::of(m, &self.policy));
            rates.map_or(UNKNOWN_MODEL_MS, |rates| rates.matrix_ms(plan))
        });
        VerifierMessage::MatrixChallenge {
            key: HexBytes(self.matrix_key()),
            deadline_ms: self.deadline_ms(times),
        }
    }

    /// Refuses lists that are not of the plan's devices in its order.
    fn same_devices<'a>(
        &self,
        uuids: impl Iterator<Item = &'a crate::report::DeviceUuid>,
    ) -> Result<(), Refused> {
        let planned = self.plan.devices.iter().map(|d| &d.uuid);
        if planned.eq(uuids) {
            Ok(())
        } else {
            Err(Refused::OtherDevices)
        }
    }

    pub(super) fn matrix_commit(
        &mut self,
        roots: &[Roots],
        now_ms: u64,
    ) -> Result<VerifierMessage, Refused> {
        self.same_devices(roots.iter().map(|r| &r.uuid))?;
        self.matrix_elapsed_ms = now_ms.saturating_sub(self.answered_ms);
        self.window = Some(Window {
            from_ms: self.answered_ms,
            until_ms: now_ms,
        });
        let key = self.matrix_key();
        let mut picks = Vec::new();
        for (at, (device, roots)) in self.devices.iter_mut().zip(roots).enumerate() {
            let plan = &self.plan.devices[at];
            check_roots(device, roots, plan.matrix_jobs);
            let mut seed = proof::first_seed(&device.base, &key);
            let planned = roots.roots.iter().take(plan.matrix_jobs as usize);
            for root in planned {
                device.jobs.push((seed, root.0));
                seed = proof::next_seed(&seed, &root.0);
            }
            device.live.last_matrix_root = digest(device.jobs.last());
            let jobs = device.jobs.len() as u64;
            let mut draw = Draw::new(&self.secret, "matrix picks", at as u64);
            for job in draw.distinct(PICKED_JOBS, jobs) {
                let rows = draw.distinct(PICKED_ROWS, u64::from(plan.matrix_n));
                device.matrix_picks.push(JobPick {
                    job: u32::try_from(job).unwrap_or(u32::MAX),
                    rows: rows
                        .into_iter()
                        .filter_map(|r| u32::try_from(r).ok())
                        .collect(),
                });
            }
            picks.push(MatrixPicks {
                jobs: device.matrix_picks.clone(),
            });
        }
        self.due = Due::MatrixOpenings(0);
        let deadline_ms = self.open_until(now_ms);
        Ok(VerifierMessage::MatrixPicks {
            devices: picks,
            deadline_ms,
        })
    }

    fn open_until(&mut self, now_ms: u64) -> u64 {
        let deadline_ms = self.policy.sizing.openings_ms_max;
        self.openings_until_ms = now_ms.saturating_add(deadline_ms);
        deadline_ms
    }

    pub(super) fn matrix_openings(
        &mut self,
        at: usize,
        openings: MatrixOpenings,
        now_ms: u64,
    ) -> Result<VerifierMessage, Refused> {
        let plan = self
            .plan
            .devices
            .get(at)
            .filter(|p| p.uuid == openings.uuid);
        let (Some(plan), Some(device)) = (plan, self.devices.get(at)) else {
            return Err(Refused::OtherDevices);
        };
        let picked = device.matrix_picks.iter().filter_map(|pick| {
            let (seed, root) = device.jobs.get(pick.job as usize)?;
            Some((pick.clone(), *seed, *root))
        });
        self.waiting.push_back(Check::Rows(Box::new(RowCheck {
            uuid: openings.uuid,
            n: plan.matrix_n,
            jobs: picked.collect(),
            openings: openings.rows,
            secret: Draw::new(&self.secret, "vectors", at as u64).bytes(),
        })));
        self.openings_in_time &= now_ms <= self.openings_until_ms;
        let is_last = at + 1 == self.devices.len();
        self.due = match (is_last, self.plan.kind.is_thorough()) {
            (false, _) => Due::MatrixOpenings(at + 1),
            (true, true) => Due::VramBegin,
            (true, false) => Due::Report,
        };
        Ok(VerifierMessage::Ok)
    }

    pub(super) fn vram_begin(&mut self, now_ms: u64) -> VerifierMessage {
        self.note_round_trip(now_ms);
        self.due = Due::VramFilled;
        VerifierMessage::VramFill {
            deadline_ms: self.policy.sizing.fill_ms_max,
        }
    }

    /// `K_0`, which nobody knows before the memory is full.
    fn first_key(&self) -> Hash {
        Draw::new(&self.secret, "vram key", 0).bytes()
    }

    pub(super) fn vram_filled(&mut self, filled: &[Filled]) -> Result<VerifierMessage, Refused> {
        self.same_devices(filled.iter().map(|f| &f.uuid))?;
        for (at, (device, filled)) in self.devices.iter_mut().zip(filled).enumerate() {
            device.live.blocks = filled.blocks.min(self.plan.devices[at].vram_blocks);
        }
        self.due = Due::VramCommit;
        let plans = self.plan.devices.iter().zip(&self.devices);
        let times = plans.map(|(plan, device)| {
            let rates = device.live.model.map(|m| ProofRates::of(m, &self.policy));
            let of = |rates: ProofRates| rates.vram_ms(device.live.blocks, plan.vram_passes);
            rates.map_or(UNKNOWN_MODEL_MS, of)
        });
        Ok(VerifierMessage::VramKey {
            key: HexBytes(self.first_key()),
            deadline_ms: self.deadline_ms(times),
        })
    }

    pub(super) fn vram_commit(
        &mut self,
        roots: &[Roots],
        now_ms: u64,
    ) -> Result<VerifierMessage, Refused> {
        self.same_devices(roots.iter().map(|r| &r.uuid))?;
        self.vram_elapsed_ms = now_ms.saturating_sub(self.answered_ms);
        let first_key = self.first_key();
        let mut picks = Vec::new();
        for (at, (device, roots)) in self.devices.iter_mut().zip(roots).enumerate() {
            let plan = &self.plan.devices[at];
            check_roots(device, roots, plan.vram_passes);
            let mut key = first_key;
            for root in roots.roots.iter().take(plan.vram_passes as usize) {
                device.passes.push((key, root.0));
                key = proof::next_key(&key, &root.0);
            }
            device.live.last_vram_root = digest(device.passes.last());
            let (passes, blocks) = (device.passes.len() as u64, device.live.blocks);
            let mut draw = Draw::new(&self.secret, "vram picks", at as u64);
            for pair in draw.distinct(PICKED_BLOCKS, passes.saturating_mul(blocks)) {
                let pass = pair.checked_div(blocks).unwrap_or(0);
                device.vram_picks.push(BlockPick {
                    pass: u32::try_from(pass).unwrap_or(u32::MAX),
                    block: pair.checked_rem(blocks).unwrap_or(0),
                });
            }
            picks.push(device.vram_picks.clone());
        }
        self.due = Due::VramOpenings(0);
        let deadline_ms = self.open_until(now_ms);
        Ok(VerifierMessage::VramPicks {
            devices: picks,
            deadline_ms,
        })
    }

    pub(super) fn vram_openings(
        &mut self,
        at: usize,
        openings: VramOpenings,
        now_ms: u64,
    ) -> Result<VerifierMessage, Refused> {
        let plan = self
            .plan
            .devices
            .get(at)
            .filter(|p| p.uuid == openings.uuid);
        let (Some(_), Some(device)) = (plan, self.devices.get(at)) else {
            return Err(Refused::OtherDevices);
        };
        let picked = device.vram_picks.iter().filter_map(|pick| {
            let (key, root) = device.passes.get(pick.pass as usize)?;
            Some((*pick, *key, *root))
        });
        self.waiting.push_back(Check::Blocks(Box::new(BlockCheck {
            uuid: openings.uuid,
            blocks: device.live.blocks,
            fill_key: proof::fill_key(&device.base),
            picks: picked.collect(),
            openings: openings.blocks,
        })));
        self.openings_in_time &= now_ms <= self.openings_until_ms;
        let is_last = at + 1 == self.devices.len();
        self.due = if is_last {
            Due::Report
        } else {
            Due::VramOpenings(at + 1)
        };
        Ok(VerifierMessage::Ok)
    }

    pub(super) fn report(&mut self, signed: &SignedReport) -> Result<VerifierMessage, Refused> {
        let count = self.checks_outstanding();
        if count > 0 {
            return Err(Refused::ChecksOutstanding { count });
        }
        let verdict = judge(signed, &self.policy, &self.facts, Some(&self.live()));
        self.verdict = Some(verdict.clone());
        self.due = Due::Nothing;
        Ok(VerifierMessage::Verdict(Box::new(verdict)))
    }
}

/// Notes roots that are missing or the same; a chain makes no root twice.
fn check_roots(device: &mut Device, roots: &Roots, planned: u32) {
    let mut found = CheckFindings {
        uuid: roots.uuid,
        findings: Vec::new(),
    };
    let sent = roots.roots.len();
    if sent != planned as usize {
        let detail = format!("{sent} roots, {planned} planned");
        found.findings.push((ReasonCode::RootsMissing, detail));
    }
    let different: BTreeSet<&Digest> = roots.roots.iter().collect();
    if different.len() != sent {
        let detail = format!("{sent} roots, {} of them different", different.len());
        found.findings.push((ReasonCode::SeedsNotChained, detail));
    }
    device.live.findings.push(found);
}
