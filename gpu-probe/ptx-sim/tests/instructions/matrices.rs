//! `mma.sync` against plain products. Where each element lies is written here as the
//! PTX ISA's tables have it, element by element, apart from the interpreter's own formulas.

use proptest::prelude::*;

use crate::harness::{HEAD, REGISTERS, run_text};

/// Words of a lane in memory: A, B, C, D.
const A: usize = 0;
const B: usize = 4;
const C: usize = 8;
const D: usize = 16;
const WORDS: usize = 24;

type Place = fn(lane: usize, i: usize) -> (usize, usize);

struct Shape {
    instruction: &'static str,
    m: usize,
    k: usize,
    /// Bits of an element of A and B, and of C and D.
    bits: usize,
    sum_bits: usize,
    a: Place,
    b: Place,
    c: Place,
}

/// Sums of 16 rows: `c0`, `c1` in the lane's row, `c2`, `c3` eight below.
const SUMS_16: Place = |lane, i| (lane / 4 + if i < 2 { 0 } else { 8 }, lane % 4 * 2 + (i & 1));

const A_K16_HALVES: Place = |lane, i| {
    let row = if i < 2 || (4..6).contains(&i) {
        lane / 4
    } else {
        lane / 4 + 8
    };
    (row, lane % 4 * 2 + (i & 1) + if i >= 4 { 8 } else { 0 })
};
const B_K16_HALVES: Place = |lane, i| {
    (
        lane % 4 * 2 + (i & 1) + if i >= 2 { 8 } else { 0 },
        lane / 4,
    )
};
const A_K32_BYTES: Place = |lane, i| {
    let row = if i < 4 || (8..12).contains(&i) {
        lane / 4
    } else {
        lane / 4 + 8
    };
    (row, lane % 4 * 4 + (i & 3) + if i >= 8 { 16 } else { 0 })
};
const B_K32_BYTES: Place = |lane, i| {
    (
        lane % 4 * 4 + (i & 3) + if i >= 4 { 16 } else { 0 },
        lane / 4,
    )
};
const QUAD_SUMS_F32: Place = |lane, i| {
    let row = (lane & 1) + (i & 2) + if lane < 16 { 0 } else { 4 };
    (row, (i & 4) + (lane & 2) + (i & 1))
};

