//! Renewals of the lease: numbered, timed from their sending, answered in any order or never.

use std::collections::BTreeMap;
use std::time::Duration;

use super::AgentTime;
use crate::protocol::HeartbeatReply;

/// Most heartbeats without an answer that are remembered; an older one renews nothing.
const IN_FLIGHT_MAX: usize = 8;

/// The lease and the heartbeats that renew it.
#[derive(Debug, Clone, Default)]
pub(super) struct Heartbeats {
    last_sequence: u64,
    due_at: AgentTime,
    in_flight: BTreeMap<u64, AgentTime>,
    /// The newest heartbeat whose answer was applied; older answers change nothing.
    applied: u64,
    lease_until: Option<AgentTime>,
}

impl Heartbeats {
    pub(super) fn holds_lease(&self, now: AgentTime) -> bool {
        self.lease_until.is_some_and(|until| now < until)
    }

    /// Whether the broker said no, as opposed to saying nothing.
    pub(super) fn was_denied(&self) -> bool {
        self.lease_until.is_none()
    }

    /// Grants the lease from the sending of what renewed it.
    pub(super) fn grant(&mut self, sent_at: AgentTime, ttl: Duration) {
        let until = sent_at.after(ttl);
        self.lease_until = Some(self.lease_until.map_or(until, |old| old.max(until)));
    }

    pub(super) fn revoke(&mut self) {
        self.lease_until = None;
    }

    pub(super) fn is_due(&self, now: AgentTime) -> bool {
        now >= self.due_at
    }

    /// Makes the next heartbeat due at once, so that a change is told without delay.
    pub(super) fn hurry(&mut self) {
        self.due_at = AgentTime(0);
    }

    /// Numbers a heartbeat that is sent now.
    pub(super) fn send(&mut self, now: AgentTime, interval: Duration) -> u64 {
        self.last_sequence += 1;
        self.due_at = now.after(interval);
        self.in_flight.insert(self.last_sequence, now);
        if self.in_flight.len() > IN_FLIGHT_MAX {
            self.in_flight.pop_first();
        }
        self.last_sequence
    }

    /// Takes an answer; `false` when it is late, repeated or unknown, and changed nothing.
    pub(super) fn answer(&mut self, sequence: u64, reply: &HeartbeatReply, ttl: Duration) -> bool {
        let Some(sent_at) = self.in_flight.remove(&sequence) else {
            return false;
        };
        if sequence <= self.applied {
            return false;
        }
        self.applied = sequence;
        if reply.granted {
            self.grant(sent_at, ttl);
        } else {
            self.revoke();
        }
        true
    }

    /// The heartbeat got no answer.
    pub(super) fn lose(&mut self, sequence: u64) {
        self.in_flight.remove(&sequence);
    }
}
