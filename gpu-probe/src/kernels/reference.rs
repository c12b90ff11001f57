//! What the kernels that are no proofs must answer, computed on the CPU: the random numbers that they
//! make and the product of the instruction gate. The proofs' answers belong to the verifier.

/// 2^64 divided by the golden ratio, made odd: the increment of SplitMix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// 2014; constants by Stafford).
const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Word `index` of the random sequence of `seed`: `stream_fill` writes it as 64-bit words.
#[must_use]
pub const fn random_word(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(index.wrapping_mul(GOLDEN)))
}

/// The four 32-bit words that `stream_write` leaves at 16-byte piece `index`.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the kernel counts modulo 2^32 here"
)]
pub const fn stream_write_piece(seed: u32, index: u64) -> [u32; 4] {
    let index = index as u32;
    [seed ^ index, seed, !seed, seed.wrapping_add(index)]
}

/// What `pattern_write` leaves at word `index`. Kinds: 0 `value`, 1 the index exclusive-or `value`,
/// 2 the same inverted, 3 one bit that walks, 4 (and above) the random sequence of `value`.
#[must_use]
pub const fn pattern_word(kind: u32, value: u64, index: u64) -> u64 {
    match kind {
        0 => value,
        1 => index ^ value,
        2 => !(index ^ value),
        3 => 1 << (index.wrapping_add(value) % 64),
        _ => random_word(value, index),
    }
}

/// A format that a matrix product takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatFormat {
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// Four bits of exponent, three of mantissa (OCP 8-bit floating point specification, E4M3).
    E4m3,
}

impl FloatFormat {
    /// Bits of a number, bits of its mantissa, and the stored exponent of 1/8.
    const fn layout(self) -> (u32, u32, u32) {
        match self {
            Self::F16 => (16, 10, 12),
            Self::Bf16 => (16, 7, 124),
            Self::E4m3 => (8, 3, 4),
        }
    }
}

/// Bits of number `index` that `fill_f16`, `fill_bf16` or `fill_fp8` makes from `seed`, in the low
/// part of the word. The size lies from 1/8 to below 2; never zero, infinite or not a number.
#[must_use]
pub fn fill_bits(format: FloatFormat, seed: u64, index: u64) -> u16 {
    let (width, mantissa_bits, exponent_min) = format.layout();
    let parts = u64::from(64 / width);
    let word = random_word(seed, index / parts) >> (index % parts * u64::from(width));
    let bits = u32::from(u16::try_from(word & 0xFFFF).unwrap_or(0)) & ((1 << width) - 1);
    let mantissa = bits & ((1 << mantissa_bits) - 1);
    let exponent = exponent_min + (bits >> mantissa_bits & 3);
    let sign = bits >> (width - 1);
    u16::try_from(sign << (width - 1) | exponent << mantissa_bits | mantissa).unwrap_or(0)
}

/// The value of the number of [`fill_bits`].
#[must_use]
pub fn fill_value(format: FloatFormat, seed: u64, index: u64) -> f32 {
    let (width, mantissa_bits, exponent_min) = format.layout();
    let bits = u32::from(fill_bits(format, seed, index));
    let sign = bits >> (width - 1);
    let rest = bits & ((1 << (width - 1)) - 1);
    // The exponent of 1/8 is stored as 124 in binary32.
    let rest = rest + ((124 - exponent_min) << mantissa_bits);
    f32::from_bits(sign << 31 | rest << (23 - mantissa_bits))
}

/// Shape of the product that `isa_gate` computes: `rows x depth` by `depth x columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsaGateShape {
    /// Rows of the answer.
    pub rows: u32,
    /// Columns of the answer.
    pub columns: u32,
    /// Products that are added up for each number of the answer.
    pub depth: u32,
}

impl IsaGateShape {
    /// The shape of the instruction that the gate uses on `sm_<architecture>`.
    pub(super) fn of_architecture(architecture: &str) -> Self {
        let (rows, columns, depth) = match architecture {
            "70" => (8, 8, 4),
            "75" => (16, 8, 8),
            "89" | "120" => (16, 8, 32),
            "90a" => (64, 8, 16),
            _ => (16, 8, 16),
        };
        Self {
            rows,
            columns,
            depth,
        }
    }
}

/// Index of the first entry of B.
const ISA_GATE_B_FIRST: u32 = 4096;

/// The answer of `isa_gate`, by rows: `iterations` times the product of two matrices of integers from
/// -2 to 1. `A[r][k]` is entry `r * depth + k`, `B[k][c]` entry `4096 + c * depth + k`; an entry is
/// the low two bits of its random word, less 2.
#[must_use]
pub fn isa_gate_answer(seed: u32, iterations: u32, shape: IsaGateShape) -> Vec<i32> {
    let entry = |index: u32| match random_word(u64::from(seed), u64::from(index)) & 3 {
        0 => -2_i32,
        1 => -1,
        2 => 0,
        _ => 1,
    };
    let times = iterations.cast_signed();
    let number = |row: u32, column: u32| -> i32 {
        let sum: i32 = (0..shape.depth)
            .map(|k| {
                entry(row * shape.depth + k) * entry(ISA_GATE_B_FIRST + column * shape.depth + k)
            })
            .sum();
        sum.wrapping_mul(times)
    };
    (0..shape.rows)
        .flat_map(|row| (0..shape.columns).map(move |column| (row, column)))
        .map(|(row, column)| number(row, column))
        .collect()
}
