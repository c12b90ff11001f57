//! What the agent remembers of probes inside running work: what is ordered, what is under way, what
//! was done, and how long the workload stood still for it.

use std::collections::VecDeque;
use std::time::Duration;

use super::AgentTime;
use crate::protocol::MomentId;

/// Moments that are remembered as done, newest last.
const DONE_MAX: usize = 16;

/// A probe that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnderWay {
    pub(super) moment: MomentId,
    pub(super) since: AgentTime,
    /// Whether the workload still stands still for it.
    pub(super) is_paused: bool,
}

/// Probes inside the running work, one at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Spot {
    /// What is ordered and when it begins.
    pub(super) ordered: Option<(MomentId, AgentTime)>,
    pub(super) under_way: Option<UnderWay>,
    /// Why the last one could not run, until the broker is told.
    pub(super) untold: Option<(MomentId, String)>,
    /// How long the workload stood still in pauses that are over.
    paused: Duration,
    done: VecDeque<MomentId>,
}

impl Spot {
    /// Whether another order can be taken, and this moment is not done.
    pub(super) fn is_free_for(&self, moment: MomentId) -> bool {
        let is_free = self.ordered.is_none() && self.under_way.is_none();
        is_free && !self.done.contains(&moment)
    }

    /// Begins the probe that is ordered; its moment is done from here on.
    pub(super) fn begin(&mut self, moment: MomentId, now: AgentTime) {
        self.ordered = None;
        self.under_way = Some(UnderWay {
            moment,
            since: now,
            is_paused: true,
        });
        self.done.push_back(moment);
        if self.done.len() > DONE_MAX {
            self.done.pop_front();
        }
    }

    /// Ends the pause; whether there was one.
    pub(super) fn resume(&mut self, now: AgentTime) -> bool {
        let paused = self.under_way.as_mut().filter(|probe| probe.is_paused);
        let Some(probe) = paused else {
            return false;
        };
        probe.is_paused = false;
        self.paused += now.since(probe.since);
        true
    }

    /// How long the workload has stood still so far.
    pub(super) fn paused(&self, now: AgentTime) -> Duration {
        let probe = self.under_way.filter(|probe| probe.is_paused);
        self.paused + probe.map_or(Duration::ZERO, |probe| now.since(probe.since))
    }
}
