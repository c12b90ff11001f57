//! FP32, FP64 and the 16-bit formats.

use proptest::prelude::*;

use crate::harness::{check, compute};

const NAN: u64 = 0x7fff_ffff;

fn f(x: u64) -> f32 {
    f32::from_bits(x as u32)
}

/// The bits of a result, with the one NaN that a GPU makes.
fn b(x: f32) -> u64 {
    if x.is_nan() {
        NAN
    } else {
        u64::from(x.to_bits())
    }
}

/// Rows of floats: any bits, special values, and numbers near each other.
fn rows() -> impl Strategy<Value = Vec<[u64; 4]>> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        f32::EPSILON,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let special = special.map(|x| u64::from(x.to_bits()));
    let float = prop_oneof![
        any::<u32>().prop_map(u64::from),
        proptest::sample::select(special.to_vec()),
        (-1000_i32..1000).prop_map(|x| u64::from((x as f32 / 64.0).to_bits())),
        (1_u64..100),
    ];
    proptest::collection::vec(proptest::array::uniform4(float), 40)
}

fn flushed(x: f32) -> f32 {
    if x.is_subnormal() {
        0.0_f32.copysign(x)
    } else {
        x
    }
}

/// The `f32` next to the exact `value` in a direction.
fn towards(value: f64, up: bool) -> f32 {
    let near = value as f32;
    match (f64::from(near) < value, f64::from(near) > value) {
        (true, _) if up => near.next_up(),
        (_, true) if !up => near.next_down(),
        _ => near,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fp32_to_nearest_is_rusts(rows in rows()) {
        check("add.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| b(f(x) + f(y)));
        check("sub.rn.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| b(f(x) - f(y)));
        check("mul.rn.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| b(f(x) * f(y)));
        check("div.rn.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| b(f(x) / f(y)));
        check("sqrt.rn.f32 %f9, %f1;", "%f9", &rows, |x, _, _, _| b(f(x).sqrt()));
        check("rcp.rn.f32 %f9, %f1;", "%f9", &rows, |x, _, _, _| b(1.0 / f(x)));
        check("fma.rn.f32 %f9, %f1, %f2, %f3;", "%f9", &rows, |x, y, z, _| b(f(x).mul_add(f(y), f(z))));
        check("fma.rn.ftz.f32 %f9, %f1, %f2, %f3;", "%f9", &rows, |x, y, z, _| {
            b(flushed(flushed(f(x)).mul_add(flushed(f(y)), flushed(f(z)))))
        });
        check("add.sat.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| {
            let sum = f(x) + f(y);
            if sum.is_nan() { 0 } else { b(sum.clamp(0.0, 1.0)) }
        });
        check("neg.f32 %f9, %f1;", "%f9", &rows, |x, _, _, _| (x & 0xffff_ffff) ^ 0x8000_0000);
        check("abs.f32 %f9, %f1;", "%f9", &rows, |x, _, _, _| x & 0x7fff_ffff);
    }

    #[test]
    fn fp32_rounds_towards_zero_and_both_ends(rows in rows()) {
        let finite = |x: u64, y: u64| f(x).is_finite() && f(y).is_finite();
        let rows: Vec<_> = rows.into_iter().filter(|r| finite(r[0], r[1]) && finite(r[2], 0)).collect();
        // A product of two is exact in 64 bits.
        check("mul.rm.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| {
            b(towards(f64::from(f(x)) * f64::from(f(y)), false))
        });
        check("mul.rp.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| {
            b(towards(f64::from(f(x)) * f64::from(f(y)), true))
        });
        check("mul.rz.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| {
            let exact = f64::from(f(x)) * f64::from(f(y));
            b(towards(exact, exact < 0.0))
        });
        // What rounding down and up of a sum gives lies around the nearest, and one apart at most.
        let down = compute("fma.rm.f32 %f9, %f1, %f2, %f3;", "%f9", &rows);
        let up = compute("fma.rp.f32 %f9, %f1, %f2, %f3;", "%f9", &rows);
        for (row, (down, up)) in rows.iter().zip(down.into_iter().zip(up)) {
            let near = f(row[0]).mul_add(f(row[1]), f(row[2]));
            prop_assert!(f(down) <= near && near <= f(up), "{row:x?}");
            let same = f(down) == f(up) || f(down).next_up() == f(up);
            prop_assert!(same, "{row:x?}: {down:x} to {up:x}");
        }
    }

    #[test]
    fn minima_leave_nans_out_and_know_negative_zero(rows in rows()) {
        let least = |x: f32, y: f32| match (x.is_nan(), y.is_nan()) {
            (true, _) => y,
            (_, true) => x,
            _ if x.total_cmp(&y).is_le() => x,
            _ => y,
        };
        check("min.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| b(least(f(x), f(y))));
        check("max.f32 %f9, %f1, %f2;", "%f9", &rows, |x, y, _, _| b(-least(-f(x), -f(y))));
    }

    #[test]
    fn comparisons_know_what_has_no_order(rows in rows()) {
        let none = |x: u64, y: u64| f(x).is_nan() || f(y).is_nan();
        let as_bit = u64::from;
        check("setp.lt.f32 %p1, %f1, %f2;", "%p1", &rows, |x, y, _, _| as_bit(f(x) < f(y)));
        check("setp.ge.f32 %p1, %f1, %f2;", "%p1", &rows, |x, y, _, _| as_bit(f(x) >= f(y)));
        check("setp.neu.f32 %p1, %f1, %f2;", "%p1", &rows, |x, y, _, _| as_bit(f(x) != f(y)));
        check("setp.ne.f32 %p1, %f1, %f2;", "%p1", &rows, |x, y, _, _| as_bit(f(x) != f(y) && !none(x, y)));
        check("setp.gtu.f32 %p1, %f1, %f2;", "%p1", &rows, |x, y, _, _| as_bit(f(x) > f(y) || none(x, y)));
        check("setp.num.f32 %p1, %f1, %f2;", "%p1", &rows, |x, y, _, _| as_bit(!none(x, y)));
        check("setp.nan.f32 %p1, %f1, %f2;", "%p1", &rows, |x, y, _, _| as_bit(none(x, y)));
    }

    #[test]
    fn fp64_is_rusts(x in any::<f64>(), y in any::<f64>(), z in -1e9..1e9) {
        let rows = [[x.to_bits(), y.to_bits(), f64::to_bits(z), 0]];
        let d = f64::from_bits;
        check("add.f64 %fd9, %fd1, %fd2;", "%fd9", &rows, |x, y, _, _| (d(x) + d(y)).to_bits());
        check("mul.rn.f64 %fd9, %fd1, %fd2;", "%fd9", &rows, |x, y, _, _| (d(x) * d(y)).to_bits());
        check("div.rn.f64 %fd9, %fd1, %fd2;", "%fd9", &rows, |x, y, _, _| (d(x) / d(y)).to_bits());
        check("fma.rn.f64 %fd9, %fd1, %fd2, %fd3;", "%fd9", &rows, |x, y, z, _| {
            d(x).mul_add(d(y), d(z)).to_bits()
        });
    }

    /// FP16 sums and products are exact in FP32, so FP32 rounded once more is the answer.
    #[test]
    fn halves_are_rounded_once(words in proptest::collection::vec(any::<[u32; 3]>(), 40)) {
        let rows: Vec<_> = words.iter().map(|[x, y, z]| [*x, *y, *z, 0].map(u64::from)).collect();
        for (ty, to_wide) in [("f16", "cvt.f32.f16"), ("bf16", "cvt.f32.bf16")] {
            for op in ["add", "sub", "mul"] {
                let direct = compute(&format!("{op}.{ty} %rs9, %rs1, %rs2;"), "%rs9", &rows);
                let by_way = compute(&format!(
                    "{to_wide} %f5, %rs1; {to_wide} %f6, %rs2; cvt.f64.f32 %fd5, %f5; cvt.f64.f32 %fd6, %f6;
                    {op}.f64 %fd7, %fd5, %fd6; cvt.rn.{ty}.f64 %rs9, %fd7;"), "%rs9", &rows);
                prop_assert_eq!(direct, by_way, "{}.{}", op, ty);
            }
            let pair = compute(&format!("fma.rn.{ty}x2 %r9, %r1, %r2, %r3;"), "%r9", &rows);
            let low = compute(&format!("fma.rn.{ty} %rs9, %rs1, %rs2, %rs3;"), "%rs9", &rows);
            let upper: Vec<_> = rows.iter().map(|r| r.map(|x| x >> 16)).collect();
            let high = compute(&format!("fma.rn.{ty} %rs9, %rs1, %rs2, %rs3;"), "%rs9", &upper);
            let joined: Vec<_> = low.iter().zip(high).map(|(l, h)| l | h << 16).collect();
            prop_assert_eq!(pair, joined);
        }
    }
}

#[test]
fn a_half_that_two_roundings_would_miss_is_rounded_once() {
    // 1 x 1 + 2^-11 + 2^-24 in FP16: just above the middle of 1 and 1 + 2^-10. Rounded to FP32 first
    // it would fall on the middle, and from there to 1.
    let third = 0x1001_u64; // 2^-11 (1 + 2^-10): the sum is above the middle by 2^-21.
    let rows = [[0x3c00, 0x3c00, third, 0], [0x3c01, 0x3c01, 0x0001, 0]];
    let found = compute("fma.rn.f16 %rs9, %rs1, %rs2, %rs3;", "%rs9", &rows);
    assert_eq!(found, [0x3c01, 0x3c02]);
}

type Function = fn(f64) -> f64;

#[test]
fn functions_are_close_to_rusts() {
    let rows: Vec<_> = (1..100_u32)
        .map(|i| [u64::from((i as f32 / 7.0).to_bits()), 0, 0, 0])
        .collect();
    let functions: [(&str, Function); 6] = [
        ("ex2.approx.ftz.f32", f64::exp2),
        ("lg2.approx.f32", f64::log2),
        ("sin.approx.f32", f64::sin),
        ("cos.approx.f32", f64::cos),
        ("rsqrt.approx.f32", |x| 1.0 / x.sqrt()),
        ("sqrt.approx.f32", f64::sqrt),
    ];
    for (op, function) in functions {
        check(&format!("{op} %f9, %f1;"), "%f9", &rows, |x, _, _, _| {
            b(function(f64::from(f(x))) as f32)
        });
    }
}
