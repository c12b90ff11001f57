//! Whether the job is over, and whose failure it was.
//!
//! When one node of a gang dies, the others fail for want of it, often within milliseconds and
//! long before its silence is noticed: a failed result alone does not say whose fault it is. So a
//! failure counts as the customer's only once every other rank has shown, after the failure was
//! reported, that its workload was alive, or has itself ended by an outcome. A rank whose workload
//! ended for another cause, or that is not heard until its lease and the skew have run out, makes
//! the failure the provider's loss. A job of one node waits for nobody.

use std::time::Duration;

use tandem_model::time::WorldTime;

use super::{Bound, LeaseTerms, Live, Session};
use crate::protocol::ResultReport;

/// Heartbeats that a silent rank is given after another one's failure was reported, also when its
/// lease ran out before: the broker itself may have been away.
const BEATS_AFTER_FAILURE: u32 = 2;

/// The job's own outcome; final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Every rank ended with exit code 0; the report of rank 0.
    Succeeded(&'a ResultReport),
    /// A rank failed by itself; the first report of a failure.
    Failed(&'a ResultReport),
}

/// What can be said of the live epoch's end at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// No rank failed, and not all have succeeded.
    Running,
    /// Every rank ended with exit code 0; the report of rank 0. Final.
    Succeeded(&'a ResultReport),
    /// A rank failed by itself; the first report of a failure. Final.
    Failed(&'a ResultReport),
    /// A rank failed, and this other one was gone: the provider's loss. Final for this epoch, and
    /// no outcome of the job.
    PeerLost {
        /// The rank that was gone.
        rank: u16,
    },
    /// A rank failed, and another one has not been heard since.
    Undecided {
        /// Ask again then, or when something is heard.
        until: WorldTime,
    },
}

/// How another rank stands to a failure.
enum Peer {
    /// It was alive, or ended by itself.
    Innocent,
    /// Its workload was ended by something else.
    Gone,
    /// It may be gone; surely so at this moment.
    Silent(WorldTime),
}

impl Session {
    /// Judges the live epoch at `now`. Apart from the passing of time it changes only with what is
    /// heard; once final for the epoch it stays.
    pub fn verdict(&self, now: WorldTime) -> Verdict<'_> {
        let Some(live) = &self.live else {
            return Verdict::Running;
        };
        if let Some(rank) = live.peer_lost {
            return Verdict::PeerLost { rank };
        }
        let Some(failed) = live.first_failure() else {
            return live.success().map_or(Verdict::Running, Verdict::Succeeded);
        };
        let mut silent: Option<(WorldTime, u16)> = None;
        for rank in (0..live.nodes).filter(|rank| *rank != failed.rank) {
            match live.peer(rank, failed.at, &self.terms) {
                Peer::Innocent => {}
                Peer::Gone => return Verdict::PeerLost { rank },
                Peer::Silent(until) => {
                    let this = (until, rank);
                    silent = Some(silent.map_or(this, |first| first.min(this)));
                }
            }
        }
        match silent {
            None => Verdict::Failed(failed.report),
            Some((until, rank)) if now >= until => Verdict::PeerLost { rank },
            Some((until, _)) => Verdict::Undecided { until },
        }
    }

    /// The job's own outcome, when it is final; ends that only concern the placement are not one,
    /// nor is a failure that is in doubt or follows from the loss of another rank.
    pub fn outcome(&self) -> Option<Outcome<'_>> {
        // Time alone never makes an outcome: it only turns doubt into a loss.
        let heard = self.live.as_ref()?.ranks.values().map(|b| b.heard_at).max();
        match self.verdict(heard.unwrap_or_default()) {
            Verdict::Succeeded(report) => Some(Outcome::Succeeded(report)),
            Verdict::Failed(report) => Some(Outcome::Failed(report)),
            Verdict::Running | Verdict::PeerLost { .. } | Verdict::Undecided { .. } => None,
        }
    }

    /// Keeps a loss that time has made certain, before what is heard now could hide it.
    pub(super) fn note_lost_peer(&mut self, now: WorldTime) {
        if let Verdict::PeerLost { rank } = self.verdict(now)
            && let Some(live) = &mut self.live
        {
            live.peer_lost = Some(rank);
        }
    }
}

/// The first failure that was reported.
struct Failure<'a> {
    rank: u16,
    at: WorldTime,
    report: &'a ResultReport,
}

impl Live {
    fn first_failure(&self) -> Option<Failure<'_>> {
        let rank = self.failed?;
        let bound = self.ranks.get(&rank)?;
        Some(Failure {
            rank,
            at: bound.heard_at,
            report: bound.end.as_ref()?,
        })
    }

    /// The report of rank 0 when every rank succeeded.
    fn success(&self) -> Option<&ResultReport> {
        let of = |rank| self.ranks.get(&rank).and_then(|bound| bound.end.as_ref());
        let all = (0..self.nodes).all(|rank| of(rank).is_some_and(ResultReport::is_success));
        of(0).filter(|_| all)
    }

    fn peer(&self, rank: u16, failed_at: WorldTime, terms: &LeaseTerms) -> Peer {
        let Some(bound) = self.ranks.get(&rank) else {
            return Peer::Silent(failed_at.after(terms.lease_ttl + terms.lease_skew));
        };
        match &bound.end {
            Some(end) if end.cause.is_outcome() => Peer::Innocent,
            _ if bound.active_at >= failed_at => Peer::Innocent,
            Some(_) => Peer::Gone,
            None => Peer::Silent(bound.surely_gone_at(failed_at, terms)),
        }
    }
}

impl Bound {
    fn surely_gone_at(&self, failed_at: WorldTime, terms: &LeaseTerms) -> WorldTime {
        let beats: Duration = terms.heartbeat_interval * BEATS_AFTER_FAILURE;
        let lease_over = self.lease_until.map(|until| until.after(terms.lease_skew));
        failed_at.after(beats).max(lease_over.unwrap_or_default())
    }
}
