//! The verifier's side of one exchange: each message once, in order, by the caller's clock.
//!
//! Slowness and wrong answers do not end the exchange: they become reasons of the verdict, so that
//! every one is listed. What is out of order, or about other devices, is refused; the third refusal
//! ends the session, as its age does.

mod steps;

use std::collections::VecDeque;

use super::judge::{Live, LiveDevice};
use super::together::Window;
use super::{Check, CheckFindings, Facts, Policy};
use crate::exchange::{Plan, ProverMessage, VerifierMessage};
use crate::proof::Hash;
use crate::report::{DEVICES_MAX, Digest, FormatRefused, Kind, PublicKey};
use crate::verdict::Verdict;

/// Most messages that are refused before the session ends.
const REFUSALS_MAX: u32 = 3;
/// What a full exchange takes longer than a quick one, in ms for each device: they are measured one
/// after the other.
const FULL_MORE_MS: u64 = 120_000;
/// What a soak takes longer than a quick exchange, in ms for each device.
const SOAK_MORE_MS: u64 = 2_400_000;

/// A message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another message is due.
    #[error("`{due}` is due: send that; each message is taken once, in order")]
    OutOfOrder {
        /// What is due.
        due: &'static str,
    },
    /// It is about other devices than the plan, or in another order.
    #[error("the message names other devices than the plan: name the plan's, in its order")]
    OtherDevices,
    /// The session has ended.
    #[error("the session has ended: ask for a new challenge")]
    Ended,
    /// It is out of the limits of the format.
    #[error(transparent)]
    Malformed(FormatRefused),
    /// The session took too long as a whole.
    #[error("the session is older than {max_ms} ms: ask for a new challenge")]
    Expired {
        /// The age at which it ends.
        max_ms: u64,
    },
    /// Checks are outstanding; the caller's concern, the prover's message was right.
    #[error("{count} checks are outstanding: run them, hand back what they found, and repeat")]
    ChecksOutstanding {
        /// How many.
        count: usize,
    },
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Hello,
    MatrixBegin,
    MatrixCommit,
    /// Of the device at this place of the plan.
    MatrixOpenings(usize),
    VramBegin,
    VramFilled,
    VramCommit,
    /// Of the device at this place of the plan.
    VramOpenings(usize),
    Report,
    Nothing,
}

impl Due {
    const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::MatrixBegin => "matrix_begin",
            Self::MatrixCommit => "matrix_commit",
            Self::MatrixOpenings(_) => "matrix_openings",
            Self::VramBegin => "vram_begin",
            Self::VramFilled => "vram_filled",
            Self::VramCommit => "vram_commit",
            Self::VramOpenings(_) => "vram_openings",
            Self::Report => "report",
            Self::Nothing => "nothing",
        }
    }
}

/// What is kept of one device between steps.
#[derive(Debug)]
struct Device {
    /// `base` of its proofs.
    base: Hash,
    /// Seed and root of each product.
    jobs: Vec<(Hash, Hash)>,
    /// Key and root of each pass.
    passes: Vec<(Hash, Hash)>,
    matrix_picks: Vec<crate::exchange::JobPick>,
    vram_picks: Vec<crate::exchange::BlockPick>,
    live: LiveDevice,
}

/// One exchange, from its opening to its verdict.
#[derive(Debug)]
pub struct Session {
    policy: Policy,
    facts: Facts,
    secret: Hash,
    began_ms: u64,
    due: Due,
    refusals: u32,
    plan: Plan,
    public_key: PublicKey,
    devices: Vec<Device>,
    /// When the last answer was given.
    answered_ms: u64,
    rtt_ms: u64,
    matrix_elapsed_ms: u64,
    /// When the products were computed.
    window: Option<Window>,
    vram_elapsed_ms: u64,
    /// When the current proof's openings are late.
    openings_until_ms: u64,
    openings_in_time: bool,
    waiting: VecDeque<Check>,
    running: usize,
    verdict: Option<Verdict>,
}

impl Session {
    /// Opens a session. `secret` is 32 bytes of fresh entropy that nobody else learns; challenge,
    /// nonce, picks and random vectors come from it. `now_ms` is any steady clock's, and all later
    /// times are of the same one.
    pub fn new(policy: Policy, facts: Facts, kind: Kind, secret: [u8; 32], now_ms: u64) -> Self {
        let rtt_ms = policy.sizing.rtt_ms_max;
        let mut id = [0; 16];
        let drawn = super::draw::Draw::new(&secret, "challenge", 0).bytes();
        id.copy_from_slice(&drawn[..16]);
        let nonce = super::draw::Draw::new(&secret, "nonce", 0).bytes();
        Self {
            policy,
            facts,
            secret,
            began_ms: now_ms,
            due: Due::Hello,
            refusals: 0,
            plan: Plan {
                challenge_id: crate::hex::HexBytes(id),
                nonce: crate::hex::HexBytes(nonce),
                kind,
                devices: Vec::new(),
            },
            public_key: crate::hex::HexBytes([0; 32]),
            devices: Vec::new(),
            answered_ms: now_ms,
            rtt_ms,
            matrix_elapsed_ms: 0,
            window: None,
            vram_elapsed_ms: 0,
            openings_until_ms: 0,
            openings_in_time: true,
            waiting: VecDeque::new(),
            running: 0,
            verdict: None,
        }
    }

