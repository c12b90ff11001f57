//! The prover's side of the exchange for emulated cards: one answer to each message, no transport
//! and no clock.

use std::collections::VecDeque;

use ed25519_dalek::SigningKey;

use super::machine::{Noise, device, identity, report};
use super::{Card, EmulatedGpu};
use crate::exchange::{
    DevicePlan, Filled, Hello, Plan, ProverMessage, VerifierMessage, VramOpenings,
};
use crate::hex::HexBytes;
use crate::proof::hash;
use crate::report::{DeviceReport, DeviceUuid, FORMAT_VERSION, SignedReport};
use crate::verdict::Verdict;
use crate::verify::claim_of;

/// Largest matrices that the CPU multiplies.
const MATRIX_N_MAX: u32 = 64;
/// Most products.
const MATRIX_JOBS_MAX: u32 = 16;
/// Most blocks of 1 MiB.
const VRAM_BLOCKS_MAX: u64 = 2;
/// Most passes.
const VRAM_PASSES_MAX: u32 = 64;

/// What an emulated prover does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Send this.
    Send(Box<ProverMessage>),
    /// The exchange is over.
    Over(Box<Verdict>),
}

/// Why an emulated prover does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmulationError {
    /// The verifier's message is not the next one of the exchange.
    #[error("the verifier answered out of turn: {expected} was expected")]
    OutOfTurn {
        /// What was expected.
        expected: &'static str,
    },
    /// The plan is for real cards.
    #[error(
        "the verifier plans for a real card, and this one is emulated: a sandbox's policy plans less"
    )]
    PlanTooLarge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Plan,
    MatrixChallenge,
    MatrixPicks,
    VramFill,
    VramKey,
    VramPicks,
    Verdict,
}

impl Due {
    const fn name(self) -> &'static str {
        match self {
            Self::Plan => "a plan of the devices",
            Self::MatrixChallenge => "`matrix_challenge`",
            Self::MatrixPicks => "`matrix_picks`",
            Self::VramFill => "`vram_fill`",
            Self::VramKey => "`vram_key`",
            Self::VramPicks => "`vram_picks`",
            Self::Verdict => "`verdict`",
        }
    }
}

/// The emulated cards of a machine in one exchange.
#[derive(Debug)]
pub struct EmulatedProver {
    key: SigningKey,
    devices: Vec<DeviceReport>,
    plan: Option<Plan>,
    cards: Vec<Card>,
    due: Due,
    /// What is sent while the verifier says `ok`.
    waiting: VecDeque<ProverMessage>,
}

fn seeded(name: &[u8], seed: u64, number: u8) -> [u8; 32] {
    hash(&[name, &seed.to_le_bytes(), &[number]])
}

fn uuid(seed: u64, number: u8) -> DeviceUuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&seeded(b"emulated device", seed, number)[..16]);
    HexBytes(bytes)
}

/// What one card shows: its own rates, under the claimed card's name and sizes.
pub(super) fn shown(gpu: &EmulatedGpu, number: u8) -> DeviceReport {
    let uuid = uuid(gpu.seed, number);
    let mut noise = Noise::seeded(gpu.seed.wrapping_add(u64::from(number)));
    let mut shown = device(gpu.model, uuid, &mut noise);
    if let Some(claimed) = gpu.claims {
        let claimed = identity(claimed, uuid);
        (shown.identity.cuda, shown.identity.nvml) = (claimed.cuda, claimed.nvml);
    }
    shown.identity.cuda.pci_bus_id = format!("0000:{:02x}:00.0", 0x40 + number);
    shown
}

impl EmulatedProver {
    /// Makes the machine; nothing is sent yet.
    pub fn new(gpu: &EmulatedGpu) -> Self {
        Self {
            key: SigningKey::from_bytes(&seeded(b"emulated key", gpu.seed, 0)),
            devices: (0..gpu.gpus).map(|number| shown(gpu, number)).collect(),
            plan: None,
            cards: Vec::new(),
            due: Due::Plan,
            waiting: VecDeque::new(),
        }
    }

    /// The first message.
    pub fn hello(&self) -> ProverMessage {
        ProverMessage::Hello(Hello {
            format_version: FORMAT_VERSION,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            public_key: HexBytes(self.key.verifying_key().to_bytes()),
            devices: self.devices.iter().map(claim_of).collect(),
        })
    }

