//! Integer arithmetic, carries, comparisons and packing.

use proptest::prelude::*;

use crate::bits::pair;
use crate::harness::{Case, check};

/// Rows of inputs: any words, among them the borders of every width.
pub(crate) fn rows() -> impl Strategy<Value = Vec<[u64; 4]>> {
    let edges = [
        0,
        1,
        31,
        32,
        33,
        64,
        0x7f,
        0x80,
        0x7fff,
        0x8000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x1_0000_0000,
        i64::MAX as u64,
        i64::MIN as u64,
        u64::MAX,
    ];
    let word = prop_oneof![any::<u64>(), proptest::sample::select(edges.to_vec())];
    proptest::collection::vec(proptest::array::uniform4(word), 40)
}

pub(crate) fn i(x: u64) -> i32 {
    x as i32
}

pub(crate) fn u(x: u64) -> u32 {
    x as u32
}

pub(crate) fn l(x: u64) -> i64 {
    x as i64
}

/// A 32-bit result as it lies in memory.
pub(crate) fn w(x: i32) -> u64 {
    u64::from(x as u32)
}

const SUMS_AND_PRODUCTS: &[Case] = &[
    ("add.s32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        w(i(a).wrapping_add(i(b)))
    }),
    ("add.sat.s32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        w(i(a).saturating_add(i(b)))
    }),
    ("sub.sat.s32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        w(i(a).saturating_sub(i(b)))
    }),
    ("sub.u64 %rd9, %rd1, %rd2;", "%rd9", |a, b, _, _| {
        a.wrapping_sub(b)
    }),
    ("add.u16 %rs9, %rs1, %rs2;", "%rs9", |a, b, _, _| {
        u64::from((a as u16).wrapping_add(b as u16))
    }),
    ("mul.lo.s32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        w(i(a).wrapping_mul(i(b)))
    }),
    ("mul.lo.u64 %rd9, %rd1, %rd2;", "%rd9", |a, b, _, _| {
        a.wrapping_mul(b)
    }),
    ("mul.hi.u32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        (u64::from(u(a)) * u64::from(u(b))) >> 32
    }),
    ("mul.hi.s32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        w(((i64::from(i(a)) * i64::from(i(b))) >> 32) as i32)
    }),
    ("mul.hi.u64 %rd9, %rd1, %rd2;", "%rd9", |a, b, _, _| {
        ((u128::from(a) * u128::from(b)) >> 64) as u64
    }),
    ("mul.hi.s64 %rd9, %rd1, %rd2;", "%rd9", |a, b, _, _| {
        ((i128::from(l(a)) * i128::from(l(b))) >> 64) as u64
    }),
    ("mul.wide.u32 %rd9, %r1, %r2;", "%rd9", |a, b, _, _| {
        u64::from(u(a)) * u64::from(u(b))
    }),
    ("mul.wide.s32 %rd9, %r1, %r2;", "%rd9", |a, b, _, _| {
        (i64::from(i(a)) * i64::from(i(b))) as u64
    }),
    ("mul.wide.s16 %r9, %rs1, %rs2;", "%r9", |a, b, _, _| {
        w(i32::from(a as i16) * i32::from(b as i16))
    }),
    ("mad.lo.s32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        w(i(a).wrapping_mul(i(b)).wrapping_add(i(c)))
    }),
    (
        "mad.wide.u32 %rd9, %r1, %r2, %rd3;",
        "%rd9",
        |a, b, c, _| (u64::from(u(a)) * u64::from(u(b))).wrapping_add(c),
    ),
    ("mad.hi.s32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        w((((i64::from(i(a)) * i64::from(i(b))) >> 32) as i32).wrapping_add(i(c)))
    }),
    ("sad.s32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        u64::from(i(a).abs_diff(i(b)).wrapping_add(u(c)))
    }),
    ("neg.s32 %r9, %r1;", "%r9", |a, _, _, _| {
        w(i(a).wrapping_neg())
    }),
    ("abs.s64 %rd9, %rd1;", "%rd9", |a, _, _, _| {
        l(a).unsigned_abs()
    }),
    ("min.s32 %r9, %r1, %r2;", "%r9", |a, b, _, _| {
        w(i(a).min(i(b)))
    }),
    ("max.u64 %rd9, %rd1, %rd2;", "%rd9", |a, b, _, _| a.max(b)),
    ("min.u16 %rs9, %rs1, %rs2;", "%rs9", |a, b, _, _| {
        u64::from((a as u16).min(b as u16))
    }),
    ("max.s64 %rd9, %rd1, %rd2;", "%rd9", |a, b, _, _| {
        l(a).max(l(b)) as u64
    }),
    (
        "or.b32 %r8, %r2, 1; div.u32 %r9, %r1, %r8;",
        "%r9",
        |a, b, _, _| u64::from(u(a) / (u(b) | 1)),
    ),
    (
        "or.b32 %r8, %r2, 1; div.s32 %r9, %r1, %r8;",
        "%r9",
        |a, b, _, _| w(i(a).wrapping_div(i(b) | 1)),
    ),
    (
        "or.b64 %rd8, %rd2, 1; rem.s64 %rd9, %rd1, %rd8;",
        "%rd9",
        |a, b, _, _| l(a).wrapping_rem(l(b) | 1) as u64,
    ),
    (
        "or.b64 %rd8, %rd2, 1; rem.u64 %rd9, %rd1, %rd8;",
        "%rd9",
        |a, b, _, _| a % (b | 1),
    ),
    ("dp4a.s32.s32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        dot(a, b, c, true, true)
    }),
    ("dp4a.u32.u32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        dot(a, b, c, false, false)
    }),
    ("dp4a.s32.u32 %r9, %r1, %r2, %r3;", "%r9", |a, b, c, _| {
        dot(a, b, c, true, false)
    }),
];

