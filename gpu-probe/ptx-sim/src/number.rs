//! Small floating-point formats and directed rounding, by way of `f64`: every value of every format
//! here is exact in an `f64`.
//!
//! Formats: IEEE 754-2019; bfloat16 and TF32 as FP32 with fewer bits; e4m3 and e5m2 of "FP8 Formats
//! for Deep Learning" (<https://arxiv.org/abs/2209.05433>).

/// A rounding direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    NearestEven,
    Zero,
    Down,
    Up,
}

/// A format of at most 32 bits: sign, exponent, mantissa.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    exponent_bits: u32,
    mantissa_bits: u32,
    /// No infinities: the topmost exponent holds numbers, and all ones are NaN (e4m3).
    finite_top: bool,
    /// Bits below the mantissa that the register holds and the format leaves zero (TF32).
    unused_bits: u32,
}

pub(crate) const F32: Format = Format::ieee(8, 23);
pub(crate) const F16: Format = Format::ieee(5, 10);
pub(crate) const BF16: Format = Format::ieee(8, 7);
pub(crate) const E5M2: Format = Format::ieee(5, 2);
pub(crate) const E4M3: Format = Format {
    finite_top: true,
    ..Format::ieee(4, 3)
};
pub(crate) const TF32: Format = Format {
    unused_bits: 13,
    ..Format::ieee(8, 10)
};

impl Format {
    const fn ieee(exponent_bits: u32, mantissa_bits: u32) -> Self {
        Self {
            exponent_bits,
            mantissa_bits,
            finite_top: false,
            unused_bits: 0,
        }
    }

    /// Bits of a register that a value takes.
    pub(crate) const fn bits(self) -> u32 {
        1 + self.exponent_bits + self.mantissa_bits + self.unused_bits
    }

    const fn exponent_min(self) -> i32 {
        2 - (1 << (self.exponent_bits - 1))
    }

    const fn magnitude_mask(self) -> u64 {
        (1 << (self.exponent_bits + self.mantissa_bits)) - 1
    }

    const fn infinity(self) -> u64 {
        self.magnitude_mask() & !((1 << self.mantissa_bits) - 1)
    }

    const fn largest(self) -> u64 {
        if self.finite_top {
            self.magnitude_mask() - 1
        } else {
            self.infinity() - 1
        }
    }

    /// The value of `bits`; bits above the format's width are ignored.
    pub(crate) fn decode(self, bits: u64) -> f64 {
        let bits = bits >> self.unused_bits;
        let magnitude = bits & self.magnitude_mask();
        let negative = bits >> (self.exponent_bits + self.mantissa_bits) & 1 == 1;
        let mantissa = magnitude & ((1 << self.mantissa_bits) - 1);
        let field = (magnitude >> self.mantissa_bits) as i32;
        let value = if magnitude > self.largest() {
            if !self.finite_top && mantissa == 0 {
                f64::INFINITY
            } else {
                f64::NAN
            }
        } else {
            let hidden = u64::from(field > 0) << self.mantissa_bits;
            let exponent = field.max(1) - 1 + self.exponent_min() - self.mantissa_bits as i32;
            (mantissa | hidden) as f64 * power_of_two(exponent)
        };
        if negative { -value } else { value }
    }

    /// The bits of `value` rounded once. `finite` gives the largest number where the format would
    /// overflow. A NaN is all ones, without the sign where the format is IEEE's.
    pub(crate) fn encode(self, value: f64, round: Round, finite: bool) -> u64 {
        let sign = u64::from(value.is_sign_negative()) << (self.exponent_bits + self.mantissa_bits);
        if value.is_nan() {
            return self.magnitude_mask() << self.unused_bits;
        }
        let magnitude = self.round_magnitude(value, round);
        let magnitude = if magnitude > self.largest() {
            self.overflow(value, round, finite)
        } else {
            magnitude
        };
        (sign | magnitude) << self.unused_bits
    }

    /// Exponent and mantissa fields of `|value|`, as if the exponent had no upper limit. A carry out
    /// of the mantissa runs into the exponent by itself.
    fn round_magnitude(self, value: f64, round: Round) -> u64 {
        let size = value.abs();
        if size.is_infinite() {
            return u64::MAX;
        }
        let exponent = exponent_of(size).max(self.exponent_min());
        let quanta = size * power_of_two(self.mantissa_bits as i32) * power_of_two(-exponent);
        let quanta = match (round, value.is_sign_negative()) {
            (Round::NearestEven, _) => quanta.round_ties_even(),
            (Round::Zero, _) | (Round::Up, true) | (Round::Down, false) => quanta.floor(),
            (Round::Up, false) | (Round::Down, true) => quanta.ceil(),
        };
        (((exponent - self.exponent_min()) as u64) << self.mantissa_bits) + quanta as u64
    }

    fn overflow(self, value: f64, round: Round, finite: bool) -> u64 {
        let towards_zero = match round {
            Round::NearestEven => false,
            Round::Zero => true,
            Round::Down => value > 0.0,
            Round::Up => value < 0.0,
        };
        if finite || (towards_zero && value.is_finite()) {
            self.largest()
        } else if self.finite_top {
            self.magnitude_mask()
        } else {
            self.infinity()
        }
    }
}

/// The exponent of a positive number, that of the smallest normal `f64` for zero and below.
fn exponent_of(size: f64) -> i32 {
    let field = (size.to_bits() >> 52) as i32 & 0x7ff;
    field.max(1) - 1023
}

/// `2^exponent` for an exponent that a normal `f64` has.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023).clamp(1, 2046) as u64) << 52)
}

/// `a + b` rounded to odd: where the sum is not exact the last bit is set, so that a second rounding
/// to fewer than 51 bits gives what one rounding would have (Boldo and Melquiond 2008).
pub(crate) fn add_to_odd(a: f64, b: f64) -> f64 {
    let sum = a + b;
    let b_seen = sum - a;
    let error = (a - (sum - b_seen)) + (b - b_seen);
    nudge(sum, error)
}

/// `sum` moved by one unit towards `error` where its last bit is even and the error not zero.
fn nudge(sum: f64, error: f64) -> f64 {
    if !sum.is_finite() || error == 0.0 || error.is_nan() || sum.to_bits() & 1 == 1 {
        return sum;
    }
    if (error > 0.0) == (sum > 0.0) {
        f64::from_bits(sum.to_bits() + 1)
    } else {
        f64::from_bits(sum.to_bits() - 1)
    }
}

/// `value` as an `f64` rounded to odd.
pub(crate) fn integer_to_odd(value: u64) -> f64 {
    if value >> 53 == 0 {
        return value as f64;
    }
    let sticky = u64::from(value & 0x7ff != 0);
    ((value >> 11) | sticky) as f64 * 2048.0
}

/// `a` divided by `b`, rounded to odd.
pub(crate) fn divide_to_odd(a: f64, b: f64) -> f64 {
    let quotient = a / b;
    let rest = (-quotient).mul_add(b, a);
    nudge(quotient, if b > 0.0 { rest } else { -rest })
}

/// The square root of `a`, rounded to odd.
pub(crate) fn sqrt_to_odd(a: f64) -> f64 {
    let root = a.sqrt();
    nudge(root, (-root).mul_add(root, a))
}

/// `value` rounded to an integral number.
pub(crate) fn to_integral(value: f64, round: Round) -> f64 {
    match round {
        Round::NearestEven => value.round_ties_even(),
        Round::Zero => value.trunc(),
        Round::Down => value.floor(),
        Round::Up => value.ceil(),
    }
}