const SHAPES: &[Shape] = &[
    Shape {
        instruction: "m16n8k16.row.col.f32.f16.f16.f32",
        m: 16,
        k: 16,
        bits: 16,
        sum_bits: 32,
        a: A_K16_HALVES,
        b: B_K16_HALVES,
        c: SUMS_16,
    },
    Shape {
        instruction: "m16n8k16.row.col.f32.bf16.bf16.f32",
        m: 16,
        k: 16,
        bits: 16,
        sum_bits: 32,
        a: A_K16_HALVES,
        b: B_K16_HALVES,
        c: SUMS_16,
    },
    Shape {
        instruction: "m16n8k16.row.col.f16.f16.f16.f16",
        m: 16,
        k: 16,
        bits: 16,
        sum_bits: 16,
        a: A_K16_HALVES,
        b: B_K16_HALVES,
        c: SUMS_16,
    },
    Shape {
        instruction: "m16n8k8.row.col.f32.f16.f16.f32",
        m: 16,
        k: 8,
        bits: 16,
        sum_bits: 32,
        a: |lane, i| (lane / 4 + if i < 2 { 0 } else { 8 }, lane % 4 * 2 + (i & 1)),
        b: |lane, i| (lane % 4 * 2 + i, lane / 4),
        c: SUMS_16,
    },
    Shape {
        instruction: "m16n8k32.row.col.s32.s8.s8.s32",
        m: 16,
        k: 32,
        bits: 8,
        sum_bits: 32,
        a: A_K32_BYTES,
        b: B_K32_BYTES,
        c: SUMS_16,
    },
    Shape {
        instruction: "m16n8k32.row.col.f32.e4m3.e4m3.f32",
        m: 16,
        k: 32,
        bits: 8,
        sum_bits: 32,
        a: A_K32_BYTES,
        b: B_K32_BYTES,
        c: SUMS_16,
    },
    Shape {
        instruction: "m16n8k16.row.col.s32.s8.s8.s32",
        m: 16,
        k: 16,
        bits: 8,
        sum_bits: 32,
        a: |lane, i| (lane / 4 + if i < 4 { 0 } else { 8 }, lane % 4 * 4 + (i & 3)),
        b: |lane, i| (lane % 4 * 4 + i, lane / 4),
        c: SUMS_16,
    },
    Shape {
        instruction: "m8n8k16.row.col.s32.s8.s8.s32",
        m: 8,
        k: 16,
        bits: 8,
        sum_bits: 32,
        a: |lane, i| (lane / 4, lane % 4 * 4 + i),
        b: |lane, i| (lane % 4 * 4 + i, lane / 4),
        c: |lane, i| (lane / 4, lane % 4 * 2 + i),
    },
    Shape {
        instruction: "m8n8k4.row.col.f32.f16.f16.f32",
        m: 8,
        k: 4,
        bits: 16,
        sum_bits: 32,
        a: |lane, i| (lane % 4 + if lane < 16 { 0 } else { 4 }, i),
        b: |lane, i| (i, lane % 4 + if lane < 16 { 0 } else { 4 }),
        c: QUAD_SUMS_F32,
    },
    Shape {
        instruction: "m8n8k4.col.row.f32.f16.f16.f32",
        m: 8,
        k: 4,
        bits: 16,
        sum_bits: 32,
        a: |lane, i| (i + if lane < 16 { 0 } else { 4 }, lane % 4),
        b: |lane, i| (lane % 4, i + if lane < 16 { 0 } else { 4 }),
        c: QUAD_SUMS_F32,
    },
    Shape {
        instruction: "m8n8k4.row.col.f16.f16.f16.f16",
        m: 8,
        k: 4,
        bits: 16,
        sum_bits: 16,
        a: |lane, i| (lane % 4 + if lane < 16 { 0 } else { 4 }, i),
        b: |lane, i| (i, lane % 4 + if lane < 16 { 0 } else { 4 }),
        c: |lane, i| (lane % 4 + if lane < 16 { 0 } else { 4 }, i),
    },
];

impl Shape {
    fn products(&self) -> usize {
        if (self.m, self.k) == (8, 4) { 4 } else { 1 }
    }

    /// Which of the four products of m8n8k4 a lane works for.
    fn product(&self, lane: usize) -> usize {
        lane % 16 / 4 % self.products()
    }

    fn words(&self, elements: usize, bits: usize) -> usize {
        elements * self.products() * bits / 32 / 32
    }

    fn types(&self) -> Vec<&str> {
        self.instruction.split('.').skip(3).collect()
    }

    /// Runs the instruction on the words of all lanes.
    fn run(&self, lanes: &[[u32; WORDS]; 32]) -> Vec<[u32; WORDS]> {
        let list = |first: usize, count: usize| {
            let names: Vec<_> = (first..first + count).map(|i| format!("%r{i}")).collect();
            format!("{{{}}}", names.join(", "))
        };
        let (a, b) = (
            self.words(self.m * self.k, self.bits),
            self.words(self.k * 8, self.bits),
        );
        let c = self.words(self.m * 8, self.sum_bits);
        let mut text = format!(
            "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r39, %laneid;
    mul.wide.u32 %rd1, %r39, {};
    add.u64 %rd19, %rd19, %rd1;\n",
            4 * WORDS
        );
        for (first, count) in [(A, a), (B, b), (C, c)] {
            for i in first..first + count {
                text += &format!("    ld.global.u32 %r{i}, [%rd19+{}];\n", 4 * i);
            }
        }
        text += &format!(
            "    mma.sync.aligned.{} {}, {}, {}, {};\n",
            self.instruction,
            list(D, c),
            list(A, a),
            list(B, b),
            list(C, c)
        );
        for i in D..D + c {
            text += &format!("    st.global.u32 [%rd19+{}], %r{i};\n", 4 * i);
        }
        text += "    ret;\n}";
        let memory: Vec<u64> = lanes
            .as_flattened()
            .chunks(2)
            .map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32)
            .collect();
        let found = run_text(&text, 32, &memory).unwrap();
        let words: Vec<u32> = found
            .iter()
            .flat_map(|w| [*w as u32, (*w >> 32) as u32])
            .collect();
        words
            .chunks(WORDS)
            .map(|lane| lane.try_into().unwrap())
            .collect()
    }
}

