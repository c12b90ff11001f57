//! A value for each of the 32 lanes of a warp, and operations over all of them.

/// Lanes of a warp.
pub(crate) const LANES: usize = 32;

/// One value a lane, in the low bits.
pub(crate) type Lanes = [u64; LANES];

pub(crate) fn map1(a: &Lanes, f: impl Fn(u64) -> u64) -> Lanes {
    std::array::from_fn(|i| f(a[i]))
}

pub(crate) fn map2(a: &Lanes, b: &Lanes, f: impl Fn(u64, u64) -> u64) -> Lanes {
    std::array::from_fn(|i| f(a[i], b[i]))
}

pub(crate) fn map3(a: &Lanes, b: &Lanes, c: &Lanes, f: impl Fn(u64, u64, u64) -> u64) -> Lanes {
    std::array::from_fn(|i| f(a[i], b[i], c[i]))
}

/// The bits of the lanes for which `f` holds.
pub(crate) fn mask_of(f: impl Fn(usize) -> bool) -> u32 {
    (0..LANES).fold(0, |mask, i| mask | (u32::from(f(i)) << i))
}

/// The lanes of a mask, from the lowest.
pub(crate) fn each(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let lane = mask.trailing_zeros();
        mask &= mask - 1;
        Some(lane as usize)
    })
}
