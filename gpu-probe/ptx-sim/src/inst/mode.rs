//! What an instruction does within its family: its operation, mode, state space or shape.

use crate::inst::{Float, Int, Pred, Reg, Src, Truth};
use crate::number::{Format, Round};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    AddSaturated,
    Sub,
    SubSaturated,
    Div,
    Rem,
    Min,
    Max,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    LogicalNot,
    Negate,
    Abs,
    CountOnes,
    LeadingZeros,
    Reverse,
    FindHighest,
    FindHighestShift,
}

/// Which part of a product is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Low,
    High,
    Wide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ternary {
    ExtractBits,
    Logic(u8),
    FunnelLeft {
        wrap: bool,
    },
    FunnelRight {
        wrap: bool,
    },
    Permute(Permute),
    /// Four products of bytes (or two of halves by bytes) are not told apart by the type alone.
    Dot4 {
        a_signed: bool,
        b_signed: bool,
    },
    AbsoluteDifference,
}

/// Modes of `prmt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permute {
    Index,
    Forward4,
    Backward4,
    Replicate8,
    EdgeLeft,
    EdgeRight,
    Replicate16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float2 {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    CopySign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float1 {
    Negate,
    Abs,
    Sqrt,
    Reciprocal,
    ReciprocalSqrt,
    Exp2,
    Log2,
    Sin,
    Cos,
    Tanh,
}

/// How a floating-point result is made: its type, rounding, flush of subnormals, clamp to 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FloatMode {
    pub(crate) ty: Float,
    pub(crate) round: Round,
    pub(crate) flush: bool,
    pub(crate) saturate: bool,
}

/// Comparisons. For floats `unordered` says what a NaN yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Number,
    NotANumber,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    Int(Int),
    Float {
        ty: Float,
        unordered: bool,
        flush: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

/// A type as `cvt` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Int(Int),
    F64,
    Float(Format),
}

/// `cvt`, for one value. `to_integer` rounds a float to an integral float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conversion {
    pub(crate) to: Number,
    pub(crate) from: Number,
    pub(crate) round: Round,
    pub(crate) to_integer: bool,
    pub(crate) flush: bool,
    pub(crate) saturate: bool,
    /// Overflow gives the largest finite value instead of infinity.
    pub(crate) finite: bool,
    pub(crate) relu: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Generic,
    /// Global memory; constants lie there too.
    Global,
    Shared,
    Local,
    Param,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) space: Space,
    pub(crate) base: Src,
    pub(crate) offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atomic {
    Add,
    AddF32,
    AddF64,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    CompareExchange,
    Increment,
    Decrement,
}

impl Atomic {
    /// Those that a warp can do among its lanes too, by their names.
    pub(crate) const REDUCTIONS: [(&str, Self); 6] = [
        ("add", Self::Add),
        ("min", Self::Min),
        ("max", Self::Max),
        ("and", Self::And),
        ("or", Self::Or),
        ("xor", Self::Xor),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}

/// Where a vote or a reduction over a barrier goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Pred(Pred),
    Reg(Reg),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tally {
    Count,
    All,
    Any,
}

/// What `mma.sync` multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elements {
    Int8 {
        a_signed: bool,
        b_signed: bool,
        saturate: bool,
    },
    Float {
        a: Format,
        b: Format,
    },
}

impl Elements {
    /// Bits of one element.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Int8 { .. } => 8,
            Self::Float { a, .. } => a.bits(),
        }
    }

    /// The word of an integer sum: cut, or clamped to its ends.
    pub(crate) fn cut(self, sum: i64) -> u64 {
        let clamped = sum.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
        match self {
            Self::Int8 { saturate: true, .. } => u64::from(clamped as u32),
            _ => u64::from(sum as u32),
        }
    }
}

/// `wgmma.mma_async` of 64 rows, `n` columns and 32 bytes of k: `d = a b`, or `d += a b`.
#[derive(Debug)]
pub(crate) struct GroupMultiply {
    pub(crate) n: usize,
    pub(crate) elements: Elements,
    pub(crate) d: Vec<Reg>,
    /// Descriptors of the factors in shared memory.
    pub(crate) a: Src,
    pub(crate) b: Src,
    /// Whether `d` is added to.
    pub(crate) add: Truth,
}

/// `mma.sync`: `d = a b + c` over the fragments of a warp. `n` is always 8.
#[derive(Debug)]
pub(crate) struct MatrixMultiply {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) elements: Elements,
    /// Accumulators in FP16 instead of FP32.
    pub(crate) c_half: bool,
    pub(crate) d_half: bool,
    /// Column order, for the shape m8n8k4 alone.
    pub(crate) a_columns: bool,
    pub(crate) b_columns: bool,
    pub(crate) d: Vec<Reg>,
    pub(crate) a: Vec<Src>,
    pub(crate) b: Vec<Src>,
    pub(crate) c: Vec<Src>,
}
