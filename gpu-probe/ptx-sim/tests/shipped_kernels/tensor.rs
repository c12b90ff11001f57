//! Tensor instructions: matrix products of floats, and the gate of each architecture.

use tandem_ptx_sim::Arg::{U32, U64};

use crate::reference::{product, random};
use crate::setting::{Card, architectures, card};

const N: usize = 256;

/// A format by its bits of exponent and mantissa.
#[derive(Clone, Copy)]
struct Format {
    name: &'static str,
    exponent: u32,
    mantissa: u32,
}

const FORMATS: [Format; 3] = [
    Format {
        name: "f16",
        exponent: 5,
        mantissa: 10,
    },
    Format {
        name: "bf16",
        exponent: 8,
        mantissa: 7,
    },
    Format {
        name: "fp8",
        exponent: 4,
        mantissa: 3,
    },
];

impl Format {
    fn bytes(self) -> usize {
        (1 + self.exponent + self.mantissa) as usize / 8
    }

    /// The bits of a small integer.
    fn bits(self, value: i8) -> u32 {
        let bits = f32::from(value).to_bits();
        let sign = bits >> 31 << (self.exponent + self.mantissa);
        if value == 0 {
            return 0;
        }
        let exponent = (bits >> 23 & 255) - 127 + (1 << (self.exponent - 1)) - 1;
        sign | exponent << self.mantissa | (bits & 0x7f_ffff) >> (23 - self.mantissa)
    }

    fn put(self, card: &mut Card, values: &[i8]) -> u64 {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| self.bits(*value).to_le_bytes()[..self.bytes()].to_vec())
            .collect();
        card.put(&bytes)
    }
}

#[test]
fn products_of_integers_are_exact_in_every_float_format() {
    let entries = |seed| -> Vec<i8> {
        (0..(N * N) as u64)
            .map(|i| (random(seed, i) & 15) as i8 - 8)
            .collect()
    };
    let (a, b) = (entries(21), entries(22));
    let wanted = product(&a, &b, N);
    for format in FORMATS {
        for architecture in &architectures(&format!("gemm_{}", format.name)) {
            let mut card = card(&format!("gemm_{}", format.name), architecture);
            let (at, bt) = (format.put(&mut card, &a), format.put(&mut card, &b));
            let c = card.space(4 * N * N);
            let args = [U64(at), U64(bt), U64(c), U32(N as u32)];
            card.run(&format!("gemm_{}", format.name), 1, 256, &args);
            let found = card.u32s(c, N * N).into_iter().map(f32::from_bits);
            let wrong = found.zip(&wanted).position(|(x, y)| x != *y as f32);
            assert_eq!(wrong, None, "{} on sm_{architecture}", format.name);
        }
    }
}

#[test]
fn random_fills_are_numbers_of_moderate_size() {
    for format in FORMATS {
        for architecture in &architectures(&format!("gemm_{}", format.name)) {
            let mut card = card(&format!("gemm_{}", format.name), architecture);
            let count = 4001;
            let out = card.space(count * format.bytes());
            let kernel = format!("fill_{}", format.name);
            card.run(&kernel, 2, 64, &[U64(out), U64(count as u64), U64(99)]);
            let bytes = card.bytes(out, count * format.bytes());
            let per_word = 8 / format.bytes();
            let mut exponents = std::collections::BTreeSet::new();
            for (i, bits) in bytes.chunks(format.bytes()).enumerate() {
                let bits = bits
                    .iter()
                    .rev()
                    .fold(0, |all, byte| all << 8 | u64::from(*byte));
                let shift = i % per_word * 8 * format.bytes();
                let word = random(99, (i / per_word) as u64) >> shift;
                let low = (1 << format.mantissa) - 1;
                assert_eq!(bits & low, word & low, "the mantissa is the random word's");
                exponents.insert(bits >> format.mantissa & ((1 << format.exponent) - 1));
            }
            let bias = (1 << (format.exponent - 1)) - 1;
            let wanted: Vec<u64> = (bias - 3..=bias).collect();
            assert_eq!(
                exponents.into_iter().collect::<Vec<_>>(),
                wanted,
                "1/8 to below 2"
            );
        }
    }
}

#[test]
fn each_architecture_passes_its_own_gate() {
    let (seed, first_of_b) = (0xc0ff_ee11_u32, 4096);
    let entry = |index: usize| (random(u64::from(seed), index as u64) & 3) as i32 - 2;
    for architecture in &architectures("isa_gate") {
        let (m, k) = match architecture.as_str() {
            "70" => (8, 4),
            "75" => (16, 8),
            "80" | "86" | "100" => (16, 16),
            "89" | "120" => (16, 32),
            "90a" => (64, 16),
            other => panic!("sm_{other} has no gate here"),
        };
        for iterations in [1, 32, 75] {
            let mut card = card("isa_gate", architecture);
            let out = card.space(4 * m * 8);
            let args = [U32(seed), U32(iterations), U64(out)];
            card.run("isa_gate", 1, 128, &args);
            let found = card.u32s(out, m * 8);
            for (index, found) in found.into_iter().enumerate() {
                let (row, column) = (index / 8, index % 8);
                let terms = (0..k).map(|i| entry(row * k + i) * entry(first_of_b + column * k + i));
                let wanted = iterations as i32 * terms.sum::<i32>();
                assert_eq!(
                    found as i32, wanted,
                    "row {row}, column {column}, sm_{architecture}"
                );
            }
        }
    }
}
