//! Logic, shifts, bit fields and permutations, bit by bit.

use proptest::prelude::*;

use crate::harness::{Case, check};
use crate::integers::{i, l, rows, u, w};

const BITS: &[Case] = &[
    ("and.b32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        u64::from(u(a & b))
    }),
    ("or.b64 %rd9, %rd1, %rd2;", "%rd9", |a, b, _, _| a | b),
    ("xor.b16 %rs9, %rs1, %rs2;", "%rs9", |a, b, _, _| {
        (a ^ b) & 0xffff
    }),
    ("not.b32 %r9, %r1;", "%r9", |a, _, _, _| u64::from(!u(a))),
    ("cnot.b32 %r9, %r1;", "%r9", |a, _, _, _| {
        u64::from(u(a) == 0)
    }),
    ("popc.b64 %r9, %rd1;", "%r9", |a, _, _, _| {
        u64::from(a.count_ones())
    }),
    ("popc.b32 %r9, %r1;", "%r9", |a, _, _, _| {
        u64::from(u(a).count_ones())
    }),
    ("clz.b32 %r9, %r1;", "%r9", |a, _, _, _| {
        u64::from(u(a).leading_zeros())
    }),
    ("clz.b64 %r9, %rd1;", "%r9", |a, _, _, _| {
        u64::from(a.leading_zeros())
    }),
    ("brev.b32 %r9, %r1;", "%r9", |a, _, _, _| {
        u64::from(u(a).reverse_bits())
    }),
    ("brev.b64 %rd9, %rd1;", "%rd9", |a, _, _, _| {
        a.reverse_bits()
    }),
    ("bfind.u32 %r9, %r1;", "%r9", |a, _, _, _| {
        u64::from(u(a).checked_ilog2().unwrap_or(u32::MAX))
    }),
    ("bfind.s32 %r9, %r1;", "%r9", |a, _, _, _| {
        let size = if i(a) < 0 { !u(a) } else { u(a) };
        u64::from(size.checked_ilog2().unwrap_or(u32::MAX))
    }),
    ("bfind.shiftamt.u32 %r9, %r1;", "%r9", |a, _, _, _| {
        u64::from(u(a).checked_ilog2().map_or(u32::MAX, |at| 31 - at))
    }),
    ("shl.b32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        u64::from(u(a).checked_shl(u(b)).unwrap_or(0))
    }),
    ("shl.b64 %rd9, %rd1, %r2;", "%rd9", |a, b, _, _| {
        a.checked_shl(u(b)).unwrap_or(0)
    }),
    ("shl.b16 %rs9, %rs1, %r2;", "%rs9", |a, b, _, _| {
        (a as u16).checked_shl(u(b)).unwrap_or(0).into()
    }),
    ("shr.u32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        u64::from(u(a).checked_shr(u(b)).unwrap_or(0))
    }),
    ("shr.s32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        w(i(a) >> u(b).min(31))
    }),
    ("shr.s64 %rd9, %rd1, %r2;", "%rd9", |a, b, _, _| {
        (l(a) >> u(b).min(63)) as u64
    }),
    ("shr.u64 %rd9, %rd1, %r2;", "%rd9", |a, b, _, _| {
        a.checked_shr(u(b)).unwrap_or(0)
    }),
    ("shf.l.wrap.b32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        u64::from(u((pair(a, b) << (c & 31)) >> 32))
    }),
    ("shf.r.wrap.b32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        u64::from(u(pair(a, b) >> (c & 31)))
    }),
    (
        "shf.l.clamp.b32 %r9, %r1, %r2, %r3;",
        "%r9",
        |a, b, c, _| u64::from(u(((u128::from(pair(a, b)) << u(c).min(32)) >> 32) as u64)),
    ),
    (
        "shf.r.clamp.b32 %r9, %r1, %r2, %r3;",
        "%r9",
        |a, b, c, _| u64::from(u(pair(a, b) >> u(c).min(32))),
    ),
    ("prmt.b32 %r9, %r1, %r2, %r3;", "%r9", permuted),
    ("prmt.b32.f4e %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        bytes(a, b, |i| (c & 3) as usize + i)
    }),
    ("prmt.b32.b4e %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        bytes(a, b, |i| ((c & 3) as usize + 8 - i) & 7)
    }),
    ("prmt.b32.rc8 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        bytes(a, b, |_| (c & 3) as usize)
    }),
    ("prmt.b32.rc16 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        bytes(a, b, |i| if c & 1 == 0 { i & 1 } else { 2 + (i & 1) })
    }),
    ("lop3.b32 %r9, %r1, %r2, %r3, 0xca;", "%r9", |a, b, c, _| {
        u64::from(u((a & b) | (!a & c)))
    }),
    ("lop3.b32 %r9, %r1, %r2, %r3, 0xe8;", "%r9", |a, b, c, _| {
        u64::from(u((a & b) | (a & c) | (b & c)))
    }),
    ("lop3.b32 %r9, %r1, %r2, %r3, 0xd2;", "%r9", |a, b, c, _| {
        u64::from(u(a ^ !(b | !c)))
    }),
    ("lop3.b32 %r9, %r1, %r2, %r3, 0x10;", "%r9", |a, b, c, _| {
        u64::from(u(a & !b & !c))
    }),
    ("bfe.u32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        field(u64::from(u(a)), 32, b & 255, c & 255, false) & 0xffff_ffff
    }),
    ("bfe.s32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        field(i64::from(i(a)) as u64, 32, b & 255, c & 255, true) & 0xffff_ffff
    }),
    ("bfe.u64 %rd9, %rd1, %r2, %r3;", "%rd9", |a, b, c, _| {
        field(a, 64, b & 255, c & 255, false)
    }),
    ("bfe.s64 %rd9, %rd1, %r2, %r3;", "%rd9", |a, b, c, _| {
        field(a, 64, b & 255, c & 255, true)
    }),
    ("bfi.b32 %r9, %r1, %r2, %r3, %r4;", "%r9", |a, b, c, d| {
        inserted(a, b, 32, c & 255, d & 255)
    }),
    (
        "bfi.b64 %rd9, %rd1, %rd2, %r3, %r4;",
        "%rd9",
        |a, b, c, d| inserted(a, b, 64, c & 255, d & 255),
    ),
];

