//! Times of calls, one by one.

use std::time::Instant;

/// How long each of many calls took, shortest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<u64>);

impl Times {
    /// Calls `calls` times, after a twentieth of that to warm up.
    pub(crate) fn of<T>(calls: usize, mut call: impl FnMut() -> T) -> Self {
        Self::of_each(calls, || (), |()| call())
    }

    /// The same with something made anew for each call, in time that does not count.
    pub(crate) fn of_each<P, T>(
        calls: usize,
        mut prepare: impl FnMut() -> P,
        mut call: impl FnMut(&P) -> T,
    ) -> Self {
        for _ in 0..calls / 20 {
            std::hint::black_box(call(&prepare()));
        }
        let all = (0..calls).map(|_| {
            let prepared = std::hint::black_box(prepare());
            nanoseconds(|| call(&prepared))
        });
        all.collect()
    }

    /// Both together.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.0.extend(&other.0);
        self.0.sort_unstable();
        self
    }

    /// The median in microseconds.
    pub(crate) fn median_us(&self) -> f64 {
        self.percentile_us(50)
    }

    /// The time in microseconds that so many in a hundred calls did not pass.
    pub(crate) fn percentile_us(&self, percent: usize) -> f64 {
        let at = (self.0.len().saturating_sub(1) * percent).div_ceil(100);
        self.0.get(at).map_or(0.0, |ns| *ns as f64 / 1_000.0)
    }
}

impl FromIterator<u64> for Times {
    /// Of calls that took so many nanoseconds.
    fn from_iter<I: IntoIterator<Item = u64>>(all: I) -> Self {
        let mut all: Vec<u64> = all.into_iter().collect();
        all.sort_unstable();
        Self(all)
    }
}

/// How long a call takes.
pub(crate) fn nanoseconds<T>(call: impl FnOnce() -> T) -> u64 {
    let start = Instant::now();
    std::hint::black_box(call());
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
