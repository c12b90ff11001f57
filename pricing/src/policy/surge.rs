//! A surcharge by utilisation: a table of points, straight lines between them, in integers.

/// Most points of a table.
pub(super) const POINTS_MAX: usize = 16;
/// Utilisation counts up to this.
pub(super) const UTILISATION_MAX: u16 = 1_000;

/// A surcharge that never falls as utilisation rises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Surge {
    /// Utilisation in permille and surcharge in basis points; both rise, and there is one at least.
    points: Vec<(u16, u32)>,
}

impl Surge {
    /// A table; none when it is empty, or utilisation does not rise, or a surcharge falls.
    pub(super) fn new(points: Vec<(u16, u32)>) -> Option<Self> {
        let rises = points
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let in_range = points.last().is_some_and(|last| last.0 <= UTILISATION_MAX);
        (rises && in_range).then_some(Self { points })
    }

    /// The surcharge in basis points. Below the first point it is that of the first point, above the
    /// last that of the last; between two points the line is rounded down.
    pub(super) fn basis_points(&self, utilisation_permille: u16) -> u32 {
        let at = utilisation_permille.min(UTILISATION_MAX);
        let above = self.points.partition_point(|point| point.0 <= at);
        let Some(low) = above.checked_sub(1).map(|index| self.points[index]) else {
            return self.points.first().map_or(0, |first| first.1);
        };
        let Some(high) = self.points.get(above) else {
            return low.1;
        };
        let rise = u64::from(high.1 - low.1) * u64::from(at - low.0);
        let steps = u64::from(high.0 - low.0);
        low.1 + u32::try_from(rise / steps).expect("a part of a rise of 32 bits fits 32 bits")
    }

    /// The highest surcharge in basis points.
    pub(super) fn most(&self) -> u32 {
        self.points.last().map_or(0, |last| last.1)
    }

    /// The utilisations at which the line bends.
    pub(super) fn bends(&self) -> impl Iterator<Item = u16> {
        self.points.iter().map(|point| point.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_line_runs_through_its_points_and_is_flat_outside() {
        let surge = Surge::new(vec![(800, 100), (900, 600), (950, 1_601)]).unwrap();
        for (at, bp) in [
            (0, 100),
            (800, 100),
            (801, 105),
            (850, 350),
            (900, 600),
            (925, 1_100),
            (950, 1_601),
            (1_000, 1_601),
            (u16::MAX, 1_601),
        ] {
            assert_eq!(surge.basis_points(at), bp, "at {at}");
        }
    }

    #[test]
    fn a_table_that_is_empty_falls_or_repeats_a_point_is_none() {
        assert_eq!(Surge::new(vec![]), None);
        assert_eq!(Surge::new(vec![(800, 200), (900, 100)]), None);
        assert_eq!(Surge::new(vec![(800, 100), (800, 200)]), None);
        assert_eq!(Surge::new(vec![(900, 100), (800, 200)]), None);
        assert_eq!(Surge::new(vec![(1_001, 100)]), None);
    }

    proptest! {
        #[test]
        fn more_utilisation_never_costs_less_and_stays_between_the_neighbours(
            points in proptest::collection::btree_map(0u16..=1_000, 0u32..=u32::MAX, 1..POINTS_MAX),
            at in 0u16..=1_100,
        ) {
            let mut values: Vec<u32> = points.values().copied().collect();
            values.sort_unstable();
            let points: Vec<_> = points.into_keys().zip(values).collect();
            let surge = Surge::new(points.clone()).unwrap();
            prop_assert!(surge.basis_points(at) <= surge.basis_points(at + 1));
            for (utilisation, bp) in &points {
                prop_assert_eq!(surge.basis_points(*utilisation), *bp);
            }
            let first = points[0].1;
            let last = points[points.len() - 1].1;
            prop_assert!((first..=last).contains(&surge.basis_points(at)));
        }
    }
}