pub(crate) fn pair(low: u64, high: u64) -> u64 {
    u64::from(u(low)) | high << 32
}

fn bytes(a: u64, b: u64, from: impl Fn(usize) -> usize) -> u64 {
    let all = pair(a, b).to_le_bytes();
    u64::from(u32::from_le_bytes(std::array::from_fn(|i| all[from(i)])))
}

fn permuted(a: u64, b: u64, c: u64, _: u64) -> u64 {
    let all = pair(a, b).to_le_bytes();
    let byte = |i: usize| {
        let nibble = c >> (4 * i) & 15;
        let byte = all[(nibble & 7) as usize];
        if nibble < 8 {
            byte
        } else if byte & 0x80 == 0 {
            0
        } else {
            0xff
        }
    };
    u64::from(u32::from_le_bytes(std::array::from_fn(byte)))
}

/// `bfe` bit by bit, as the language's text has it.
fn field(a: u64, width: u64, start: u64, length: u64, signed: bool) -> u64 {
    let bit = |at: u64| a >> at & 1;
    let top = width - 1;
    let sign = if !signed || length == 0 {
        0
    } else {
        bit((start + length - 1).min(top))
    };
    (0..width).fold(0, |out, i| {
        let one = if i < length && start + i <= top {
            bit(start + i)
        } else {
            sign
        };
        out | one << i
    })
}

fn inserted(a: u64, b: u64, width: u64, start: u64, length: u64) -> u64 {
    let low = |x: u64| if width == 32 { u64::from(u(x)) } else { x };
    (0..length)
        .filter(|i| start + i < width)
        .fold(low(b), |out, i| {
            let bit = if i < 64 { a >> i & 1 } else { 0 };
            out & !(1 << (start + i)) | bit << (start + i)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shifts_fields_and_permutations_are_bit_by_bit_right(rows in rows()) {
        for (lines, result, wanted) in BITS {
            check(lines, result, &rows, wanted);
        }
    }
}
