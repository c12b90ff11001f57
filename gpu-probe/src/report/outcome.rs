//! A measurement that was made, failed or could not run; and raw samples of time.

use serde::{Deserialize, Serialize};

/// What came of one measurement. A lack of memory, rights or software is `CouldNotRun`, never
/// `Failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome<T> {
    /// It ran to its end.
    Measured(T),
    /// It ran and the device did wrong: a launch fault, wrong data.
    Failed {
        /// What happened, in words.
        reason: String,
    },
    /// It was not possible to run it.
    CouldNotRun {
        /// Why, in words.
        reason: String,
    },
}

impl<T> Outcome<T> {
    /// The measurement, if it was made.
    pub const fn measured(&self) -> Option<&T> {
        match self {
            Self::Measured(value) => Some(value),
            Self::Failed { .. } | Self::CouldNotRun { .. } => None,
        }
    }

    /// Why there is no measurement.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Measured(_) => None,
            Self::Failed { reason } | Self::CouldNotRun { reason } => Some(reason),
        }
    }
}

/// Raw samples of one repeated piece of work, in nanoseconds, in the order in which they were
/// taken. Both clocks time the same samples; a clock that was not read leaves its list empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// By CUDA events.
    pub event_ns: Vec<u64>,
    /// By the device's `%globaltimer`, or by the host's monotonic clock where the work is the host's.
    pub timer_ns: Vec<u64>,
}

impl Timing {
    /// The samples to judge by: events where there are any, else the timer.
    pub fn samples_ns(&self) -> &[u64] {
        if self.event_ns.is_empty() {
            &self.timer_ns
        } else {
            &self.event_ns
        }
    }

    /// Median of [`Self::samples_ns`], the lower one of two; none without samples.
    pub fn median_ns(&self) -> Option<u64> {
        percentile(self.samples_ns(), 50)
    }

    /// Least of [`Self::samples_ns`]; none without samples.
    pub fn min_ns(&self) -> Option<u64> {
        self.samples_ns().iter().copied().min()
    }

    /// Percentile (0 to 100, nearest rank) of [`Self::samples_ns`]; none without samples.
    pub fn percentile_ns(&self, percent: usize) -> Option<u64> {
        percentile(self.samples_ns(), percent)
    }
}

/// Nearest-rank percentile of samples, `ceil(p n / 100)`-th smallest; none without samples.
pub(crate) fn percentile(samples: &[u64], percent: usize) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (percent.min(100) * sorted.len()).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}
