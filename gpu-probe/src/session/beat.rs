//! What of a session changes with every heartbeat: small enough to be stored each second, and laid
//! over the stored session when a broker starts again.

use std::time::Duration;

use tandem_model::time::WorldTime;

use super::{Bound, Session};

/// What the newest heartbeat of a rank left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Its number within the run of the agent; 0 when only the binding was heard.
    pub sequence: u64,
    /// When it came.
    pub heard_at: WorldTime,
    /// When the lease that it renewed runs out.
    pub lease_until: WorldTime,
    /// Work proved by then.
    pub proved: Duration,
}

impl Session {
    /// The useful time of the live epoch so far: that of its slowest rank, because a gang works
    /// only together. Zero while a rank is not bound.
    pub fn proved(&self) -> Duration {
        let Some(live) = &self.live else {
            return Duration::ZERO;
        };
        let of = |rank| live.ranks.get(&rank).map(|bound| bound.proved);
        let slowest = (0..live.nodes).map(|rank| of(rank).unwrap_or_default());
        slowest.min().unwrap_or_default()
    }

    /// Has the work of a rank of the live epoch count from now on: its GPUs were just accepted. It
    /// is also a word of its agent.
    pub fn count_from(&mut self, rank: u16, now: WorldTime) {
        let live = self.live.as_mut();
        if let Some(bound) = live.and_then(|live| live.ranks.get_mut(&rank)) {
            bound.count_from(now);
        }
    }

    /// What to store of a rank of the live epoch after its heartbeat; `None` when nobody is bound
    /// to it, or its end is recorded and the session itself is to be stored.
    pub fn beat(&self, rank: u16) -> Option<Beat> {
        let bound = self.bound(rank)?;
        Some(Beat {
            sequence: bound.sequence,
            heard_at: bound.heard_at,
            lease_until: bound.lease_until?,
            proved: bound.proved,
        })
    }

    /// Takes over what a stored heartbeat of the live epoch knows better than this session, which
    /// was stored before it. A rank that is not bound, or has ended, learns nothing.
    pub fn overlay(&mut self, rank: u16, beat: Beat) {
        let live = self.live.as_mut();
        let bound = live.and_then(|live| live.ranks.get_mut(&rank));
        if let Some(bound) = bound.filter(|bound| bound.end.is_none()) {
            bound.overlay(beat);
        }
    }
}

impl Bound {
    fn overlay(&mut self, beat: Beat) {
        // What was proved since was claimed before: at least that much is not new any more. The
        // spare time of the stored session may be used up.
        let proved_since = beat.proved.saturating_sub(self.proved);
        self.worked = self.worked.saturating_add(proved_since);
        self.proved += proved_since;
        if beat.sequence > self.sequence {
            self.spare = Duration::ZERO;
            self.sequence = beat.sequence;
        }
        self.heard_at = self.heard_at.max(beat.heard_at);
        self.renew(beat.lease_until);
    }
}
