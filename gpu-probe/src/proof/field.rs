//! Arithmetic modulo the Mersenne prime `2^61 - 1`.

/// `2^61 - 1`.
pub const PRIME: u64 = (1 << 61) - 1;

/// Any 64-bit integer modulo [`PRIME`].
pub const fn reduce(value: u64) -> u64 {
    let folded = (value & PRIME) + (value >> 61);
    if folded >= PRIME {
        folded - PRIME
    } else {
        folded
    }
}

/// Sum of two reduced values.
pub const fn add(a: u64, b: u64) -> u64 {
    reduce(a + b)
}

/// Product of two reduced values.
pub const fn mul(a: u64, b: u64) -> u64 {
    let wide = a as u128 * b as u128;
    reduce((wide as u64 & PRIME) + (wide >> 61) as u64)
}

/// A signed integer modulo [`PRIME`].
pub const fn signed(value: i64) -> u64 {
    let magnitude = reduce(value.unsigned_abs());
    if value < 0 && magnitude != 0 {
        PRIME - magnitude
    } else {
        magnitude
    }
}
