//! From a network's price to another price, monotone and in whole micro-dollars: the form of a
//! price rule that an index over sorted prices can invert exactly.

/// Most steps of a curve.
pub const CURVE_STEPS_MAX: usize = 8;

/// One step of a curve. Every step keeps the order of prices and gives at least one micro-dollar
/// for a price of at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `ceil(price x numerator / denominator)`; both from 1 to `i64::MAX`.
    Scale {
        /// Above the line.
        numerator: u64,
        /// Below the line.
        denominator: u64,
    },
    /// So many micro-dollars more, up to `i64::MAX`.
    Add(u64),
    /// Not less than this many micro-dollars, up to `i64::MAX`.
    AtLeast(u64),
    /// Not more than this many micro-dollars, from 1 to `i64::MAX`.
    AtMost(u64),
}

impl Step {
    fn is_in_range(&self) -> bool {
        let small = |n: u64| i64::try_from(n).is_ok();
        match *self {
            Self::Scale {
                numerator,
                denominator,
            } => numerator > 0 && denominator > 0 && small(numerator) && small(denominator),
            Self::Add(n) | Self::AtLeast(n) => small(n),
            Self::AtMost(n) => n > 0 && small(n),
        }
    }
}

impl Step {
    /// The highest price that it puts at `limit` or below, as [`Curve::inverse`] says.
    pub(crate) fn inverse(&self, limit: i64) -> Option<i64> {
        if limit < 0 {
            return None;
        }
        match *self {
            Self::Scale {
                numerator,
                denominator,
            } => Some(scaled_down(limit, denominator, numerator)),
            Self::Add(more) => Some(limit - signed(more)),
            Self::AtLeast(floor) if limit < signed(floor) => None,
            Self::AtMost(ceiling) if limit >= signed(ceiling) => Some(i64::MAX),
            Self::AtLeast(_) | Self::AtMost(_) => Some(limit),
        }
    }
}

/// Why steps are no curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CurveError {
    /// More steps than a curve has.
    #[error("{0} steps are more than the {CURVE_STEPS_MAX} of a price curve: join some of them")]
    TooManySteps(usize),
    /// A number is zero where it may not be, or above `i64::MAX`.
    #[error("step {0} of a price curve is out of range: use numbers from 1 to 2^63 - 1")]
    StepOutOfRange(usize),
}

/// A straight line that a curve is never below: much quicker to follow than the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What a micro-dollar of the price becomes, times 2^32.
    slope: u64,
    add: u64,
}

impl Line {
    /// The price itself.
    const SAME: Self = Self {
        slope: 1 << 32,
        add: 0,
    };

    /// A line below what a step makes of anything that is not below this one.
    pub(crate) fn then(self, step: &Step) -> Self {
        let Self { slope, add } = self;
        match *step {
            Step::Scale {
                numerator,
                denominator,
            } => {
                let scaled = |n: u64| {
                    let scaled = u128::from(n) * u128::from(numerator) / u128::from(denominator);
                    u64::try_from(scaled).unwrap_or(u64::MAX)
                };
                Self {
                    slope: scaled(slope),
                    add: scaled(add),
                }
            }
            Step::Add(more) => Self {
                slope,
                add: add.saturating_add(more),
            },
            Step::AtLeast(_) => self,
            Step::AtMost(_) => Self { slope: 0, add: 0 },
        }
    }

    /// A bound from below of what the curve gives for `price` (not negative).
    pub fn apply(&self, price: i64) -> i64 {
        let price = u128::try_from(price).unwrap_or(0);
        let scaled = (price * u128::from(self.slope)) >> 32;
        i64::try_from(scaled + u128::from(self.add)).unwrap_or(i64::MAX)
    }
}

/// A monotone function of a price: up to [`CURVE_STEPS_MAX`] steps, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Curve {
    steps: [Step; CURVE_STEPS_MAX],
    len: u8,
}

/// An amount that as many as 2^32 GPUs can cost each, about 2,147 dollars.
pub(crate) const SMALL: i64 = i64::MAX >> 32;

/// The product over the divisor, rounded up; wide only when it must be. None when it leaves `i64`.
fn scaled_up(value: i64, by: u64, over: u64) -> Option<i64> {
    let narrow = u64::try_from(value).ok().and_then(|v| v.checked_mul(by));
    if let Some(product) = narrow {
        return i64::try_from(product.div_ceil(over)).ok();
    }
    let extra = i128::from(over) - 1;
    let wide = (i128::from(value) * i128::from(by) + extra) / i128::from(over);
    i64::try_from(wide).ok()
}

/// The product over the divisor, rounded down; wide only when it must be, and no more than `i64`
/// holds. None of the numbers is negative.
fn scaled_down(value: i64, by: u64, over: u64) -> i64 {
    let narrow = u64::try_from(value).ok().and_then(|v| v.checked_mul(by));
    if let Some(product) = narrow {
        return i64::try_from(product / over).unwrap_or(i64::MAX);
    }
    let wide = i128::from(value) * i128::from(by) / i128::from(over);
    i64::try_from(wide).unwrap_or(i64::MAX)
}

