//! `ldmatrix` and `mma.sync`: which lane holds which element, as the PTX ISA's chapter on warp-level
//! matrix instructions lays it out.

use std::ops::{Add, Mul};

use crate::exec::access::slice;
use crate::exec::lanes::Lanes;
use crate::exec::step::{Env, Outcome, stop, values};
use crate::exec::warp::Warp;
use crate::inst::{Elements, Int, MatrixMultiply, Op, Reg, Src};
use crate::memory::get;
use crate::number::{F16, F32, Round};

/// Columns of every product.
const N: usize = 8;

/// `ldmatrix`: lanes `8 i` to `8 i + 7` name the rows of matrix `i`, 16 bytes each.
pub(crate) fn load(warp: &mut Warp, env: &mut Env<'_>, op: &Op) -> Outcome {
    let Op::LoadMatrix {
        transposed,
        parts,
        at,
    } = op
    else {
        return Ok(());
    };
    let base = values(warp, env, at.base);
    let mut loaded = Vec::new();
    for matrix in 0..parts.len() {
        let mut rows = [[0; 8]; 8];
        for (row, halves) in rows.iter_mut().enumerate() {
            let lane = matrix * 8 + row;
            let address = base[lane].wrapping_add(at.offset);
            let bytes = slice(env, &mut warp.local, lane, at.space, address, 16, false);
            let bytes = bytes.map_err(|kind| stop(lane, kind))?;
            for (half, bytes) in halves.iter_mut().zip(bytes.chunks_exact(2)) {
                *half = get(bytes);
            }
        }
        let element = |row: usize, column: usize| {
            if *transposed {
                rows[column][row]
            } else {
                rows[row][column]
            }
        };
        loaded.push(std::array::from_fn(|lane| {
            let (row, column) = (lane / 4, lane % 4 * 2);
            element(row, column) | element(row, column + 1) << 16
        }));
    }
    for (part, content) in parts.iter().zip(&loaded) {
        warp.set(*part, &env.launch.kernel.register_masks, u32::MAX, content);
    }
    Ok(())
}

/// Which operand of the product.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    A,
    B,
    Sum,
}

/// Row and column of element `i` of a lane's fragment, and which of the four products of m8n8k4 it
/// belongs to. `per` is the number of elements in a register.
fn place(op: &MatrixMultiply, which: Which, per: usize, lane: usize, i: usize) -> [usize; 3] {
    if (op.m, op.k) == (8, 4) {
        return place_of_quads(op, which, per, lane, i);
    }
    let (group, in_group) = (lane / 4, lane % 4);
    let (register, within) = (i / per, i % per);
    match which {
        // Registers go down 8 rows first, then to the next columns.
        Which::A => {
            let down = if op.m == 16 { register % 2 } else { 0 };
            let across = if op.m == 16 { register / 2 } else { register };
            [
                group + 8 * down,
                in_group * per + within + across * 4 * per,
                0,
            ]
        }
        Which::B => [in_group * per + within + register * 4 * per, group, 0],
        Which::Sum => [group + 8 * (i / 2), in_group * 2 + i % 2, 0],
    }
}

/// m8n8k4: lanes 0-3 with 16-19 form one product, 4-7 with 20-23 the next, and so on.
fn place_of_quads(
    op: &MatrixMultiply,
    which: Which,
    per: usize,
    lane: usize,
    i: usize,
) -> [usize; 3] {
    let product = lane % 16 / 4;
    let high = if lane < 16 { 0 } else { 4 };
    let own = lane % 4;
    let [row, column] = match which {
        Which::A if op.a_columns => [i + high, own],
        Which::A => [own + high, i],
        Which::B if op.b_columns => [i, own + high],
        Which::B => [own, i + high],
        Which::Sum if per == 2 => [own + high, i],
        Which::Sum => [(lane & 1) + (i & 2) + high, (i & 4) + (lane & 2) + (i & 1)],
    };
    [row, column, product]
}