/// The bits of a small integer in a type.
fn encode(ty: &str, value: i32) -> u32 {
    let small = |exponent: u32, mantissa: u32| {
        let bits = (value as f32).to_bits();
        let size = match value {
            0 => 0,
            _ => {
                let field = (bits >> 23 & 255) - 127 + (1 << (exponent - 1)) - 1;
                field << mantissa | (bits & 0x7f_ffff) >> (23 - mantissa)
            }
        };
        bits >> 31 << (exponent + mantissa) | size
    };
    match ty {
        "f16" => small(5, 10),
        "bf16" => small(8, 7),
        "e4m3" => small(4, 3),
        "f32" => (value as f32).to_bits(),
        "s8" => u32::from(value as u8),
        _ => value as u32,
    }
}

/// Puts elements into the registers of the lanes.
fn fill(
    lanes: &mut [[u32; WORDS]; 32],
    first: usize,
    (words, bits): (usize, usize),
    element: impl Fn(usize, usize) -> u32,
) {
    let per = 32 / bits;
    for (lane, registers) in lanes.iter_mut().enumerate() {
        for i in 0..words * per {
            registers[first + i / per] |= element(lane, i) << (bits * (i % per));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_of_every_shape_are_the_plain_ones(seed in any::<u64>()) {
        for shape in SHAPES {
            let (m, k) = (shape.m, shape.k);
            let types = shape.types();
            let entry = |which: u64, product: usize, row: usize, column: usize| {
                let place = which << 40 | (product << 20 | row << 10 | column) as u64;
                let mixed = (seed ^ place).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
                (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 60) as i32 - 8
            };
            let mut lanes = [[0; WORDS]; 32];
            let a_words = shape.words(m * k, shape.bits);
            let b_words = shape.words(k * 8, shape.bits);
            let c_words = shape.words(m * 8, shape.sum_bits);
            fill(&mut lanes, A, (a_words, shape.bits), |lane, i| {
                let (row, column) = (shape.a)(lane, i);
                encode(types[1], entry(0, shape.product(lane), row, column))
            });
            fill(&mut lanes, B, (b_words, shape.bits), |lane, i| {
                let (row, column) = (shape.b)(lane, i);
                encode(types[2], entry(1, shape.product(lane), row, column))
            });
            fill(&mut lanes, C, (c_words, shape.sum_bits), |lane, i| {
                let (row, column) = (shape.c)(lane, i);
                encode(types[3], entry(2, shape.product(lane), row, column))
            });
            let mut wanted = lanes;
            fill(&mut wanted, D, (c_words, shape.sum_bits), |lane, i| {
                let (row, column) = (shape.c)(lane, i);
                let product = shape.product(lane);
                let terms = (0..k).map(|x| entry(0, product, row, x) * entry(1, product, x, column));
                encode(types[0], entry(2, product, row, column) + terms.sum::<i32>())
            });
            prop_assert_eq!(shape.run(&lanes), wanted.to_vec(), "{}", shape.instruction);
        }
    }
}

#[test]
fn a_saturating_product_stops_at_the_ends() {
    for (instruction, wanted) in [
        ("m8n8k16.row.col.satfinite.s32.s8.s8.s32", i32::MAX as u32),
        (
            "m8n8k16.row.col.s32.s8.s8.s32",
            (i32::MAX as u32).wrapping_add(16 * 4),
        ),
    ] {
        let shape = Shape {
            instruction,
            ..SHAPES[7]
        };
        let mut lane = [0; WORDS];
        lane[A] = 0x0202_0202;
        lane[B] = 0x0202_0202;
        lane[C] = i32::MAX as u32;
        let found = shape.run(&[lane; 32]);
        assert!(
            found
                .iter()
                .all(|lane| lane[D] == wanted && lane[D + 1] == 64),
            "{instruction}"
        );
    }
}
