//! Points at which the broker can die, numbered in the order in which a run passes them.

use std::collections::BTreeSet;

use tandem_model::time::WorldTime;

/// Kinds of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Point {
    /// Nothing of a decision is written.
    BeforeCommit,
    /// A part of it is written; nothing of it holds.
    InsideCommit,
    /// It is written; nobody was answered and nothing was performed.
    AfterCommit,
    /// Heartbeats are taken in and not written.
    BeforeFlush,
    /// They are written and not answered.
    AfterFlush,
    /// Jobs are claimed and not taken over.
    AfterClaim,
    /// A request left and never arrives.
    Sent,
    /// A request left and arrives after the death.
    SentOn,
    /// A request had its effect, and its answer finds nobody.
    Effect,
    /// An answer is taken in and nothing was made of it yet.
    Landed,
}

/// When the broker dies.
#[derive(Debug, Clone)]
pub(crate) enum Deaths {
    /// At any point, so often in a hundred thousand.
    Chance(u64),
    /// At the points of these numbers.
    At(BTreeSet<u64>),
}

/// The points of a run.
#[derive(Debug)]
pub(crate) struct Points {
    deaths: Deaths,
    /// Points by time, in the order in which they were passed; kept for stories.
    pub(crate) trail: Vec<(WorldTime, Point)>,
    /// What was passed so far.
    pub(crate) passed: u64,
    /// How often the broker died.
    pub(crate) died: u64,
}

impl Points {
    pub(crate) fn new(deaths: Deaths) -> Self {
        Self {
            deaths,
            trail: Vec::new(),
            passed: 0,
            died: 0,
        }
    }

    /// Passes a point; whether the broker dies there. `draw` is a number below a hundred thousand.
    pub(crate) fn pass(&mut self, point: Point, now: WorldTime, draw: u64) -> bool {
        self.passed += 1;
        if matches!(self.deaths, Deaths::At(_)) {
            self.trail.push((now, point));
        }
        let dies = match &self.deaths {
            Deaths::Chance(rate) => draw < *rate,
            Deaths::At(numbers) => numbers.contains(&self.passed),
        };
        self.died += u64::from(dies);
        dies
    }

    /// Nobody dies any more.
    pub(crate) fn spare(&mut self) {
        if let Deaths::Chance(rate) = &mut self.deaths {
            *rate = 0;
        }
    }
}