/// The elements of an operand, `rows x columns` for each product.
fn gather<T: Copy + Default>(
    (warp, env): (&Warp, &Env<'_>),
    op: &MatrixMultiply,
    (which, registers): (Which, &[Src]),
    (bits, columns): (u32, usize),
    decode: impl Fn(u64) -> T,
) -> Vec<T> {
    let per = (32 / bits) as usize;
    let rows = if which == Which::B { op.k } else { op.m };
    let mut out = vec![T::default(); products(op) * rows * columns];
    for (index, register) in registers.iter().enumerate() {
        let content = values(warp, env, *register);
        for (lane, word) in content.iter().enumerate() {
            for within in 0..per {
                let [row, column, product] = place(op, which, per, lane, index * per + within);
                let low = Int::new(bits, false).widen(word >> (bits as usize * within));
                out[(product * rows + row) * columns + column] = decode(low);
            }
        }
    }
    out
}

fn products(op: &MatrixMultiply) -> usize {
    if (op.m, op.k) == (8, 4) { 4 } else { 1 }
}

/// Writes the sums to the fragments of `d`.
fn scatter(
    (warp, env): (&mut Warp, &Env<'_>),
    op: &MatrixMultiply,
    bits: u32,
    encode: impl Fn(usize) -> u64,
) {
    let per = (32 / bits) as usize;
    for (index, register) in op.d.iter().enumerate() {
        let content: Lanes = std::array::from_fn(|lane| {
            (0..per).fold(0, |word, within| {
                let [row, column, product] = place(op, Which::Sum, per, lane, index * per + within);
                word | encode((product * op.m + row) * N + column) << (bits as usize * within)
            })
        });
        let d: Reg = *register;
        warp.set(d, &env.launch.kernel.register_masks, u32::MAX, &content);
    }
}

pub(crate) fn multiply(warp: &mut Warp, env: &Env<'_>, op: &MatrixMultiply) {
    match op.elements {
        Elements::Int8 {
            a_signed, b_signed, ..
        } => {
            let byte = |signed| move |x| Int::new(8, signed).widen(x) as i64;
            let a = gather(
                (warp, env),
                op,
                (Which::A, &op.a),
                (8, op.k),
                byte(a_signed),
            );
            let b = gather((warp, env), op, (Which::B, &op.b), (8, N), byte(b_signed));
            let c = gather((warp, env), op, (Which::Sum, &op.c), (32, N), |x| {
                i64::from(x as u32 as i32)
            });
            let sums = sums(op, &a, &b, c);
            scatter((warp, env), op, 32, |i| op.elements.cut(sums[i]));
        }
        Elements::Float { a, b } => {
            let sum = |half| if half { F16 } else { F32 };
            let (c, d) = (sum(op.c_half), sum(op.d_half));
            let (a_bits, b_bits) = ((a.bits(), op.k), (b.bits(), N));
            let a = gather((warp, env), op, (Which::A, &op.a), a_bits, |x| a.decode(x));
            let b = gather((warp, env), op, (Which::B, &op.b), b_bits, |x| b.decode(x));
            let c = gather((warp, env), op, (Which::Sum, &op.c), (c.bits(), N), |x| {
                c.decode(x)
            });
            let sums = sums(op, &a, &b, c);
            scatter((warp, env), op, d.bits(), |i| {
                d.encode(sums[i], Round::NearestEven, false)
            });
        }
    }
}

/// `c` with the products of rows of `a` and columns of `b` added.
fn sums<T: Copy + Add<Output = T> + Mul<Output = T>>(
    op: &MatrixMultiply,
    a: &[T],
    b: &[T],
    mut c: Vec<T>,
) -> Vec<T> {
    for product in 0..products(op) {
        for row in 0..op.m {
            for column in 0..N {
                let cell = &mut c[(product * op.m + row) * N + column];
                for k in 0..op.k {
                    let x = a[(product * op.m + row) * op.k + k];
                    let y = b[(product * op.k + k) * N + column];
                    *cell = *cell + x * y;
                }
            }
        }
    }
    c
}