    /// Does what the verifier asks for.
    ///
    /// # Errors
    /// A message out of turn, or a plan too large for a CPU.
    pub fn answer(&mut self, message: VerifierMessage) -> Result<Answer, EmulationError> {
        let next = match (self.due, message) {
            (_, VerifierMessage::Ok) => self.waiting.pop_front(),
            (Due::Plan, VerifierMessage::Plan(plan)) => Some(self.begin(plan)?),
            (Due::MatrixChallenge, VerifierMessage::MatrixChallenge { key, .. }) => {
                self.due = Due::MatrixPicks;
                let devices = self.each(|card, plan| card.multiply(plan, &key.0));
                Some(ProverMessage::MatrixCommit { devices })
            }
            (Due::MatrixPicks, VerifierMessage::MatrixPicks { devices, .. }) => {
                let both = self.cards.iter().zip(&devices);
                let opened = both.map(|(card, picks)| card.open_rows(picks));
                self.waiting = opened.map(ProverMessage::MatrixOpenings).collect();
                let is_spot = self.plan.as_ref().is_some_and(|p| !p.kind.is_thorough());
                let (due, next) = match is_spot {
                    true => (Due::Verdict, self.report_message()),
                    false => (Due::VramFill, ProverMessage::VramBegin),
                };
                self.due = due;
                self.waiting.push_back(next);
                self.waiting.pop_front()
            }
            (Due::VramFill, VerifierMessage::VramFill { .. }) => {
                self.due = Due::VramKey;
                let filled = |card: &mut Card, plan: &DevicePlan| Filled {
                    uuid: card.claim.uuid,
                    blocks: plan.vram_blocks,
                };
                let devices = self.each(filled);
                Some(ProverMessage::VramFilled { devices })
            }
            (Due::VramKey, VerifierMessage::VramKey { key, .. }) => {
                self.due = Due::VramPicks;
                let devices = self.each(|card, plan| card.read(plan, key.0));
                Some(ProverMessage::VramCommit { devices })
            }
            (Due::VramPicks, VerifierMessage::VramPicks { devices, .. }) => {
                self.due = Due::Verdict;
                let both = self.cards.iter().zip(&devices);
                let opened: Vec<VramOpenings> = both.map(|(c, p)| c.open_blocks(p)).collect();
                let report = self.report_message();
                self.waiting = opened
                    .into_iter()
                    .map(ProverMessage::VramOpenings)
                    .chain([report])
                    .collect();
                self.waiting.pop_front()
            }
            // Who was judged before is told so instead of a plan.
            (Due::Plan | Due::Verdict, VerifierMessage::Verdict(verdict))
                if self.waiting.is_empty() =>
            {
                return Ok(Answer::Over(verdict));
            }
            _ => None,
        };
        let expected = self.due.name();
        next.map(|message| Answer::Send(Box::new(message)))
            .ok_or(EmulationError::OutOfTurn { expected })
    }

    fn begin(&mut self, plan: Plan) -> Result<ProverMessage, EmulationError> {
        let planned = plan.devices.iter().map(|device| device.uuid);
        if !planned.eq(self.devices.iter().map(|d| d.identity.cuda.uuid)) {
            let expected = self.due.name();
            return Err(EmulationError::OutOfTurn { expected });
        }
        let too_large = plan.devices.iter().any(|device| {
            device.matrix_n > MATRIX_N_MAX
                || device.matrix_jobs > MATRIX_JOBS_MAX
                || device.vram_blocks > VRAM_BLOCKS_MAX
                || device.vram_passes > VRAM_PASSES_MAX
        });
        if too_large {
            return Err(EmulationError::PlanTooLarge);
        }
        let card = |device| Card::new(claim_of(device), &plan, &self.key);
        self.cards = self.devices.iter().map(card).collect();
        self.plan = Some(plan);
        self.due = Due::MatrixChallenge;
        Ok(ProverMessage::MatrixBegin)
    }

    /// What every card makes of its plan.
    fn each<T>(&mut self, mut of: impl FnMut(&mut Card, &DevicePlan) -> T) -> Vec<T> {
        let plans = self.plan.iter().flat_map(|plan| &plan.devices);
        let both = self.cards.iter_mut().zip(plans);
        both.map(|(card, plan)| of(card, plan)).collect()
    }

    fn report_message(&self) -> ProverMessage {
        ProverMessage::Report(Box::new(self.report()))
    }

    fn report(&self) -> SignedReport {
        let mut report = report(self.devices.clone());
        if let Some(plan) = &self.plan {
            (report.challenge_id, report.nonce) = (plan.challenge_id, plan.nonce);
            report.kind = plan.kind;
            let all = report.devices.iter_mut().zip(&self.cards);
            for ((device, card), plan) in all.zip(&plan.devices) {
                // The CPU's time says nothing of the card.
                card.summarise(device, plan, 0, 0);
            }
            if !plan.kind.is_thorough() {
                let all = std::mem::take(&mut report.devices).into_iter();
                let spot = |d: DeviceReport| DeviceReport::spot(d.identity, d.census, d.matrix);
                report.devices = all.map(spot).collect();
            }
        }
        report.sign(&self.key)
    }
}
