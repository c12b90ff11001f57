//! Instructions as they are run: every register, label, type and modifier resolved when the text is
//! read, so that nothing is looked up by name at run time.

mod mode;
mod op;

use crate::number::Format;

pub(crate) use mode::{
    Address, Atomic, Binary, Compare, Compared, Conversion, Elements, Float1, Float2, FloatMode,
    GroupMultiply, Logic, MatrixMultiply, Number, Part, Permute, Shuffle, Space, Tally, Ternary,
    Unary, Verdict, Vote,
};
pub(crate) use op::Op;

/// An instruction, the predicate it depends on, and its line in the text.
#[derive(Debug)]
pub(crate) struct Inst {
    pub(crate) guard: Option<Test>,
    pub(crate) op: Op,
    pub(crate) line: u32,
}

/// A predicate register, read as it is or negated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Test {
    pub(crate) predicate: Pred,
    pub(crate) negated: bool,
}

/// The index of a register of up to 64 bits. Register 0 takes what nobody reads (`_`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reg(pub(crate) u32);

/// The index of a predicate register. Predicate 0 takes what nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pred(pub(crate) u32);

/// Where an operand's value comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Src {
    Reg(Reg),
    Value(u64),
    Special(Special),
    /// An address within the module's variables in global memory.
    Module(u64),
}

/// A predicate operand of the logic instructions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Truth {
    Test(Test),
    Constant(bool),
}

/// Special registers. The axis is 0 for x, 1 for y, 2 for z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    ThreadIndex(u8),
    BlockSize(u8),
    BlockIndex(u8),
    GridSize(u8),
    Lane,
    Warp,
    WarpCount,
    Sm,
    SmCount,
    GridId,
    Clock,
    ClockHigh,
    Timer,
    TimerLow,
    TimerHigh,
    LaneMask(Order),
    WarpSize,
    DynamicShared,
    TotalShared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// An integer type: 8, 16, 32 or 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Int {
    pub(crate) bits: u32,
    pub(crate) signed: bool,
}

impl Int {
    pub(crate) const fn new(bits: u32, signed: bool) -> Self {
        Self { bits, signed }
    }

    /// All ones in the type's width.
    pub(crate) const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    /// The value of the low bits, extended to 64 bits by zeros or by the sign.
    pub(crate) const fn widen(self, value: u64) -> u64 {
        let shift = 64 - self.bits;
        if self.signed {
            (((value << shift) as i64) >> shift) as u64
        } else {
            value & self.mask()
        }
    }
}

/// A floating-point type of arithmetic instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    F32,
    F64,
    /// A 16-bit format; `pair` for two of them in 32 bits.
    Half {
        format: Format,
        pair: bool,
    },
}