    /// The challenge that this session asks.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The verdict, once the report was taken.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Whether rows or blocks were picked: a prover that begins anew from here may be waiting for picks
    /// that suit it.
    pub fn has_picked(&self) -> bool {
        self.devices.iter().any(|d| !d.matrix_picks.is_empty())
    }

    /// Notes that the prover said at `now_ms` that it is ready for the matrix challenge, where the
    /// caller holds the answer until its like are ready too: the held time is no round trip.
    pub fn is_ready_at(&mut self, now_ms: u64) {
        if self.due == Due::MatrixBegin {
            self.note_round_trip(now_ms);
        }
    }

    /// From the matrix challenge to the roots of all devices, by the caller's clock, once they came.
    pub fn challenge_window(&self) -> Option<Window> {
        self.window
    }

    /// Says whether the machine's like in the fleet had their challenges at the same time; to be said
    /// before the report.
    pub fn challenged_together(&mut self, together: bool) {
        self.facts.challenged_together = together;
    }

    /// A check to be run away from the request path; what it finds goes to [`Self::checked`].
    pub fn take_check(&mut self) -> Option<Check> {
        let check = self.waiting.pop_front()?;
        self.running += 1;
        Some(check)
    }

    /// Checks that were not yet handed back.
    pub fn checks_outstanding(&self) -> usize {
        self.waiting.len() + self.running
    }

    /// Takes what a check found; what belongs to no check that is running is ignored.
    pub fn checked(&mut self, findings: CheckFindings) {
        let device = self.device_mut(&findings.uuid);
        if let Some(device) = device {
            device.live.findings.push(findings);
            self.running = self.running.saturating_sub(1);
        }
    }

    fn device_mut(&mut self, uuid: &crate::report::DeviceUuid) -> Option<&mut Device> {
        let place = self.plan.devices.iter().position(|d| d.uuid == *uuid)?;
        self.devices.get_mut(place)
    }

    /// Longest life, in ms.
    fn max_ms(&self) -> u64 {
        let more = match self.plan.kind {
            Kind::Spot | Kind::Quick => 0,
            Kind::Full => FULL_MORE_MS,
            Kind::Soak => SOAK_MORE_MS,
        };
        let devices = self.plan.devices.len().clamp(1, DEVICES_MAX);
        self.policy.sizing.session_ms_max + more * devices as u64
    }

    /// Takes the next message at `now_ms`, and answers it.
    ///
    /// # Errors
    /// What is out of its limits, out of order, about other devices, too late, or waits for checks.
    pub fn step(
        &mut self,
        message: ProverMessage,
        now_ms: u64,
    ) -> Result<VerifierMessage, Refused> {
        if self.due == Due::Nothing {
            return Err(Refused::Ended);
        }
        let max_ms = self.max_ms();
        if now_ms.saturating_sub(self.began_ms) > max_ms {
            self.due = Due::Nothing;
            return Err(Refused::Expired { max_ms });
        }
        // Again, for callers whose messages came inside other bodies and not by `parse`.
        let outcome = match message.check() {
            Ok(()) => self.take(message, now_ms),
            Err(refused) => Err(Refused::Malformed(refused)),
        };
        match &outcome {
            Ok(_) => self.answered_ms = now_ms,
            Err(Refused::ChecksOutstanding { .. }) => {}
            Err(_) => {
                self.refusals += 1;
                if self.refusals >= REFUSALS_MAX {
                    self.due = Due::Nothing;
                }
            }
        }
        outcome
    }

    fn take(&mut self, message: ProverMessage, now_ms: u64) -> Result<VerifierMessage, Refused> {
        match (self.due, message) {
            (Due::Hello, ProverMessage::Hello(hello)) => Ok(self.hello(&hello)),
            (Due::MatrixBegin, ProverMessage::MatrixBegin) => Ok(self.matrix_begin(now_ms)),
            (Due::MatrixCommit, ProverMessage::MatrixCommit { devices }) => {
                self.matrix_commit(&devices, now_ms)
            }
            (Due::MatrixOpenings(at), ProverMessage::MatrixOpenings(openings)) => {
                self.matrix_openings(at, openings, now_ms)
            }
            (Due::VramBegin, ProverMessage::VramBegin) => Ok(self.vram_begin(now_ms)),
            (Due::VramFilled, ProverMessage::VramFilled { devices }) => self.vram_filled(&devices),
            (Due::VramCommit, ProverMessage::VramCommit { devices }) => {
                self.vram_commit(&devices, now_ms)
            }
            (Due::VramOpenings(at), ProverMessage::VramOpenings(openings)) => {
                self.vram_openings(at, openings, now_ms)
            }
            (Due::Report, ProverMessage::Report(signed)) => self.report(&signed),
            (due, _) => Err(Refused::OutOfOrder { due: due.name() }),
        }
    }

    /// What the exchange showed so far.
    fn live(&self) -> Live {
        Live {
            plan: self.plan.clone(),
            public_key: self.public_key,
            rtt_ms: self.rtt_ms,
            matrix_elapsed_ms: self.matrix_elapsed_ms,
            vram_elapsed_ms: self.vram_elapsed_ms,
            openings_in_time: self.openings_in_time,
            devices: self.devices.iter().map(|d| d.live.clone()).collect(),
        }
    }
}

/// A root as a digest of the report.
fn digest(root: Option<&(Hash, Hash)>) -> Digest {
    crate::hex::HexBytes(root.map_or([0; 32], |(_, root)| *root))
}