fn dot(a: u64, b: u64, c: u64, a_signed: bool, b_signed: bool) -> u64 {
    let byte = |x: u64, at: usize, signed| {
        let byte = x.to_le_bytes()[at];
        if signed {
            i64::from(byte as i8)
        } else {
            i64::from(byte)
        }
    };
    let sum: i64 = (0..4)
        .map(|at| byte(a, at, a_signed) * byte(b, at, b_signed))
        .sum();
    (c as u32).wrapping_add(sum as u32).into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_products_are_rusts(rows in rows()) {
        for (lines, result, wanted) in SUMS_AND_PRODUCTS {
            check(lines, result, &rows, wanted);
        }
    }

    #[test]
    fn carries_run_through_numbers_of_many_words(rows in rows()) {
        let all = |a: u64, b: u64| u128::from(a) | u128::from(b) << 64;
        let sum = "add.cc.u32 %r9, %r1, %r3; addc.u32 %r10, %r2, %r4; mov.b64 %rd9, {%r9, %r10};";
        check(sum, "%rd9", &rows, |a, b, c, d| pair(a, b).wrapping_add(pair(c, d)));
        let sum = "add.cc.u64 %rd9, %rd1, %rd3; addc.u64 %rd10, %rd2, %rd4;";
        check(sum, "%rd10", &rows, |a, b, c, d| (all(a, b).wrapping_add(all(c, d)) >> 64) as u64);
        let difference = "sub.cc.u64 %rd9, %rd1, %rd3; subc.u64 %rd10, %rd2, %rd4;";
        check(difference, "%rd10", &rows, |a, b, c, d| {
            (all(a, b).wrapping_sub(all(c, d)) >> 64) as u64
        });
        let product = "mad.lo.cc.u32 %r9, %r1, %r2, %r3; madc.hi.cc.u32 %r10, %r1, %r2, %r4;
            addc.u32 %r11, 0, 0; mov.b64 %rd9, {%r10, %r11};";
        check(product, "%rd9", &rows, |a, b, c, d| {
            let product = u128::from(u(a)) * u128::from(u(b)) + u128::from(pair(c, d));
            (product >> 32) as u64
        });
    }

    #[test]
    fn comparisons_know_signs(rows in rows()) {
        check("setp.lt.s32 %p1, %r1, %r2;", "%p1", &rows, |a, b, _, _| u64::from(i(a) < i(b)));
        check("setp.lt.u32 %p1, %r1, %r2;", "%p1", &rows, |a, b, _, _| u64::from(u(a) < u(b)));
        check("setp.ge.s64 %p1, %rd1, %rd2;", "%p1", &rows, |a, b, _, _| u64::from(l(a) >= l(b)));
        check("setp.hi.s32 %p1, %r1, %r2;", "%p1", &rows, |a, b, _, _| u64::from(u(a) > u(b)));
        check("setp.le.s16 %p1, %rs1, %rs2;", "%p1", &rows, |a, b, _, _| {
            u64::from(a as i16 <= b as i16)
        });
        let both = "setp.ne.s32 %p2, %r3, 0; setp.eq.and.s32 %p1|%p3, %r1, -1, %p2;";
        check(both, "%p1", &rows, |a, _, c, _| u64::from(i(a) == -1 && u(c) != 0));
        check(both, "%p3", &rows, |a, _, c, _| u64::from(i(a) != -1 && u(c) != 0));
        let other = "setp.gt.u64 %p2, %rd3, %rd4; setp.eq.or.u32 %p1, %r1, %r2, !%p2;";
        check(other, "%p1", &rows, |a, b, c, d| u64::from(u(a) == u(b) || c <= d));
        let logic = "setp.lt.u64 %p2, %rd1, %rd2; setp.lt.u64 %p3, %rd3, %rd4;
            xor.pred %p4, %p2, %p3; not.pred %p5, %p4; and.pred %p6, %p2, %p3; or.pred %p1, %p5, %p6;";
        check(logic, "%p1", &rows, |a, b, c, d| u64::from((a < b) == (c < d)));
        check("setp.lt.u64 %p2, %rd1, %rd2; selp.b64 %rd9, %rd3, %rd4, %p2;", "%rd9", &rows,
            |a, b, c, d| if a < b { c } else { d });
    }

    #[test]
    fn parts_are_packed_low_first(rows in rows()) {
        check("mov.b64 {%r9, %r10}, %rd1; mov.b64 %rd9, {%r10, %r9};", "%rd9", &rows,
            |a, _, _, _| a.rotate_left(32));
        check("mov.b32 {%rs9, _}, %r1; mov.b32 %r9, {%rs2, %rs9};", "%r9", &rows,
            |a, b, _, _| (b & 0xffff) | (a & 0xffff) << 16);
    }
}
