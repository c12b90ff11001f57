//! `wgmma`: a product is kept until the warp waits for it. So a kernel that reads sums too early, or
//! writes over a factor that is still in use, gets what it deserves.
//!
//! Each of the four warps works out its own 16 rows. Descriptors and layouts are those of the PTX
//! ISA's chapter on asynchronous warpgroup-level matrix instructions.

use crate::exec::control::truth;
use crate::exec::lanes::LANES;
use crate::exec::step::{Env, Outcome, Stop, stop, values};
use crate::exec::warp::Warp;
use crate::fault::FaultKind;
use crate::inst::{Elements, GroupMultiply, Int, Op};
use crate::memory::{get, range};
use crate::number::{F32, Round};

/// Bytes of k that a product takes.
const K_BYTES: usize = 32;
/// Rows of a warp.
const ROWS: usize = 16;
/// Products that a warp may have under way.
const PRODUCTS_MAX: usize = 4096;

/// A product under way: its instruction and the operands that were in registers.
#[derive(Debug, Clone, Copy)]
struct Product {
    group: u32,
    at: u32,
    a: u64,
    b: u64,
    add: bool,
}

/// The products of a warp.
#[derive(Debug, Default)]
pub(crate) struct Products {
    under_way: Vec<Product>,
    group: u32,
}

pub(crate) fn run(warp: &mut Warp, env: &mut Env<'_>, at: u32, op: &Op) -> Outcome {
    match op {
        Op::GroupMultiply(multiply) => {
            if warp.products.under_way.len() >= PRODUCTS_MAX {
                return Err(stop(0, FaultKind::StepLimit(PRODUCTS_MAX as u64)));
            }
            let product = Product {
                group: warp.products.group,
                at,
                a: values(warp, env, multiply.a)[0],
                b: values(warp, env, multiply.b)[0],
                add: truth(warp, multiply.add) & 1 == 1,
            };
            warp.products.under_way.push(product);
        }
        Op::GroupCommit => warp.products.group += 1,
        Op::GroupWait { left } => {
            let before = warp.products.group.saturating_sub(*left);
            let (done, rest) = warp
                .products
                .under_way
                .iter()
                .partition(|product| product.group < before);
            warp.products.under_way = rest;
            let done: Vec<Product> = done;
            for product in done {
                if let Op::GroupMultiply(multiply) = &env.launch.kernel.code[product.at as usize].op
                {
                    complete(warp, env, multiply, product)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn complete(warp: &mut Warp, env: &mut Env<'_>, op: &GroupMultiply, product: Product) -> Outcome {
    let first = warp.index as usize % 4 * ROWS;
    let a = rows(env, product.a, first, ROWS)?;
    let b = rows(env, product.b, 0, op.n)?;
    let encoded: Vec<u64> = match op.elements {
        Elements::Int8 {
            a_signed, b_signed, ..
        } => {
            let byte = |signed, x| Int::new(8, signed).widen(x) as i64;
            let (a, b) = (
                numbers(&a, 1, |x| byte(a_signed, x)),
                numbers(&b, 1, |x| byte(b_signed, x)),
            );
            place(warp, op, |word, row, column| {
                let sum: i64 = terms(&a, &b, K_BYTES, row, column)
                    .map(|(x, y)| x * y)
                    .sum();
                let old = if product.add {
                    i64::from(word as u32 as i32)
                } else {
                    0
                };
                op.elements.cut(old + sum)
            })
        }
        Elements::Float {
            a: a_format,
            b: b_format,
        } => {
            let size = a_format.bits() as usize / 8;
            let (a, b) = (
                numbers(&a, size, |x| a_format.decode(x)),
                numbers(&b, size, |x| b_format.decode(x)),
            );
            place(warp, op, |word, row, column| {
                let terms = terms(&a, &b, K_BYTES / size, row, column);
                let sum: f64 = terms.map(|(x, y)| x * y).sum();
                let old = if product.add { F32.decode(word) } else { 0.0 };
                F32.encode(old + sum, Round::NearestEven, false)
            })
        }
    };
    for (d, content) in op.d.iter().zip(encoded.chunks_exact(LANES)) {
        warp.registers[d.0 as usize].copy_from_slice(content);
    }
    Ok(())
}

/// The new words of all sums, lane by lane for each register, from the old word, row and column.
fn place(warp: &Warp, op: &GroupMultiply, sum: impl Fn(u64, usize, usize) -> u64) -> Vec<u64> {
    let mut out = Vec::with_capacity(op.d.len() * LANES);
    for (i, d) in op.d.iter().enumerate() {
        for (lane, word) in warp.registers[d.0 as usize].iter().enumerate() {
            let row = lane / 4 + i / 2 % 2 * 8;
            let column = i / 4 * 8 + lane % 4 * 2 + i % 2;
            out.push(sum(*word, row, column));
        }
    }
    out
}

fn terms<'n, T: Copy>(
    a: &'n [T],
    b: &'n [T],
    k: usize,
    row: usize,
    column: usize,
) -> impl Iterator<Item = (T, T)> + 'n {
    let (a, b) = (&a[row * k..][..k], &b[column * k..][..k]);
    a.iter().copied().zip(b.iter().copied())
}

fn numbers<T>(bytes: &[u8], size: usize, decode: impl Fn(u64) -> T) -> Vec<T> {
    bytes.chunks_exact(size).map(|x| decode(get(x))).collect()
}

/// 32 bytes of each of `count` rows of a factor, from row `first` on.
fn rows(
    env: &mut Env<'_>,
    descriptor: u64,
    first: usize,
    count: usize,
) -> Result<Vec<u8>, Box<Stop>> {
    let mut out = Vec::with_capacity(count * K_BYTES);
    for row in first..first + count {
        for piece in 0..K_BYTES as u64 / 16 {
            let address = address(descriptor, row as u64, piece);
            let bytes = range(&mut env.shared, address, 16).ok_or_else(|| {
                let kind = FaultKind::OutOfBounds {
                    space: "shared",
                    address,
                    bytes: 16,
                };
                stop(0, kind)
            })?;
            out.extend_from_slice(bytes);
        }
    }
    Ok(out)
}

/// Where 16 bytes of a row lie: fields of the descriptor count 16 bytes. Its top two bits choose the
/// swizzle: none, or rows of 128, 64 or 32 bytes whose pieces change places with the row.
fn address(descriptor: u64, row: u64, piece: u64) -> u64 {
    let field = |shift: u32| (descriptor >> shift & 0x3fff) * 16;
    let (start, leading, stride) = (field(0), field(16), field(32));
    let width = match descriptor >> 62 {
        0 => return start + row / 8 * stride + piece * leading + row % 8 * 16,
        1 => 128,
        2 => 64,
        _ => 32,
    };
    let linear = start + row / 8 * stride + row % 8 * width + piece * 16;
    linear ^ (linear >> 7 & (width / 16 - 1)) << 4
}
