//! The messages of a simulated prover to a session, with simulated time.

use std::cell::RefCell;
use std::rc::Rc;

use ed25519_dalek::SigningKey;

use super::prover::{Card, Forge};
use crate::exchange::*;
use crate::hex::HexBytes;
use crate::report::Kind;
use crate::verify::{Facts, Policy, Session};

/// Everything a prover sent, and when.
pub(super) type Sent = Rc<RefCell<Vec<(u64, Vec<u8>)>>>;

/// A session and the clock of who talks to it.
pub(super) struct Talk {
    pub(super) session: Session,
    now_ms: u64,
    rtt_ms: u64,
    /// How long the matrix challenge is held once the prover is ready.
    held_ms: u64,
    sent: Sent,
}

impl Talk {
    pub(super) fn open(
        kind: Kind,
        policy: Policy,
        facts: Facts,
        secret: u8,
        rtt_ms: u64,
        sent: Sent,
    ) -> Self {
        let now_ms = 1_000_000;
        Self {
            session: Session::new(policy, facts, kind, [secret; 32], now_ms),
            now_ms,
            rtt_ms,
            held_ms: 0,
            sent,
        }
    }

    /// Has the matrix challenge held for so long.
    pub(super) fn hold(&mut self, held_ms: u64) {
        self.held_ms = held_ms;
    }

    /// Sends a message after so much work, as JSON both ways, and runs what checks there are.
    pub(super) fn step(&mut self, message: ProverMessage, work_ms: u64) -> VerifierMessage {
        self.now_ms += self.rtt_ms + work_ms;
        let text = serde_json::to_vec(&message).unwrap();
        self.sent.borrow_mut().push((self.now_ms, text.clone()));
        let message = ProverMessage::parse(&text).unwrap();
        if message == ProverMessage::MatrixBegin {
            self.session.is_ready_at(self.now_ms);
            self.now_ms += self.held_ms;
        }
        let reply = self.session.step(message, self.now_ms).unwrap();
        let text = serde_json::to_vec(&reply).unwrap();
        assert_eq!(VerifierMessage::parse(&text).unwrap(), reply);
        while let Some(check) = self.session.take_check() {
            self.session.checked(check.run());
        }
        reply
    }

    pub(super) fn plan(&mut self, devices: Vec<Claim>, key: &SigningKey) -> Plan {
        let hello = ProverMessage::Hello(Hello {
            format_version: 1,
            agent_version: "0.1.0".to_owned(),
            public_key: HexBytes(key.verifying_key().to_bytes()),
            devices,
        });
        match self.step(hello, 0) {
            VerifierMessage::Plan(plan) => plan,
            other => panic!("a plan was due: {other:?}"),
        }
    }

    pub(super) fn matrix(&mut self, plan: &Plan, cards: &mut [Card], forge: Forge, ms: u64) {
        let VerifierMessage::MatrixChallenge { key, .. } = self.step(ProverMessage::MatrixBegin, 0)
        else {
            panic!("a challenge was due");
        };
        let multiply = |(card, plan): (&mut Card, &DevicePlan)| card.multiply(plan, &key.0, forge);
        let devices = cards.iter_mut().zip(&plan.devices).map(multiply).collect();
        let commit = ProverMessage::MatrixCommit { devices };
        let VerifierMessage::MatrixPicks { devices, .. } = self.step(commit, ms) else {
            panic!("picks were due");
        };
        for (card, picks) in cards.iter().zip(&devices) {
            let openings = card.open_rows(picks, forge);
            self.step(ProverMessage::MatrixOpenings(openings), 5);
        }
    }

    pub(super) fn vram(&mut self, plan: &Plan, cards: &mut [Card], forge: Forge, ms: u64) {
        self.step(ProverMessage::VramBegin, 0);
        let filled = |plan: &DevicePlan| Filled {
            uuid: plan.uuid,
            blocks: plan.vram_blocks,
        };
        let devices = plan.devices.iter().map(filled).collect();
        let filled = ProverMessage::VramFilled { devices };
        let VerifierMessage::VramKey { key, .. } = self.step(filled, 100) else {
            panic!("a key was due");
        };
        let read = |(card, plan): (&mut Card, &DevicePlan)| card.read(plan, key.0, forge);
        let devices = cards.iter_mut().zip(&plan.devices).map(read).collect();
        let commit = ProverMessage::VramCommit { devices };
        let VerifierMessage::VramPicks { devices, .. } = self.step(commit, ms) else {
            panic!("picks were due");
        };
        for (card, picks) in cards.iter().zip(&devices) {
            let openings = card.open_blocks(picks, forge);
            self.step(ProverMessage::VramOpenings(openings), 5);
        }
    }
}
