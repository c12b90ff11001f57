//! Whether two machines computed at the same time, so that one card cannot have stood for both.

/// The time in which a machine's cards computed their products, by one verifier's clock, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When the challenge was given.
    pub from_ms: u64,
    /// When all roots were there.
    pub until_ms: u64,
}

impl Window {
    /// Whether two windows overlap by more than half of the shorter one.
    ///
    /// A card that serves two challenges one after the other, each of work `t`, the second given `d`
    /// later, answers it after `2 t - d` and overlaps by `t - d`. In time for the second means at
    /// most `t / 0.75` (the threshold of a fail), so `d >= 2 t / 3`, and the overlap is a third of
    /// `t` at most. Where deadlines are wide for want of a measured reference this shows less.
    pub fn is_together_with(self, other: Self) -> bool {
        let length = |window: Self| window.until_ms.saturating_sub(window.from_ms);
        let shared = Self {
            from_ms: self.from_ms.max(other.from_ms),
            until_ms: self.until_ms.min(other.until_ms),
        };
        let shorter = length(self).min(length(other));
        length(shared).saturating_mul(2) > shorter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(one: (u64, u64), other: (u64, u64)) -> bool {
        let window = |(from_ms, until_ms)| Window { from_ms, until_ms };
        let said = window(one).is_together_with(window(other));
        assert_eq!(said, window(other).is_together_with(window(one)));
        said
    }

    #[test]
    fn one_card_that_serves_two_one_after_the_other_in_time_is_not_two_at_once() {
        let work_ms = 750;
        for later_ms in 0..=2 * work_ms {
            let first = (1_000, 1_000 + work_ms);
            let second = (
                1_000 + later_ms,
                (1_000 + 2 * work_ms).max(1_000 + later_ms + work_ms),
            );
            let second_took_ms = second.1 - second.0;
            if second_took_ms * 3 <= work_ms * 4 {
                assert!(!together(first, second), "given {later_ms} ms later");
            }
        }
    }

    #[test]
    fn two_cards_that_are_asked_at_once_are_together_and_those_asked_apart_are_not() {
        assert!(together((1_000, 1_750), (1_000, 1_750)));
        assert!(together((1_000, 1_750), (1_200, 2_000)));
        assert!(!together((1_000, 1_750), (1_500, 2_250)));
        assert!(!together((1_000, 1_750), (1_750, 2_500)));
        assert!(!together((1_000, 1_750), (9_000, 9_750)));
        assert!(
            together((1_000, 9_000), (5_000, 5_700)),
            "the shorter one counts"
        );
        assert!(!together((1_000, 1_000), (1_000, 1_000)), "no time at all");
    }
}