/// A number that was checked to fit when the curve was made.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Curve {
    /// The price itself.
    pub const SAME: Self = Self {
        steps: [Step::Add(0); CURVE_STEPS_MAX],
        len: 0,
    };

    /// The steps in the order in which they apply; those that change no price are left out.
    ///
    /// Fails on more than [`CURVE_STEPS_MAX`] steps and on numbers outside the range of their step.
    pub fn new(steps: &[Step]) -> Result<Self, CurveError> {
        Self::SAME.then(steps)
    }

    /// This curve, and then more steps.
    ///
    /// Fails as [`Curve::new`] does.
    pub fn then(mut self, more: &[Step]) -> Result<Self, CurveError> {
        let len = self.steps().len() + more.len();
        if len > CURVE_STEPS_MAX {
            return Err(CurveError::TooManySteps(len));
        }
        for (at, step) in more.iter().enumerate() {
            if !step.is_in_range() {
                return Err(CurveError::StepOutOfRange(at + 1));
            }
            if !matches!(step, Step::Add(0) | Step::AtLeast(0)) {
                self.steps[usize::from(self.len)] = *step;
                self.len += 1;
            }
        }
        Ok(self)
    }

    /// Whether `price` and all below it give so little that any number of GPUs (`u32`) times it is
    /// in the range of money.
    pub fn is_small_up_to(&self, price: i64) -> bool {
        self.apply(price).is_some_and(|most| most <= SMALL)
    }

    fn steps(&self) -> &[Step] {
        &self.steps[..usize::from(self.len)]
    }

    /// The price that comes of `price` (not negative); none when a step leaves `i64`.
    pub fn apply(&self, price: i64) -> Option<i64> {
        let mut value = price;
        for step in self.steps() {
            value = match *step {
                Step::Scale {
                    numerator,
                    denominator,
                } => scaled_up(value, numerator, denominator)?,
                Step::Add(more) => value.checked_add(signed(more))?,
                Step::AtLeast(floor) => value.max(signed(floor)),
                Step::AtMost(ceiling) => value.min(signed(ceiling)),
            };
        }
        Some(value)
    }

    /// The highest price, not negative, that this curve puts at `limit` or below; none when there
    /// is no such price. Exact: `apply(p) <= limit` holds for every `p` up to it and for no other.
    pub fn inverse(&self, limit: i64) -> Option<i64> {
        let bound = self
            .steps()
            .iter()
            .rev()
            .try_fold(limit, |bound, step| step.inverse(bound));
        bound.filter(|bound| *bound >= 0)
    }

    /// A line below it. Every step that rounds does so upwards, and every number of the line is
    /// rounded down.
    pub fn line_below(&self) -> Line {
        self.steps()
            .iter()
            .fold(Line::SAME, |line, step| line.then(step))
    }

    /// Whether two different prices always stay different.
    pub fn is_strict(&self) -> bool {
        self.steps().iter().all(|step| match *step {
            Step::Scale {
                numerator,
                denominator,
            } => numerator >= denominator,
            Step::Add(_) => true,
            Step::AtLeast(_) | Step::AtMost(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_step() -> impl Strategy<Value = Step> {
        let number = prop_oneof![1u64..50, 1u64..3_000_000_000, Just(i64::MAX as u64)];
        let pair = (number.clone(), number.clone());
        prop_oneof![
            pair.prop_map(|(numerator, denominator)| Step::Scale {
                numerator,
                denominator
            }),
            (0u64..100).prop_map(Step::Add),
            number.clone().prop_map(Step::Add),
            number.clone().prop_map(Step::AtLeast),
            number.prop_map(Step::AtMost),
        ]
    }

    fn amounts() -> impl Strategy<Value = i64> {
        prop_oneof![0i64..60, 0i64..5_000_000_000, i64::MAX - 40..=i64::MAX]
    }

    proptest! {
        #[test]
        fn the_inverse_is_exactly_the_last_price_within_the_limit(
            steps in prop::collection::vec(any_step(), 0..=CURVE_STEPS_MAX),
            limit in amounts(),
            price in amounts(),
        ) {
            let curve = Curve::new(&steps).unwrap();
            let bound = curve.inverse(limit);
            let near = bound.unwrap_or(0);
            for p in [price, near.saturating_sub(1), near, near.saturating_add(1), i64::MAX] {
                if p < 0 {
                    continue;
                }
                let within = curve.apply(p).is_some_and(|out| out <= limit);
                prop_assert_eq!(within, bound.is_some_and(|b| p <= b), "{:?} at {}", steps, p);
            }
        }

        #[test]
        fn a_dearer_price_is_never_made_cheaper_and_a_strict_curve_keeps_prices_apart(
            steps in prop::collection::vec(any_step(), 0..=CURVE_STEPS_MAX),
            price in 1i64..3_000_000_000,
            more in 1i64..100,
        ) {
            let curve = Curve::new(&steps).unwrap();
            let Some(low) = curve.apply(price) else { return Ok(()) };
            prop_assert!(low > 0);
            prop_assert!(curve.line_below().apply(price) <= low);
            let most = low.checked_mul(i64::from(u32::MAX));
            prop_assert!(most.is_some() || !curve.is_small_up_to(price));
            prop_assert_eq!(curve.is_small_up_to(price), low <= i64::MAX >> 32);
            if let Some(high) = curve.apply(price + more) {
                prop_assert!(high >= low);
                prop_assert!(high > low || !curve.is_strict());
            }
        }
    }

    #[test]
    fn steps_that_are_no_curve_are_refused_by_their_number() {
        let add = Step::Add(1);
        assert_eq!(Curve::new(&[add; 9]), Err(CurveError::TooManySteps(9)));
        for bad in [
            Step::Scale {
                numerator: 0,
                denominator: 1,
            },
            Step::Scale {
                numerator: 1,
                denominator: 0,
            },
            Step::Scale {
                numerator: u64::MAX,
                denominator: 1,
            },
            Step::AtMost(0),
            Step::Add(1 << 63),
        ] {
            assert_eq!(Curve::new(&[add, bad]), Err(CurveError::StepOutOfRange(2)));
        }
    }
}
