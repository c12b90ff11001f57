//! Half-open spans of world time `[start, end)` and sets of them.
//!
//! Delivered time, downtime and excluded time are sets of intervals; what is paid and what is
//! credited is computed from their lengths, so the set operations here never lose a microsecond.

use serde::{Deserialize, Serialize};

use crate::time::WorldTime;

/// A span that holds its start and not its end; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(WorldTime, WorldTime)", into = "(WorldTime, WorldTime)")]
pub struct Interval {
    start: WorldTime,
    end: WorldTime,
}

impl Interval {
    /// The span from `start` to `end`; none when it would be empty or reversed.
    pub fn new(start: WorldTime, end: WorldTime) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// First moment inside.
    pub fn start(self) -> WorldTime {
        self.start
    }

    /// First moment after.
    pub fn end(self) -> WorldTime {
        self.end
    }

    /// Length in microseconds.
    pub fn len_us(self) -> u64 {
        u64::try_from(i128::from(self.end.micros()) - i128::from(self.start.micros()))
            .unwrap_or(u64::MAX)
    }

    /// The part of this span inside `other`.
    pub fn clip(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }
}

impl TryFrom<(WorldTime, WorldTime)> for Interval {
    type Error = &'static str;
    fn try_from((start, end): (WorldTime, WorldTime)) -> Result<Self, Self::Error> {
        Self::new(start, end).ok_or("an interval must end after it starts")
    }
}

impl From<Interval> for (WorldTime, WorldTime) {
    fn from(interval: Interval) -> Self {
        (interval.start, interval.end)
    }
}

/// Spans in ascending order that neither overlap nor touch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Interval>", into = "Vec<Interval>")]
pub struct IntervalSet(Vec<Interval>);

impl IntervalSet {
    /// The spans, in order.
    pub fn spans(&self) -> &[Interval] {
        &self.0
    }

    /// Adds a span, joining it with those it overlaps or touches.
    pub fn insert(&mut self, span: Interval) {
        let from = self.0.partition_point(|s| s.end < span.start);
        let to = self.0.partition_point(|s| s.start <= span.end);
        let joined = self.0[from..to].iter().fold(span, |a, b| Interval {
            start: a.start.min(b.start),
            end: a.end.max(b.end),
        });
        self.0.splice(from..to, [joined]);
    }

    /// Total length in microseconds.
    pub fn len_us(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, s| sum.saturating_add(s.len_us()))
    }

    /// What lies in this set and not in `other`.
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for span in &self.0 {
            let mut cursor = span.start;
            for hole in other
                .0
                .iter()
                .filter(|h| h.end > span.start && h.start < span.end)
            {
                left.extend(Interval::new(cursor, hole.start));
                cursor = hole.end;
            }
            left.extend(Interval::new(cursor, span.end));
        }
        Self(left)
    }
}

impl From<Vec<Interval>> for IntervalSet {
    fn from(spans: Vec<Interval>) -> Self {
        let mut set = Self::default();
        for span in spans {
            set.insert(span);
        }
        set
    }
}

impl From<IntervalSet> for Vec<Interval> {
    fn from(set: IntervalSet) -> Self {
        set.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(start: i64, end: i64) -> Interval {
        Interval::new(WorldTime::from_micros(start), WorldTime::from_micros(end)).unwrap()
    }

    fn moments(set: &IntervalSet) -> Vec<i64> {
        set.spans()
            .iter()
            .flat_map(|s| s.start().micros()..s.end().micros())
            .collect()
    }

    #[test]
    fn an_empty_or_reversed_span_does_not_exist() {
        let (a, b) = (WorldTime::from_micros(1), WorldTime::from_micros(2));
        assert_eq!(Interval::new(a, a), None);
        assert_eq!(Interval::new(b, a), None);
        assert!(serde_json::from_str::<Interval>("[2,1]").is_err());
    }

    #[test]
    fn spans_that_touch_are_joined() {
        let set = IntervalSet::from(vec![span(0, 5), span(5, 9), span(20, 21)]);
        assert_eq!(set.spans(), [span(0, 9), span(20, 21)]);
    }

    fn some_spans() -> impl Strategy<Value = Vec<Interval>> {
        prop::collection::vec((0i64..60, 1i64..12).prop_map(|(s, l)| span(s, s + l)), 0..8)
    }

    proptest! {
        #[test]
        fn sets_agree_with_sets_of_moments(a in some_spans(), b in some_spans()) {
            let (sa, sb) = (IntervalSet::from(a.clone()), IntervalSet::from(b.clone()));
            let inside = |list: &[Interval], t: i64| {
                list.iter().any(|s| s.start().micros() <= t && t < s.end().micros())
            };
            let want: Vec<i64> = (0..80).filter(|t| inside(&a, *t)).collect();
            prop_assert_eq!(&moments(&sa), &want);
            prop_assert_eq!(sa.len_us(), want.len() as u64);
            let want: Vec<i64> = (0..80).filter(|t| inside(&a, *t) && !inside(&b, *t)).collect();
            prop_assert_eq!(moments(&sa.minus(&sb)), want);
        }
    }
}
