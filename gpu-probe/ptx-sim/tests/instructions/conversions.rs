//! `cvt`: widths, signs, saturation, rounding, and the small formats.

use proptest::prelude::*;

use crate::harness::{check, compute};

fn f(x: u64) -> f32 {
    f32::from_bits(x as u32)
}

fn rows(words: Vec<u64>) -> Vec<[u64; 4]> {
    words
        .into_iter()
        .map(|w| [w, w.rotate_left(17), 0, 0])
        .collect()
}

/// A small format: bits of exponent and mantissa, and whether its top exponent holds numbers.
#[derive(Clone, Copy)]
struct Format(u32, u32, bool);

const F16: Format = Format(5, 10, false);
const BF16: Format = Format(8, 7, false);
const E4M3: Format = Format(4, 3, true);
const E5M2: Format = Format(5, 2, false);

impl Format {
    /// All finite numbers from zero up, by their bits.
    fn numbers(self) -> Vec<f64> {
        let Format(exponent, mantissa, top) = self;
        let field_end = (1 << exponent) - u64::from(!top);
        let end = (field_end << mantissa) - u64::from(top);
        let bias = (1 << (exponent - 1)) - 1;
        (0..end)
            .map(|bits| {
                let (field, low) = (bits >> mantissa, bits & ((1 << mantissa) - 1));
                let low = low as f64 / f64::from(1 << mantissa);
                match field {
                    0 => low * 2_f64.powi(1 - bias),
                    _ => (1.0 + low) * 2_f64.powi(field as i32 - bias),
                }
            })
            .collect()
    }

    /// The bits nearest to a finite number, the even ones in the middle of two.
    fn nearest(self, value: f64, finite: bool) -> u64 {
        let numbers = self.numbers();
        let Format(exponent, mantissa, _) = self;
        let sign = u64::from(value.is_sign_negative()) << (exponent + mantissa);
        let size = value.abs();
        let above = numbers.partition_point(|x| *x <= size);
        let low = above - 1;
        let last = numbers.len() - 1;
        // The number that would follow the last one, if the format went on.
        let next = numbers
            .get(above)
            .copied()
            .unwrap_or(2.0 * numbers[last] - numbers[last - 1]);
        let up = match (size - numbers[low]).total_cmp(&(next - size)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => low % 2 == 1,
        };
        let bits = (low + usize::from(up && size > numbers[low])) as u64;
        let over = bits > last as u64;
        sign | match (over, finite) {
            (false, _) => bits,
            (true, true) => last as u64,
            (true, false) => last as u64 + 1,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn integers_change_width_and_saturate(words in proptest::collection::vec(any::<u64>(), 40)) {
        let rows = rows(words);
        check("cvt.u64.u32 %rd9, %r1;", "%rd9", &rows, |x, _, _, _| u64::from(x as u32));
        check("cvt.s64.s32 %rd9, %r1;", "%rd9", &rows, |x, _, _, _| i64::from(x as i32) as u64);
        check("cvt.s32.s8 %r9, %r1;", "%r9", &rows, |x, _, _, _| u64::from(i32::from(x as i8) as u32));
        check("cvt.u16.u64 %rs9, %rd1;", "%rs9", &rows, |x, _, _, _| x & 0xffff);
        check("cvt.u32.u8 %r9, %r1;", "%r9", &rows, |x, _, _, _| x & 0xff);
        check("cvt.sat.s8.s32 %r9, %r1;", "%r9", &rows, |x, _, _, _| {
            u64::from((x as i32).clamp(-128, 127) as u32)
        });
        check("cvt.sat.u8.s32 %r9, %r1;", "%r9", &rows, |x, _, _, _| (x as i32).clamp(0, 255) as u64);
        check("cvt.sat.s32.u64 %r9, %rd1;", "%r9", &rows, |x, _, _, _| x.min(i32::MAX as u64));
        check("cvt.sat.u32.s64 %r9, %rd1;", "%r9", &rows, |x, _, _, _| {
            (x as i64).clamp(0, i64::from(u32::MAX)) as u64
        });
    }

    #[test]
    fn floats_turn_into_integers_and_saturate(words in proptest::collection::vec(any::<u32>(), 40), small in -1000_i32..1000) {
        let mut words: Vec<_> = words.into_iter().map(u64::from).collect();
        for x in [small as f32 / 8.0, 0.5, 1.5, -2.5, 3e9, -3e9, 1e20, f32::NAN, f32::INFINITY] {
            words.push(u64::from(x.to_bits()));
        }
        let rows = rows(words);
        check("cvt.rzi.s32.f32 %r9, %f1;", "%r9", &rows, |x, _, _, _| u64::from(f(x) as i32 as u32));
        check("cvt.rzi.u32.f32 %r9, %f1;", "%r9", &rows, |x, _, _, _| u64::from(f(x) as u32));
        check("cvt.rni.s32.f32 %r9, %f1;", "%r9", &rows, |x, _, _, _| {
            u64::from(f(x).round_ties_even() as i32 as u32)
        });
        check("cvt.rmi.s32.f32 %r9, %f1;", "%r9", &rows, |x, _, _, _| u64::from(f(x).floor() as i32 as u32));
        check("cvt.rpi.s64.f32 %rd9, %f1;", "%rd9", &rows, |x, _, _, _| {
            if f(x).is_nan() { 1 << 63 } else { f(x).ceil() as i64 as u64 }
        });
        check("cvt.rzi.u64.f32 %rd9, %f1;", "%rd9", &rows, |x, _, _, _| {
            if f(x).is_nan() { 1 << 63 } else { f(x) as u64 }
        });
        check("cvt.rni.f32.f32 %f9, %f1;", "%f9", &rows, |x, _, _, _| {
            if f(x).is_nan() { 0x7fff_ffff } else { u64::from(f(x).round_ties_even().to_bits()) }
        });
        check("cvt.f64.f32 %fd9, %f1;", "%fd9", &rows, |x, _, _, _| {
            if f(x).is_nan() { f64::NAN.to_bits() } else { f64::from(f(x)).to_bits() }
        });
    }

    #[test]
    fn integers_turn_into_floats(words in proptest::collection::vec(any::<u64>(), 40), shift in 0_u32..64) {
        let rows = rows(words.into_iter().map(|w| w >> shift).collect());
        let bits = |x: f32| u64::from(x.to_bits());
        check("cvt.rn.f32.s32 %f9, %r1;", "%f9", &rows, |x, _, _, _| bits(x as i32 as f32));
        check("cvt.rn.f32.u32 %f9, %r1;", "%f9", &rows, |x, _, _, _| bits(x as u32 as f32));
        check("cvt.rn.f32.u64 %f9, %rd1;", "%f9", &rows, |x, _, _, _| bits(x as f32));
        check("cvt.rn.f32.s64 %f9, %rd1;", "%f9", &rows, |x, _, _, _| bits(x as i64 as f32));
        check("cvt.rn.f64.u64 %fd9, %rd1;", "%fd9", &rows, |x, _, _, _| (x as f64).to_bits());
        check("cvt.rz.f32.u64 %f9, %rd1;", "%f9", &rows, |x, _, _, _| {
            let near = x as f32;
            let over = near >= 18_446_744_073_709_551_616.0 || near as u64 > x;
            bits(if over { near.next_down() } else { near })
        });
    }

    #[test]
    fn small_formats_get_the_nearest_number(words in proptest::collection::vec(any::<u32>(), 20), scale in -30_i32..20) {
        let mut rows = rows(words.into_iter().map(u64::from).filter(|w| f(*w).is_finite()).collect());
        for row in &mut rows {
            // Half of the inputs lie in the range of the formats.
            if row[1] & 1 == 0 {
                row[0] = u64::from((f(row[0]) % 1.0 * 2_f32.powi(scale)).to_bits());
            }
        }
        let value = |x: u64| f64::from(f(x));
        check("cvt.rn.f16.f32 %rs9, %f1;", "%rs9", &rows, |x, _, _, _| F16.nearest(value(x), false));
        check("cvt.rn.bf16.f32 %rs9, %f1;", "%rs9", &rows, |x, _, _, _| BF16.nearest(value(x), false));
        check("cvt.rn.bf16x2.f32 %r9, %f1, 0f3F800000;", "%r9", &rows, |x, _, _, _| {
            BF16.nearest(value(x), false) << 16 | 0x3f80
        });
        for (name, format) in [("e4m3", E4M3), ("e5m2", E5M2)] {
            let lines = format!("cvt.rn.satfinite.{name}x2.f32 %rs9, 0f3F800000, %f1;");
            let one = format.nearest(1.0, true);
            check(&lines, "%rs9", &rows, |x, _, _, _| one << 8 | format.nearest(value(x), true));
        }
    }
}

#[test]
fn every_number_of_a_small_format_comes_back_from_fp32() {
    for (name, format, back) in [
        ("f16", F16, "cvt.f32.f16 %f9, %rs1;"),
        ("bf16", BF16, "cvt.f32.bf16 %f9, %rs1;"),
    ] {
        let numbers = format.numbers();
        for start in (0..numbers.len()).step_by(997) {
            let rows: Vec<_> = (start..numbers.len().min(start + 64))
                .map(|bits| [bits as u64 | 0x8000, 0, 0, 0])
                .collect();
            check(back, "%f9", &rows, |bits, _, _, _| {
                u64::from((-numbers[(bits & 0x7fff) as usize] as f32).to_bits())
            });
        }
        assert!(numbers.len() > 1000, "{name}");
    }
    let rows: Vec<_> = (0..256_u64).map(|low| [0x3800 | low, 0, 0, 0]).collect();
    let pairs = compute("cvt.rn.f16x2.e4m3x2 %r9, %rs1;", "%r9", &rows);
    for (bits, pair) in pairs.into_iter().enumerate() {
        let size = E4M3.numbers().get(bits & 0x7f).copied();
        let sign = (bits as u64 >> 7) << 15;
        let wanted = size.map_or(0x7fff, |size| sign | F16.nearest(size, false));
        assert_eq!(pair, 0x3c00 << 16 | wanted, "{bits:#x}");
    }
}
